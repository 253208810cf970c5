// What breaks between a page and its server: connections, sign-ins, attention. The page goes on.
// as released
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';

import {
        TIMEOUT,
        ide,
        newFile,
        openBrowser,
        run,
        screen,
        typeIn,
        waitScreen,
        waitStatus,
} from './browser.mjs';
import { Server, until } from './lib.mjs';

const LINES = 60;
// Answers each line with two kilobytes, and judges in the end what it was given.
const ANSWERS = `got = []
for i in range(${LINES}):
    got.append(input())
    print(f"{i:03d}" * 680)
print("all in order" if got == [f"{i:03d}" for i in range(${LINES})] else got)
`;
const DIGEST = `import hashlib, sys
text = ""
while not text.endswith("end\\n"):
    text += sys.stdin.readline()
print("\\n" + hashlib.sha256(text.encode()).hexdigest())
`;

const KIND_OUTPUT = 1;

// Stands between page and server. A connection breaks after so many messages of the page, and what the
// server says meanwhile is lost: acknowledgements, answers, output. Answers may be held up.
class Wire {
        constructor() {
                this.breakAfter = 0; // messages of the page; 0: never
                this.mute = false;
                this.holds = ''; // the method whose answers wait
                this.held = []; // to be called, to let one go
                this.connections = 0;
                this.output = Buffer.alloc(0); // what the page has been given, by its place
                this.holes = [];
        }

        connect(ws) {
                const server = ws.connectToServer();
                let sent = 0,
                        deaf = false;
                const waiting = new Set();
                this.connections++;
                const mute = () => (deaf ||= this.mute);
                ws.onMessage((m) => {
                        if (mute()) return;
                        if (this.holds && typeof m === 'string' && JSON.parse(m).method === this.holds)
                                waiting.add(JSON.parse(m).id);
                        server.send(m);
                        if (!this.breakAfter || ++sent < this.breakAfter) return;
                        deaf = true;
                        setTimeout(() => {
                                server.close({ code: 4000 });
                                ws.close({ code: 4000 });
                        }, 30);
                });
                server.onMessage((m) => {
                        if (mute()) return;
                        if (typeof m !== 'string') this.note(Buffer.from(m));
                        else if (waiting.size && waiting.delete(JSON.parse(m).id))
                                return void this.held.push(() => ws.send(m));
                        ws.send(m);
                });
        }

        note(frame) {
                if (frame[0] !== KIND_OUTPUT) return;
                const at = Number(frame.readBigUInt64LE(8));
                if (at > this.output.length) this.holes.push([this.output.length, at]);
                this.output = Buffer.concat([this.output.subarray(0, at), frame.subarray(16)]);
        }
}

describe('what breaks between the page and its server', { timeout: 20 * TIMEOUT }, () => {
        let server, browser, ann, wire, page;

        before(async () => {
                server = await Server.start();
                browser = await openBrowser();
                ann = await server.user('ann');
        });
        after(async () => {
                await browser?.close();
                await server?.destroy();
        });

        it('a connection that breaks again and again loses no output and doubles no input', async () => {
                wire = new Wire();
                const context = await browser.newContext({
                        viewport: { width: 1280, height: 800 },
                });
                await context.routeWebSocket(/\/v1\/ws$/, (ws) => wire.connect(ws));
                page = await ide(browser, server, { user: ann, context });
                await newFile(page, 'answers.py', ANSWERS);
                await run(page);
                await page.locator('.status-text', { hasText: 'Running' }).waitFor();
                wire.breakAfter = 30;
                for (let i = 0; i < LINES; i++)
                        await typeIn(page, `${String(i).padStart(3, '0')}\n`);
                await waitScreen(page, 'all in order', 6 * TIMEOUT);
                wire.breakAfter = 0;
                await waitStatus(page, 'Finished');
                assert.ok(wire.connections > 5, `it did break: ${wire.connections} connections`);
                assert.deepEqual(wire.holes, []);

                const c = await server.client(ann);
                const [{ session }] = await c.request('session.list', {});
                const ch = await c.attach(session, { since: 0, role: 'viewer' });
                await ch.waitExit();
                assert.equal(wire.output.length, ch.all.length);
                assert.ok(wire.output.equals(ch.all), 'the page was given what the server has');
                page.watch.clean();
        });

        it('a connection that went mute is given up once the network is back', async () => {
                await newFile(page, 'mute.py', 'print("hello, " + input("who? "))\n');
                await run(page);
                await waitScreen(page, 'who?');
                wire.mute = true;
                await typeIn(page, 'Ada\n');
                const before = wire.connections;
                await page.waitForTimeout(5500); // a server that spoke a moment ago is not asked
                wire.mute = false;
                await page.evaluate(() => dispatchEvent(new Event('online')));
                await waitScreen(page, 'hello, Ada');
                await waitStatus(page, 'Finished');
                assert.ok(wire.connections > before);
                page.watch.clean();
        });

        it('what is typed while a file is read again stays', async () => {
                await newFile(page, 'both.txt', 'first line\n');
                await page.keyboard.press('Control+s');
                await page.waitForSelector('.editor .tab.active:not(:has(.dot))');
                const c = await server.client(ann);
                const read = () => c.request('fs.read', { path: 'home/both.txt' });
                // What is typed before the page has read what somebody else wrote.
                const typeMeanwhile = async (typed, theirs) => {
                        const { etag } = await read();
                        wire.holds = 'fs.read';
                        await c.request('fs.write', {
                                path: 'home/both.txt',
                                data: theirs,
                                encoding: 'utf8',
                                if_match: etag,
                        });
                        await until(() => wire.held.length > 0, {
                                timeout: TIMEOUT,
                                what: 'the page to read what was written',
                        });
                        wire.holds = '';
                        await page.locator('.cm-content').click();
                        await page.keyboard.insertText(typed);
                        await page.waitForSelector('.editor .tab.active .dot.unsaved');
                        for (const go of wire.held.splice(0)) go();
                };
                await typeMeanwhile('mine\n', 'theirs\n');
                await page.keyboard.press('Control+s');
                await page.locator('dialog', { hasText: 'was changed elsewhere' }).waitFor();
                await page.click('dialog button:text-is("Keep mine")');
                await page.waitForSelector('.editor .tab.active:not(:has(.dot))');
                assert.match((await read()).data, /mine/);

                await typeMeanwhile('x', 'theirs again\n');
                await page.keyboard.press('Backspace'); // nothing is unsaved: theirs is shown
                await page.locator('.cm-content', { hasText: 'theirs again' }).waitFor();
                await page.waitForSelector('.editor .tab.active:not(:has(.dot))');
                page.watch.clean();
        });

        it('what is pasted reaches a program whole, however long it is', async () => {
                await newFile(page, 'digest.py', DIGEST);
                await run(page);
                await page.locator('.status-text', { hasText: 'Running' }).waitFor();
                const text =
                        Array.from(
                                { length: 4000 },
                                (_, i) => `line ${i}, of a long text that was pasted\n`,
                        ).join('') + 'end\n';
                await page
                        .locator('.run:not([hidden]) .xterm-helper-textarea')
                        .evaluate((area, pasted) => {
                                const clipboardData = new DataTransfer();
                                clipboardData.setData('text/plain', pasted);
                                area.dispatchEvent(
                                        new ClipboardEvent('paste', {
                                                clipboardData,
                                                bubbles: true,
                                        }),
                                );
                        }, text);
                await waitScreen(
                        page,
                        createHash('sha256').update(text).digest('hex'),
                        3 * TIMEOUT,
                );
                await waitStatus(page, 'Finished');
                page.watch.clean();
        });

        it('a flood of output leaves the page awake, and is stopped', async () => {
                await newFile(page, 'flood.py', 'while True:\n    print("water " * 30)\n');
                await run(page);
                await waitScreen(page, 'water water');
                for (let i = 0; i < 5; i++) {
                        const began = Date.now();
                        await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
                        assert.ok(
                                Date.now() - began < TIMEOUT / 10,
                                `awake after ${Date.now() - began} ms`,
                        );
                        await page.waitForTimeout(100);
                }
                await page.reload(); // by now the server no longer has its beginning
                await waitScreen(page, 'water water');
                await page.click('.stop-button');
                await waitStatus(page, 'Stopped');
                assert.match(await screen(page), /water/);
                page.watch.clean();
        });

        it('a second window takes the keyboard, and it can be taken back', async () => {
                await newFile(page, 'two.py', 'while True:\n    print("you said", input())\n');
                await run(page);
                await page.locator('.status-text', { hasText: 'Running' }).waitFor();
                const second = await ide(browser, server, {
                        url: `${server.url}/`,
                        context: page.context(),
                });
                await second.click('[data-path="home/two.py"]');
                await second.waitForSelector('.editor .tab.active:has-text("two.py")');
                await run(second);
                await second.click('dialog button:text-is("Show it")');
                await typeIn(second, 'second\n');
                await waitScreen(second, 'you said second');
                await waitScreen(page, 'you said second');
                await page.locator('.status-figures', { hasText: 'Open in one other window' }).waitFor();
                await page.locator('.status-aside').waitFor();
                await page.click('.status-aside button');
                await second.locator('.status-aside').waitFor();
                await typeIn(page, 'first\n');
                await waitScreen(second, 'you said first');
                second.watch.clean();
                await second.close();
                await page.click('.stop-button');
                await waitStatus(page, 'Stopped');
                page.watch.clean();
        });

        it('a sign-in that ends leaves everything where it is, and one signs in again', async () => {
                await newFile(page, 'later.py', 'print("hello, " + input("who? "))\n');
                await run(page);
                await waitScreen(page, 'who?');
                await page.locator('.cm-content').click();
                await page.keyboard.press('Control+End');
                await page.keyboard.insertText('# not saved\n');
                const status = await page.evaluate(
                        async () => (await fetch('/api/logout', { method: 'POST' })).status,
                );
                assert.equal(status, 204);
                await page.waitForSelector('dialog.signin');
                page.watch.expect(/401/); // the page asked why it was put out
                await page.fill('#signin-password', ann.password);
                await page.click('dialog button:text-is("Sign in")');
                await page.locator('dialog.signin').waitFor({ state: 'detached' });
                await page.waitForSelector('.run-button:not([disabled])');
                await page.waitForSelector('.editor .tab.active .dot.unsaved');
                await typeIn(page, 'Ada\n');
                await waitScreen(page, 'hello, Ada');
                await waitStatus(page, 'Finished');
                page.watch.clean();
        });
});
