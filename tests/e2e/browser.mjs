// browser.mjs - a real Chromium in front of a real server, and a watch over what it must never do.
//
//     const browser = await openBrowser();
//     const page = await ide(browser, server, { link: server.firstLink });
//     await newFile(page, 'a.py', source); await run(page); await typeIn(page, 'Ada\n');
//     page.watch.clean(); // no error in the console, no violation of the policy, no other host asked
import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { slow } from './lib.mjs';

export const TIMEOUT = 10000 * slow;

// A profile of its own, empty, each time. Nothing but the loopback can be found at all.
export function openBrowser() {
        return chromium.launch({
                executablePath: process.env.LATCH_CHROMIUM ?? '/usr/bin/chromium',
                args: [
                        '--headless',
                        '--no-sandbox',
                        '--disable-gpu',
                        '--disable-quic',
                        '--no-first-run',
                        '--disable-background-networking',
                        '--disable-component-update',
                        '--disable-sync',
                        '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
                ],
        });
}

// What the browser complains of. While the server is away, refused connections are what they should be.
export class Watch {
        constructor(page, server) {
                this.problems = [];
                this.away = false;
                this.server = server;
                page.on('console', (m) => {
                        if (m.type() !== 'error' && m.type() !== 'warning') return;
                        if (
                                this.away &&
                                /ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE|response code: 503|status of 503/.test(m.text())
                        )
                                return;
                        this.problems.push(`console ${m.type()}: ${m.text()}`);
                });
                page.on('pageerror', (e) => this.problems.push(`exception: ${e.stack}`));
                page.on('request', (r) => this.host(r.url()));
                page.on('websocket', (w) => this.host(w.url()));
        }

        host(url) {
                const { protocol, host } = new URL(url);
                if (protocol !== 'about:' && host !== `127.0.0.1:${this.server.port}`)
                        this.problems.push(`another host: ${url}`);
        }

        // Forgets complaints that a test has asked for.
        expect(pattern) {
                const at = this.problems.findIndex((p) => pattern.test(p));
                assert.notEqual(
                        at,
                        -1,
                        `expected ${pattern} among ${JSON.stringify(this.problems)}`,
                );
                this.problems.splice(at, 1);
        }

        clean() {
                assert.deepEqual(this.problems, []);
        }
}

// A page of a fresh browser context: signed in by the link, or by name and password, or just at an url.
export async function ide(
        browser,
        server,
        { link, url, user, context, viewport = { width: 1280, height: 800 } } = {},
) {
        context ??= await browser.newContext({ viewport });
        const page = await context.newPage();
        page.setDefaultTimeout(TIMEOUT);
        page.watch = new Watch(page, server);
        await page.addInitScript(() =>
                addEventListener('securitypolicyviolation', (e) =>
                        console.error(
                                `policy: ${e.violatedDirective} by ${e.blockedURI} ${e.sample}`,
                        ),
                ),
        );
        await page.goto(link ?? url ?? `${server.url}/`);
        if (user) {
                await page.fill('#signin-name', user.name);
                await page.fill('#signin-password', user.password);
                await page.click('dialog button:text-is("Sign in")');
        }
        if (link || user) await page.waitForSelector('[data-path="home"]');
        return page;
}

export async function newFile(page, name, text) {
        await page.click('[aria-label="New file"]');
        await page.fill('.row-input', name);
        await page.keyboard.press('Enter');
        await page.waitForSelector(`.editor .tab.active:has-text("${name}")`);
        await page.locator('.cm-content').click();
        await page.keyboard.insertText(text);
        await page.waitForSelector('.editor .tab.active .dot.unsaved');
}

// As a user does: the button saves, and starts.
export async function run(page) {
        await page.click('.run-button');
}

// What the visible terminal shows, without the spaces that fill its lines.
export function screen(page) {
        return page.locator('.run:not([hidden]) .xterm-rows').evaluate((rows) =>
                [...rows.children]
                        .map((r) => r.textContent.replaceAll('\u00a0', ' ').trimEnd())
                        .join('\n')
                        .trimEnd(),
        );
}

export async function waitScreen(page, wanted, timeout = TIMEOUT) {
        const end = Date.now() + timeout;
        for (;;) {
                const now = await screen(page).catch(() => '');
                if (typeof wanted === 'string' ? now.includes(wanted) : wanted.test(now))
                        return now;
                if (Date.now() > end)
                        throw new Error(
                                `waited in vain for ${wanted}; the terminal shows:\n${now}`,
                        );
                await page.waitForTimeout(20);
        }
}

export async function typeIn(page, text) {
        await page.locator('.run:not([hidden]) .xterm-helper-textarea').focus();
        await page.keyboard.type(text);
}

export async function waitStatus(page, wanted, timeout = TIMEOUT) {
        await page.locator('.status-text', { hasText: wanted }).waitFor({ timeout });
        return page.locator('.run-status').innerText();
}

// Without Playwright's own style element, which the page's policy would refuse.
export function shoot(page, path) {
        return page.screenshot({ path, caret: 'initial' });
}
