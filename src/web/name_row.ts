// name_row.ts - the row of the tree in which a name is typed: of a new file or folder, or a new
// one.

import { toast } from './dialog';
import { h, icon } from './dom';
import { nameProblem } from './files';

export type Naming = 'file' | 'dir' | 'rename';

const LABELS = {
        rename: 'New name',
        file: 'Name of the new file',
        dir: 'Name of the new folder',
};
const HINTS = { rename: '', file: 'name.py', dir: 'name' };

export interface NameRowOptions {
        what: Naming;
        old: string;
        depth: number;
        take(name: string): Promise<string | undefined>; // what went wrong, in words
        leave(byKey: boolean): void; // nothing was named, or it would not do
}

export class NameRow {
        readonly element: HTMLElement;
        moved = false; // while it is put elsewhere it loses the focus, which then means nothing
        private over = false;
        private readonly input: HTMLInputElement;
        private readonly problem = h('p', { class: 'row-problem', role: 'alert' });

        constructor(private readonly o: NameRowOptions) {
                this.input = h('input', {
                        class: 'row-input',
                        value: o.old,
                        'aria-label': LABELS[o.what],
                        spellcheck: false,
                        autocomplete: 'off',
                        placeholder: HINTS[o.what],
                        onkeydown: (e: KeyboardEvent) => this.key(e),
                        onblur: () => this.moved || !document.hasFocus() || void this.done(false),
                });
                this.element = h(
                        'li',
                        { class: 'row typing', role: 'none' },
                        h('span', { class: 'row-twist' }),
                        icon(o.what === 'dir' ? 'folder' : 'file'),
                        this.input,
                        this.problem,
                );
                this.element.style.setProperty('--depth', String(o.depth));
        }

        focus(): void {
                this.input.focus();
        }

        // A new name mostly keeps its ending.
        select(): void {
                const dot = this.o.old.lastIndexOf('.');
                this.input.focus();
                this.input.setSelectionRange(0, dot > 0 ? dot : this.o.old.length);
        }

        private key(e: KeyboardEvent): void {
                e.stopPropagation();
                if (e.key === 'Enter') void this.done(true);
                else if (e.key === 'Escape') this.end(true);
        }

        private end(byKey: boolean): void {
                this.over = true;
                this.o.leave(byKey);
        }

        // Enter, or the focus went elsewhere: a name that will not do stays only where it can be
        // mended.
        private async done(byKey: boolean): Promise<void> {
                const name = this.input.value.trim();
                if (this.over || this.input.readOnly) return;
                if (!name || name === this.o.old) return this.end(byKey);
                this.input.readOnly = true;
                const words = nameProblem(name) ?? (await this.o.take(name));
                this.input.readOnly = false;
                if (!words) {
                        this.over = true;
                } else if (byKey) {
                        this.problem.textContent = words;
                        this.input.setAttribute('aria-invalid', 'true');
                } else {
                        this.end(false);
                        toast(words);
                }
        }
}
