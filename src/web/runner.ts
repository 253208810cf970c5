// runner.ts - the panel of runs: starting, stopping, taking up again after a break or a reload.

import { ask, toast } from './dialog';
import { h, icon, say } from './dom';
import { Run, type RunEvents } from './run';
import { RpcError, type Socket } from './socket';
import { isGone, type Exit, type Stream } from './stream';
import { Tabs } from './tabs';
import { baseName, wordsOfError } from './words';

interface Listed {
        session: string;
        kind: string;
        state: string;
        path?: string;
        started?: number;
        viewers: number;
}

export interface RunnerEvents {
        save(path: string): Promise<boolean>;
        changed(): void; // what runs
        ended(): void; // a program did, and may have written files
}

const STORED = 'latch.runs';
const KEPT_MAX = 12;

export class Runner implements RunEvents {
        readonly element: HTMLElement;
        private readonly runs: Run[] = [];
        private current: Run | undefined;
        private readonly channels = new Map<number, Stream>();
        private readonly body = h('div', { class: 'runs' });
        private readonly status = h('footer', { class: 'run-status' });
        private readonly empty: HTMLElement;
        private readonly tabs: Tabs;
        private restored = false;
        private count = 0;

        constructor(
                private readonly socket: Socket,
                private readonly client: string,
                private readonly events_: RunnerEvents,
        ) {
                this.tabs = new Tabs('Runs', {
                        pick: (key) => this.show(this.runs.find((r) => r.key === key)),
                        close: (key) => void this.close(key),
                });
                this.empty = h(
                        'div',
                        { class: 'empty quiet' },
                        icon('run'),
                        h(
                                'p',
                                {},
                                'What your program prints appears here, and what it asks is answered here.',
                        ),
                );
                this.body.append(this.empty);
                this.element = h(
                        'section',
                        { class: 'panel', 'aria-label': 'Runs' },
                        this.tabs.element,
                        this.body,
                        this.status,
                );
                window.setInterval(() => this.current?.alive && this.drawStatus(), 1000);
                this.draw();
        }

        living(path: string): Run | undefined {
                return this.runs.find((r) => r.path === path && r.alive);
        }

        get shown(): Run | undefined {
                return this.current;
        }

        async run(path: string): Promise<void> {
                if (this.runs.some((r) => r.path === path && r.state === 'starting')) return;
                if (!(await this.events_.save(path))) return;
                const living = this.living(path);
                if (living?.session) return this.busy(path, living.session);
                await this.start(path);
        }

        async stop(run = this.current): Promise<void> {
                if (!run?.session || !run.alive) return;
                run.become('stopping');
                try {
                        await this.socket.request(
                                'session.stop',
                                { session: run.session },
                                { again: true },
                        );
                } catch (e) {
                        if (!run.alive) return;
                        run.become('running');
                        if (!isGone(e)) toast(`It was not stopped. ${wordsOfError(e)}`);
                }
        }

        frame(kind: number, channel: number, offset: number, payload: Uint8Array): void {
                this.channels.get(channel)?.frame(kind, offset, payload);
        }

        notice(method: string, p: any): void {
                const stream = this.channels.get(p?.channel);
                switch (method) {
                        case 'session.input_ack':
                                return stream?.inputAcked(p.offset);
                        case 'session.input_refused':
                                return stream?.inputRefused(p.offset, p.code);
                        case 'session.gap':
                                return stream?.gap(p.from, p.to);
                        case 'session.exit':
                                return stream?.exited(p as Exit, p.offset);
                        case 'session.driver':
                                return stream?.setDriver(
                                        p.driver === true || p.driver === p.channel,
                                );
                }
        }

        // On each new connection: everything that was open goes on from where it was.
        async resume(): Promise<void> {
                this.channels.clear();
                for (const r of this.runs) r.stream?.detached();
                const stored = this.restored ? [] : this.readStored();
                this.restored = true;
                await Promise.all(
                        this.runs
                                .filter((r) => r.stream && !r.stream.ended)
                                .map((r) => this.attach(r)),
                );
                const listed = await this.socket
                        .request<Listed[]>('session.list', {})
                        .catch(() => []);
                for (const s of listed.sort((a, b) => (a.started ?? 0) - (b.started ?? 0)))
                        if (!this.runs.some((r) => r.session === s.session) && this.ours(s, stored))
                                await this.adopt(s);
        }

        changed(run: Run): void {
                if (run === this.current) this.drawStatus();
                this.drawTabs();
                this.events_.changed();
        }

        ended(run: Run): void {
                say(`${baseName(run.path)}: ${run.status().text}`);
                this.events_.ended();
                this.changed(run);
        }

        // What this tab had open, and what runs where nobody looks.
        private ours(s: Listed, stored: string[]): boolean {
                const alive = s.state !== 'ended' && s.state !== 'lost';
                return (
                        s.kind === 'run' &&
                        (stored.includes(s.session) || (alive && s.viewers === 0))
                );
        }

        private async start(path: string): Promise<void> {
                for (const r of this.runs.filter((o) => o.path === path && !o.alive))
                        this.forget(r);
                const run = this.add(path);
                try {
                        const r = await this.socket.request<{
                                session: string;
                                channel: number;
                                driver: boolean;
                        }>('session.open', {
                                kind: 'run',
                                path,
                                tty: true,
                                client: this.client,
                                ...run.size(),
                        });
                        const stream = run.bind(this.socket, r.session, this.client);
                        stream.opened(r.channel, r.driver);
                        this.channels.set(r.channel, stream);
                        this.store();
                } catch (e) {
                        const other =
                                e instanceof RpcError && e.code === 'busy'
                                        ? e.data?.session
                                        : undefined;
                        if (other) {
                                this.forget(run);
                                return this.busy(path, other);
                        }
                        // A lost answer: if it did start, the next resume finds it.
                        if (e instanceof RpcError && e.code === 'disconnected')
                                return (this.forget(run), toast(wordsOfError(e)));
                        run.fail(`It was not started. ${wordsOfError(e)}`);
                }
        }

        // One run of a file at a time: show the one there is, or let it make way.
        private async busy(path: string, session: string): Promise<void> {
                const name = baseName(path);
                const what = await ask(
                        `${name} is running already`,
                        'A file has one run at a time.',
                        [
                                { label: 'Cancel', value: 'no' },
                                { label: 'Show it', value: 'show' },
                                { label: 'Stop it and run again', value: 'again', tone: 'primary' },
                        ],
                );
                if (what !== 'show' && what !== 'again') return;
                let run = this.runs.find((r) => r.session === session);
                if (!run) {
                        run = this.add(path);
                        run.bind(this.socket, session, this.client);
                        await this.attach(run);
                        this.store();
                }
                this.show(run);
                if (what === 'show') return run.terminal.focus();
                const over = this.whenEnded(run);
                await this.stop(run);
                if (await over) await this.start(path);
        }

        private whenEnded(run: Run): Promise<boolean> {
                return new Promise((resolve) => {
                        const until = Date.now() + 15_000;
                        const look = () => {
                                if (!run.alive) return resolve(true);
                                if (Date.now() > until || !this.runs.includes(run))
                                        return resolve(false);
                                window.setTimeout(look, 50);
                        };
                        look();
                });
        }

        private async attach(run: Run): Promise<void> {
                const stream = run.stream!;
                try {
                        await stream.attach((channel) => this.channels.set(channel, stream));
                        this.changed(run);
                } catch (e) {
                        // The next connection tries again.
                        if (e instanceof RpcError && e.code === 'disconnected') return;
                        run.fail(
                                isGone(e)
                                        ? 'The server has forgotten this run.'
                                        : `It cannot be seen any more. ${wordsOfError(e)}`,
                        );
                }
        }

        private async adopt(s: Listed): Promise<void> {
                const run = this.add(s.path ?? '');
                run.started_ms = s.started ? s.started * 1000 : Date.now();
                run.bind(this.socket, s.session, this.client);
                await this.attach(run);
                this.store();
        }

        private add(path: string): Run {
                const run = new Run(this.body, `run-${++this.count}`, path, this);
                this.runs.push(run);
                const old = this.runs.find((r) => !r.alive);
                if (this.runs.length > KEPT_MAX && old) this.forget(old);
                this.show(run);
                run.terminal.refit();
                run.terminal.focus();
                return run;
        }

        private async close(key: string): Promise<void> {
                const run = this.runs.find((r) => r.key === key);
                if (!run) return;
                if (run.alive) {
                        const yes = await ask(
                                `Stop ${baseName(run.path)}?`,
                                'It is running still.',
                                [
                                        { label: 'Cancel', value: false },
                                        { label: 'Stop it', value: true, tone: 'danger' },
                                ],
                        );
                        if (!yes) return;
                }
                this.forget(run);
        }

        // Here and on the server, which ends it if need be.
        private forget(run: Run): void {
                const at = this.runs.indexOf(run);
                if (at < 0) return;
                this.runs.splice(at, 1);
                if (run.stream) {
                        this.channels.delete(run.stream.channel);
                        this.socket
                                .request(
                                        'session.close',
                                        { session: run.stream.session },
                                        { again: true },
                                )
                                .catch(() => {});
                }
                run.dispose();
                if (run === this.current) this.show(this.runs[Math.min(at, this.runs.length - 1)]);
                this.store();
                this.draw();
        }

        private show(run: Run | undefined): void {
                this.current = run;
                this.draw();
                run?.terminal.refit();
        }

        private draw(): void {
                for (const r of this.runs) r.element.hidden = r !== this.current;
                this.empty.hidden = this.runs.length > 0;
                this.drawTabs();
                this.drawStatus();
                this.events_.changed();
        }

        private drawTabs(): void {
                this.tabs.set(
                        this.runs.map((r) => {
                                const s = r.status();
                                return {
                                        key: r.key,
                                        label: baseName(r.path),
                                        title: r.path,
                                        dot: `state ${s.tone}`,
                                        note: s.text,
                                };
                        }),
                        this.current?.key ?? '',
                );
        }

        private drawStatus(): void {
                const run = this.current;
                this.status.hidden = !run;
                if (!run) return;
                const s = run.status();
                this.status.className = `run-status ${s.tone}`;
                this.status.replaceChildren(
                        ...[
                                h(
                                        'span',
                                        { class: 'status-mark' },
                                        icon(
                                                {
                                                        busy: 'clock',
                                                        ok: 'ok',
                                                        plain: 'stop',
                                                        bad: 'warn',
                                                }[s.tone] as 'ok',
                                        ),
                                ),
                                h('span', { class: 'status-text' }, s.text),
                                s.figures
                                        ? h('span', { class: 'status-figures' }, s.figures)
                                        : null,
                                s.aside
                                        ? h(
                                                  'span',
                                                  { class: 'status-aside' },
                                                  'This window does not have the keyboard.',
                                                  h(
                                                          'button',
                                                          {
                                                                  type: 'button',
                                                                  class: 'button small',
                                                                  onclick: () =>
                                                                          void this.drive(run),
                                                          },
                                                          'Take it',
                                                  ),
                                          )
                                        : null,
                        ].filter((e) => e !== null),
                );
        }

        private async drive(run: Run): Promise<void> {
                try {
                        await this.socket.request('session.drive', {
                                channel: run.stream!.channel,
                        });
                        run.stream!.setDriver(true);
                        const { cols, rows } = run.size();
                        run.stream!.resize(cols, rows);
                        run.terminal.focus();
                } catch (e) {
                        toast(wordsOfError(e));
                }
        }

        private store(): void {
                sessionStorage.setItem(
                        STORED,
                        JSON.stringify(this.runs.map((r) => r.session).filter(Boolean)),
                );
        }

        private readStored(): string[] {
                try {
                        return JSON.parse(sessionStorage.getItem(STORED) ?? '[]');
                } catch {
                        return [];
                }
        }
}
