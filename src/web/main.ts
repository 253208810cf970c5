// main.ts - puts the page together, and leads from the sign-in to the editor and back.

import { HttpError, logout, me, type User } from './api';
import { clientKey } from './client_key';
import { ask, menu, toast, type MenuItem } from './dialog';
import { h, icon, iconButton, mark } from './dom';
import { Editor, emptyEditor } from './editor';
import { Files } from './files';
import { Locks } from './locks';
import { Runner, type Listed } from './runner';
import { maybeSignedIn, rememberSignedIn, signIn, signInByLink, takeLink } from './signin';
import { Socket, type SocketState } from './socket';
import { splitter } from './splitter';
import { isDark, onThemeChange, startTheme, toggleTheme } from './theme';
import { Tree } from './tree';
import { Watch } from './watch';
import { baseName, folderOf, wordsOfError, wordsOfSignOut } from './words';

const OPEN = 'latch.open';

class App {
        private readonly socket: Socket;
        private readonly tree: Tree;
        private readonly watch: Watch;
        private readonly editor: Editor;
        private readonly runner: Runner;
        private readonly runButton: HTMLButtonElement;
        private readonly stopButton: HTMLButtonElement;
        private readonly where = h('p', { class: 'where' });
        private readonly link = h('p', { class: 'link', role: 'status' });
        private linkTimer: number | undefined;
        private readonly role = h('span', { class: 'account-role' });
        private readonly body = h('main', { class: 'body' });
        private leaving = false;
        private whyOut = ''; // in words, once the server has told it
        private begun = false;
        private reopened = false;
        private locks: Locks | undefined; // as last opened

        constructor(
                private user: User,
                client: string,
        ) {
                const url = new URL('/v1/ws', location.href);
                url.protocol = url.protocol.replace('http', 'ws');
                this.socket = new Socket(url.href);
                const files = new Files(this.socket);
                const run = (path = this.editor.path) => void (path && this.runner.run(path));
                this.watch = new Watch(this.socket, () => this.refresh());
                this.tree = new Tree(files, {
                        folders: (open) => this.watch.folders(open),
                        open: (path) => {
                                if (matchMedia('(max-width: 720px)').matches)
                                        this.body.classList.remove('no-sidebar'); // there, it shows the files
                                void this.editor.open(path);
                        },
                        created: (path) => void this.editor.open(path),
                        renamed: (from, to) => this.editor.moved(from, to),
                        removed: (path) => this.editor.removed(path),
                        run: (path) =>
                                void this.editor.open(path, false).then((ok) => ok && run(path)),
                });
                this.editor = new Editor(
                        files,
                        {
                                save: () => void this.editor.save(),
                                run: () => run(),
                                stop: () => this.stopRun(),
                                shown: (path) => this.tree.mark(path),
                                changed: () => this.draw(),
                        },
                        emptyEditor(() => this.tree.create('file')),
                );
                this.runner = new Runner(this.socket, client, {
                        save: (path) => this.editor.save(path),
                        changed: () => this.draw(),
                        ended: () => void this.refresh(),
                });
                this.runButton = h(
                        'button',
                        {
                                type: 'button',
                                class: 'button primary run-button',
                                title: 'Save and run (Ctrl-Enter)',
                                onclick: () => run(),
                        },
                        icon('run'),
                        'Run',
                );
                this.stopButton = h(
                        'button',
                        {
                                type: 'button',
                                class: 'button stop-button',
                                title: 'Stop the program (Ctrl-.)',
                                onclick: () => this.stopRun(),
                        },
                        icon('stop'),
                        'Stop',
                );
                this.build();
                this.listen();
        }

        start(): void {
                this.socket.open();
        }

        private build(): void {
                const theme = iconButton('sun', 'Light or dark', toggleTheme);
                const draw = (dark: boolean) => theme.replaceChildren(icon(dark ? 'sun' : 'moon'));
                draw(isDark());
                onThemeChange(draw);
                this.role.textContent = this.user.role;
                const account = h(
                        'button',
                        {
                                type: 'button',
                                class: 'account',
                                'aria-haspopup': 'menu',
                                onclick: () => this.accountMenu(account),
                        },
                        h('span', { class: 'account-name' }, this.user.name),
                        this.role,
                );
                const sidebar = iconButton('panel', 'Show or hide the files', () =>
                        this.body.classList.toggle('no-sidebar'),
                );

                const right = h('div', { class: 'right' });
                right.append(
                        this.editor.element,
                        splitter(right, {
                                label: 'Height of the runs and terminals',
                                key: 'latch.panel',
                                axis: 'y',
                                property: '--panel',
                                from: 'end',
                                least: 110,
                                rest: 140,
                                initial: (box) => Math.round(box.height * 0.4),
                        }),
                        this.runner.element,
                );
                this.body.append(
                        this.tree.element,
                        splitter(this.body, {
                                label: 'Width of the files',
                                key: 'latch.sidebar',
                                axis: 'x',
                                property: '--sidebar',
                                from: 'start',
                                least: 160,
                                rest: 360,
                                initial: () => 236,
                        }),
                        right,
                );
                document.body.append(
                        h(
                                'div',
                                { class: 'app' },
                                h(
                                        'header',
                                        { class: 'top' },
                                        sidebar,
                                        h(
                                                'a',
                                                { class: 'brand', href: '/', title: 'Latch' },
                                                mark(),
                                                h('span', {}, 'Latch'),
                                        ),
                                        this.where,
                                        this.link,
                                        h(
                                                'div',
                                                {
                                                        class: 'top-run',
                                                        role: 'group',
                                                        'aria-label': 'Run and stop',
                                                },
                                                this.runButton,
                                                this.stopButton,
                                        ),
                                        theme,
                                        account,
                                ),
                                this.body,
                        ),
                );
                this.draw();
        }

        // What the server refuses to a role is not offered to it.
        private accountMenu(account: HTMLElement): void {
                const box = account.getBoundingClientRect();
                const items: MenuItem[] = [
                        { label: `Sign out ${this.user.name}`, run: () => void this.leave() },
                ];
                if (this.user.role !== 'student')
                        items.push({
                                label: 'Watch a session…',
                                run: () => void this.pickWatched(account),
                        });
                if (this.user.role === 'admin')
                        items.push({ label: 'Locks…', run: () => this.showLocks() });
                menu(box.right - 180, box.bottom + 4, items, account);
        }

        private showLocks(): void {
                this.locks = new Locks(this.socket);
                this.locks.open();
        }

        private listen(): void {
                this.socket.onstate = (state) => this.connection(state);
                this.socket.onhello = (hello) => void this.hello(hello.user);
                this.socket.onframe = (kind, channel, offset, payload) =>
                        this.runner.frame(kind, channel, offset, payload);
                this.socket.onnotice = (method, params) => {
                        this.runner.notice(method, params);
                        this.watch.notice(method, params);
                        if (method === 'user.signed_out') this.whyOut = wordsOfSignOut(params.why);
                };
                window.addEventListener('focus', () => void this.refresh());
                window.addEventListener('beforeunload', (e) => {
                        if (this.editor.unsaved.length && !this.leaving) e.preventDefault();
                });
                document.addEventListener('keydown', (e) => this.key(e));
        }

        // The editor has these keys by itself; they hold for the rest of the page too.
        private key(e: KeyboardEvent): void {
                if (e.key === 'F6' && !document.querySelector('dialog[open]')) {
                        this.nextPart(e.shiftKey ? -1 : 1);
                        return e.preventDefault();
                }
                if (
                        e.defaultPrevented ||
                        !(e.ctrlKey || e.metaKey) ||
                        e.altKey ||
                        document.querySelector('dialog[open]')
                )
                        return;
                if (e.key === 's') void this.editor.save();
                else if (e.key === 'Enter') this.runButton.click();
                else if (e.key === '.') this.stopRun();
                else if (e.code === 'Backquote' && e.shiftKey) void this.runner.terminal();
                else if (e.code === 'Backquote') this.runner.showTerminal();
                else return;
                e.preventDefault();
        }

        // A shell is closed by its tab.
        private stopRun(): void {
                if (this.runner.shown?.about.kind === 'run') void this.runner.stop();
        }

        // The editor and the terminal keep Tab for themselves: F6 goes round.
        private nextPart(step: number): void {
                const parts: [HTMLElement, () => void][] = [
                        [this.tree.element, () => this.tree.focus()],
                        [this.editor.element, () => this.editor.focus()],
                        [this.runner.element, () => this.runner.shown?.terminal.focus()],
                ];
                const at = parts.findIndex(([part]) => part.contains(document.activeElement));
                for (let i = 1; i <= parts.length; i++) {
                        parts[(at + step * i + parts.length * 4) % parts.length]![1]();
                        const now = parts.findIndex(([part]) =>
                                part.contains(document.activeElement),
                        );
                        if (now !== at) return;
                }
        }

        private async hello(user: User): Promise<void> {
                if (user.name !== this.user.name) {
                        // another window signed in as someone else
                        this.leaving = true;
                        return location.reload();
                }
                this.user = user; // its role may be another
                this.role.textContent = user.role;
                this.watch.renewed();
                this.locks?.hello(user.role);
                const resumed = this.runner.resume().catch((e) => toast(wordsOfError(e)));
                if (!this.begun) {
                        this.begun = true;
                        await this.tree.refresh();
                        await this.reopen();
                        this.reopened = true;
                } else {
                        await this.refresh();
                }
                await resumed;
        }

        private async reopen(): Promise<void> {
                let open: { paths: string[]; shown: string };
                try {
                        open = JSON.parse(sessionStorage.getItem(OPEN) ?? '');
                } catch {
                        return;
                }
                for (const path of open.paths)
                        if (path !== open.shown) await this.editor.open(path, false);
                if (open.shown) await this.editor.open(open.shown, false);
        }

        private async refresh(): Promise<void> {
                if (this.socket.state === 'open')
                        await Promise.all([this.tree.refresh(), this.editor.refresh()]);
        }

        private connection(state: SocketState): void {
                window.clearTimeout(this.linkTimer);
                if (state === 'out') return void this.signInAgain();
                const words =
                        state === 'connecting'
                                ? this.begun
                                        ? 'Connecting again…'
                                        : 'Connecting…'
                                : '';
                // A blink is not worth a word.
                this.linkTimer = window.setTimeout(
                        () => {
                                this.link.textContent = words;
                                this.link.classList.toggle('broken', !!words);
                        },
                        words ? 600 : 0,
                );
                this.draw();
        }

        // What others have open, for who may look.
        private async pickWatched(back: HTMLElement): Promise<void> {
                const all = await this.socket
                        .request<Listed[]>('session.list', { all: true })
                        .catch((e) => (toast(wordsOfError(e)), [] as Listed[]));
                const living = all.filter(
                        (s) => s.owner !== this.user.name && s.state === 'running',
                );
                if (!living.length) return toast('Nobody else has anything open.', 'plain');
                const box = back.getBoundingClientRect();
                menu(
                        box.right - 280,
                        box.bottom + 4,
                        living.slice(0, 40).map((s) => ({
                                label: `${s.owner}: ${s.path ? baseName(s.path) : s.title}`,
                                run: () => void this.runner.watch(s),
                        })),
                        back,
                );
        }

        private async signInAgain(): Promise<void> {
                const user = await signIn({ name: this.user.name, problem: this.whyOut });
                this.whyOut = '';
                rememberSignedIn(true);
                if (user.name !== this.user.name) {
                        forget();
                        this.editor.forgetDrafts();
                        this.leaving = true;
                        return location.reload();
                }
                this.socket.open();
        }

        private async leave(): Promise<void> {
                const unsaved = this.editor.unsaved;
                if (unsaved.length) {
                        const yes = await ask(
                                'Sign out and lose changes?',
                                `Not saved: ${unsaved.map(baseName).join(', ')}`,
                                [
                                        { label: 'Stay', value: false },
                                        { label: 'Sign out', value: true, tone: 'danger' },
                                ],
                        );
                        if (!yes) return;
                }
                try {
                        await logout();
                } catch (e) {
                        if (!(e instanceof HttpError && e.status === 401))
                                return toast(`You are still signed in. ${wordsOfError(e)}`);
                }
                this.socket.close();
                rememberSignedIn(false);
                forget();
                this.editor.forgetDrafts();
                this.leaving = true;
                location.reload();
        }

        private draw(): void {
                if (!this.runButton) return; // parts speak up while the page is still being built
                const path = this.editor.path;
                const folder = folderOf(path);
                const unsaved = this.editor.unsaved.includes(path);
                this.where.replaceChildren(
                        ...(path
                                ? [
                                          h(
                                                  'span',
                                                  { class: 'where-folder' },
                                                  folder
                                                          ? `${folder.split('/').join(' / ')} / `
                                                          : '',
                                          ),
                                          h('strong', {}, baseName(path)),
                                          h(
                                                  'span',
                                                  { class: 'where-unsaved' },
                                                  unsaved ? 'not saved' : '',
                                          ),
                                  ]
                                : []),
                );
                document.title = path ? `${unsaved ? '● ' : ''}${baseName(path)} · Latch` : 'Latch';
                const online = this.socket.state === 'open';
                this.runButton.disabled = !path || !online;
                this.stopButton.disabled = !online || this.runner.shown?.state !== 'running' ||
                        this.runner.shown.about.kind !== 'run' ||
                        !!this.runner.shown.about.owner;
                if (this.reopened)
                        sessionStorage.setItem(
                                OPEN,
                                JSON.stringify({ paths: this.editor.paths, shown: path }),
                        );
        }
}

// What this tab remembers belongs to who was signed in.
function forget(): void {
        for (const key of ['latch.open', 'latch.runs', 'latch.client'])
                sessionStorage.removeItem(key);
}

async function whoIsThere(): Promise<User> {
        const link = takeLink();
        let problem = '';
        if (link) {
                const user = await signInByLink(link);
                if (typeof user !== 'string') return user;
                problem = user;
        }
        if (maybeSignedIn())
                try {
                        return await me();
                } catch (e) {
                        if (!(e instanceof HttpError && e.status === 401) && !problem)
                                problem = wordsOfError(e);
                }
        return signIn({ problem });
}

startTheme();
const [user, client] = await Promise.all([whoIsThere(), clientKey()]);
rememberSignedIn(true);
new App(user, client).start();
