// runner.ts - the panel of runs and terminals: starting, stopping, taking up again after a break or a reload.

import { ask, toast } from './dialog';
import { h, icon, iconButton, say } from './dom';
import { Run, type About, type RunEvents } from './run';
import { RpcError, isGone, type Socket } from './socket';
import { statusLine } from './status';
import type { Exit, Stream } from './stream';
import { Tabs } from './tabs';
import { wordsOfError } from './words';

export interface Listed {
        session: string;
        kind: string;
        owner: string;
        title: string; // as its program says, if it does
        name: string; // as it was opened
        state: string;
        path?: string;
        cwd?: string | null; // where its program is, or was at last
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
const NEAR_MS = 1000;

const alive = (s: Listed) => s.state !== 'ended' && s.state !== 'lost';
const aboutOf = (s: Listed): About =>
        s.kind === 'run'
                ? { kind: 'run', path: s.path ?? '', name: '' }
                : { kind: 'shell', path: '', name: s.name || s.kind };

export class Runner implements RunEvents {
        readonly element: HTMLElement;
        private readonly runs: Run[] = [];
        private current: Run | undefined;
        private readonly channels = new Map<number, Stream>();
        private readonly body = h('div', { class: 'runs' });
        private readonly status = h('footer', { class: 'run-status' });
        private readonly empty: HTMLElement;
        private readonly tabs: Tabs;
        private readonly findButton = iconButton('find', 'Find in the terminal (Ctrl-Shift-F)', () =>
                this.current?.find.open(),
        );
        private restored = false;
        private count = 0;
        private near_ms = 0; // when folders were asked for because somebody may read them

        constructor(
                private readonly socket: Socket,
                private readonly client: string,
                private readonly events_: RunnerEvents,
        ) {
                this.tabs = new Tabs('Runs and terminals', {
                        pick: (key) => this.show(this.runs.find((r) => r.key === key)),
                        close: (key) => void this.close(key),
                        near: () => this.near(),
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
                        h(
                                'button',
                                {
                                        type: 'button',
                                        class: 'button',
                                        title: 'Ctrl-Shift-`',
                                        onclick: () => void this.terminal(),
                                },
                                icon('terminal'),
                                'Open a terminal',
                        ),
                );
                this.body.append(this.empty);
                this.element = h(
                        'section',
                        { class: 'panel', 'aria-label': 'Runs and terminals' },
                        h(
                                'div',
                                { class: 'panel-head' },
                                this.tabs.element,
                                this.findButton,
                                iconButton(
                                        'plus',
                                        'New terminal (Ctrl-Shift-`)',
                                        () => void this.terminal(),
                                ),
                        ),
                        this.body,
                        this.status,
                );
                document.addEventListener('visibilitychange', () => this.look());
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

        // A shell in a tab of its own; or in the place of one that has ended.
        async terminal(name = this.freeName(), folder = this.folderInFront()): Promise<void> {
                const run = this.add({ kind: 'shell', path: '', name });
                try {
                        await this.beginShell(run, name, await folder);
                } catch (e) {
                        if (e instanceof RpcError && e.code === 'disconnected')
                                return (this.forget(run), toast(wordsOfError(e)));
                        run.fail(`It was not opened. ${wordsOfError(e)}`);
                }
        }

        // Shows a terminal; opens one if there is none.
        showTerminal(): void {
                const shells = this.runs.filter((r) => r.about.kind === 'shell' && r.alive);
                const run = shells[(shells.indexOf(this.current!) + 1) % shells.length];
                if (!run) return void this.terminal();
                this.show(run);
                run.terminal.focus();
        }

        // Somebody else's session, to look at.
        async watch(s: Listed): Promise<void> {
                let run = this.runs.find((r) => r.session === s.session);
                if (!run) {
                        run = this.add({ ...aboutOf(s), owner: s.owner });
                        run.bind(this.socket, s.session, this.client);
                        await this.attach(run);
                }
                this.show(run);
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
                        case 'session.resized':
                                return stream?.resized(p.cols, p.rows);
                        case 'session.expiring':
                                return stream?.expiring(p.in_ms);
                        case 'session.viewers':
                                return stream?.viewers(p.viewers, p.watchers ?? []);
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
                const listed = await this.follow();
                for (const s of listed.sort((a, b) => (a.started ?? 0) - (b.started ?? 0)))
                        if (!this.runs.some((r) => r.session === s.session) && this.ours(s, stored))
                                await this.adopt(s);
        }

        // The page is looked at again, or no more.
        private look(): void {
                if (!this.current?.rang || document.hidden) return;
                this.current.rang = false;
                this.drawTabs();
        }

        rang(run: Run): void {
                if (run === this.current && !document.hidden) return;
                run.rang = true;
                this.drawTabs();
        }

        changed(run: Run): void {
                if (run === this.current) this.drawStatus();
                this.drawTabs();
                this.events_.changed();
        }

        ended(run: Run): void {
                say(`${run.name}: ${run.status().text}`);
                void this.follow(); // where it was, it is started again
                this.events_.ended();
                this.changed(run);
        }

        // What this tab had open, and what runs where nobody looks.
        private ours(s: Listed, stored: string[]): boolean {
                return (
                        (s.kind === 'run' || s.kind === 'shell') &&
                        (stored.includes(s.session) || (alive(s) && s.viewers === 0))
                );
        }

        private async start(path: string): Promise<void> {
                for (const r of this.runs.filter((o) => o.path === path && !o.alive))
                        this.forget(r);
                const run = this.add({ kind: 'run', path, name: '' });
                try {
                        await this.begin(run, { kind: 'run', path, tty: true });
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

        private async begin(run: Run, what: object): Promise<void> {
                const r = await this.socket.request<{
                        session: string;
                        channel: number;
                        driver: boolean;
                }>('session.open', { ...what, client: this.client, ...run.size() });
                const stream = run.bind(this.socket, r.session, this.client);
                stream.opened(r.channel, r.driver);
                this.channels.set(r.channel, stream);
                this.store();
        }

        // Home, where that folder is gone, or cannot be started in.
        private async beginShell(run: Run, title: string, cwd: string): Promise<void> {
                const what = { kind: 'shell', title };
                try {
                        if (cwd) return await this.begin(run, { ...what, cwd });
                } catch (e) {
                        if (!(e instanceof RpcError) || e.code === 'disconnected') throw e;
                }
                await this.begin(run, what);
        }

        // That of the terminal that is looked at, if it is the user's own; else ''.
        private async folderInFront(): Promise<string> {
                const run = this.current;
                if (run?.about.kind !== 'shell' || run.about.owner) return '';
                await this.follow();
                return run.cwd;
        }

        // Asks where everything is: the server tells it to those who ask.
        private async follow(): Promise<Listed[]> {
                const listed = await this.socket
                        .request<Listed[]>('session.list', {})
                        .catch(() => [] as Listed[]);
                for (const r of this.runs) {
                        const s = listed.find((l) => l.session === r.session);
                        // Of one that has ended only the server knows that saw it end.
                        if (s && (s.cwd || r.alive)) r.cwd = s.cwd ?? '';
                }
                this.drawTabs();
                return listed;
        }

        private near(): void {
                if (Date.now() - this.near_ms < NEAR_MS) return;
                this.near_ms = Date.now();
                void this.follow();
        }

        private freeName(): string {
                for (let n = 1; ; n++)
                        if (!this.runs.some((r) => r.about.name === `Terminal ${n}`))
                                return `Terminal ${n}`;
        }

        private async again(run: Run): Promise<void> {
                this.forget(run);
                await this.terminal(run.about.name, Promise.resolve(run.cwd));
        }

        // One run of a file at a time: show the one there is, or let it make way.
        private async busy(path: string, session: string): Promise<void> {
                const what = await ask(
                        `${path.slice(path.lastIndexOf('/') + 1)} is running already`,
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
                        run = this.add({ kind: 'run', path, name: '' });
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
                                        ? 'The server has forgotten it.'
                                        : `It cannot be seen any more. ${wordsOfError(e)}`,
                        );
                }
        }

        private async adopt(s: Listed): Promise<void> {
                const run = this.add(aboutOf(s));
                run.started_ms = s.started ? s.started * 1000 : Date.now();
                run.cwd = s.cwd ?? '';
                run.bind(this.socket, s.session, this.client);
                await this.attach(run);
                this.store();
        }

        private add(about: About): Run {
                const run = new Run(this.body, `run-${++this.count}`, about, this);
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
                const shell = run.about.kind === 'shell';
                if (run.alive && !run.about.owner) {
                        const yes = await ask(
                                `${shell ? 'Close' : 'Stop'} ${run.name}?`,
                                shell
                                        ? 'What runs in it is ended.'
                                        : 'It is running still.',
                                [
                                        { label: 'Cancel', value: false },
                                        {
                                                label: shell ? 'Close it' : 'Stop it',
                                                value: true,
                                                tone: 'danger',
                                        },
                                ],
                        );
                        if (!yes) return;
                }
                this.forget(run);
        }

        // Here and on the server, which ends it if need be. Somebody else's is only left.
        private forget(run: Run): void {
                const at = this.runs.indexOf(run);
                if (at < 0) return;
                this.runs.splice(at, 1);
                if (run.stream) {
                        const { channel, session } = run.stream;
                        this.channels.delete(channel);
                        const said = run.about.owner
                                ? channel && !run.stream.ended
                                        ? this.socket.request('session.detach', { channel })
                                        : undefined
                                : this.socket.request('session.close', { session }, { again: true });
                        said?.catch(() => {});
                }
                run.dispose();
                if (run === this.current) this.show(this.runs[Math.min(at, this.runs.length - 1)]);
                this.store();
                this.draw();
        }

        private show(run: Run | undefined): void {
                this.current = run;
                if (run && !document.hidden) run.rang = false;
                this.draw();
                run?.terminal.refit();
        }

        private draw(): void {
                for (const r of this.runs) r.element.hidden = r !== this.current;
                this.empty.hidden = this.runs.length > 0;
                this.findButton.hidden = !this.runs.length;
                this.drawTabs();
                this.drawStatus();
                this.events_.changed();
        }

        private drawTabs(): void {
                this.tabs.set(
                        this.runs.map((r) => {
                                const s = r.status();
                                const call = r.rang || (r.alive && r.expires_ms > 0);
                                return {
                                        key: r.key,
                                        label: r.name,
                                        aside: r.alive ? r.title : '',
                                        title: r.hint,
                                        dot: call ? 'unsaved' : `state ${s.tone}`,
                                        note: r.rang ? 'rang the bell' : call ? 'ends soon, unused' : s.text,
                                };
                        }),
                        this.current?.key ?? '',
                );
        }

        private drawStatus(): void {
                const run = this.current;
                this.status.hidden = !run;
                if (!run) return;
                this.status.className = `run-status ${run.status().tone}`;
                this.status.replaceChildren(
                        ...statusLine(run, {
                                drive: () => void this.drive(run),
                                again: () => void this.again(run),
                        }),
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
                        JSON.stringify(
                                this.runs
                                        .filter((r) => !r.about.owner)
                                        .map((r) => r.session)
                                        .filter(Boolean),
                        ),
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
