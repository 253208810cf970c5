// dom.ts - making elements: text is text, never markup, and nothing carries a style attribute.

export type Child = Node | string | null | undefined | false;
type Props = Record<string, unknown>;

// `on…` are listeners, `class` and what has a dash or no property are attributes, the rest
// properties.
export function h<K extends keyof HTMLElementTagNameMap>(
        tag: K,
        props: Props = {},
        ...children: Child[]
): HTMLElementTagNameMap[K] {
        const e = document.createElement(tag);
        for (const [name, value] of Object.entries(props)) {
                if (value === undefined || value === false || value === null) continue;
                if (name.startsWith('on'))
                        e.addEventListener(name.slice(2), value as EventListener);
                else if (name === 'class' || name.includes('-') || !(name in e))
                        e.setAttribute(name, value === true ? '' : String(value));
                else (e as any)[name] = value;
        }
        e.append(...children.filter((c): c is Node | string => !!c || c === ''));
        return e;
}

const PATHS = {
        run: 'M5 3.2v9.6L13 8z',
        stop: 'M4.2 4.2h7.6v7.6H4.2z',
        file: 'M4 1.8h5l3 3v9.4H4zM9 1.8v3h3',
        python: 'M4 1.8h5l3 3v9.4H4zM9 1.8v3h3M6 8.2l1.8 1.6L6 11.4M8.8 11.6h1.6',
        folder: 'M1.8 3.6h4.4l1.4 1.8h6.6v7.4H1.8z',
        newfile: 'M9 1.8H4v12.4h4M9 1.8l3 3v3M9 1.8v3h3M12 10v4.4M9.8 12.2h4.4',
        newfolder: 'M8 12.8H1.8V3.6h4.4l1.4 1.8h6.6v3M12 10v4.4M9.8 12.2h4.4',
        refresh: 'M13.2 8a5.2 5.2 0 1 1-1.6-3.7M13.4 2.2v3h-3',
        chevron: 'M6 4l4 4-4 4',
        close: 'M4 4l8 8M12 4l-8 8',
        up: 'M4 10l4-4 4 4',
        down: 'M4 6l4 4 4-4',
        plus: 'M8 3.2v9.6M3.2 8h9.6',
        find: 'M7 2.4a4.6 4.6 0 1 0 0 9.2 4.6 4.6 0 0 0 0-9.2M10.4 10.4l3.4 3.4',
        terminal: 'M2 2.8h12v10.4H2zM4.6 6l2 2-2 2M8 10.4h3.4',
        more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
        sun:
                'M8 5.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1' +
                'M11.8 11.8l1 1M3.2 12.8l1-1M11.8 4.2l1-1',
        moon: 'M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z',
        save: 'M2.6 2.6h8.6l2.2 2.2v8.6H2.6zM5 2.6v3.6h5V2.6M4.8 13.4V9h6.4v4.4',
        panel: 'M2 2.8h12v10.4H2zM6 2.8v10.4',
        leave: 'M6.4 2.6H2.8v10.8h3.6M6.2 8h7M10.4 5.2L13.2 8l-2.8 2.8',
        eye: 'M1.4 8S4 3.6 8 3.6 14.6 8 14.6 8 12 12.4 8 12.4 1.4 8 1.4 8zM8 6.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6',
        ok: 'M3.2 8.4l3.2 3.2 6.4-7',
        warn: 'M8 2.2l6.2 11.2H1.8zM8 6.4v3.2M8 11.4h.01',
        clock: 'M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8M8 4.6V8l2.4 1.6',
} as const;
export type IconName = keyof typeof PATHS;

const SVG = 'http://www.w3.org/2000/svg';

export function icon(name: IconName): SVGSVGElement {
        const svg = document.createElementNS(SVG, 'svg');
        svg.setAttribute('viewBox', '0 0 16 16');
        svg.setAttribute('class', `icon icon-${name}`);
        svg.setAttribute('aria-hidden', 'true');
        const path = document.createElementNS(SVG, 'path');
        path.setAttribute('d', PATHS[name]);
        svg.append(path);
        return svg;
}

// The mark of the house, as in icon.svg, in the colours of the page.
export function mark(): SVGSVGElement {
        const svg = document.createElementNS(SVG, 'svg');
        svg.setAttribute('viewBox', '0 0 32 32');
        svg.setAttribute('class', 'mark');
        svg.setAttribute('aria-hidden', 'true');
        for (const [cls, d] of [
                [
                        'mark-plate',
                        'M7 0h18a7 7 0 0 1 7 7v18a7 7 0 0 1-7 7H7a7 7 0 0 1-7-7V7a7 7 0 0 1 7-7z',
                ],
                ['mark-keeper', 'M23.5 7.5v17'],
                ['mark-bar', 'M7 17h10.5'],
                ['mark-knob', 'M9.3 10.2h.01'],
        ] as const) {
                const path = document.createElementNS(SVG, 'path');
                path.setAttribute('class', cls);
                path.setAttribute('d', d);
                svg.append(path);
        }
        return svg;
}

export function iconButton(
        name: IconName,
        label: string,
        onclick: (e: MouseEvent) => void,
): HTMLButtonElement {
        return h(
                'button',
                {
                        type: 'button',
                        class: 'icon-button',
                        title: label,
                        'aria-label': label,
                        onclick,
                },
                icon(name),
        );
}

// Whether text in it is marked, to be copied: that would be lost if it were drawn anew. A mark may
// begin and end elsewhere.
export function isMarked(e: Node): boolean {
        const selection = getSelection();
        return !!selection && !selection.isCollapsed && selection.containsNode(e, true);
}

// One polite voice for what happens out of sight of a screen reader.
const voice = h('div', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
export function say(text: string): void {
        if (!voice.isConnected) document.body.append(voice);
        voice.textContent = text;
}
