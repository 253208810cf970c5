// run.ts - one run of a file: its session, its terminal, and what there is to say of it.

import { h } from './dom';
import { Kind, type Socket } from './socket';
import { Stream, type Exit, type Sink } from './stream';
import { Terminal } from './terminal';
import { baseName, bytes, duration, wordsOfExit } from './words';

export type RunState = 'starting' | 'running' | 'stopping' | 'ended' | 'failed';

export interface RunEvents {
        changed(run: Run): void;
        ended(run: Run): void;
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

        constructor(
                parent: HTMLElement,
                readonly key: string,
                readonly path: string,
                private readonly events: RunEvents,
        ) {
                parent.append(this.element);
                this.terminal = new Terminal(
                        this.element,
                        `Output of ${baseName(path)}, and its input`,
                );
                this.terminal.ontype = (b) => this.typed(b);
                this.terminal.onresize = (cols, rows) => this.stream?.resize(cols, rows);
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
                const since = Date.now() - this.started_ms;
                switch (this.state) {
                        case 'starting':
                                return { tone: 'busy', text: 'Starting…', figures: '', aside };
                        case 'running':
                                return {
                                        tone: 'busy',
                                        text: 'Running',
                                        figures:
                                                since < 1000
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
                this.terminal.write(kind === Kind.snapshot ? Kind.output : kind, b, done);
        }

        reset(): void {
                this.terminal.reset();
        }

        replaying(on: boolean): void {
                this.terminal.replaying = on;
        }

        gap(n: number): void {
                this.terminal.remark(
                        `… ${bytes(n)} of output went by unseen and are no longer kept …`,
                );
        }

        driver(): void {
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
                for (let i = 0; i < b.length; i += BAR_MAX)
                        if (this.stream && !this.stream.type(b.subarray(i, i + BAR_MAX)))
                                return this.inputLost(
                                        'The program has not read what was typed before; the rest was left out.',
                                );
        }
}
