// tree.ts - the files as a tree: a list of visible rows over folders that are read when they are
// opened.
//
// Keys as in every tree (ARIA): arrows, Home, End, Enter, letters; F2 renames, Delete deletes, the
// menu key or Shift-F10 shows what else there is.

import { ask, menu, toast, type MenuItem } from './dialog';
import { h, icon, iconButton, say } from './dom';
import type { Entry, Files } from './files';
import { NameRow, type Naming } from './name_row';
import { baseName, folderOf, join, within, wordsOfError } from './words';

interface Node {
        path: string;
        entry: Entry;
        depth: number;
}

// A name is being typed: in place of `path`, or for something new in `folder`.
interface Typing {
        folder: string;
        path: string | undefined;
        row: NameRow;
}

export interface TreeEvents {
        open(path: string): void;
        created(path: string): void;
        renamed(from: string, to: string): void;
        removed(path: string): void;
        run(path: string): void;
        folders(open: string[]): void; // those that are shown
}

export class Tree {
        readonly element: HTMLElement;
        private readonly list = h('ul', { class: 'tree', role: 'tree', 'aria-label': 'Files' });
        private readonly folders = new Map<string, Entry[]>(); // those that have been read
        private readonly expanded = new Set<string>(['home']);
        private rows: Node[] = [];
        private selected = 'home';
        private marked = '';
        private typing: Typing | undefined;
        private search = '';
        private searchTimer = 0;

        constructor(
                private readonly files: Files,
                private readonly events: TreeEvents,
        ) {
                this.element = h(
                        'section',
                        { class: 'sidebar', 'aria-label': 'Files' },
                        h(
                                'header',
                                { class: 'sidebar-head' },
                                h('h2', {}, 'Files'),
                                iconButton('newfile', 'New file', () => this.create('file')),
                                iconButton('newfolder', 'New folder', () => this.create('dir')),
                                iconButton('refresh', 'Read again', () => void this.refresh()),
                        ),
                        this.list,
                );
                this.list.addEventListener('keydown', (e) => this.key(e));
                this.list.addEventListener('click', (e) => this.click(e));
                this.list.addEventListener('contextmenu', (e) => this.context(e));
        }

        // Reads all open folders again.
        async refresh(): Promise<void> {
                const wanted = ['', ...this.expanded];
                await Promise.all(
                        wanted.map(async (path) => {
                                try {
                                        this.folders.set(path, await this.files.list(path));
                                } catch (e) {
                                        this.folders.delete(path);
                                        if (path) this.expanded.delete(path);
                                        else
                                                toast(
                                                        `The files cannot be listed. ${wordsOfError(e)}`,
                                                );
                                }
                        }),
                );
                if (!this.typing) this.draw();
        }

        // The file in the editor.
        mark(path: string): void {
                this.marked = path;
                if (path) this.selected = path;
                this.draw();
        }

        create(what: 'file' | 'dir'): void {
                const at = this.node(this.selected);
                let folder = at?.entry.type === 'dir' ? at.path : folderOf(this.selected);
                if (!folder || (!this.folders.has(folder) && !this.node(folder))) folder = 'home';
                void this.expand(folder).then(() => this.startTyping(what, folder));
        }

        focus(): void {
                this.focusRow();
        }

        private node(path: string): Node | undefined {
                return this.rows.find((n) => n.path === path);
        }

        private async expand(path: string): Promise<void> {
                for (let p = path; p; p = folderOf(p)) this.expanded.add(p);
                if (!this.folders.has(path))
                        try {
                                this.folders.set(path, await this.files.list(path));
                        } catch (e) {
                                this.expanded.delete(path);
                                toast(`${path} cannot be listed. ${wordsOfError(e)}`);
                        }
                this.draw();
        }

        private collapse(path: string): void {
                this.expanded.delete(path);
                this.folders.delete(path); // read anew next time
                if (within(this.selected, path)) this.selected = path;
                this.draw();
        }

        private collect(folder: string, depth: number, into: Node[]): void {
                for (const entry of this.folders.get(folder) ?? []) {
                        const path = join(folder, entry.name);
                        into.push({ path, entry, depth });
                        if (entry.type === 'dir' && this.expanded.has(path))
                                this.collect(path, depth + 1, into);
                }
        }

        private draw(): void {
                const focused = this.list.contains(document.activeElement) && !this.typing;
                this.rows = [];
                this.collect('', 0, this.rows);
                if (!this.node(this.selected)) this.selected = this.rows[0]?.path ?? '';
                const t = this.typing;
                const items: HTMLElement[] = [];
                for (const n of this.rows) {
                        items.push(t && t.path === n.path ? t.row.element : this.row(n));
                        if (t && !t.path && t.folder === n.path) items.push(t.row.element);
                }
                if (t) t.row.moved = true;
                this.list.replaceChildren(...items);
                if (t) t.row.moved = false;
                if (t && !t.row.element.isConnected) this.typing = undefined; // its folder is gone
                if (this.typing) this.typing.row.focus();
                else if (focused) this.focusRow();
                this.events.folders([...this.expanded]);
        }

        private row(n: Node): HTMLElement {
                const dir = n.entry.type === 'dir';
                const open = dir && this.expanded.has(n.path);
                const kind = dir ? 'folder' : n.entry.name.endsWith('.py') ? 'python' : 'file';
                const more = h(
                        'button',
                        {
                                type: 'button',
                                class: 'icon-button row-more',
                                tabIndex: -1,
                                title: 'What can be done with it',
                                'aria-label': `What can be done with ${n.entry.name}`,
                        },
                        icon('more'),
                );
                const li = h(
                        'li',
                        {
                                role: 'treeitem',
                                class: `row depth-${Math.min(n.depth, 12)} ${kind}`,
                                'aria-level': n.depth + 1,
                                'aria-selected': String(n.path === this.selected),
                                'aria-expanded': dir ? String(open) : undefined,
                                'aria-current': n.path === this.marked ? 'true' : undefined,
                                'data-path': n.path,
                                tabIndex: n.path === this.selected ? 0 : -1,
                                title: n.entry.writable ? n.path : `${n.path} (read-only)`,
                        },
                        h('span', { class: 'row-twist' }, dir && icon('chevron')),
                        icon(kind),
                        h('span', { class: 'row-name' }, n.entry.name),
                        more,
                );
                li.style.setProperty('--depth', String(n.depth));
                return li;
        }

        private focusRow(): void {
                this.list.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
        }

        private select(path: string, focus = true): void {
                this.selected = path;
                this.draw();
                if (focus) this.focusRow();
        }

        private act(n: Node): void {
                if (n.entry.type === 'dir')
                        void (this.expanded.has(n.path)
                                ? this.collapse(n.path)
                                : this.expand(n.path));
                else if (n.entry.type === 'other') toast('That is neither a file nor a folder.');
                else this.events.open(n.path);
        }

        private click(e: MouseEvent): void {
                const target = e.target as Element;
                const path = target.closest<HTMLElement>('[data-path]')?.dataset['path'];
                const n = path === undefined ? undefined : this.node(path);
                if (!n) return;
                this.select(n.path);
                if (target.closest('.row-more')) {
                        const box = target.closest('.row-more')!.getBoundingClientRect();
                        this.showMenu(n, box.left, box.bottom + 2);
                } else {
                        this.act(n);
                }
        }

        private context(e: MouseEvent): void {
                const path = (e.target as Element).closest<HTMLElement>('[data-path]')?.dataset[
                        'path'
                ];
                const n = path === undefined ? undefined : this.node(path);
                if (!n) return;
                e.preventDefault();
                this.select(n.path);
                const box = this.list.querySelector('[tabindex="0"]')!.getBoundingClientRect();
                this.showMenu(n, e.clientX || box.left + 24, e.clientY || box.bottom);
        }

        private showMenu(n: Node, x: number, y: number): void {
                const items: MenuItem[] = [];
                if (n.entry.type === 'dir') {
                        if (n.entry.writable)
                                items.push(
                                        { label: 'New file', run: () => this.create('file') },
                                        { label: 'New folder', run: () => this.create('dir') },
                                );
                } else {
                        items.push({ label: 'Open', hint: 'Enter', run: () => this.act(n) });
                        if (n.entry.name.endsWith('.py'))
                                items.push({ label: 'Run', run: () => this.events.run(n.path) });
                }
                if (this.changeable(n))
                        items.push(
                                { label: 'Rename', hint: 'F2', run: () => this.rename(n) },
                                {
                                        label: 'Delete',
                                        hint: 'Del',
                                        danger: true,
                                        run: () => void this.remove(n),
                                },
                        );
                if (items.length)
                        menu(
                                x,
                                y,
                                items,
                                this.list.querySelector<HTMLElement>('[tabindex="0"]') ?? this.list,
                        );
        }

        // What stands at the root is the server's.
        private changeable(n: Node): boolean {
                return n.depth > 0 && n.entry.writable;
        }

        private key(e: KeyboardEvent): void {
                if (this.typing || e.ctrlKey || e.metaKey || e.altKey) return;
                const at = this.rows.findIndex((n) => n.path === this.selected);
                const n = this.rows[at];
                if (!n || !this.keyOn(e, n, at)) return;
                e.preventDefault();
        }

        private keyOn(e: KeyboardEvent, n: Node, at: number): boolean {
                const go = (i: number) =>
                        this.select(
                                this.rows[Math.max(0, Math.min(i, this.rows.length - 1))]!.path,
                        );
                const open = this.expanded.has(n.path);
                switch (e.key) {
                        case 'ArrowDown':
                                go(at + 1);
                                return true;
                        case 'ArrowUp':
                                go(at - 1);
                                return true;
                        case 'Home':
                                go(0);
                                return true;
                        case 'End':
                                go(this.rows.length - 1);
                                return true;
                        case 'ArrowRight':
                                if (n.entry.type === 'dir')
                                        open ? go(at + 1) : void this.expand(n.path);
                                return true;
                        case 'ArrowLeft':
                                if (open) this.collapse(n.path);
                                else if (n.depth) this.select(folderOf(n.path));
                                return true;
                        case 'Enter':
                        case ' ':
                                this.act(n);
                                return true;
                        case 'F2':
                                this.rename(n);
                                return true;
                        case 'Delete':
                                void this.remove(n);
                                return true;
                        default:
                                return e.key.length === 1 && this.seek(e.key, at);
                }
        }

        private seek(letter: string, at: number): boolean {
                window.clearTimeout(this.searchTimer);
                this.searchTimer = window.setTimeout(() => (this.search = ''), 700);
                this.search += letter.toLowerCase();
                const order = [
                        ...this.rows.slice(at + (this.search.length === 1 ? 1 : 0)),
                        ...this.rows,
                ];
                const hit = order.find((n) => n.entry.name.toLowerCase().startsWith(this.search));
                if (hit) this.select(hit.path);
                return true;
        }

        private rename(n: Node): void {
                if (this.changeable(n)) this.startTyping('rename', folderOf(n.path), n.path);
        }

        private startTyping(what: Naming, folder: string, path?: string): void {
                const typing: Typing = {
                        folder,
                        path,
                        row: new NameRow({
                                what,
                                old: path ? baseName(path) : '',
                                depth: (this.node(path ?? folder)?.depth ?? 0) + (path ? 0 : 1),
                                take: (name) => this.carryOut(what, typing, join(folder, name)),
                                leave: (byKey) => {
                                        this.typing = undefined;
                                        this.draw();
                                        if (byKey) this.focusRow();
                                },
                        }),
                };
                this.typing = typing;
                this.draw();
                typing.row.select();
        }

        // What went wrong, in words.
        private async carryOut(what: Naming, t: Typing, path: string): Promise<string | undefined> {
                try {
                        if (what === 'file') await this.files.write(path, '', '');
                        else if (what === 'dir') await this.files.mkdir(path);
                        else await this.files.rename(t.path!, path);
                } catch (e) {
                        return wordsOfError(e);
                }
                this.typing = undefined;
                if (what === 'rename') this.moved(t.path!, path);
                this.selected = path;
                await this.refresh();
                if (what === 'file') {
                        this.events.created(path);
                } else {
                        this.focusRow();
                        const name = baseName(path);
                        say(what === 'dir' ? `Folder ${name} made` : `Renamed to ${name}`);
                }
                return undefined;
        }

        private moved(from: string, to: string): void {
                for (const p of [...this.expanded])
                        if (within(p, from)) {
                                this.expanded.delete(p);
                                this.expanded.add(to + p.slice(from.length));
                        }
                this.events.renamed(from, to);
        }

        private async remove(n: Node): Promise<void> {
                if (!this.changeable(n)) return;
                const dir = n.entry.type === 'dir';
                const yes = await ask(
                        `Delete ${n.entry.name}?`,
                        dir
                                ? 'The folder and all that is in it will be gone.'
                                : 'It will be gone for good.',
                        [
                                { label: 'Cancel', value: false },
                                { label: 'Delete', value: true, tone: 'danger' },
                        ],
                );
                if (!yes) return this.focusRow();
                try {
                        await this.files.remove(n.path, dir);
                } catch (e) {
                        return toast(`${n.entry.name} was not deleted. ${wordsOfError(e)}`);
                }
                this.selected = folderOf(n.path);
                this.events.removed(n.path);
                await this.refresh();
                this.focusRow();
                say(`${n.entry.name} deleted`);
        }
}
