// splitter.ts - a bar between two parts of the page that is dragged, or moved with the arrows.

import { h } from './dom';

export interface SplitterOptions {
        label: string;
        key: string; // where its place is kept
        axis: 'x' | 'y';
        property: string; // the custom property of `frame` that it sets, in px
        from: 'start' | 'end';
        least: number;
        rest: number; // what the other side keeps at least
        initial: (frame: DOMRect) => number;
}

export function splitter(frame: HTMLElement, o: SplitterOptions): HTMLElement {
        const bar = h('div', {
                class: `splitter splitter-${o.axis}`,
                role: 'separator',
                tabIndex: 0,
                'aria-label': o.label,
                'aria-orientation': o.axis === 'x' ? 'vertical' : 'horizontal',
                title: `${o.label}: drag, or use the arrow keys`,
        });
        let size = Number(localStorage.getItem(o.key)) || 0;

        const room = () => {
                const box = frame.getBoundingClientRect();
                return o.axis === 'x' ? box.width : box.height;
        };
        const set = (wanted: number, keep: boolean) => {
                size = Math.round(Math.max(o.least, Math.min(wanted, room() - o.rest)));
                frame.style.setProperty(o.property, `${size}px`);
                bar.setAttribute(
                        'aria-valuenow',
                        String(Math.round((size / Math.max(room(), 1)) * 100)),
                );
                if (keep) localStorage.setItem(o.key, String(size));
        };

        bar.addEventListener('pointerdown', (e) => {
                if (e.button !== 0) return;
                bar.setPointerCapture(e.pointerId);
                bar.classList.add('dragged');
                const at = o.axis === 'x' ? e.clientX : e.clientY,
                        before = size;
                const move = (m: PointerEvent) => {
                        const by = (o.axis === 'x' ? m.clientX : m.clientY) - at;
                        set(before + (o.from === 'start' ? by : -by), false);
                };
                bar.addEventListener('pointermove', move);
                bar.addEventListener(
                        'lostpointercapture',
                        () => {
                                bar.removeEventListener('pointermove', move);
                                bar.classList.remove('dragged');
                                set(size, true);
                        },
                        { once: true },
                );
                e.preventDefault();
        });
        bar.addEventListener('dblclick', () => set(o.initial(frame.getBoundingClientRect()), true));
        bar.addEventListener('keydown', (e) => {
                const [less, more] =
                        o.axis === 'x' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
                const step = e.key === more ? 16 : e.key === less ? -16 : 0;
                if (!step) return;
                set(size + (o.from === 'start' ? step : -step), true);
                e.preventDefault();
        });
        new ResizeObserver(
                () => room() && set(size || o.initial(frame.getBoundingClientRect()), false),
        ).observe(frame);
        return bar;
}
