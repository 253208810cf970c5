// run.ts - one tab of the panel: a run of a file, or a shell; its session, its terminal, and what there is to say of it.

import { h, say } from './dom';
import { FindBar } from './find';
import { Kind, type Socket } from './socket';
import { Stream, type Exit, type Sink, type Watcher } from './stream';
import { Terminal } from './terminal';
import { baseName, bytes, duration, wordsOfExit } from './words';

export type RunState = 'starting' | 'running' | 'stopping' | 'ended' | 'failed';

export interface RunEvents {
        changed(run: Run): void;
        ended(run: Run): void;
        rang(run: Run): void; // its bell
}

// What a tab shows. owner: somebody else's, only looked at.
export interface About {
        kind: 'run' | 'shell';
        path: string; // of a run's file, else ''
        name: string;
        owner?: string;
}

// "aside": another window drives it, its output is seen here.
export interface Status {
        tone: 'busy' | 'ok' | 'plain' | 'bad';
        text: string;
        figures: string;
        aside: boolean;
}

const BAR_MAX = 200_000;

export class Run implements Sink {
        readonly element = h('div', { class: 'run', role: 'tabpanel' });
        readonly terminal: Terminal;
        state: RunState = 'starting';
        stream: Stream | undefined;
        exit_: Exit | undefined;
        problem = '';
        started_ms = Date.now();
        title = ''; // as the program says
        cwd = ''; // the folder where it is, or was at last, as the server has told; '': none
        rang = false; // and nobody has looked since
        expires_ms = 0; // when it ends, unused; 0: it does not
        others: Watcher[] = [];
        elsewhere = 0; // windows of the owner's that have it open, too
        readonly find: FindBar;

        constructor(
                parent: HTMLElement,
                readonly key: string,
                readonly about: About,
                private readonly events: RunEvents,
        ) {
                parent.append(this.element);
                this.element.setAttribute('aria-label', this.name);
                this.terminal = new Terminal(
                        this.element,
                        about.kind === 'run'
                                ? `Output of ${this.name}, and its input`
                                : this.name,
                );
                this.find = new FindBar(this.element, this.terminal);
                this.terminal.ontype = (b) => this.typed(b);
                this.terminal.onresize = (cols, rows) => this.stream?.resize(cols, rows);
                this.terminal.onfind = () => this.find.open();
                this.terminal.ontitle = (title) => {
                        this.title = title.slice(0, 200);
                        events.changed(this);
                };
                this.terminal.onbell = () => events.rang(this);
                if (about.owner) this.terminal.readOnly = true;
        }

        get path(): string {
                return this.about.path;
        }

        get name(): string {
                const { kind, path, name, owner } = this.about;
                const own = kind === 'run' ? baseName(path) : name;
                return owner ? `${owner}: ${own}` : own;
        }

        // Said where there is no room for it.
        get hint(): string {
                const what = this.title ? `${this.name}: ${this.title}` : this.path || this.name;
                return this.cwd ? `${what}\n${this.cwd}` : what;
        }

        get session(): string | undefined {
                return this.stream?.session;
        }

        get alive(): boolean {
                return (
                        this.state === 'starting' ||
                        this.state === 'running' ||
                        this.state === 'stopping'
                );
        }

        bind(socket: Socket, session: string, client: string): Stream {
                this.stream = new Stream(socket, session, client, this);
                if (this.about.owner) this.stream.driver = false;
                this.become('running');
                return this.stream;
        }

        become(state: RunState): void {
                this.state = state;
                this.events.changed(this);
        }

        fail(why: string): void {
                this.problem = why;
                this.terminal.settle();
                this.become('failed');
                this.events.ended(this);
        }

        status(): Status {
                const aside = !!this.stream && !this.stream.driver && this.alive;
                const shell = this.about.kind === 'shell';
                const since = Date.now() - this.started_ms;
                switch (this.state) {
                        case 'starting':
                                return { tone: 'busy', text: 'Starting…', figures: '', aside };
                        case 'running':
                                return {
                                        tone: 'busy',
                                        text: shell ? 'Open' : 'Running',
                                        figures:
                                                shell || since < 1000
                                                        ? ''
                                                        : duration(since - (since % 1000)),
                                        aside,
                                };
                        case 'stopping':
                                return { tone: 'busy', text: 'Stopping…', figures: '', aside };
                        case 'failed':
                                return { tone: 'bad', text: this.problem, figures: '', aside };
                        default:
                                return {
                                        ...wordsOfExit(this.exit_!),
                                        figures: this.figures(),
                                        aside,
                                };
                }
        }

        dispose(): void {
                this.terminal.dispose();
                this.element.remove();
        }

        // Sink:

        output(kind: number, b: Uint8Array, done: () => void): void {
                if (kind === Kind.snapshot) this.terminal.redraw(b, done);
                else this.terminal.write(kind, b, done);
        }

        replaying(on: boolean): void {
                this.terminal.replaying = on;
        }

        gap(n: number): void {
                this.terminal.remark(
                        `… ${bytes(n)} of output went by unseen and are no longer kept …`,
                );
        }

        driver(driver: boolean): void {
                if (this.alive) this.terminal.readOnly = !driver;
                this.events.changed(this);
        }

        resized(cols: number, rows: number): void {
                this.terminal.hold(cols, rows);
        }

        expiring(in_ms: number): void {
                this.expires_ms = in_ms ? Date.now() + in_ms : 0;
                if (in_ms) say(`${this.name} is unused, and ends in ${duration(in_ms)}`);
                this.events.changed(this);
        }

        viewers(viewers: number, watchers: Watcher[]): void {
                const come = watchers.filter((w) => !this.others.some((o) => o.name === w.name));
                this.others = watchers;
                this.elsewhere = Math.max(0, viewers - watchers.length - 1);
                if (come.length && !this.about.owner)
                        say(`${this.name}: ${come.map(nameOfWatcher).join(', ')} watching`);
                this.events.changed(this);
        }

        inputLost(why: string): void {
                this.terminal.remark(why);
        }

        exit(exit: Exit): void {
                this.exit_ = exit;
                this.terminal.settle();
                this.become('ended');
                this.events.ended(this);
        }

        size(): { cols: number; rows: number } {
                return this.terminal.size;
        }

        private figures(): string {
                const u = this.exit_?.usage;
                const parts: string[] = [];
                if (u?.cpu_ms !== undefined) parts.push(`${duration(u.cpu_ms)} of processor`);
                if (u?.peak_bytes) parts.push(`${bytes(u.peak_bytes)} at most`);
                return parts.join(' · ');
        }

        private typed(b: Uint8Array): void {
                if (!this.stream?.driver) return;
                for (let i = 0; i < b.length; i += BAR_MAX)
                        if (this.stream && !this.stream.type(b.subarray(i, i + BAR_MAX)))
                                return this.inputLost(
                                        'The program has not read what was typed before; the rest was left out.',
                                );
        }
}

export function nameOfWatcher(w: Watcher): string {
        return w.name || 'whoever runs the server';
}
