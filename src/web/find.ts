// find.ts - a bar over a terminal that finds text in it: Enter on, Shift-Enter back, Escape closes.

import { h, iconButton, say } from './dom';
import type { Terminal } from './terminal';

export class FindBar {
        private readonly field = h('input', {
                type: 'text',
                class: 'find-field',
                'aria-label': 'Find in the terminal',
                placeholder: 'Find',
                spellcheck: false,
                oninput: () => this.look(false, false),
                onkeydown: (e: KeyboardEvent) => this.key(e),
        });
        private readonly bar: HTMLElement;

        constructor(
                parent: HTMLElement,
                private readonly terminal: Terminal,
        ) {
                this.bar = h(
                        'div',
                        { class: 'find', role: 'search', hidden: true },
                        this.field,
                        iconButton('up', 'The one before', () => this.look(true)),
                        iconButton('down', 'The next one', () => this.look(false)),
                        iconButton('close', 'Close', () => this.close()),
                );
                parent.append(this.bar);
        }

        open(): void {
                this.bar.hidden = false;
                this.field.focus();
                this.field.select();
        }

        private close(): void {
                this.bar.hidden = true;
                this.terminal.focus();
        }

        private look(back: boolean, aloud = true): void {
                const there = !this.field.value || this.terminal.find(this.field.value, back);
                if (there) this.field.removeAttribute('aria-invalid');
                else this.field.setAttribute('aria-invalid', 'true');
                if (!there && aloud) say(`${this.field.value} is not there`);
        }

        private key(e: KeyboardEvent): void {
                if (e.key === 'Enter') this.look(e.shiftKey);
                else if (e.key === 'Escape') this.close();
                else return;
                e.preventDefault();
                e.stopPropagation();
        }
}
