// The benchmarks run through all their cases and say what they found; how fast anything was is not judged here.
// as released
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { program, runToEnd } from './lib.mjs';

const pair = (line, of) => {
  for (const key of of) assert.ok(line[key] > 0, `${line.case}: ${key} is ${line[key]}`);
};

test('latch-bench front: each case beside its peer, one line of JSON each', async (t) => {
  const r = await runToEnd(program('latch-bench'), ['front', '--quick', '--json'], { timeout: 120_000, cwd: '/' });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  t.diagnostic(r.stdout.trim());
  const lines = r.stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines.map((line) => line.case), ['idle', 'upgrades', 'echo64', 'echo16k', 'put1m', 'get1m']);
  for (const line of lines) {
    assert.equal(line.bench, 'front');
    if (line.skipped) assert.match(line.skipped, /nginx is not installed/);
    else pair(line, ['ours', 'bare', 'ratio']);
  }
  for (const line of lines.filter((l) => l.case.startsWith('echo')))
    pair(line, ['ours_p50_us', 'bare_p50_us', 'ours_p99_us', 'bare_p99_us', 'ratio_p99_us']);
  assert.equal(lines[0].sockets, 50);
  assert.ok(lines[0].ours_all > lines[0].ours);
});

// A peer that is not installed is no failure, and none is installed for this.
test('latch-bench terminal: each case beside a bare relay and the peers there are, one line of JSON each', async (t) => {
  const r = await runToEnd(program('latch-bench'), ['terminal', '--quick', '--json', '--peers'], { timeout: 120_000, cwd: '/' });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  t.diagnostic(r.stdout.trim());
  const all = r.stdout.trim().split('\n').map((line) => JSON.parse(line));
  for (const peer of ['node-pty and ws', 'terminado']) {
    const its = all.filter((line) => line.peer === peer);
    if (its[0]?.skipped) assert.equal(its.shift().skipped, 'it is not installed: make peers');
    else assert.deepEqual(its.map((line) => line.case), ['flood', 'lines', 'keys', 'keys_busy', 'open', 'open50']);
    for (const line of its) pair(line, ['ours', 'bare', 'ratio']);
  }
  const lines = all.filter((line) => !['node-pty and ws', 'terminado'].includes(line.peer));
  assert.deepEqual(lines.map((line) => line.case), ['idle', 'flood', 'lines', 'keys', 'keys_busy', 'open', 'open50', 'stalled', 'shells']);
  for (const line of lines.filter((l) => l.rounds)) {
    assert.equal(line.bench, 'terminal');
    pair(line, ['ours', 'bare', 'ratio']);
  }
  const [idle, shells] = [lines[0], lines.at(-1)];
  assert.ok(idle.sessions === 5 && idle.holder_kib > 0);
  assert.ok(shells.keys === shells.shells && shells.p50_us > 0 && shells.p99_us >= shells.p50_us && shells.threads > 0);
});

const lines = async (what) => {
  const r = await runToEnd(program('latch-bench'), [what, '--quick', '--json'], { timeout: 60_000, cwd: '/' });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  return r.stdout.trim().split('\n').map((line) => JSON.parse(line));
};

test('latch-bench lock, registry, levels: one line of JSON for each case', async () => {
  const locks = await lines('lock');
  const cases = ['mutex', 'rwlock_rd', 'rwlock_wr'].flatMap((name) => [0, 1, 2].map((level) => [name, level]));
  assert.deepEqual(locks.map((l) => [l.case, l.level, l.threads]),
    [...cases, ['errorcheck', 0]].flatMap((c) => [[...c, 1], [...c, 2]]));
  for (const l of locks) pair(l, ['ns', 'ratio']);
  const lookups = await lines('registry');
  assert.deepEqual(lookups.map((l) => [l.case, l.threads]), [['registry', 1], ['rwlock', 1], ['registry', 2], ['rwlock', 2]]);
  for (const l of lookups) pair(l, ['per_second', 'ratio']);
  const levels = await lines('levels');
  assert.deepEqual(levels.map((l) => [l.level, l.pairs]), [[1, 1], [2, 1]]);
  for (const l of levels) assert.ok(l.low <= l.ratio && l.ratio <= l.high && l.low > 0);
});

test('latch-bench front measures no server but its own', async () => {
  const r = await runToEnd(program('latch-bench'), ['front', '--url', 'http://127.0.0.1:1', '--data', '/nowhere'], { timeout: 20_000, cwd: '/' });
  assert.equal(r.code, 2);
  assert.match(r.stderr, /usage/);
});
