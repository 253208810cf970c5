// 60 users run a program at once on a small machine: all end, no file astray, none unanswered. Run by the
// benchmark itself, which prints p50 and max.
// runs alone
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { program, runToEnd } from './lib.mjs';

test('latch-bench classroom: 60 users at once', async (t) => {
  const r = await runToEnd(program('latch-bench'), ['classroom', '--users', '60', '--json'], { timeout: 120_000, cwd: '/' });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  const line = JSON.parse(r.stdout.trim().split('\n').at(-1));
  t.diagnostic(r.stdout.trim());
  assert.equal(line.users, 60);
  assert.equal(line.ended, 60);
  assert.equal(line.unanswered, 0);
  assert.equal(line.astray, 0);
  assert.ok(line.p50_ms > 0 && line.max_ms >= line.p50_ms);
});

test('latch-bench run: first output beside bare bwrap and python', async (t) => {
  const r = await runToEnd(program('latch-bench'), ['run', '--json', '--rounds', '5'], { timeout: 120_000, cwd: '/' });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  const line = JSON.parse(r.stdout.trim().split('\n').at(-1));
  t.diagnostic(r.stdout.trim());
  assert.ok(line.latch_ms > 0 && line.bare_ms > 0 && line.ratio > 0);
});
