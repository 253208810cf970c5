// What programs do shows up in the page by itself: new files in the tree, new text in an editor without changes.
// as released
import { test } from 'node:test';
import { ide, newFile, openBrowser, TIMEOUT } from './browser.mjs';
import { startServer } from './lib.mjs';

test('the tree and the editor follow', async (t) => {
  const server = await startServer(t);
  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await ide(browser, server, { link: server.firstLink });
  await newFile(page, 'notes.txt', 'first\n');
  await page.keyboard.press('Control+s');
  await page.locator('.editor .dot.unsaved').waitFor({ state: 'detached', timeout: TIMEOUT });
  const c = await server.client(await server.login('admin', server.firstPassword));
  await c.runProgram('home/make.py', 'open("made-by-program", "w").close()');
  await page.locator('[data-path="home/made-by-program"]').waitFor({ timeout: TIMEOUT });
  await c.write('home/notes.txt', 'written elsewhere\n');
  await page.getByText('written elsewhere').waitFor({ timeout: TIMEOUT });
  await c.request('fs.remove', { path: 'home/made-by-program' });
  await page.locator('[data-path="home/made-by-program"]').waitFor({ state: 'detached', timeout: TIMEOUT });
  page.watch.clean();
});
