// locks.ts - what the server's locks did since it started: for administrators, asked for anew while
// they look.

import { h, iconButton, isMarked } from './dom';
import { ClassTable, count, type LockClass } from './locks_table';
import { RpcError, type Socket } from './socket';
import { brief, wordsOfError } from './words';

interface Wait {
        place: string;
        class: string;
        contended: number;
        wait_ns: number;
        longest_wait_ns: number;
}

interface Hold {
        place: string;
        class: string;
        longest_hold_ns: number;
}

interface Figures {
        level: number;
        violations: number;
        classes: LockClass[];
        contention: Wait[];
        holds: Hold[];
        places_lost: number;
}

const EVERY_MS = 2000;
const PLACES = 20; // of each kind that the server tells: the worst of all classes
const LEVELS = [
        'nothing is watched or counted, and the figures stand still.',
        'owners and order are watched, waits and holds are counted.',
        'owners and order are watched, waits and holds are counted, and each step is kept for a while (latchctl locks --trace).',
];

// "src/session/gate.c:41 (gate_open)": the function is said more quietly.
function placeOf(place: string): HTMLElement {
        const cut = place.indexOf(' (');
        const at = cut < 0 ? place : place.slice(0, cut);
        return h(
                'span',
                { class: 'locks-place' },
                h('code', {}, at),
                cut < 0 ? null : h('small', {}, place.slice(cut)),
        );
}

function levelWords(level: number): (Node | string)[] {
        return [
                h('strong', {}, `Level ${level}`),
                `: ${LEVELS[level] ?? 'this page does not know what it watches.'} To change it, on the server: `,
                h('code', {}, 'latchctl locks --level 0|1|2'),
        ];
}

function violationWords(n: number): Node | string {
        return n
                ? h(
                          'span',
                          { class: 'locks-violations' },
                          `${count(n)} ${n === 1 ? 'violation' : 'violations'}: standard error of the server says where.`,
                  )
                : 'No violations.';
}

// A heading, and a table below it or what there is to say instead.
class Places {
        readonly element = h('section', { class: 'locks-places' });
        private drawn = '';

        constructor(private readonly heads: string[]) {}

        // What is as it was stays.
        show(title: string, empty: string, rows: [string, ...string[]][]): void {
                const drawn = JSON.stringify([title, empty, rows]);
                if (drawn === this.drawn) return;
                this.drawn = drawn;
                this.element.replaceChildren(
                        h('h3', {}, title),
                        rows.length
                                ? this.table(title, rows)
                                : h('p', { class: 'locks-none' }, empty),
                );
        }

        private table(title: string, rows: [string, ...string[]][]): HTMLElement {
                const left = (text: string) =>
                        ({ Class: 'locks-class', Place: 'locks-at' })[text];
                const head = (text: string) => h('th', { scope: 'col', class: left(text) }, text);
                return h(
                        'table',
                        { class: 'locks-table', 'aria-label': title },
                        h('thead', {}, h('tr', {}, ...this.heads.map(head))),
                        h(
                                'tbody',
                                {},
                                ...rows.map(([place, ...cells]) =>
                                        h(
                                                'tr',
                                                {},
                                                ...cells.map((c, i) =>
                                                        h('td', { class: left(this.heads[i]!) }, c),
                                                ),
                                                h('td', { class: 'locks-at' }, placeOf(place)),
                                        ),
                                ),
                        ),
                );
        }
}

export class Locks {
        private readonly dialog: HTMLDialogElement;
        private readonly level = h('p', { class: 'locks-level' });
        private readonly problem = h('p', { class: 'locks-problem', role: 'status' });
        private readonly state = h('p', { class: 'locks-state' }, 'Asking the server…');
        private readonly pause: HTMLButtonElement;
        private readonly figures = h('div', { class: 'locks-figures', hidden: true });
        private readonly body = h('div', { class: 'locks-body' });
        private readonly table = new ClassTable(() => this.showPlaces());
        private readonly waits = new Places(['Class', 'Times', 'In all', 'Longest', 'Place']);
        private readonly lost = h('p', { class: 'locks-lost' });
        private readonly holds = new Places(['Class', 'Longest', 'Place']);
        private last: Figures | undefined;
        private timer = 0;
        private asking = false;
        private paused = false;
        private refused = false;
        private notBefore_ms = 0; // by performance.now(): the server wants to be left alone until then
        private readonly seen = () => this.plan(0);

        constructor(private readonly socket: Socket) {
                this.pause = h(
                        'button',
                        {
                                type: 'button',
                                class: 'button small',
                                onclick: () => this.togglePause(),
                        },
                        'Pause',
                );
                this.figures.append(
                        this.table.element,
                        h('div', { class: 'locks-both' }, this.waits.element, this.holds.element),
                        this.lost,
                );
                this.body.append(this.level, this.problem, this.figures);
                this.dialog = h(
                        'dialog',
                        { class: 'dialog locks', 'aria-labelledby': 'locks-title' },
                        h(
                                'header',
                                { class: 'locks-head' },
                                h('h2', { id: 'locks-title' }, 'Locks'),
                                this.state,
                                this.pause,
                                iconButton('close', 'Close', () => this.dialog.close()),
                        ),
                        this.body,
                );
                this.dialog.addEventListener('close', () => this.closed());
        }

        open(): void {
                getSelection()?.empty(); // of the page behind it: it would count as one of the figures
                document.body.append(this.dialog);
                this.dialog.showModal();
                document.addEventListener('visibilitychange', this.seen);
                this.plan(0);
        }

        // Each new connection says anew who may see it: behind it may be another sign-in.
        hello(role: string): void {
                this.refused = role !== 'admin';
                this.pause.hidden = this.level.hidden = this.refused;
                this.figures.hidden = this.refused || !this.last;
                this.tell(this.refused ? 'Only administrators may see this.' : '');
                if (this.refused) {
                        this.last = undefined;
                        this.state.textContent = '';
                }
                this.plan(0);
        }

        private closed(): void {
                window.clearTimeout(this.timer);
                document.removeEventListener('visibilitychange', this.seen);
                this.dialog.remove();
        }

        private togglePause(): void {
                this.paused = !this.paused;
                this.pause.textContent = this.paused ? 'Go on' : 'Pause';
                this.plan(0);
        }

        // Who does not look asks nothing.
        private get wanted(): boolean {
                return this.dialog.open && !document.hidden && !this.paused && !this.refused;
        }

        private plan(wait_ms: number): void {
                window.clearTimeout(this.timer);
                if (!this.wanted || this.asking) return;
                wait_ms = Math.max(wait_ms, this.notBefore_ms - performance.now());
                this.timer = window.setTimeout(() => void this.ask(), wait_ms);
        }

        private async ask(): Promise<void> {
                this.asking = true;
                try {
                        const figures = await this.socket.request<Figures>('admin.locks', {});
                        if (this.wanted) this.show(figures);
                } catch (e) {
                        if (e instanceof RpcError)
                                this.notBefore_ms = performance.now() + e.retryAfter_ms;
                        if (this.wanted) this.failed(e);
                }
                this.asking = false;
                this.plan(EVERY_MS);
        }

        // The page's role is an administrator's: to whom that is forbidden, his sign-in has ended,
        // and the socket closes in a moment.
        private failed(e: unknown): void {
                const out = e instanceof RpcError && e.code === 'forbidden';
                this.tell(out ? 'You are not signed in any more.' : wordsOfError(e));
                this.figures.classList.toggle('old', true);
                if (!this.last) this.state.textContent = '';
        }

        // The same words again would be read out again.
        private tell(problem: string): void {
                if (this.problem.textContent !== problem) this.problem.textContent = problem;
        }

        // What is marked, to be copied, stands still with all around it, and with its time.
        private show(f: Figures): void {
                this.tell('');
                this.figures.classList.toggle('old', false);
                if (this.last && isMarked(this.body)) return;
                this.last = f;
                const now = new Date().toLocaleTimeString('en-GB');
                this.state.textContent = `Since the server started, as of ${now}`;
                this.level.replaceChildren(
                        ...levelWords(f.level),
                        ' · ',
                        violationWords(f.violations),
                );
                const at = new Map<string, Node>();
                for (const hold of f.holds)
                        if (!at.has(hold.class)) at.set(hold.class, placeOf(hold.place));
                this.table.show(f.classes, at);
                this.showPlaces();
                this.lost.textContent = f.places_lost
                        ? `${count(f.places_lost)} times the table of places was full.`
                        : '';
                this.figures.hidden = false;
        }

        private showPlaces(): void {
                const f = this.last;
                if (!f) return;
                const name = this.table.chosen;
                const chosen = (p: { class: string }) => !name || p.class === name;
                const some = f.classes.find((c) => c.name === name);
                this.waits.show(
                        name ? `Where ${name} was waited for` : 'Where locks were waited for',
                        some?.contended
                                ? `No place where ${name} was waited for is among the ${PLACES} with most time.`
                                : `Nobody has waited for ${name || 'a lock'}.`,
                        f.contention
                                .filter(chosen)
                                .map((p) => [
                                        p.place,
                                        p.class,
                                        count(p.contended),
                                        brief(p.wait_ns),
                                        brief(p.longest_wait_ns),
                                ]),
                );
                this.holds.show(
                        name ? `Longest holds of ${name}` : 'Longest holds',
                        some?.hold.count
                                ? `No hold of ${name} is among the ${PLACES} longest.`
                                : `No hold of ${name || 'a lock'} has been measured.`,
                        f.holds
                                .filter(chosen)
                                .map((p) => [p.place, p.class, brief(p.longest_hold_ns)]),
                );
        }
}
