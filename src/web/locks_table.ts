// locks_table.ts - the lock classes as a table: sorted by any column, one class chosen or none.

import { h, isMarked } from './dom';
import { brief } from './words';

export interface Histogram {
        count: number;
        sum_ns: number;
        p50_ns: number;
        p99_ns: number;
        max_ns: number;
}

export interface LockClass {
        name: string;
        taken: number;
        contended: number;
        wait: Histogram;
        hold: Histogram;
}

interface Column {
        group: 'Wait' | 'Hold' | '';
        label: string;
        title: string;
        value(c: LockClass): number | string;
        words(value: number): string;
}

export const count = (n: number) => n.toLocaleString('en');

function times(group: 'Wait' | 'Hold', of: (c: LockClass) => Histogram): Column[] {
        const what = group.toLowerCase();
        const time = (label: 'p50' | 'p99' | 'max', title: string): Column => ({
                group,
                label,
                title,
                value: (c) => of(c)[`${label}_ns`],
                words: brief,
        });
        return [
                time('p50', `Half of the ${what}s were shorter`),
                time('p99', `One ${what} of a hundred was longer`),
                time('max', `The longest ${what}`),
        ];
}

const NAME: Column = {
        group: '',
        label: 'Class',
        title: 'What the lock is for',
        value: (c) => c.name,
        words: String,
};
const TAKES: Column = {
        group: '',
        label: 'Takes',
        title: 'How often its locks were taken',
        value: (c) => c.taken,
        words: count,
};
const CONTENDED: Column = {
        group: '',
        label: 'Contended',
        title: 'How often somebody had to wait for one',
        value: (c) => c.contended,
        words: count,
};
const FIGURES = [
        TAKES,
        CONTENDED,
        ...times('Wait', (c) => c.wait),
        ...times('Hold', (c) => c.hold),
];

interface Row {
        element: HTMLTableRowElement;
        button: HTMLButtonElement;
        cells: HTMLTableCellElement[];
}

export class ClassTable {
        readonly element: HTMLElement;
        chosen = '';
        private classes: LockClass[] = [];
        private places = new Map<string, Node>();
        private by = CONTENDED;
        private down = true;
        private readonly heads = new Map<Column, HTMLElement>();
        private readonly rows = new Map<string, Row>();
        private readonly body = h('tbody');

        constructor(private readonly changed: () => void) {
                this.body.addEventListener('keydown', (e) => this.key(e));
                this.element = h(
                        'div',
                        { class: 'locks-classes' },
                        h(
                                'table',
                                { class: 'locks-table', 'aria-label': 'Lock classes' },
                                this.head(),
                                this.body,
                        ),
                );
                this.markSorted();
        }

        // `places`: where the longest hold of a class was, of those of which that is known.
        show(classes: LockClass[], places: Map<string, Node>): void {
                this.classes = classes;
                this.places = places;
                if (!classes.some((c) => c.name === this.chosen)) this.chosen = '';
                this.draw();
        }

        private head(): HTMLElement {
                const group = (label: string, title: string) =>
                        h(
                                'th',
                                { scope: 'colgroup', colSpan: 3, class: 'locks-group', title },
                                label,
                        );
                const sorts = (c: Column) => this.sortHead(c);
                return h(
                        'thead',
                        {},
                        h(
                                'tr',
                                {},
                                ...[NAME, TAKES, CONTENDED].map(sorts),
                                group('Wait', 'Each wait is timed'),
                                group('Hold', 'Holds are timed in samples'),
                                h(
                                        'th',
                                        { scope: 'col', rowSpan: 2, class: 'locks-at' },
                                        'Longest hold at',
                                ),
                        ),
                        h('tr', {}, ...FIGURES.filter((c) => c.group).map(sorts)),
                );
        }

        private sortHead(column: Column): HTMLElement {
                const head = h(
                        'th',
                        {
                                scope: 'col',
                                rowSpan: column.group ? 1 : 2,
                                class: column === NAME ? 'locks-class' : undefined,
                        },
                        h(
                                'button',
                                {
                                        type: 'button',
                                        class: 'locks-sort',
                                        title: column.title,
                                        'aria-label': `${column.group} ${column.label}`.trim(),
                                        onclick: () => this.sort(column),
                                },
                                column.label,
                        ),
                );
                this.heads.set(column, head);
                return head;
        }

        // What is largest is what one looks for; names begin with a.
        private sort(column: Column): void {
                this.down = this.by === column ? !this.down : column !== NAME;
                this.by = column;
                this.markSorted();
                this.draw();
        }

        private markSorted(): void {
                for (const [column, head] of this.heads)
                        if (column === this.by)
                                head.setAttribute(
                                        'aria-sort',
                                        this.down ? 'descending' : 'ascending',
                                );
                        else head.removeAttribute('aria-sort');
        }

        private compare(a: LockClass, b: LockClass): number {
                const [x, y] = [this.by.value(a), this.by.value(b)];
                const order = x < y ? -1 : x > y ? 1 : 0;
                return (
                        (this.down ? -order : order) ||
                        b.taken - a.taken ||
                        (a.name < b.name ? -1 : 1)
                );
        }

        // In place: the focus stays, and the page where it was scrolled to.
        private draw(): void {
                const rows = [...this.classes]
                        .sort((a, b) => this.compare(a, b))
                        .map((c) => this.row(c));
                if (
                        rows.length === this.body.childElementCount &&
                        rows.every((r, i) => this.body.children[i] === r.element)
                )
                        return;
                const focused = document.activeElement as HTMLElement;
                const within = this.body.contains(focused);
                this.body.replaceChildren(...rows.map((r) => r.element));
                if (within) focused.focus({ preventScroll: true });
        }

        private row(c: LockClass): Row {
                let row = this.rows.get(c.name);
                if (!row) this.rows.set(c.name, (row = this.newRow(c.name)));
                const chosen = c.name === this.chosen;
                row.button.setAttribute('aria-pressed', String(chosen));
                row.element.classList.toggle('chosen', chosen);
                row.element.classList.toggle('unused', !c.taken);
                FIGURES.forEach((column, i) => {
                        const words = column.words(column.value(c) as number);
                        if (row.cells[i]!.textContent !== words) row.cells[i]!.textContent = words;
                });
                const at = this.places.get(c.name);
                const cell = row.cells[FIGURES.length]!;
                if (cell.textContent !== (at?.textContent ?? '–'))
                        cell.replaceChildren(at ?? '–');
                return row;
        }

        private newRow(name: string): Row {
                const button = h(
                        'button',
                        {
                                type: 'button',
                                class: 'locks-name',
                                title: `The places of ${name} alone, or of all`,
                        },
                        name,
                );
                const cells = FIGURES.map(() => h('td'));
                cells.push(h('td', { class: 'locks-at' }));
                const element: HTMLTableRowElement = h(
                        'tr',
                        {
                                // Who has just marked something in it chooses nothing.
                                onclick: (e: MouseEvent) =>
                                        (e.detail && isMarked(element)) || this.choose(name),
                        },
                        h('th', { scope: 'row', class: 'locks-class' }, button),
                        ...cells,
                );
                return { element, button, cells };
        }

        private choose(name: string): void {
                this.chosen = this.chosen === name ? '' : name;
                this.draw();
                this.changed();
        }

        private key(e: KeyboardEvent): void {
                const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
                const all = [...this.body.querySelectorAll('button')];
                const at = all.indexOf(document.activeElement as HTMLButtonElement);
                if (!step || at < 0) return;
                all[(at + step + all.length) % all.length]!.focus();
                e.preventDefault();
        }
}
