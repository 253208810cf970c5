// tabs.ts - a row of tabs: arrows move, Delete and the middle button close.

import { h, icon } from './dom';

export interface Tab {
        key: string;
        label: string;
        aside?: string; // said behind the label, more quietly
        title: string;
        dot: string; // a class for the mark before the label, "" for none
        note: string; // the mark in words
}

export interface TabEvents {
        pick(key: string): void;
        close(key: string): void;
        near?(): void; // somebody may want to read a title
}

export class Tabs {
        readonly element: HTMLElement;
        private drawn = '';

        constructor(
                label: string,
                private readonly events: TabEvents,
        ) {
                this.element = h('div', {
                        class: 'tabs',
                        role: 'tablist',
                        'aria-label': label,
                        onkeydown: (e: KeyboardEvent) => this.key(e),
                        onpointerenter: () => this.events.near?.(),
                        onfocusin: () => this.events.near?.(),
                });
        }

        set(tabs: Tab[], active: string): void {
                const drawn = JSON.stringify([tabs.map((t) => ({ ...t, title: '' })), active]);
                if (drawn === this.drawn) return this.setTitles(tabs); // on every letter that is typed
                this.drawn = drawn;
                const focused = this.element.contains(document.activeElement);
                this.element.hidden = !tabs.length;
                this.element.replaceChildren(...tabs.map((t) => this.tab(t, t.key === active)));
                const now = this.element.querySelector<HTMLElement>('[aria-selected="true"]');
                now?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
                if (focused) now?.focus();
        }

        // In place: who is about to press a tab must not find another there.
        private setTitles(tabs: Tab[]): void {
                tabs.forEach((t, i) => {
                        const tab = this.element.children[i] as HTMLElement;
                        if (tab.title !== t.title) tab.title = t.title;
                });
        }

        private tab(t: Tab, active: boolean): HTMLElement {
                return h(
                        'div',
                        {
                                class: `tab ${active ? 'active' : ''}`,
                                role: 'tab',
                                tabIndex: active ? 0 : -1,
                                'aria-selected': String(active),
                                'data-key': t.key,
                                title: t.title,
                                onclick: () => this.events.pick(t.key),
                                onauxclick: (e: MouseEvent) =>
                                        e.button === 1 && this.events.close(t.key),
                        },
                        t.dot ? h('span', { class: `dot ${t.dot}` }) : null,
                        h('span', { class: 'tab-label' }, t.label),
                        t.aside ? h('span', { class: 'tab-aside' }, t.aside) : null,
                        t.note ? h('span', { class: 'unseen' }, `, ${t.note}`) : null,
                        h(
                                'button',
                                {
                                        type: 'button',
                                        class: 'tab-close',
                                        tabIndex: -1,
                                        'aria-label': `Close ${t.label}`,
                                        title: 'Close',
                                        onclick: (e: Event) => {
                                                e.stopPropagation();
                                                this.events.close(t.key);
                                        },
                                },
                                icon('close'),
                        ),
                );
        }

        private key(e: KeyboardEvent): void {
                const all = [...this.element.querySelectorAll<HTMLElement>('[role="tab"]')];
                const at = all.indexOf(document.activeElement as HTMLElement);
                if (at < 0) return;
                const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
                if (step)
                        this.events.pick(
                                all[(at + step + all.length) % all.length]!.dataset['key']!,
                        );
                else if (e.key === 'Delete') this.events.close(all[at]!.dataset['key']!);
                else return;
                e.preventDefault();
        }
}
