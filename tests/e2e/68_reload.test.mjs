// Settings read again by a server at work: live ones at once, others named, a broken file not at all.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import test from 'node:test';

import WebSocket from 'ws';

import { configText, startServer, until } from './lib.mjs';

const log = (s, event) => s.stderr.split('\n').filter((l) => l.includes(` event=${event} `));

// The file as it was made, with `changes` {section: {key: value}} over it.
function writeConfig(s, changes, more = '') {
  s.first ??= fs.readFileSync(s.configFile, 'utf8');
  const sections = {};
  let at;
  for (const line of s.first.split('\n')) {
    const section = /^\[(\w+)\]/.exec(line), value = /^(\w+) = (.*)$/.exec(line);
    if (section)
      at = sections[section[1]] ??= {};
    if (value)
      at[value[1]] = value[2];
  }
  for (const [name, keys] of Object.entries(changes))
    Object.assign(sections[name] ??= {}, keys);
  fs.writeFileSync(s.configFile, configText(sections) + more);
}

// SIGHUP, and the line of the log that says it was done, or refused.
async function hangUp(s, event = 'config.reloaded') {
  const before = log(s, event).length;
  s.proc.kill('SIGHUP');
  await until(() => log(s, event).length > before, { what: `event=${event} in ${s.stderr}` });
}

const me = async (s, user) => (await s.fetch('/api/me', { token: user })).json();

test('live settings change under load: nothing that is under way notices', async (t) => {
  const s = await startServer(t, { config: { limits: { runs_per_minute: 100000 } } });
  const ann = await s.user('ann');
  const c = await s.client(ann);
  const shell = await c.openSession({ kind: 'shell', cols: 80, rows: 24 });
  let going = true, requests = 0;
  const load = [1, 2, 3].map(async (n) => {
    const other = await s.client(ann);
    while (going) {
      await other.write(`home/${n}.txt`, String(requests));
      await other.request('fs.list', { path: 'home' });
      requests++;
    }
  });
  for (let i = 1; i <= 20; i++) {
    writeConfig(s, { limits: { runs_per_minute: 100000, sessions_per_user: 100 + i },
      run: { wall_ms: 100000 + i }, auth: { failures_per_minute: i } });
    const before = requests;
    if (i % 2)
      await hangUp(s);
    else
      assert.equal((await s.ctl(['reload'])).code, 0);
    await until(() => requests > before, { what: 'the load to go on' });
    assert.equal((await me(s, ann)).limits.sessions, 100 + i);
  }
  going = false;
  await Promise.all(load);
  shell.input('echo $((6 * 7))\n');
  await shell.waitText(/42/);
  assert.equal(log(s, 'config.restart').length, 0);
});

test('a limit counts from then on', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const c = await s.client(ann);
  writeConfig(s, { limits: { viewers_per_session: 2, list_entries: 100, file_bytes: 4096, upload_bytes: 4096 },
    run: { wall_ms: 700 }, session: { stop_grace_ms: 200 } });
  const said = await s.ctl(['reload']);
  assert.equal(said.code, 0, said.stderr);
  assert.equal(said.stdout, 'limits.file_bytes: 8388608 -> 4096\nlimits.upload_bytes: 268435456 -> 4096\nlimits.viewers_per_session: 8 -> 2\n' +
    'limits.list_entries: 10000 -> 100\nrun.wall_ms: 3600000 -> 700\nsession.stop_grace_ms: 2000 -> 200\n');
  const run = await c.runProgram('home/a.py', 'import time\ntime.sleep(60)\n');
  assert.equal(run.exit.verdict, 'timeout');
  await assert.rejects(c.write('home/big', 'x'.repeat(4097)), (e) => e.word === 'too_large');
  const put = await s.fetch('/api/files/home/big', { token: ann, method: 'PUT', body: 'x'.repeat(4097) });
  assert.equal(put.status, 413);
  const shell = await c.openSession({ kind: 'shell', cols: 80, rows: 24 });
  await (await s.client(ann)).attach(shell.session);
  await assert.rejects((await s.client(ann)).attach(shell.session), (e) => e.word === 'limit_reached');
  writeConfig(s, {});
  assert.equal((await s.ctl(['reload'])).code, 0);
  await (await s.client(ann)).attach(shell.session);
  await c.write('home/big', 'x'.repeat(4097));
});

test('the echo is switched on and off', async (t) => {
  const s = await startServer(t);
  const status = async () => (await s.fetch('/v1/echo')).status;
  assert.equal(await status(), 404);
  writeConfig(s, { diagnostics: { echo: 'yes' } });
  assert.equal((await s.ctl(['reload'])).stdout, 'diagnostics.echo: no -> yes\n');
  assert.notEqual(await status(), 404);
  const echo = new WebSocket(s.url.replace('http', 'ws') + '/v1/echo');
  await once(echo, 'open');
  writeConfig(s, {});
  assert.equal((await s.ctl(['reload'])).code, 0);
  assert.equal(await status(), 404);
  echo.send('still there'); // a socket that is open stays
  assert.equal((await once(echo, 'message'))[0].toString(), 'still there');
  echo.terminate();
});

test('what takes a restart is named, each time, and waits', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  writeConfig(s, { server: { workers: 7, public_url: 'https://code.example.org' }, limits: { ended_kept: 3 } });
  await hangUp(s);
  assert.deepEqual(log(s, 'config.restart').map((l) => l.replace(/^.* event/, 'event')), [
    'event=config.restart setting=server.public_url from="" to=https://code.example.org result="takes a restart"',
    'event=config.restart setting=server.workers from=4 to=7 result="takes a restart"']);
  assert.match(log(s, 'config.changed').join(), /setting=limits.ended_kept from=20 to=3/);
  const said = await s.ctl(['reload']);
  assert.equal(said.stdout, 'server.public_url:  -> https://code.example.org (takes a restart)\n' +
    'server.workers: 4 -> 7 (takes a restart)\n');
  const login = await s.fetch('/api/login', { json: { username: 'ann', password: ann.password } });
  assert.doesNotMatch(login.headers.get('set-cookie'), /Secure/);
  await s.restart();
  const again = await s.fetch('/api/login', { json: { username: 'ann', password: ann.password } });
  assert.match(again.headers.get('set-cookie'), /Secure/);
  assert.equal((await s.ctl(['reload'])).stdout, '');
});

test('with anything wrong in the file nothing changes, and the server goes on', async (t) => {
  const s = await startServer(t);
  const ann = await s.user('ann');
  const live = { limits: { sessions_per_user: 5 } };
  const bad = [
    ['\n[limits]\nsesions_per_user = 4\n', 'limits.sesions_per_user'],
    ['\n[limits]\nended_kept = many\n', 'limits.ended_kept'],
    ['\n[nonsense]\n', '[nonsense]'],
    ['\nnot a line of settings\n', 'line'],
    ['\n[server]\nlisten = here\n', 'server.listen'],
    ['\n[sandbox]\nbwrap = /nowhere\n', 'sandbox.bwrap'],
  ];
  for (const [more, name] of bad) {
    writeConfig(s, live, more);
    await hangUp(s, 'config.refused');
    assert.ok(log(s, 'config.refused').at(-1).includes(name), log(s, 'config.refused').at(-1));
    const said = await s.ctl(['reload']);
    assert.equal(said.code, 78);
    assert.ok(said.stderr.includes(name) && said.stderr.includes('nothing changed'), said.stderr);
    assert.equal(said.stdout, '');
    assert.equal((await me(s, ann)).limits.sessions, 128);
  }
  fs.rmSync(s.configFile);
  assert.equal((await s.ctl(['reload'])).code, 78);
  assert.equal((await me(s, ann)).limits.sessions, 128);
  writeConfig(s, live);
  assert.equal((await s.ctl(['reload'])).stdout, 'limits.sessions_per_user: 128 -> 5\n');
  assert.equal((await me(s, ann)).limits.sessions, 5);
});

test('the level of the log is live, and its change is logged under either', async (t) => {
  const s = await startServer(t);
  const lines = (event) => log(s, event).length;
  writeConfig(s, { server: { log_level: 'error' } });
  await hangUp(s);
  const before = lines('http.request');
  await s.fetch('/healthz');
  writeConfig(s, { server: { log_level: 'info' } });
  await hangUp(s);
  assert.equal(lines('http.request'), before);
  assert.equal(log(s, 'config.changed').length, 2);
  await s.fetch('/healthz');
  await until(() => lines('http.request') > before, { what: 'requests in the log again' });
});
