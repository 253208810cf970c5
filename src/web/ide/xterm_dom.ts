// xterm_dom.ts - lets xterm.js draw under `style-src 'self'`.
//
// Its DOM renderer makes <style> elements and sets style attributes, both of which such a policy
// refuses. It may be given a document of one's own, though: this one hands out, for `style`, an element
// whose text goes to a constructed style sheet, and for `span`, one whose style attribute is set through
// the CSSOM. Neither is inline style to the policy.

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
                        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((s) => s !== sheet);
                        Element.prototype.remove.call(e);
                },
        });
        document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
        return e;
}

function setAttribute(this: HTMLElement, name: string, value: string): void {
        if (name === 'style')
                this.style.cssText = value;
        else
                Element.prototype.setAttribute.call(this, name, value);
}

function createElement(tag: string, options?: ElementCreationOptions): HTMLElement {
        if (tag === 'style')
                return styleElement();
        const e = Document.prototype.createElement.call(document, tag, options) as HTMLElement;
        if (tag === 'span')
                e.setAttribute = setAttribute;
        return e;
}

// For the option documentOverride.
export const ownDocument: Document = new Proxy(document, {
        get(target, name) {
                if (name === 'createElement')
                        return createElement;
                const value = Reflect.get(target, name, target);
                return typeof value === 'function' ? value.bind(target) : value;
        },
        set: (target, name, value) => Reflect.set(target, name, value, target),
});

// Its viewport asks the page's document, whatever the option says; it does so while the terminal opens.
export function withOwnElements(open: () => void): void {
        document.createElement = createElement as typeof document.createElement;
        try {
                open();
        } finally {
                delete (document as Partial<Document>).createElement;
        }
}
