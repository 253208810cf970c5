// editor_view.ts - CodeMirror as we set it up: Python, the colours of the page, and one view for
// all files.
//
// It lives in a shadow root: there CodeMirror uses constructed style sheets, which `style-src
// 'self'` lets pass, and not <style> elements, which it does not.

import {
        autocompletion,
        closeBrackets,
        closeBracketsKeymap,
        completionKeymap,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { python } from '@codemirror/lang-python';
import {
        HighlightStyle,
        bracketMatching,
        foldGutter,
        foldKeymap,
        indentOnInput,
        indentUnit,
        syntaxHighlighting,
} from '@codemirror/language';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState, Prec, type Extension } from '@codemirror/state';
import {
        EditorView,
        drawSelection,
        dropCursor,
        highlightActiveLine,
        highlightActiveLineGutter,
        highlightSpecialChars,
        keymap,
        lineNumbers,
        rectangularSelection,
} from '@codemirror/view';
import { tags as t } from '@lezer/highlight';

import { MONO } from './theme';

// Custom properties reach into the shadow root, so light and dark need no second theme.
const look = EditorView.theme({
        '&': {
                height: '100%',
                fontSize: '14px',
                color: 'var(--ink)',
                backgroundColor: 'var(--surface)',
        },
        '&.cm-focused': { outline: 'none' },
        '.cm-scroller': { fontFamily: MONO, lineHeight: '1.6', overscrollBehavior: 'contain' },
        '.cm-content': { padding: '12px 0 40vh', caretColor: 'var(--accent)' },
        '.cm-line': { padding: '0 16px 0 10px' },
        '.cm-cursor': { borderLeft: '2px solid var(--accent)' },
        '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
                { background: 'var(--select)' },
        '.cm-activeLine': { backgroundColor: 'var(--line-now)' },
        '.cm-gutters': { color: 'var(--ink-3)', backgroundColor: 'var(--surface)', border: 'none' },
        '.cm-activeLineGutter': { color: 'var(--ink)', backgroundColor: 'var(--line-now)' },
        '.cm-lineNumbers .cm-gutterElement': { padding: '0 4px 0 14px', minWidth: '40px' },
        '.cm-foldGutter .cm-gutterElement': {
                color: 'var(--ink-3)',
                cursor: 'pointer',
                padding: '0 4px',
        },
        '.cm-foldPlaceholder': {
                color: 'var(--ink-2)',
                background: 'var(--sunk)',
                border: 'none',
                padding: '0 6px',
        },
        '&.cm-focused .cm-matchingBracket': {
                background: 'var(--accent-soft)',
                outline: '1px solid var(--accent-line)',
        },
        '.cm-selectionMatch': { background: 'var(--accent-soft)' },
        '.cm-searchMatch': { background: 'var(--brass-soft)', outline: '1px solid var(--brass)' },
        '.cm-searchMatch-selected': { background: 'var(--select)' },
        '.cm-panels': { color: 'var(--ink)', backgroundColor: 'var(--bg)' },
        '.cm-panels-top': { borderBottom: '1px solid var(--line)' },
        '.cm-panel.cm-search': { padding: '8px 12px', fontFamily: 'var(--sans)' },
        '.cm-panel.cm-search label': {
                display: 'inline-flex',
                alignItems: 'center',
                gap: '5px',
                fontSize: '12px',
        },
        '.cm-panel.cm-search input[type=checkbox]': { margin: '0', accentColor: 'var(--accent)' },
        '.cm-panel.cm-search [name=close]': {
                top: '9px',
                right: '12px',
                width: '24px',
                height: '24px',
                borderRadius: '5px',
                fontSize: '18px',
                color: 'var(--ink-2)',
                cursor: 'pointer',
        },
        '.cm-panel.cm-search :focus-visible': {
                outline: '2px solid var(--accent)',
                outlineOffset: '0',
        },
        '.cm-textfield': {
                color: 'var(--ink)',
                background: 'var(--surface)',
                border: '1px solid var(--line)',
                borderRadius: '5px',
                padding: '3px 7px',
                fontSize: '13px',
        },
        '.cm-button': {
                color: 'var(--ink)',
                background: 'var(--raised)',
                border: '1px solid var(--line)',
                borderRadius: '5px',
                padding: '3px 9px',
                fontSize: '12px',
        },
        '.cm-tooltip': {
                color: 'var(--ink)',
                background: 'var(--raised)',
                border: '1px solid var(--line)',
                borderRadius: '7px',
                boxShadow: 'var(--shadow)',
                overflow: 'hidden',
        },
        '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: MONO, fontSize: '13px' },
        '.cm-tooltip-autocomplete ul li[aria-selected]': {
                color: 'var(--accent-ink)',
                background: 'var(--accent)',
        },
});

const colours = HighlightStyle.define([
        {
                tag: [t.keyword, t.operatorKeyword, t.controlKeyword, t.modifier],
                color: 'var(--code-word)',
                fontWeight: '600',
        },
        { tag: [t.string, t.special(t.string), t.character], color: 'var(--code-string)' },
        { tag: [t.number, t.bool, t.null, t.atom], color: 'var(--code-number)' },
        { tag: [t.comment, t.docComment], color: 'var(--code-comment)', fontStyle: 'italic' },
        {
                tag: [
                        t.function(t.definition(t.variableName)),
                        t.definition(t.className),
                        t.className,
                ],
                color: 'var(--code-name)',
        },
        {
                tag: [t.function(t.variableName), t.function(t.propertyName)],
                color: 'var(--code-call)',
        },
        { tag: [t.self, t.standard(t.variableName)], color: 'var(--accent-text)' },
        { tag: [t.meta, t.annotation], color: 'var(--brass)' },
        { tag: t.escape, color: 'var(--code-number)' },
        { tag: t.invalid, color: 'var(--danger)' },
]);

export interface EditorKeys {
        save(): void;
        run(): void;
        stop(): void;
}

const does = (f: () => void) => () => {
        f();
        return true;
};

export class Extensions {
        private readonly common: Extension[];

        constructor(keys: EditorKeys, changed: () => void) {
                this.common = [
                        Prec.highest(
                                keymap.of([
                                        {
                                                key: 'Mod-s',
                                                run: does(keys.save),
                                                preventDefault: true,
                                        },
                                        {
                                                key: 'Mod-Enter',
                                                run: does(keys.run),
                                                preventDefault: true,
                                        },
                                        {
                                                key: 'Mod-.',
                                                run: does(keys.stop),
                                                preventDefault: true,
                                        },
                                ]),
                        ),
                        lineNumbers(),
                        foldGutter(),
                        highlightSpecialChars(),
                        history(),
                        drawSelection(),
                        dropCursor(),
                        EditorState.allowMultipleSelections.of(true),
                        rectangularSelection(),
                        indentOnInput(),
                        bracketMatching(),
                        closeBrackets(),
                        autocompletion(),
                        highlightActiveLine(),
                        highlightActiveLineGutter(),
                        highlightSelectionMatches(),
                        search({ top: true }),
                        indentUnit.of('    '),
                        EditorState.tabSize.of(4),
                        keymap.of([
                                ...closeBracketsKeymap,
                                ...defaultKeymap,
                                ...searchKeymap,
                                ...historyKeymap,
                                ...foldKeymap,
                                ...completionKeymap,
                                indentWithTab,
                        ]),
                        look,
                        syntaxHighlighting(colours),
                        EditorView.updateListener.of((u) => u.docChanged && changed()),
                ];
        }

        state(name: string, text: string, newline: string, writable: boolean): EditorState {
                return EditorState.create({
                        doc: text.split(/\r\n?|\n/).join(newline),
                        extensions: [
                                this.common,
                                EditorState.lineSeparator.of(newline),
                                EditorState.readOnly.of(!writable),
                                EditorView.contentAttributes.of({
                                        'aria-label': `Text of ${name}`,
                                }),
                                /\.pyw?$/.test(name) ? python() : [],
                        ],
                });
        }
}

export function makeView(parent: HTMLElement): EditorView {
        const root = parent.attachShadow({ mode: 'open' });
        return new EditorView({ parent: root, root });
}
