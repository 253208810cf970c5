// status.ts - the line below a terminal: how it is, who watches, and what can be done about it.

import { h, icon, type Child } from './dom';
import { nameOfWatcher, type Run } from './run';
import { duration } from './words';

export interface StatusEvents {
        drive(): void; // take the keyboard
        again(): void; // a shell that has ended: another in its place
}

const MARKS = { busy: 'clock', ok: 'ok', plain: 'stop', bad: 'warn' } as const;

function button(label: string, onclick: () => void): HTMLElement {
        return h('button', { type: 'button', class: 'button small', onclick }, label);
}

function aside(run: Run, events: StatusEvents): Child {
        if (run.about.owner && run.alive)
                return h('span', { class: 'status-aside' }, icon('eye'), 'Read-only: you watch');
        if (!run.status().aside) return null;
        return h(
                'span',
                { class: 'status-aside' },
                'Read-only: this window does not have the keyboard.',
                button('Take it', events.drive),
        );
}

function watched(run: Run): Child {
        if (run.about.owner || !run.others.length || !run.alive) return null;
        return h(
                'span',
                { class: 'status-watched' },
                icon('eye'),
                `Watched by ${run.others.map(nameOfWatcher).join(', ')}`,
        );
}

function elsewhere(run: Run): Child {
        if (run.about.owner || !run.elsewhere || !run.alive) return null;
        const windows = run.elsewhere === 1 ? 'one other window' : `${run.elsewhere} other windows`;
        return h('span', { class: 'status-figures' }, `Open in ${windows}, too`);
}

function expiring(run: Run): Child {
        if (!run.alive || !run.expires_ms) return null;
        const left_ms = Math.max(0, Math.ceil((run.expires_ms - Date.now()) / 1000) * 1000);
        return h(
                'span',
                { class: 'status-watched' },
                icon('clock'),
                `Unused: it ends in ${duration(left_ms)}. Press a key to keep it.`,
        );
}

export function statusLine(run: Run, events: StatusEvents): Node[] {
        const s = run.status();
        const over = run.state === 'ended' || run.state === 'failed';
        const parts: Child[] = [
                h('span', { class: 'status-mark' }, icon(MARKS[s.tone])),
                h('span', { class: 'status-text' }, s.text),
                s.figures ? h('span', { class: 'status-figures' }, s.figures) : null,
                expiring(run),
                watched(run),
                elsewhere(run),
                aside(run, events),
                over && run.about.kind === 'shell' && !run.about.owner
                        ? h('span', { class: 'status-aside' }, button('Start again', events.again))
                        : null,
        ];
        return parts.filter((p): p is Node => !!p);
}
