// ACCEPTANCE 25: a page on another origin, in a real browser that holds the cookie, gets nothing done; a client
// without a browser, by bearer token and without an Origin, does.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import test from 'node:test';

import { openBrowser, TIMEOUT } from './browser.mjs';
import { startServer } from './lib.mjs';

// In that page: each way to reach the other origin, and what came of it.
async function attack(base) {
  const told = {};
  const tries = (name, work) => work().then((v) => (told[name] = v), (e) => (told[name] = `failed: ${e.name}`));
  await tries('read', async () => (await fetch(`${base}/api/me`, { credentials: 'include' })).status);
  await tries('blind', async () => (await fetch(`${base}/api/logout`, { method: 'POST', mode: 'no-cors', credentials: 'include' })).type);
  await tries('put', async () => (await fetch(`${base}/api/files/home/evil.txt`, { method: 'PUT', body: 'x', credentials: 'include' })).status);
  await tries('image', () => new Promise((resolve) => {
    const i = new Image();
    i.onload = () => resolve('loaded');
    i.onerror = () => resolve('refused');
    i.src = `${base}/api/files/home/pic.png`;
  }));
  await tries('socket', () => new Promise((resolve) => {
    const w = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, 'latch.v1');
    w.onopen = () => resolve('open');
    w.onerror = () => resolve('refused');
  }));
  await tries('form', () => new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.name = 'target';
    document.body.append(frame);
    const form = document.createElement('form');
    Object.assign(form, { method: 'POST', action: `${base}/api/logout`, target: 'target' });
    document.body.append(form);
    frame.onload = () => resolve('answered');
    form.submit();
    setTimeout(() => resolve('nothing'), 3000);
  }));
  return told;
}

test('another origin is refused, a bearer client is not', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const client = await s.client(ann);
  const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
  const put = await s.fetch('/api/files/home/pic.png', { method: 'PUT', token: ann.token, body: png });
  assert.equal(put.status, 201);
  const elsewhere = http.createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end('<body>')).listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  t.after(() => elsewhere.close());

  const browser = await openBrowser();
  t.after(() => browser.close());
  const context = await browser.newContext();
  // The cookie goes along even to another port: what refuses is the origin alone.
  await context.addCookies([{ name: 'latch_session', value: ann.token, domain: '127.0.0.1', path: '/', httpOnly: true, sameSite: 'Strict' }]);
  const before = s.stderr.length;
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`);
  const told = await page.evaluate(attack, s.url);
  assert.match(told.read, /failed/);
  assert.match(told.put, /failed/);
  assert.equal(told.socket, 'refused');
  assert.equal(told.image, 'refused');

  // Whatever reached the server was refused but the image: another port is no other site, so that is answered, and the
  // browser shows the page nothing of it. Nothing was changed; the sign-in and its socket live.
  const statuses = [...s.stderr.slice(before).matchAll(/event=http\.request .*?route=(\S+) status=(\d+)/g)].map((m) => [m[1], Number(m[2])]);
  assert.ok(statuses.length >= 3, `the page reached the server: ${JSON.stringify(statuses)}`);
  for (const [route, status] of statuses)
    assert.ok(status >= 400 || route === '/api/files/', `${route} answered ${status}`);
  const cookie = `latch_session=${ann.token}`;
  for (const headers of [{ cookie, 'sec-fetch-site': 'cross-site' }, { cookie, origin: 'http://elsewhere.example' }])
    assert.equal((await s.fetch('/api/files/home/pic.png', { headers })).status, 403);
  assert.ok(statuses.some(([route, status]) => route === '/v1/ws' && status === 403));
  await assert.rejects(client.request('fs.stat', { path: 'home/evil.txt' }), (e) => e.word === 'not_found');
  assert.equal((await client.request('user.signins', {})).length, 1);

  // The same cookie, from a page of ours: it is the origin that made the difference.
  const ours = await context.newPage();
  await ours.goto(`${s.url}/`);
  assert.equal(await ours.evaluate(async () => (await fetch('/api/me')).status), 200);
  assert.equal(await ours.evaluate(() => new Promise((resolve) => {
    const w = new WebSocket(`ws://${location.host}/v1/ws`, 'latch.v1');
    w.onopen = () => resolve('open');
    w.onerror = () => resolve('refused');
  })), 'open');
  assert.equal((await s.fetch('/api/me', { token: ann.token })).status, 200);
});
