// Terminals of the page: several, found in, copied, linked; through a killed server without a flash; watched.
// as released
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { TIMEOUT, ide, openBrowser, screen, shoot, typeIn, waitScreen, waitStatus } from './browser.mjs';
import { Server, until } from './lib.mjs';

const visible = '.run:not([hidden])';
const tabs = (page) => page.locator('.panel .tab-label').allTextContents();
const press = (page, keys) => page.locator(`${visible} .xterm-helper-textarea`).press(keys);

describe('terminals of the page', { timeout: 20 * TIMEOUT }, () => {
        let server, browser, ann, tess, page;

        before(async () => {
                server = await Server.start();
                browser = await openBrowser();
                ann = await server.user('ann');
                tess = await server.user('tess', 'teacher');
                await server.ctl(['course', 'add', 'python', '--teacher', 'tess']);
                page = await ide(browser, server, { user: ann });
        });
        after(async () => {
                await browser?.close();
                await server?.destroy();
        });

        it('opens several, each with a shell, as wide as the panel', async () => {
                await page.click('button:has-text("Open a terminal")');
                await waitScreen(page, '$');
                await typeIn(page, 'echo "one=$((6 * 7))" $(stty size)\n');
                const wide = await waitScreen(page, /one=42 \d+ 1\d\d/);
                await page.setViewportSize({ width: 900, height: 800 });
                await typeIn(page, 'stty size\n');
                await waitScreen(page, /\n\d+ [5-9]\d\n/);
                await page.setViewportSize({ width: 1280, height: 800 });
                await press(page, 'Control+Shift+Backquote');
                await waitScreen(page, '$');
                assert.doesNotMatch(await screen(page), /one=42/);
                await typeIn(page, 'printf "\\033]0;my work\\007"; echo "two=$((7 * 7))"\n');
                await waitScreen(page, 'two=49');
                assert.deepEqual(await tabs(page), ['Terminal 1', 'Terminal 2']);
                await page.locator('.panel .tab[title^="Terminal 2: my work"] .tab-aside', { hasText: /^my work$/ }).waitFor();
                await press(page, 'Control+Backquote');
                await waitScreen(page, wide.match(/one=42.*/)[0].trim().slice(0, 6));
                assert.ok(await page.isDisabled('.stop-button'), 'a shell is closed by its tab');
                page.watch.clean();
        });

        it('a bell, and an end, mark the tab that nobody looks at', async () => {
                const tab = (name) => page.locator('.panel .tab', { has: page.locator(`.tab-label:text-is("${name}")`) });
                const rang = page.locator('.panel .tab', { hasText: 'rang the bell' });
                await tab('Terminal 2').click();
                await typeIn(page, 'printf "\\a"; echo "rung$((6 * 6))"; while sleep 0.2; do printf "\\a"; done\n');
                await waitScreen(page, 'rung36');
                assert.equal(await rang.count(), 0, 'somebody looked');
                await tab('Terminal 1').click();
                await rang.waitFor();
                assert.equal(await rang.locator('.tab-label').textContent(), 'Terminal 2');
                await rang.click();
                await rang.waitFor({ state: 'detached' });
                await press(page, 'Control+C');
                await press(page, 'Control+Shift+Backquote');
                await waitScreen(page, '$');
                await typeIn(page, 'sleep 0.5; exit 4\n');
                await tab('Terminal 1').click();
                await tab('Terminal 3').filter({ hasText: 'Ended with code 4' }).waitFor();
                await tab('Terminal 3').locator('.tab-close').click();
                assert.deepEqual(await tabs(page), ['Terminal 1', 'Terminal 2']);
                page.watch.clean();
        });

        it('finds text, copies it, opens links of the web alone, apart from this page', async () => {
                await typeIn(page, 'clear; for i in $(seq 300); do echo "row $i"; done; echo needle-here\n');
                await waitScreen(page, /row 300\nneedle-here/);
                await press(page, 'Control+Shift+F');
                await page.keyboard.type('row 17');
                await page.keyboard.press('Enter');
                await waitScreen(page, /row 17\d?\n/);
                await page.keyboard.type('x');
                await page.waitForSelector(`${visible} .find-field[aria-invalid]`);
                await page.keyboard.press('Backspace');
                await page.keyboard.press('Escape');
                const copied = await page.evaluate(() => new Promise((resolve) => {
                        document.addEventListener('copy', (e) => resolve(e.clipboardData.getData('text/plain')), { once: true });
                        const area = document.querySelector('.run:not([hidden]) .xterm-helper-textarea');
                        area.dispatchEvent(new KeyboardEvent('keydown', {
                                key: 'C', code: 'KeyC', ctrlKey: true, shiftKey: true, bubbles: true, cancelable: true }));
                }));
                assert.equal(copied, 'row 17');
                await page.evaluate(() => {
                        window.opened = [];
                        window.open = (...args) => window.opened.push(args);
                });
                await typeIn(page, 'clear; echo http://127.0.0.1/x; printf "\\033]8;;javascript:alert(1)\\007bad\\033]8;;\\007\\n"\n');
                await waitScreen(page, /^bad$/m);
                const rows = page.locator(`${visible} .xterm-rows > div`);
                for (const text of [/^http:\/\/127/, /^bad/]) {
                        const box = await rows.filter({ hasText: text }).first().boundingBox();
                        await page.mouse.move(box.x + 12, box.y + box.height / 2);
                        await page.mouse.move(box.x + 14, box.y + box.height / 2);
                        await page.waitForTimeout(50); // a hover is looked at a frame later
                        await page.mouse.click(box.x + 14, box.y + box.height / 2);
                }
                assert.deepEqual(await page.evaluate(() => window.opened),
                        [['http://127.0.0.1/x', '_blank', 'noopener,noreferrer']]);
                page.watch.clean();
        });

        it('a killed server: nothing is cleared, what was marked stays marked, and the shell goes on', async () => {
                await typeIn(page, 'clear; echo "stay $((8 * 8))"\n');
                await waitScreen(page, 'stay 64');
                await page.evaluate(() => {
                        const rows = document.querySelector('.run:not([hidden]) .xterm-rows');
                        window.flashes = 0;
                        new MutationObserver(() => (window.flashes += !/stay 64/.test(rows.textContent)))
                                .observe(rows, { childList: true, subtree: true, characterData: true });
                });
                server.listen = `127.0.0.1:${server.port}`;
                page.watch.away = true;
                await server.kill9();
                await page.waitForSelector('.link.broken');
                await typeIn(page, 'echo "mean$((5 * 5))while"\n'); // kept until there is somebody
                await server.restart();
                await waitScreen(page, 'mean25while');
                page.watch.away = false;
                assert.equal(await page.evaluate(() => window.flashes), 0);
                assert.equal((await screen(page)).split('mean25while').length, 2, 'once');
                page.watch.clean();
        });

        it('a teacher looks on, read-only; the student sees who does', async () => {
                const desk = await ide(browser, server, { user: tess });
                await desk.click('.account');
                await desk.click('.menu button:has-text("Watch a session")');
                await desk.click('.menu button:has-text("ann: Terminal 1")');
                await waitScreen(desk, 'mean25while');
                await desk.locator('.status-aside', { hasText: 'Read-only: you watch' }).waitFor();
                await desk.waitForSelector(`${visible} .terminal-box.read-only [aria-readonly="true"]`);
                await page.locator('.status-watched', { hasText: 'Watched by tess' }).waitFor();
                if (process.env.LATCH_SHOTS) {
                        await shoot(page, `${process.env.LATCH_SHOTS}/student.png`);
                        await shoot(desk, `${process.env.LATCH_SHOTS}/teacher.png`);
                }
                await typeIn(desk, 'echo "no$((9 * 9))no"\n');
                await typeIn(page, 'echo "yes$((9 * 9))"\n');
                await waitScreen(desk, 'yes81');
                assert.doesNotMatch(await screen(desk), /no81no/);
                await desk.locator('.panel .tab.active .tab-close').click(); // leaves it: it is not the teacher's to end
                await page.locator('.status-watched').waitFor({ state: 'detached' });
                desk.watch.clean();
                await desk.close();
                page.watch.clean();
        });

        it('a shell that ended is started again in its place, and folder; one that lives is closed when that is meant', async () => {
                const again = async (folder) => {
                        await waitScreen(page, /\$ *$/);
                        await typeIn(page, 'clear; pwd\n');
                        await waitScreen(page, new RegExp(`^${folder}$`, 'm'));
                };
                const end = async (line) => {
                        await typeIn(page, line);
                        await waitStatus(page, 'Ended with code 3');
                        await page.click('.run-status button:text-is("Start again")');
                };
                const tab = page.locator('.panel .tab.active');
                const isDeep = () => until(async () => {
                        await page.mouse.move(600, 300);
                        await tab.hover();
                        return /\nhome\/deep\/er$/.test(await tab.getAttribute('title'));
                }, { what: 'the folder on the tab' });
                await typeIn(page, 'clear; mkdir -p deep/er; cd deep/er\n');
                await isDeep();
                await end('exit 3\n');
                await again('/work/home/deep/er');
                await isDeep();
                await press(page, 'Control+Shift+Backquote');
                await again('/work/home/deep/er'); // the new one, in that of the one in front
                await end('rm -r ~/deep; exit 3\n');
                await again('/work/home'); // for want of the other
                await waitStatus(page, 'Open');
                assert.deepEqual((await tabs(page)).sort(), ['Terminal 1', 'Terminal 2', 'Terminal 3']);
                await page.reload();
                await waitScreen(page, '$');
                assert.equal((await tabs(page)).length, 3, 'all are there again');
                await page.locator('.panel .tab.active').focus();
                await page.keyboard.press('Delete');
                await page.click('dialog button:text-is("Close it")');
                await page.waitForFunction(() => document.querySelectorAll('.panel .tab').length === 2);
                page.watch.clean();
        });
});
