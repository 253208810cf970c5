// signin.ts - by the one-time link, or by name and password; also in front of a page whose sign-in
// ran out.

import { HttpError, loginByLink, loginByPassword, type User } from './api';
import { h, icon, mark } from './dom';

// Asking /api/me without a sign-in would be an error in the browser's log at each first visit.
const SIGNED_IN = 'latch.signed-in';

export function rememberSignedIn(yes: boolean): void {
        if (yes) localStorage.setItem(SIGNED_IN, '1');
        else localStorage.removeItem(SIGNED_IN);
}

export function maybeSignedIn(): boolean {
        return localStorage.getItem(SIGNED_IN) === '1';
}

// The link of the address bar, taken out of it: it works once, and is no one else's business.
export function takeLink(): string | undefined {
        const link = /^#link=(.+)$/.exec(location.hash)?.[1];
        if (link) history.replaceState(null, '', location.pathname + location.search);
        return link && decodeURIComponent(link);
}

export async function signInByLink(link: string): Promise<User | string> {
        try {
                return await loginByLink(link);
        } catch (e) {
                if (e instanceof HttpError && e.status >= 400 && e.status < 500 && e.status !== 429)
                        return 'That link has been used already, or is too old. Sign in with your name and password.';
                return words(e);
        }
}

function words(e: unknown): string {
        if (!(e instanceof HttpError)) return String(e);
        if (e.status === 401 || e.status === 403) return 'Name and password do not go together.';
        if (e.status === 429)
                return `Too many tries. ${e.retryAfter_s ? `Wait ${e.retryAfter_s} s, then` : 'Wait a little, then'} try again.`;
        return e.message;
}

// Resolves once someone is signed in. problem: words to begin with; name: who was signed in before.
export function signIn({ problem = '', name = '' } = {}): Promise<User> {
        return new Promise((resolve) => {
                const alert = h('p', { class: 'signin-problem', role: 'alert' }, problem);
                const user = h('input', {
                        id: 'signin-name',
                        name: 'username',
                        autocomplete: 'username',
                        required: true,
                        value: name,
                        autocapitalize: 'none',
                        spellcheck: false,
                });
                const password = h('input', {
                        id: 'signin-password',
                        name: 'password',
                        type: 'password',
                        autocomplete: 'current-password',
                        required: true,
                });
                const button = h(
                        'button',
                        { type: 'submit', class: 'button primary wide' },
                        'Sign in',
                );
                const submit = async (e: Event) => {
                        e.preventDefault();
                        button.disabled = true;
                        alert.textContent = '';
                        try {
                                const who = await loginByPassword(
                                        user.value.trim(),
                                        password.value,
                                );
                                dialog.close('done');
                                resolve(who);
                        } catch (error) {
                                alert.textContent = words(error);
                                password.select();
                        } finally {
                                button.disabled = false;
                        }
                };
                const dialog = h(
                        'dialog',
                        { class: 'signin', 'aria-label': 'Sign in' },
                        h('div', { class: 'signin-head' }, mark(), h('h1', {}, 'Latch')),
                        h(
                                'p',
                                { class: 'signin-line' },
                                name
                                        ? 'Your sign-in has run out. Nothing is lost: sign in and go on.'
                                        : 'Your programs, your files, and where you left off.',
                        ),
                        h(
                                'form',
                                { onsubmit: submit },
                                h('label', { htmlFor: 'signin-name' }, 'Name'),
                                user,
                                h('label', { htmlFor: 'signin-password' }, 'Password'),
                                h(
                                        'div',
                                        { class: 'password-field' },
                                        password,
                                        showPassword(password),
                                ),
                                alert,
                                button,
                        ),
                );
                dialog.addEventListener('cancel', (e) => e.preventDefault());
                dialog.addEventListener('close', () =>
                        dialog.returnValue === 'done' ? dialog.remove() : dialog.showModal(),
                );
                document.body.append(dialog);
                dialog.showModal();
                (name ? password : user).focus();
        });
}

function showPassword(password: HTMLInputElement): HTMLElement {
        const button = h(
                'button',
                {
                        type: 'button',
                        class: 'icon-button',
                        'aria-label': 'Show the password',
                        'aria-pressed': 'false',
                        title: 'Show the password',
                        onclick: () => {
                                const shown = password.type === 'text';
                                password.type = shown ? 'password' : 'text';
                                button.setAttribute('aria-pressed', String(!shown));
                        },
                },
                icon('eye'),
        );
        return button;
}
