// editor.ts - the open files: tabs, one view, what is not saved, and what to do when a file changed
// meanwhile.

import type { EditorState } from '@codemirror/state';
import type { EditorView } from '@codemirror/view';

import { ask, toast } from './dialog';
import { h, icon, say } from './dom';
import { Drafts } from './drafts';
import { Extensions, makeView, type EditorKeys } from './editor_view';
import type { Files } from './files';
import { RpcError, isGone } from './socket';
import { Tabs } from './tabs';
import { baseName, within, wordsOfError } from './words';

interface Open {
        path: string;
        state: EditorState;
        scroll: number;
        saved: EditorState['doc'];
        etag: string;
        writable: boolean;
        gone: boolean; // it is not on the server any more
        behind: boolean; // the server has another, which is read once nothing here is unsaved
        saving: Promise<boolean> | undefined;
}

export interface EditorEvents extends EditorKeys {
        shown(path: string): void; // "" for none
        changed(): void; // what is open, unsaved or shown
}

const OPEN_MAX = 24;

export class Editor {
        readonly element: HTMLElement;
        private readonly open_: Open[] = [];
        private current: Open | undefined;
        private readonly host = h('div', { class: 'editor-host' });
        private readonly empty: HTMLElement;
        private readonly view: EditorView;
        private readonly extensions: Extensions;
        private readonly tabs: Tabs;
        private readonly drafts = new Drafts();

        constructor(
                private readonly files: Files,
                private readonly events: EditorEvents,
                empty: HTMLElement,
        ) {
                this.empty = empty;
                this.tabs = new Tabs('Open files', {
                        pick: (path) => this.show(this.find(path)),
                        close: (path) => void this.close(path),
                });
                this.element = h(
                        'section',
                        { class: 'editor', 'aria-label': 'Editor' },
                        this.tabs.element,
                        this.host,
                        empty,
                );
                this.view = makeView(this.host);
                this.extensions = new Extensions(events, () => this.edited());
                this.draw();
        }

        get path(): string {
                return this.current?.path ?? '';
        }

        get paths(): string[] {
                return this.open_.map((o) => o.path);
        }

        get unsaved(): string[] {
                return this.open_.filter((o) => this.isUnsaved(o)).map((o) => o.path);
        }

        focus(): void {
                this.view.focus();
        }

        async open(path: string, focus = true): Promise<boolean> {
                let o = this.find(path);
                if (!o)
                        try {
                                o = await this.load(path);
                        } catch (e) {
                                toast(`${baseName(path)} cannot be opened. ${wordsOfError(e)}`);
                                return false;
                        }
                this.show(o);
                if (focus) this.focus();
                return true;
        }

        // True: what is in the editor stands on the server.
        async save(path = this.path): Promise<boolean> {
                const o = this.find(path);
                if (!o) return true;
                if (!this.isUnsaved(o) && !o.gone)
                        return this.catchUp(o).then(
                                () => true,
                                (e) => (toast(wordsOfError(e)), false),
                        );
                o.saving ??= this.write(o, o.gone ? '' : o.etag).finally(
                        () => (o.saving = undefined),
                );
                return o.saving;
        }

        async close(path: string): Promise<void> {
                const o = this.find(path);
                if (!o) return;
                if (this.isUnsaved(o)) {
                        const what = await ask(
                                `Save ${baseName(path)} before it is closed?`,
                                'What you have changed is not on the server yet.',
                                [
                                        { label: 'Cancel', value: 'stay' },
                                        {
                                                label: 'Throw the changes away',
                                                value: 'drop',
                                                tone: 'danger',
                                        },
                                        { label: 'Save', value: 'save', tone: 'primary' },
                                ],
                        );
                        if (what !== 'drop' && (what !== 'save' || !(await this.save(path))))
                                return;
                }
                this.forget(o);
        }

        moved(from: string, to: string): void {
                for (const o of this.open_)
                        if (within(o.path, from)) {
                                this.drafts.drop(o.path);
                                o.path = to + o.path.slice(from.length);
                                o.gone = false;
                                this.keepDraft(o);
                        }
                this.draw();
        }

        removed(path: string): void {
                for (const o of [...this.open_])
                        if (within(o.path, path)) {
                                this.drafts.drop(o.path);
                                this.forget(o);
                        }
        }

        // Someone else, or a program, may have written: what is not being edited here is read
        // again.
        async refresh(): Promise<void> {
                for (const o of [...this.open_]) {
                        if (o.saving) continue;
                        const path = o.path;
                        try {
                                const now = await this.files.stat(path);
                                if (!this.isThere(o, path)) continue;
                                o.gone = false;
                                o.behind = now.etag !== o.etag;
                                await this.catchUp(o);
                        } catch (e) {
                                if (this.isThere(o, path) && isGone(e)) o.gone = true;
                        }
                }
                this.draw();
        }

        forgetDrafts(): void {
                this.drafts.clear();
        }

        private find(path: string): Open | undefined {
                return this.open_.find((o) => o.path === path);
        }

        private now(o: Open): EditorState {
                return o === this.current ? this.view.state : o.state;
        }

        // It may have been closed, or moved, while the server was asked.
        private isThere(o: Open, path: string): boolean {
                return o.path === path && this.open_.includes(o);
        }

        private isUnsaved(o: Open): boolean {
                return !this.now(o).doc.eq(o.saved);
        }

        private async load(path: string): Promise<Open> {
                const [content, stat] = await Promise.all([
                        this.files.read(path),
                        this.files.stat(path),
                ]);
                const state = this.fresh(path, content.text, stat.writable);
                const o: Open = {
                        path,
                        state,
                        scroll: 0,
                        saved: state.doc,
                        etag: content.etag,
                        writable: stat.writable,
                        gone: false,
                        behind: false,
                        saving: undefined,
                };
                const draft = this.drafts.of(path);
                if (draft !== undefined && stat.writable) {
                        o.state = this.fresh(path, draft.text, true);
                        o.etag = draft.etag; // saving notices if the file went on meanwhile
                }
                const twin = this.find(path); // asked for twice before the answer
                if (twin) return twin;
                this.open_.push(o);
                const oldest = this.open_.find(
                        (p) => p !== o && p !== this.current && !this.isUnsaved(p),
                );
                if (this.open_.length > OPEN_MAX && oldest) this.forget(oldest);
                return o;
        }

        private fresh(path: string, text: string, writable: boolean): EditorState {
                const crlf = text.split('\r\n').length - 1,
                        lf = text.split('\n').length - 1 - crlf;
                return this.extensions.state(
                        baseName(path),
                        text,
                        crlf > lf ? '\r\n' : '\n',
                        writable,
                );
        }

        private show(o: Open | undefined): void {
                if (o === this.current) return this.draw();
                if (this.current) {
                        this.current.state = this.view.state;
                        this.current.scroll = this.view.scrollDOM.scrollTop;
                }
                this.current = o;
                this.draw();
                if (o) {
                        this.view.setState(o.state);
                        this.view.scrollDOM.scrollTop = o.scroll;
                }
                this.events.shown(this.path);
        }

        private forget(o: Open): void {
                const at = this.open_.indexOf(o);
                if (at < 0) return;
                this.open_.splice(at, 1);
                this.drafts.drop(o.path);
                if (o === this.current) {
                        this.current = undefined;
                        this.show(this.open_[Math.min(at, this.open_.length - 1)]);
                        this.events.shown(this.path);
                }
                this.draw();
        }

        private edited(): void {
                const o = this.current;
                if (o) {
                        this.keepDraft(o);
                        void this.catchUp(o).catch(() => {}); // it stays behind
                }
                this.draw();
        }

        private keepDraft(o: Open): void {
                if (this.isUnsaved(o))
                        this.drafts.keep(o.path, () => ({ text: this.textOf(o), etag: o.etag }));
                else this.drafts.drop(o.path);
        }

        private textOf(o: Open): string {
                const state = this.now(o);
                return state.sliceDoc();
        }

        private draw(): void {
                this.host.hidden = !this.current;
                this.empty.hidden = !!this.current;
                this.tabs.set(
                        this.open_.map((o) => ({
                                key: o.path,
                                label: baseName(o.path),
                                title: o.path + (o.writable ? '' : ' (read-only)'),
                                dot: this.isUnsaved(o) || o.gone ? 'unsaved' : '',
                                note: o.gone
                                        ? 'not on the server any more'
                                        : this.isUnsaved(o)
                                          ? 'not saved'
                                          : '',
                        })),
                        this.path,
                );
                this.events.changed();
        }

        private async write(o: Open, etag: string | null): Promise<boolean> {
                const doc = this.now(o).doc,
                        text = this.textOf(o);
                try {
                        const r = await this.files.write(o.path, text, etag);
                        this.stands(o, doc, r.etag);
                        say(`${baseName(o.path)} saved`);
                        return true;
                } catch (e) {
                        if (
                                e instanceof RpcError &&
                                ['conflict', 'exists', 'not_found'].includes(e.code)
                        )
                                return this.conflict(o, doc, text);
                        toast(`${baseName(o.path)} was not saved. ${wordsOfError(e)}`);
                        return false;
                }
        }

        private stands(o: Open, doc: EditorState['doc'], etag: string): void {
                if (!this.open_.includes(o)) return; // closed meanwhile: what its path has is another's
                o.behind = false;
                o.saved = doc;
                o.etag = etag;
                o.gone = false;
                this.keepDraft(o);
                this.draw();
        }

        // Not necessarily somebody else: the answer to our own last save may have been lost on its
        // way.
        private async conflict(o: Open, doc: EditorState['doc'], text: string): Promise<boolean> {
                const there = await this.files.read(o.path).catch((e) => e as Error);
                if (!(there instanceof Error) && there.text === text) {
                        this.stands(o, doc, there.etag);
                        return true;
                }
                if (!this.open_.includes(o)) return false; // closed meanwhile
                const gone = isGone(there);
                const name = baseName(o.path);
                const what = await ask(
                        gone ? `${name} was deleted or moved` : `${name} was changed elsewhere`,
                        gone
                                ? 'It is not on the server any more. You can write it again with what is in the editor.'
                                : 'Since you opened it, it was saved from another window, by a program, or by someone else. ' +
                                          'Only one of the two can stay.',
                        [
                                { label: 'Decide later', value: 'later' },
                                ...(gone
                                        ? []
                                        : [
                                                  {
                                                          label: 'Take the one on the server',
                                                          value: 'reload',
                                                          tone: 'danger' as const,
                                                  },
                                          ]),
                                {
                                        label: gone ? 'Write it again' : 'Keep mine',
                                        value: 'mine',
                                        tone: 'primary',
                                },
                        ],
                );
                if (what === 'reload') {
                        await this.reload(o, true).catch((e) => toast(wordsOfError(e)));
                        return !this.isUnsaved(o);
                }
                return what === 'mine' ? this.write(o, gone ? '' : null) : false;
        }

        // What the server has instead, unless there is something here that it does not have.
        private async catchUp(o: Open): Promise<void> {
                if (o.behind && !o.saving && !this.isUnsaved(o)) await this.reload(o, false);
        }

        // Over what is not saved only if that is asked for, and never over what is typed, or saved, meanwhile.
        private async reload(o: Open, over: boolean): Promise<void> {
                const { path, etag } = o,
                        doc = this.now(o).doc;
                const content = await this.files.read(path);
                if (!this.isThere(o, path) || o.etag !== etag) return;
                if (over ? this.now(o).doc !== doc : o.saving || this.isUnsaved(o)) return;
                o.behind = false;
                const state = this.now(o);
                const fresh = this.fresh(o.path, content.text, o.writable);
                if (fresh.lineBreak === state.lineBreak) {
                        // undo still works
                        const at = Math.min(state.selection.main.head, fresh.doc.length);
                        const t = state.update({
                                changes: { from: 0, to: state.doc.length, insert: fresh.doc },
                                selection: { anchor: at },
                        });
                        o.saved = fresh.doc;
                        if (o === this.current) this.view.dispatch(t);
                        else o.state = t.state;
                } else {
                        o.saved = fresh.doc;
                        o.state = fresh;
                        if (o === this.current) this.view.setState(fresh);
                }
                o.etag = content.etag;
                o.gone = false;
                this.keepDraft(o);
                this.draw();
        }
}

export function emptyEditor(newFile: () => void): HTMLElement {
        return h(
                'div',
                { class: 'empty' },
                h('p', { class: 'empty-title' }, 'No file is open'),
                h('p', {}, 'Pick one on the left, or begin a new one.'),
                h(
                        'button',
                        { type: 'button', class: 'button primary', onclick: newFile },
                        icon('newfile'),
                        'New file',
                ),
                h(
                        'dl',
                        { class: 'keys' },
                        ...[
                                ['Ctrl S', 'save'],
                                ['Ctrl Enter', 'run'],
                                ['Ctrl .', 'stop'],
                                ['Ctrl F', 'find'],
                                ['Ctrl Shift `', 'new terminal'],
                                ['F6', 'next part of the page'],
                        ].flatMap(([key, what]) => [
                                h('dt', {}, ...key!.split(' ').map((k) => h('kbd', {}, k))),
                                h('dd', {}, what!),
                        ]),
                ),
        );
}
