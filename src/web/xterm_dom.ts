// xterm_dom.ts - lets xterm.js draw under `style-src 'self'`.
//
// Its DOM renderer makes <style> elements and sets style attributes, both of which such a policy
// refuses. It makes all its elements with document.createElement, though (its option
// documentOverride reaches only some of them): so for `style` that hands out an element whose text
// goes to a constructed style sheet, and for `span` one whose style attribute is set through the
// CSSOM. Neither is inline style to the policy. Nobody else on the page makes the one or sets the
// other.

function styleElement(): HTMLElement {
        const sheet = new CSSStyleSheet();
        const e = Document.prototype.createElement.call(document, 'div') as HTMLElement;
        e.hidden = true;
        Object.defineProperty(e, 'textContent', {
                get: () => '',
                set: (css: string) => sheet.replaceSync(css),
        });
        Object.defineProperty(e, 'remove', {
                value: () => {
                        document.adoptedStyleSheets = document.adoptedStyleSheets.filter(
                                (s) => s !== sheet,
                        );
                        Element.prototype.remove.call(e);
                },
        });
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
        return e;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
        if (name === 'style') this.style.cssText = value;
        else Element.prototype.setAttribute.call(this, name, value);
}

function createElement(this: Document, tag: string, options?: ElementCreationOptions): HTMLElement {
        if (tag === 'style') return styleElement();
        const e = Document.prototype.createElement.call(this, tag, options) as HTMLElement;
        if (tag === 'span') e.setAttribute = setAttribute;
        return e;
}

export function replaceInlineStyles(): void {
        document.createElement = createElement as typeof document.createElement;
}
