// From the printed link to a program running: in a real Chromium, against the built server.
// as released
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';

import {
        ide,
        newFile,
        openBrowser,
        run,
        screen,
        shoot,
        typeIn,
        waitScreen,
        waitStatus,
        TIMEOUT,
} from './browser.mjs';
import { Server, repo, until } from './lib.mjs';

const GREETING = `# Greets whoever is there.
name = input("Who are you? ")


def greet(name: str, times: int = 3) -> None:
    for i in range(times):
        print(f"{i + 1}. Hello, {name}!")


greet(name)
`;
// Each line says which of its runs it is of.
const LOOP =
        'import time\nbegun = time.time_ns()\nwhile True:\n    print("turning since", begun, flush=True)\n    time.sleep(0.05)\n';
// Two hundred marks, four seconds; whoever misses or doubles one is found out.
const MARKS =
        'import time\nfor i in range(200):\n    print(f"{i:03d}.", end="", flush=True)\n    time.sleep(0.02)\n' +
        'name = input("\\nwho? ")\nprint("hello, " + name)\n';
const ALL_MARKS = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(3, '0')}.`).join('');

const DICE = `"""Throws dice, and shows how often each sum came up."""
import random
from collections import Counter


def throw(dice: int) -> int:
    return sum(random.randint(1, 6) for _ in range(dice))


def show(counts: Counter) -> None:
    for total in sorted(counts):
        print(f"{total:3} ", "\\x1b[36m" + "\u2588" * counts[total] + "\\x1b[0m", counts[total])


dice = int(input("How many dice? "))
random.seed(7)
show(Counter(throw(dice) for _ in range(200)))
`;

describe('the browser IDE', { timeout: 20 * TIMEOUT }, () => {
        let server, browser, page, usedLink, password;

        before(async () => {
                server = await Server.start();
                browser = await openBrowser();
        });
        after(async () => {
                await browser?.close();
                await server?.destroy();
        });

        it('lets nothing inline, nothing evaluated and no other host past its policy', async () => {
                const answer = await server.fetch('/');
                assert.equal(answer.status, 200);
                const policy = answer.headers.get('content-security-policy');
                assert.doesNotMatch(policy, /unsafe|\*|https?:|data:|blob:/);
                for (const part of [
                        "default-src 'none'",
                        "script-src 'self'",
                        "style-src 'self'",
                        "frame-ancestors 'none'",
                        "base-uri 'none'",
                ])
                        assert.ok(policy.includes(part), `${part} in ${policy}`);
        });

        it('signs in by the one-time link, writes a file with input(), runs it, answers, sees the greeting', async () => {
                usedLink = server.firstLink;
                password = server.firstPassword; // said once, by the first start
                page = await ide(browser, server, { link: usedLink });
                assert.equal(
                        await page.evaluate(() => location.hash),
                        '',
                        'the link is taken out of the address',
                );
                await newFile(page, 'greeting.py', GREETING);
                await run(page);
                await waitScreen(page, 'Who are you?');
                assert.equal(
                        await page.locator('.editor .dot.unsaved').count(),
                        0,
                        'Run has saved the file',
                );
                await typeIn(page, 'Ada\n');
                await waitScreen(page, '3. Hello, Ada!');
                assert.equal(
                        await screen(page),
                        'Who are you? Ada\n1. Hello, Ada!\n2. Hello, Ada!\n3. Hello, Ada!',
                );
                assert.match(await waitStatus(page, 'Finished'), /Finished after [\d.]+ m?s/);
                page.watch.clean();
        });

        it('stops a loop, and says so', async () => {
                await newFile(page, 'loop.py', LOOP);
                await run(page);
                await waitScreen(page, /turning since \d+\nturning/);
                await page.click('.stop-button');
                assert.match(await waitStatus(page, 'Stopped'), /Stopped after/);
                await page.waitForSelector('.stop-button[disabled]');
                page.watch.clean();
        });

        it('says with which code a program ended, and shows its traceback', async () => {
                await newFile(page, 'broken.py', 'print(1 / 0)\n');
                await run(page);
                await waitScreen(page, 'ZeroDivisionError');
                await waitStatus(page, 'Ended with code 1');
                page.watch.clean();
        });

        it('marks what is not saved, and saves with Ctrl-S', async () => {
                await newFile(page, 'notes.txt', 'first line\n');
                await page.keyboard.press('Control+s');
                await page.waitForSelector('.editor .tab.active:not(:has(.dot))');
                const token = await server.login('admin', password);
                const c = await server.client(token);
                const read = () => c.request('fs.read', { path: 'home/notes.txt' });
                const { data, etag } = await read();
                assert.equal(data, 'first line\n');

                // Somebody else saves meanwhile; both stay until one is chosen.
                await page.locator('.cm-content').click();
                await page.keyboard.insertText('mine\n');
                await page.waitForSelector('.editor .tab.active .dot.unsaved');
                await c.request('fs.write', {
                        path: 'home/notes.txt',
                        data: 'theirs\n',
                        encoding: 'utf8',
                        if_match: etag,
                });
                await page.keyboard.press('Control+s');
                await page.locator('dialog', { hasText: 'was changed elsewhere' }).waitFor();
                assert.equal((await read()).data, 'theirs\n');
                await page.click('dialog button:text-is("Keep mine")');
                await page.waitForSelector('.editor .tab.active:not(:has(.dot))');
                assert.match((await read()).data, /mine/);
                page.watch.clean();
        });

        it('a file that runs already is told, and makes way if asked', async () => {
                await page.click('[data-path="home/loop.py"]');
                await page.waitForSelector('.editor .tab.active:has-text("loop.py")');
                await run(page);
                const [first] = (await waitScreen(page, /turning since \d+$/m)).match(/since \d+$/m);
                await run(page);
                await page.click('dialog button:text-is("Stop it and run again")');
                // The page hears of the answer after the click has returned: until then the first runs on.
                await until(
                        async () => {
                                const shown = await screen(page).catch(() => '');
                                return shown.includes('turning') && !shown.includes(first);
                        },
                        { what: 'the second run', timeout: TIMEOUT },
                );
                await page.click('.stop-button');
                await waitStatus(page, 'Stopped');
                page.watch.clean();
        });

        it('files are made, renamed and deleted with the keyboard alone', async () => {
                await page.locator('[role="treeitem"][tabindex="0"]').focus();
                await page.keyboard.press('Home');
                await page.keyboard.type('home');
                await page.locator('[data-path="home"]:focus').waitFor();
                await page.locator('[aria-label="New folder"]').focus();
                await page.keyboard.press('Enter');
                await page.keyboard.type('drafts\n');
                await page.locator('[data-path="home/drafts"]:focus').waitFor();
                await page.keyboard.press('F2');
                await page.keyboard.type('essays\n'); // the old name is selected
                await page.locator('[data-path="home/essays"]:focus').waitFor();
                await page.keyboard.press('F2');
                await page.keyboard.type('loop.py\n');
                await page.locator('.row-problem', { hasText: 'something of that name' }).waitFor();
                await page.keyboard.press('Escape');
                await page.keyboard.press('Delete');
                await page.locator('dialog', { hasText: 'Delete essays?' }).waitFor();
                await page.keyboard.press('Tab');
                await page.keyboard.press('Enter');
                await page.waitForSelector('[data-path="home/essays"]', { state: 'detached' });
                page.watch.clean();
        });

        it('a reload takes up the run where it was, and what was not saved', async () => {
                await newFile(page, 'marks.py', MARKS);
                await run(page);
                await waitScreen(page, '020.');
                await page.locator('.cm-content').click();
                await page.keyboard.press('Control+End');
                await page.keyboard.insertText('# unsaved\n');
                await page.waitForFunction(() =>
                        sessionStorage.getItem('latch.draft:home/marks.py'),
                );
                page.once('dialog', (d) => d.accept()); // it warns before it goes
                await page.reload();
                await page.waitForSelector('.editor .tab.active .dot.unsaved');
                await waitScreen(page, 'who?');
                await typeIn(page, 'Grace\n');
                await waitScreen(page, 'hello, Grace');
                const shown = (await screen(page)).replaceAll('\n', '');
                assert.equal(shown, `${ALL_MARKS}who? Gracehello, Grace`);
                await waitStatus(page, 'Finished');
                await page.keyboard.press('Control+s');
                page.watch.clean();
        });

        it('a server that is restarted in the middle of a run loses nothing', async () => {
                await run(page);
                await waitScreen(page, '010.');
                page.watch.away = true;
                const port = server.port;
                const ended = await server.stop('SIGTERM');
                assert.equal(ended.code, 0);
                server.listen = `127.0.0.1:${port}`;
                await server.restart();
                assert.equal(server.port, port);
                await page.waitForFunction(
                        () =>
                                !document.querySelector('.link.broken') &&
                                !document.querySelector('.run-button').disabled,
                );
                page.watch.away = false;
                await waitScreen(page, 'who?');
                await typeIn(page, 'Edsger\n');
                await waitScreen(page, 'hello, Edsger');
                const shown = (await screen(page)).replaceAll('\n', '');
                assert.equal(shown, `${ALL_MARKS}who? Edsgerhello, Edsger`);
                await waitStatus(page, 'Finished');
                page.watch.clean();
        });

        it('signs out, refuses a wrong password in words, and lets in by the form', async () => {
                await page.click('.account');
                await page.click('[role="menuitem"]');
                await page.waitForSelector('#signin-name');
                await page.fill('#signin-name', 'admin');
                await page.fill('#signin-password', 'not the password');
                await page.click('dialog button:text-is("Sign in")');
                await page.locator('.signin-problem', { hasText: 'do not go together' }).waitFor();
                page.watch.expect(/401/); // the browser tells the console of every 401
                await page.fill('#signin-password', password);
                await page.click('dialog button:text-is("Sign in")');
                await page.waitForSelector('[data-path="home/greeting.py"]');
                page.watch.clean();
        });

        it('a link that was used is refused in words', async () => {
                const other = await ide(browser, server, { url: usedLink });
                await other.locator('.signin-problem', { hasText: 'used already' }).waitFor();
                other.watch.expect(/40\d/);
                other.watch.clean();
                await other.context().close();
        });

        it('looks as it should, in light and in dark', async () => {
                await newFile(page, 'dice.py', DICE);
                await run(page);
                await waitScreen(page, 'How many dice?');
                await typeIn(page, '2\n');
                await waitStatus(page, 'Finished');
                await page.locator('.cm-line', { hasText: 'show(' }).last().click();
                await page.mouse.move(900, 420);
                const seen = [];
                for (const scheme of ['light', 'dark']) {
                        await page.emulateMedia({ colorScheme: scheme });
                        // The terminal hears of it a moment later than the style sheet.
                        const colour = await until(() => page.evaluate(onePaper), {
                                what: `one colour for editor and terminal in ${scheme}`,
                        });
                        assert.ok(!seen.includes(colour), 'light and dark differ');
                        seen.push(colour);
                        if (process.env.LATCH_SCREENSHOTS) await picture(scheme);
                }
                page.watch.clean();
        });

        it('shows an admin the locks: sorted, with places, asked for anew while somebody looks', async () => {
                await page.evaluate(countCalls);
                await page.clock.install();
                await page.click('.account');
                await page.click('.menu button:has-text("Locks")');
                await page.waitForSelector('.locks-name');
                await page.clock.pauseAt(await page.evaluate(() => Date.now() + 1000));

                // How often it asks in that time; what was asked has been answered.
                const since = async (ms, act = () => {}) => {
                        const asked = () => page.evaluate(() => window.calls['admin.locks']);
                        const before = await asked();
                        await act();
                        await page.clock.runFor(ms);
                        await page.waitForFunction(() => !window.unanswered.size, null, { polling: 10 });
                        return (await asked()) - before;
                };
                const press = (label) => () => page.click(`.locks button:text-is("${label}")`);
                const problem = () => page.textContent('.locks-problem');
                const takes = () => page.evaluate(column, 2);
                const sorted = async (order) => {
                        await press('Takes')();
                        await page.waitForSelector(`th[aria-sort="${order}"]:has-text("Takes")`);
                        return takes();
                };
                await since(0);
                assert.equal(await since(2000), 1);
                assert.equal(await since(20000, press('Pause')), 0, 'paused, it asks nothing');
                const down = await sorted('descending');
                assert.ok(down[0] > 0 && down[0] >= down.at(-1));
                assert.deepEqual(down, down.toSorted((a, b) => b - a));
                assert.deepEqual(await sorted('ascending'), down.toReversed());
                await press('session')();
                await page.locator('h3:text-is("Longest holds of session")').waitFor();
                assert.equal(await page.locator('[aria-pressed="true"]').textContent(), 'session');

                assert.equal(await since(100, press('Go on')), 1);
                const still = await takes();
                await page.evaluate(markTakes);
                assert.equal(await since(2000), 1);
                assert.deepEqual(await takes(), still, 'what is marked stands still');
                await page.evaluate(() => getSelection().empty());
                assert.equal(await since(2000), 1);
                assert.notDeepEqual(await takes(), still);

                const show = (hidden) => () => page.evaluate(look, hidden);
                assert.equal(await since(20000, show(true)), 0, 'hidden, it asks nothing');
                assert.equal(await since(100, show(false)), 1, 'the question of who is back');
                await page.evaluate(answerNext, { code: 'busy', retry_after_ms: 10000 });
                assert.equal(await since(2000), 1);
                assert.match(await problem(), /busy/);
                await show(true)();
                assert.equal(await since(8000, show(false)), 0, 'left alone for as long as the server wants');
                await page.evaluate(answerNext, { code: 'forbidden' });
                assert.equal(await since(2100), 1);
                assert.match(await problem(), /not signed in/);
                assert.equal(await since(2000), 1, 'nothing is final about that');
                assert.equal(await problem(), '');

                // Who may see it is said anew by each connection.
                await page.evaluate(helloAgain, { name: 'admin', role: 'teacher' });
                assert.match(await problem(), /Only administrators/);
                await page.locator('.locks button:text-is("Pause")').waitFor({ state: 'hidden' });
                assert.equal(await since(20000), 0, 'who may not see it asks nothing');
                await page.clock.resume();
                assert.equal((await server.quickCtl(['user', 'sign-out', 'admin'])).code, 0);
                await page.fill('#signin-password', password);
                await page.click('dialog button:text-is("Sign in")');
                await page.locator('.locks-classes').waitFor();
                await page.locator('.locks button:text-is("Pause")').waitFor();
                assert.equal(await problem(), '');
                page.watch.expect(/401/); // how the page learns that it is out

                await page.keyboard.press('Escape');
                await page.waitForSelector('.locks', { state: 'detached' });
                await page.waitForSelector('.account:focus');
                assert.equal(await since(10000), 0, 'closed, it asks nothing');
                page.watch.clean();
                await page.close(); // its clock and its socket are not what they were
        });

        async function picture(scheme) {
                const name = scheme === 'light' ? 'screenshot.png' : 'screenshot-dark.png';
                await page.evaluate(() =>
                        Promise.all(document.getAnimations().map((a) => a.finished)),
                );
                await shoot(page, path.resolve(repo, process.env.LATCH_SCREENSHOTS, name));
        }
});

// What the page asks the server, by method, and what is not answered yet; runs in the page.
function countCalls() {
        window.calls = {};
        window.unanswered = new Set();
        const sockets = new WeakSet();
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (data) {
                const { id, method } = typeof data === 'string' ? JSON.parse(data) : {};
                const forget = (e) => typeof e.data !== 'string' || window.unanswered.delete(JSON.parse(e.data).id);
                if (!sockets.has(this)) {
                        this.addEventListener('message', forget);
                        this.addEventListener('close', () => window.unanswered.clear());
                }
                sockets.add(this);
                window.socket = this;
                window.calls[method] = (window.calls[method] ?? 0) + 1;
                const answer = method === 'admin.locks' && window.answer;
                if (!answer) {
                        if (id !== undefined) window.unanswered.add(id);
                        return send.call(this, data);
                }
                delete window.answer;
                const error = { code: -32000, message: 'as the test wants it', data: answer };
                this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ id, error }) }));
        };
}

// What the next question after the locks is answered, instead of by the server; runs in the page.
function answerNext(answer) {
        window.answer = answer;
}

// As if there were a new connection, of this user; runs in the page.
function helloAgain(user) {
        const hello = { jsonrpc: '2.0', method: 'hello', params: { user } };
        window.socket.dispatchEvent(new MessageEvent('message', { data: JSON.stringify(hello) }));
}

// The figures of a column of the lock classes; runs in the page.
function column(n) {
        return [...document.querySelectorAll(`.locks-classes td:nth-child(${n})`)].map((c) => Number(c.textContent.replaceAll(',', '')));
}

// Marks the figures of the class that is taken most, from the title on; runs in the page.
function markTakes() {
        const cell = document.querySelector('.locks-classes tbody tr:last-child > td:nth-child(2)');
        getSelection().setBaseAndExtent(document.querySelector('#locks-title'), 0, cell, 1);
}

// As when another tab is in front; runs in the page.
function look(hidden) {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
}

// The background of the editor, if the terminal has the same; runs in the page.
function onePaper() {
        const [editor, terminal] = ['.editor', '.run:not([hidden]) .xterm-scrollable-element'].map(
                (s) => getComputedStyle(document.querySelector(s)).backgroundColor,
        );
        return editor === terminal && editor;
}
