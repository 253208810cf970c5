// Nothing of a student's runs on the origin of the IDE: files that are pages, opened in a real browser by somebody
// who is signed in there.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openBrowser } from './browser.mjs';
import { startServer } from './lib.mjs';

const SCRIPT = 'fetch("/api/files/home/stolen.txt", { method: "PUT", body: document.cookie || "ran" })';
const FILES = {
  'a.html': `<!doctype html><script>${SCRIPT}</script>`,
  'a.svg': `<svg xmlns="http://www.w3.org/2000/svg"><script>${SCRIPT}</script></svg>`,
  'a.xml': `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>${SCRIPT}</script></html>`,
  'a.xhtml': `<html xmlns="http://www.w3.org/1999/xhtml"><script>${SCRIPT}</script></html>`,
  'a.txt': `<!doctype html><script>${SCRIPT}</script>`,
  'a.png': `<!doctype html><script>${SCRIPT}</script>`,
  'noname': `<!doctype html><script>${SCRIPT}</script>`,
  'a.js': SCRIPT,
};

test('pages, pictures and scripts among a user\'s files do nothing in a browser', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const browser = await openBrowser();
  t.after(() => browser.close());
  const context = await browser.newContext({ acceptDownloads: true });
  await context.addCookies([{ name: 'latch_session', value: ann.token, url: server.url, httpOnly: true, sameSite: 'Strict' }]);
  for (const [name, body] of Object.entries(FILES))
    assert.equal((await server.fetch(`/api/files/home/${name}`, { token: ann, method: 'PUT', body })).status, 201);

  const page = await context.newPage();
  const writes = [];
  page.on('request', (r) => r.method() === 'PUT' && writes.push(r.url()));
  await page.goto(`${server.url}/healthz`); // on this origin, and signed in
  assert.equal(await page.evaluate(() => fetch('/api/me').then((r) => r.status)).catch(() => 'refused by policy'), 'refused by policy');
  for (const name of Object.keys(FILES)) {
    const download = page.waitForEvent('download', { timeout: 3000 }).then(() => 'kept', () => 'none');
    const shown = await page.goto(`${server.url}/api/files/home/${name}`).then(() => 'shown', () => 'not shown');
    if (/\.(txt|png)$/.test(name))
      assert.equal(shown, 'shown', name);
    else
      assert.equal(await download, 'kept', `${name} is a download`);
  }
  // Neither is one a part of a page of ours: a script of a file's is none, whatever it is called.
  await page.goto(`${server.url}/`);
  const loaded = await page.evaluate(() => new Promise((resolve) => {
    const s = document.createElement('script');
    s.onload = () => resolve('loaded');
    s.onerror = () => resolve('refused');
    try {
      s.src = '/api/files/home/a.js';
    } catch {
      return resolve('refused'); // trusted types
    }
    document.head.append(s);
    return undefined;
  }));
  assert.equal(loaded, 'refused');
  assert.deepEqual(writes, []);
  assert.equal((await server.fetch('/api/files/home/stolen.txt', { token: ann })).status, 404, 'no script ran');
});
