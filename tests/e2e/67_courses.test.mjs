// Courses: made while the server runs, seen at once by all, written by their teachers and by nobody else, by no
// method, no route and no program.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isRoot, startServer } from './lib.mjs';

async function start(t, options) {
  const server = await startServer(t, options);
  const tina = await server.user('tina', 'teacher');
  const tom = await server.user('tom', 'teacher');
  const sam = await server.user('sam');
  const [teacher, other, student] = await Promise.all([tina, tom, sam].map((u) => server.client(u)));
  const admin = await server.client(await server.login('admin', server.firstPassword));
  return { server, tina, tom, sam, teacher, other, student, admin };
}

async function ctl(server, ...args) {
  const r = await server.ctl(args);
  return { ...r, all: r.stdout + r.stderr };
}

const entry = async (c, folder, name) =>
  (await c.request('fs.list', { path: folder })).find((e) => e.name === name);

test('who sees, who writes', async (t) => {
  const { server, tina, sam, teacher, other, student, admin } = await start(t);
  assert.equal((await ctl(server, 'course', 'add', 'Python-1', '--teacher', 'tina')).code, 0);
  for (const c of [teacher, other, student, admin])
    assert.equal((await entry(c, 'courses', 'Python-1'))?.writable, c === teacher || c === admin);
  assert.equal((await student.request('fs.stat', { path: 'courses' })).writable, false);

  await teacher.write('courses/Python-1/task.py', 'print(1)\n');
  await teacher.request('fs.mkdir', { path: 'courses/Python-1/week 1' });
  await teacher.write('courses/Python-1/week 1/a.txt', 'a');
  await admin.write('courses/Python-1/from-admin', 'b');
  await teacher.request('fs.rename', { from: 'courses/Python-1/from-admin', to: 'courses/Python-1/renamed' });
  assert.equal((await student.request('fs.read', { path: 'courses/Python-1/week 1/a.txt' })).data, 'a');
  assert.equal((await entry(student, 'courses/Python-1', 'task.py')).writable, false);
  assert.equal((await entry(teacher, 'courses/Python-1', 'task.py')).writable, true);
  const file = path.join(server.data, 'courses/Python-1/task.py');
  const own = fs.statSync(file), folder = fs.statSync(path.join(server.data, 'courses'));
  assert.equal(own.mode & 0o777, 0o644);
  if (!isRoot)
    assert.equal(own.uid, folder.uid);
  else // the server's own, not the teacher's
    assert.notEqual(own.uid, fs.statSync(path.join(server.data, 'users/tina/home')).uid);
  const etag = (await teacher.request('fs.stat', { path: 'courses/Python-1/task.py' })).etag;
  await teacher.request('fs.write', { path: 'courses/Python-1/task.py', data: 'print(2)\n', if_match: etag });
  await assert.rejects(teacher.request('fs.write', { path: 'courses/Python-1/task.py', data: '3', if_match: etag }),
    { word: 'conflict' });

  // Programs see it where they are told it is; what they do there is refused, whoever runs them.
  for (const c of [student, teacher]) {
    const run = await c.runProgram('home/look.py',
      'print(open("/work/courses/Python-1/task.py").read())\nopen("/work/courses/Python-1/task.py", "w")\n',
      { tty: false });
    assert.match(run.text, /print\(2\)/);
    assert.match(run.err.toString(), /Errno 30|Read-only/);
  }
  const course = await student.runProgram('courses/Python-1/task.py', undefined, { tty: false });
  assert.equal(course.text, '2\n');

  // Every change, by those who do not teach it.
  for (const c of [student, other]) {
    const p = 'courses/Python-1/';
    for (const [method, params] of [['fs.write', { path: `${p}x`, data: '' }],
      ['fs.write', { path: `${p}task.py`, data: '' }], ['fs.mkdir', { path: `${p}d` }],
      ['fs.remove', { path: `${p}task.py` }], ['fs.remove', { path: `${p}week 1`, recursive: true }],
      ['fs.rename', { from: `${p}task.py`, to: `${p}y` }], ['fs.rename', { from: `${p}task.py`, to: 'home/y' }],
      ['fs.rename', { from: 'home/look.py', to: `${p}y` }], ['fs.write', { path: 'courses/new', data: '' }],
      ['fs.mkdir', { path: 'courses/new' }], ['fs.remove', { path: 'courses/Python-1', recursive: true }],
      ['fs.rename', { from: 'courses/Python-1', to: 'courses/Python-2' }]]) {
      if (c === other && params.from === 'home/look.py')
        await c.write('home/look.py', '');
      await assert.rejects(c.request(method, params), { word: 'read_only' }, `${method} ${JSON.stringify(params)}`);
    }
  }
  for (const method of ['PUT', 'DELETE']) {
    const r = await server.fetch('/api/files/courses/Python-1/task.py',
      { method, token: sam, ...(method === 'PUT' ? { body: 'x' } : {}) });
    assert.equal(r.status, 403, method);
    assert.equal((await r.json()).error.code, 'read_only');
  }
  const put = await server.fetch('/api/files/courses/Python-1/put', { method: 'PUT', token: tina, body: 'x' });
  assert.equal(put.status, 201);

  // What even a teacher and an admin do not: the course itself, and moves that would keep an owner.
  await teacher.write('home/mine', '');
  for (const c of [teacher, admin]) {
    await assert.rejects(c.request('fs.remove', { path: 'courses/Python-1', recursive: true }), { word: 'forbidden' });
    await assert.rejects(c.request('fs.rename', { from: 'courses/Python-1', to: 'courses/Q' }), { word: 'forbidden' });
  }
  await assert.rejects(teacher.request('fs.rename', { from: 'home/mine', to: 'courses/Python-1/m' }),
    /written|write it there/);
  await assert.rejects(admin.request('fs.mkdir', { path: 'courses/byhand' }), { word: 'forbidden' });
  await teacher.request('fs.remove', { path: 'courses/Python-1/week 1', recursive: true });
  assert.equal(await entry(student, 'courses/Python-1', 'week 1'), undefined);
});

test('teachers come and go, at once', async (t) => {
  const { server, teacher, other, admin, student } = await start(t);
  await admin.request('admin.course_add', { name: 'c1' });
  await assert.rejects(teacher.write('courses/c1/a', ''), { word: 'read_only' });
  await admin.request('admin.course_teacher', { course: 'c1', teacher: 'tina', teaches: true });
  await teacher.write('courses/c1/a', '');
  assert.equal((await ctl(server, 'course', 'teacher', 'add', 'c1', 'tom')).code, 0);
  await other.write('courses/c1/b', '');
  assert.equal((await ctl(server, 'course', 'teacher', 'remove', 'c1', 'tina')).code, 0);
  await assert.rejects(teacher.write('courses/c1/a', ''), { word: 'read_only' });
  assert.deepEqual(await admin.request('admin.course_list', {}), [{ name: 'c1', teachers: ['tom'] }]);
  for (const [method, params] of [['admin.course_list', {}], ['admin.course_add', { name: 'x' }],
    ['admin.course_teacher', { course: 'c1', teacher: 'tina', teaches: true }]])
    for (const c of [student, teacher])
      await assert.rejects(c.request(method, params), { word: 'forbidden' });

  for (const [args, words] of [[['course', 'add', 'c1'], /such a course already/],
    [['course', 'add', '../x'], /letters, digits/], [['course', 'add', 'a/b'], /letters, digits/],
    [['course', 'teacher', 'add', 'nope', 'tina'], /no such course/],
    [['course', 'teacher', 'add', 'c1', 'nobody'], /no such user/],
    [['course', 'teacher', 'add', 'c1', 'sam'], /a student cannot teach/]]) {
    const r = await ctl(server, ...args);
    assert.notEqual(r.code, 0, args.join(' '));
    assert.match(r.all, words);
  }
  assert.equal((await ctl(server, 'course', 'list')).stdout, 'c1\ttom\n');
});

test('without a server, and after a restart', async (t) => {
  const { server, tom } = await start(t);
  await server.stop();
  assert.equal((await ctl(server, 'course', 'add', 'later', '--teacher', 'tom')).code, 0);
  assert.equal((await ctl(server, 'course', 'list')).stdout, 'later\ttom\n');
  assert.match((await ctl(server, 'audit', 'list', '--what', 'admin.course_add')).stdout, /later/);
  await server.restart();
  const c = await server.client(tom);
  await c.write('courses/later/a', 'x');
});
