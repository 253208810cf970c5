// terminal.ts - one xterm.js: draws, is typed into, knows its size and the colours of the page.

import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal as Xterm, type ITheme } from '@xterm/xterm';

import { h } from './dom';
import { Kind } from './socket';
import { MONO, isDark, onThemeChange } from './theme';
import { replaceInlineStyles } from './xterm_dom';

replaceInlineStyles();

const LIGHT: ITheme = {
        background: '#fffefa',
        foreground: '#22282b',
        cursor: '#0b6b5d',
        cursorAccent: '#fffefa',
        selectionBackground: '#cfe4dc',
        selectionInactiveBackground: '#e6e2d6',
        black: '#22282b',
        red: '#b3372b',
        green: '#3d7a1f',
        yellow: '#8a5a08',
        blue: '#1b5fa8',
        magenta: '#93366b',
        cyan: '#0b6b5d',
        white: '#77736a',
        brightBlack: '#6a7072',
        brightRed: '#c9483a',
        brightGreen: '#4b8f29',
        brightYellow: '#a3700f',
        brightBlue: '#2d76c4',
        brightMagenta: '#ab4a82',
        brightCyan: '#128273',
        brightWhite: '#4d4b45',
        scrollbarSliderBackground: '#22282b26',
        scrollbarSliderHoverBackground: '#22282b40',
        scrollbarSliderActiveBackground: '#22282b59',
};
const DARK: ITheme = {
        background: '#171d20',
        foreground: '#e4e6df',
        cursor: '#57c3ab',
        cursorAccent: '#171d20',
        selectionBackground: '#2b4a45',
        selectionInactiveBackground: '#2a3235',
        black: '#2c3639',
        red: '#f08a7c',
        green: '#a5d06f',
        yellow: '#e3b05a',
        blue: '#7fb8f0',
        magenta: '#e58fb0',
        cyan: '#57c3ab',
        white: '#e4e6df',
        brightBlack: '#87918e',
        brightRed: '#f6a89d',
        brightGreen: '#bbdf90',
        brightYellow: '#efc883',
        brightBlue: '#a3ccf5',
        brightMagenta: '#eeb0c8',
        brightCyan: '#83d6c2',
        brightWhite: '#fbfbf7',
        scrollbarSliderBackground: '#e4e6df26',
        scrollbarSliderHoverBackground: '#e4e6df40',
        scrollbarSliderActiveBackground: '#e4e6df59',
};

// What a terminal says of itself when it is asked: attributes, cursor, modes, colours, focus.
const ANSWER = /^\x1b(\[[?>=]?[\d;]*(c|n|R|\$y|t|I|O)|\](4|1\d);|P[01][$!|]|P>\|)/;

const RESET = new TextEncoder().encode('\x1bc');
const RED = new TextEncoder().encode('\x1b[31m');
const PLAIN = new TextEncoder().encode('\x1b[39m');

export class Terminal {
        readonly element = h('div', { class: 'terminal-box' });
        ontype: (bytes: Uint8Array) => void = () => {};
        onresize: (cols: number, rows: number) => void = () => {};
        ontitle: (title: string) => void = () => {};
        onbell: () => void = () => {};
        onfind: () => void = () => {}; // the key for it was pressed

        private readonly x: Xterm;
        private readonly fit = new FitAddon();
        private readonly search = new SearchAddon();
        private readonly forgetTheme: () => void;
        private readonly watcher: ResizeObserver;
        private past = false;
        private held: { cols: number; rows: number } | undefined; // the size is another's

        // label: for screen readers. Must be in the page and visible, so that its size is known.
        constructor(parent: HTMLElement, label: string) {
                parent.append(this.element);
                this.element.setAttribute('aria-label', label);
                this.x = new Xterm({
                        allowProposedApi: false,
                        cursorBlink: true,
                        fontFamily: MONO,
                        fontSize: 13,
                        lineHeight: 1.25,
                        linkHandler: { activate: (_e, uri) => follow(uri) },
                        minimumContrastRatio: 4.5,
                        scrollback: 10_000,
                        theme: isDark() ? DARK : LIGHT,
                });
                this.x.loadAddon(this.fit);
                this.x.loadAddon(this.search);
                this.x.loadAddon(new WebLinksAddon((_e, uri) => follow(uri)));
                this.x.open(this.element);
                this.fit.fit();
                const encoder = new TextEncoder();
                this.x.onData((text) => this.typed(text, encoder.encode(text)));
                this.x.onBinary((text) =>
                        this.ontype(Uint8Array.from(text, (c) => c.charCodeAt(0))),
                );
                this.x.onTitleChange((title) => this.ontitle(title));
                this.x.onBell(() => this.past || this.onbell());
                this.x.onResize(({ cols, rows }) => this.onresize(cols, rows));
                this.x.attachCustomKeyEventHandler((e) => this.key(e));
                this.watcher = new ResizeObserver(() => this.refit());
                this.watcher.observe(this.element);
                this.forgetTheme = onThemeChange(
                        (dark) => (this.x.options.theme = dark ? DARK : LIGHT),
                );
        }

        get size(): { cols: number; rows: number } {
                return { cols: this.x.cols, rows: this.x.rows };
        }

        focus(): void {
                this.x.focus();
        }

        write(kind: number, bytes: Uint8Array, done: () => void): void {
                // No one opens a run that shows such data yet.
                if (kind === Kind.display) return this.x.write('', done);
                if (kind === Kind.stderr) {
                        this.x.write(RED);
                        this.x.write(bytes);
                        return this.x.write(PLAIN, done);
                }
                this.x.write(bytes, done);
        }

        // The screen as it is now, in place of what is there: one write, so that nothing is seen in between.
        redraw(bytes: Uint8Array, done: () => void): void {
                const all = new Uint8Array(RESET.length + bytes.length);
                all.set(RESET);
                all.set(bytes, RESET.length);
                this.x.write(all, done);
        }

        // False: it is not there. Again: the next one.
        find(text: string, back = false): boolean {
                return back ? this.search.findPrevious(text) : this.search.findNext(text);
        }

        // Only looked at; then it has the size of whoever drives.
        set readOnly(on: boolean) {
                this.x.options.disableStdin = on;
                this.x.options.cursorInactiveStyle = on ? 'none' : 'outline';
                this.x.textarea?.setAttribute('aria-readonly', String(on));
                this.element.classList.toggle('read-only', on);
                if (!on && this.held) {
                        this.held = undefined;
                        this.refit();
                }
        }

        hold(cols: number, rows: number): void {
                this.held = { cols, rows };
                this.refit();
        }

        // A line of ours, told apart from the program's.
        remark(text: string): void {
                const start = this.x.buffer.active.cursorX ? '\r\n' : '';
                this.x.write(`${start}\x1b[2;3m${text}\x1b[0m\r\n`);
        }

        // Clears marks of the program that would reach beyond its end: modes, colours, a hidden
        // cursor.
        settle(): void {
                const alternate = this.x.buffer.active.type === 'alternate' ? '\x1b[?1047l' : '';
                this.x.write(
                        `\x1b[0m\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l${alternate}\x1b[?25l`,
                );
                this.x.options.cursorBlink = false;
                this.x.options.disableStdin = true;
        }

        // Text that is drawn again asks its questions again; the program must not get a second
        // answer.
        set replaying(on: boolean) {
                this.past = on;
        }

        refit(): void {
                if (this.held) this.x.resize(this.held.cols, this.held.rows);
                else if (this.element.offsetWidth && this.element.offsetHeight) this.fit.fit();
        }

        dispose(): void {
                this.watcher.disconnect();
                this.forgetTheme();
                this.x.dispose();
                this.element.remove();
        }

        // Not the clipboard's own interface: that is there on https and localhost alone.
        private copy(): void {
                if (this.x.hasSelection()) document.execCommand('copy');
        }

        private typed(text: string, bytes: Uint8Array): void {
                if (!this.past || !ANSWER.test(text)) this.ontype(bytes);
        }

        // Ctrl-C copies where something is marked, as in every other window; else it interrupts. Ctrl-Shift-C and
        // Ctrl-Shift-V, as in other terminals.
        private key(e: KeyboardEvent): boolean {
                const ctrl = (e.ctrlKey || e.metaKey) && !e.altKey;
                if (e.key === 'F6') return false; // of the page: on to its next part
                if (e.type !== 'keydown' || !ctrl) return true;
                if (e.code === 'Backquote') return false; // of the page: terminals
                if (e.shiftKey && e.code === 'KeyF') return (this.onfind(), e.preventDefault(), false);
                if (e.shiftKey && e.code === 'KeyC') return (this.copy(), e.preventDefault(), false);
                if (e.key === 'c' && !e.shiftKey && this.x.hasSelection()) return false; // the browser copies
                if (e.key.toLowerCase() === 'v') return false; // the browser pastes
                return !['s', 'Enter', '.'].includes(e.key); // of the page: save, run, stop
        }
}

// In a window of its own, which knows nothing of this one. Programs write what they like: only the web's own.
function follow(uri: string): void {
        if (/^https?:\/\//i.test(uri)) window.open(uri, '_blank', 'noopener,noreferrer');
}
