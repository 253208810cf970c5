// dialog.ts - questions and notices within the page: <dialog> keeps the focus and closes with
// Escape.

import { h, icon, say, type Child } from './dom';

export interface Choice<T> {
        label: string;
        value: T;
        tone?: 'primary' | 'danger';
}

// The choice, or undefined where it was dismissed. The primary choice has the focus, else the
// first, which does no harm.
export function ask<T>(
        title: string,
        body: Child | Child[],
        choices: Choice<T>[],
): Promise<T | undefined> {
        return new Promise((resolve) => {
                let answer: T | undefined;
                const close = (value: T | undefined) => {
                        answer = value;
                        dialog.close();
                };
                const buttons = choices.map((c) =>
                        h(
                                'button',
                                {
                                        type: 'button',
                                        class: `button ${c.tone ?? ''}`,
                                        onclick: () => close(c.value),
                                },
                                c.label,
                        ),
                );
                const children = Array.isArray(body) ? body : [body];
                const dialog = h(
                        'dialog',
                        { class: 'dialog', 'aria-labelledby': 'dialog-title' },
                        h('h2', { id: 'dialog-title' }, title),
                        h('div', { class: 'dialog-body' }, ...children),
                        h('div', { class: 'dialog-buttons' }, ...buttons),
                );
                dialog.addEventListener('close', () => {
                        dialog.remove();
                        resolve(answer);
                });
                document.body.append(dialog);
                dialog.showModal();
                const first = choices.findIndex((c) => c.tone === 'primary');
                buttons[Math.max(first, 0)]?.focus();
        });
}

const toasts = h('div', { class: 'toasts' });

// A notice that goes by itself, longer for more words.
export function toast(text: string, tone: 'plain' | 'bad' = 'bad'): void {
        if (!toasts.isConnected) document.body.append(toasts);
        const close = () => e.remove();
        const e = h(
                'div',
                { class: `toast ${tone}` },
                icon(tone === 'bad' ? 'warn' : 'ok'),
                h('span', {}, text),
                h(
                        'button',
                        {
                                type: 'button',
                                class: 'icon-button',
                                'aria-label': 'Dismiss',
                                onclick: close,
                        },
                        icon('close'),
                ),
        );
        toasts.append(e);
        while (toasts.childElementCount > 4) toasts.firstElementChild!.remove();
        say(text);
        setTimeout(close, 4000 + text.length * 60);
}

export interface MenuItem {
        label: string;
        hint?: string;
        danger?: boolean;
        run(): void;
}

// A menu at a place of the page; arrows move, Escape and a click elsewhere close it.
export function menu(x: number, y: number, items: MenuItem[], back?: HTMLElement): void {
        const close = () => {
                list.remove();
                document.removeEventListener('pointerdown', outside, true);
                back?.focus();
        };
        const outside = (e: Event) => list.contains(e.target as Node) || close();
        const buttons = items.map((item) =>
                h(
                        'button',
                        {
                                type: 'button',
                                role: 'menuitem',
                                tabIndex: -1,
                                class: item.danger ? 'danger' : '',
                                onclick: () => {
                                        close();
                                        item.run();
                                },
                        },
                        h('span', {}, item.label),
                        item.hint && h('kbd', {}, item.hint),
                ),
        );
        const list = h(
                'div',
                {
                        class: 'menu',
                        role: 'menu',
                        onkeydown: (e: KeyboardEvent) => {
                                const at = buttons.indexOf(
                                        document.activeElement as HTMLButtonElement,
                                );
                                const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
                                if (step)
                                        buttons[
                                                (at + step + buttons.length) % buttons.length
                                        ]!.focus();
                                else if (e.key === 'Escape' || e.key === 'Tab') close();
                                else return;
                                e.preventDefault();
                                e.stopPropagation();
                        },
                },
                ...buttons,
        );
        document.body.append(list);
        list.style.left = `${Math.max(8, Math.min(x, innerWidth - list.offsetWidth - 8))}px`;
        list.style.top = `${Math.max(8, Math.min(y, innerHeight - list.offsetHeight - 8))}px`;
        document.addEventListener('pointerdown', outside, true);
        buttons[0]?.focus();
}
