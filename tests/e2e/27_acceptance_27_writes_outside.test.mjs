// 27: writes outside the workspace. A program tries everything it can reach, a client every method and route that
// changes something: all of it is refused, and whatever lies outside is as it was, byte for byte and to the
// nanosecond.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { count } from './counts.mjs';
import { startServer } from './lib.mjs';

// Everything that a program could be after: names, kinds, modes, owners, times, contents.
function walk(root, skip, into = new Map()) {
  const st = fs.lstatSync(root, { bigint: true });
  const content = st.isFile() ? createHash('sha256').update(fs.readFileSync(root)).digest('hex')
    : st.isSymbolicLink() ? fs.readlinkSync(root) : '';
  into.set(root, `${st.mode} ${st.uid} ${st.gid} ${st.nlink} ${st.size} ${st.mtimeNs} ${content}`);
  if (st.isDirectory())
    for (const name of fs.readdirSync(root).sort())
      if (!skip(path.join(root, name)))
        walk(path.join(root, name), skip, into);
  return into;
}

// Prints a line for each thing that was NOT refused, then how many were tried.
const program = `
import ctypes, errno, os, socket, sys
me = os.getpid()
tried = 0
def no(what, f, *allowed):
    global tried
    tried += 1
    try:
        f()
    except (OSError, ValueError) as e:
        n = getattr(e, "errno", None)
        if allowed and n not in allowed:
            print("ODD", what, e)
        return
    print("DONE", what)
def put(p):
    return lambda: os.close(os.open(p, os.O_WRONLY | os.O_CREAT, 0o644))
R = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EBUSY, errno.EXDEV, errno.EINVAL, errno.ENXIO, errno.ENOTEMPTY)
folders = ["/", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/etc", "/etc/fonts", "/bin", "/sbin", "/lib", "/lib64",
    "/work", "/work/courses", "/work/courses/c", "/work/courses/c/d", "/var", "/run", "/run/latch", "/dev", "/dev/pts", "/proc", "/proc/1",
    "/proc/self", "/proc/sys", "/proc/sys/kernel", "/proc/sys/vm", "/proc/sys/fs", "/sys", "/root", "/home", "/boot", "/opt", "/srv", "/mnt",
    "/work/users", "/work/users/bob", "/work/home/../courses", "/proc/self/root", "/proc/1/root", "/proc/self/cwd/../..", "/proc/self/root/usr", DATA,
    DATA + "/users", DATA + "/users/bob", DATA + "/users/bob/home", DATA + "/courses/c", DATA + "/sessions", OUTSIDE]
for d in folders:
    no("create " + d, put(d + "/latch-was-here"), *R)
    no("mkdir " + d, lambda: os.mkdir(d + "/latch-dir"), *R)
    no("link " + d, lambda: os.symlink("/etc", d + "/latch-link"), *R)
    no("hard link into " + d, lambda: os.link("mine", d + "/latch-hard"), *R)
    no("rename into " + d, lambda: os.rename("mine", d + "/latch-moved"), *R)
    no("rename away " + d, lambda: os.rename(d, "stolen"), *R)
    no("chmod " + d, lambda: os.chmod(d, 0o777) if not d.startswith(("/proc/", "/dev/pts")) else put(d + "/x")(), *R) # pts is the cage's own
    no("fifo " + d, lambda: os.mkfifo(d + "/latch-fifo"), *R)
    no("rmdir " + d, lambda: os.rmdir(d), *R)
files = ["/etc/passwd", "/etc/group", "/etc/hosts", "/etc/ld.so.cache", "/usr/bin/env", "/usr/bin/python3", "/work/courses/c/n", "/work/courses/c/d/deep",
    "/run/latch/script", "/run/latch/runner.py", "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches",
    "/proc/sysrq-trigger", "/proc/1/mem", "/proc/1/oom_score_adj", "/proc/1/comm", "/proc/1/exe",
    "/sys/power/state", "/dev/sda", "/dev/mem", "/dev/kmsg", "/dev/fuse", "/dev/loop0", "/dev/kvm", OUTSIDE + "/canary", DATA + "/latch.db",
    DATA + "/users/bob/home/secret", "/work/users/bob/home/secret", "/work/home/../users/bob/home/secret"]
for f in files:
    no("write " + f, lambda: os.close(os.open(f, os.O_WRONLY)) if f != "/proc/1/comm" else open(f, "w").write("x"), *R)
    no("append " + f, lambda: open(f, "a").write("latch"), *R)
    no("truncate " + f, lambda: os.truncate(f, 0), *R)
    no("remove " + f, lambda: os.remove(f), *R)
    no("replace " + f, lambda: os.replace("mine", f), *R)
    no("hard link of " + f, lambda: os.link(f, "hard"), *R)
    no("times of " + f, lambda: os.utime(f) if not f.startswith("/proc/") else os.remove(f), *R)
    no("owner of " + f, lambda: os.chown(f, 0, 0), *R)
for f in ["/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/setgroups", "/proc/1/uid_map"]: # opened, perhaps; never written
    def f2():
        fd = os.open(f, os.O_WRONLY)
        try:
            os.write(fd, b"0 0 1\\n")
        finally:
            os.close(fd)
    no("write " + f, f2, *R)
for link, to in [("up", "../../../../../../etc"), ("abs", OUTSIDE), ("course", "/work/courses/c"), ("root", "/")]:
    os.symlink(to, link)
    no("through " + link, put(link + "/latch-was-here"), *R)
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    def f():
        if libc.syscall(*a) == -1:
            n = ctypes.get_errno()
            raise OSError(n, os.strerror(n))
    return f
E = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ESRCH, errno.EROFS, errno.ENOENT)
for what, a in [("mount", (165, b"none", b"/tmp", b"tmpfs", 0, None)), ("remount /", (165, b"none", b"/", None, 32, None)),
    ("remount courses", (165, b"none", b"/work/courses", None, 4096 | 32, None)), ("umount", (166, b"/usr", 0)), ("umount courses", (166, b"/work/courses", 2)),
    ("pivot_root", (155, b".", b".")), ("chroot", (161, b".")), ("unshare user", (272, 0x10000000)), ("unshare mount", (272, 0x20000)),
    ("setns", (308, 0, 0)), ("mknod", (133, b"node", 0o60666, 0x800)), ("ptrace init", (101, 16, 1, 0, 0)), ("process_vm_writev", (311, 1, None, 0, None, 0, 0)),
    ("open_by_handle_at", (304, 0, None, 0)), ("open_tree", (428, -100, b"/", 1)), ("move_mount", (429, -100, b"/usr", -100, b"/tmp", 0)),
    ("fsopen", (430, b"tmpfs", 0)), ("bpf", (321, 0, None, 0)), ("kexec", (246, 0, 0, None, 0)), ("init_module", (175, None, 0, b"")),
    ("sethostname", (170, b"x", 1)), ("settimeofday", (164, b"\\0" * 16, None)), ("swapon", (167, b"/dev/sda", 0)), ("acct", (163, b"mine")),
    ("keyctl", (250, 0, 0)), ("add_key", (248, b"user", b"x", b"y", 1, -1)), ("quotactl", (179, 0, None, 0, None)), ("setuid 0", (105, 0)), ("setgid 0", (106, 0))]:
    no(what, call(*a), *E)
for a in [("127.0.0.1", PORT), ("127.0.0.1", 22), ("10.0.0.1", 80)]:
    def f():
        s = socket.socket()
        s.settimeout(2)
        s.connect(a)
    no("connect " + a[0], f)
def unix():
    s = socket.socket(socket.AF_UNIX)
    s.connect(DATA + "/control.sock")
no("control.sock", unix)
for p in range(1, 64):
    if p != me and os.path.exists("/proc/%d" % p) and p != 1:
        print("DONE sees process", p)
for p in os.listdir("/proc/self/fd"):
    t = os.readlink("/proc/self/fd/" + p) if os.path.lexists("/proc/self/fd/" + p) else ""
    if DATA in t or OUTSIDE in t:
        print("DONE has open", t)
os.remove("mine")
print("tried", tried)
`;

// fetch() would take "." and ".." out of a path before it asks.
function ask(server, method, file, token) {
  return new Promise((resolve, reject) => {
    const r = http.request({ host: server.host, port: server.port, method, agent: false,
      path: `/api/files/${file.split('/').map(encodeURIComponent).join('/')}`,
      headers: { authorization: `Bearer ${token}`, 'content-length': method === 'PUT' ? 1 : 0 } }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode));
    });
    r.on('error', reject);
    r.end(method === 'PUT' ? 'x' : undefined);
  });
}

test('27: a program writes nowhere but at home', async (t) => {
  const server = await startServer(t);
  const ann = await server.user('ann');
  const bob = await server.client(await server.user('bob'));
  const c = await server.client(ann);
  await bob.write('home/secret', 'of bob');
  const outside = path.join(server.dir, 'outside');
  fs.mkdirSync(outside);
  fs.chmodSync(outside, 0o777); // the system alone would let anybody write here
  fs.writeFileSync(path.join(outside, 'canary'), 'untouched');
  fs.chmodSync(path.join(outside, 'canary'), 0o666);
  fs.mkdirSync(path.join(server.data, 'courses/c/d'), { recursive: true });
  fs.writeFileSync(path.join(server.data, 'courses/c/n'), 'course');
  fs.writeFileSync(path.join(server.data, 'courses/c/d/deep'), 'course');
  for (const p of ['courses/c', 'courses/c/d'])
    fs.chmodSync(path.join(server.data, p), 0o777); // the cage's word counts, not the mode

  const own = [path.join(server.data, 'users/ann'), path.join(server.data, 'sessions')];
  const skip = (p) => own.includes(p) || /latch\.db|control\.sock/.test(path.basename(p));
  const roots = [outside, path.join(server.data, 'courses'), path.join(server.data, 'users'), '/etc'];
  const look = () => roots.map((r) => walk(r, skip));
  const before = look();

  const source = `DATA, OUTSIDE, PORT = ${JSON.stringify(server.data)}, ${JSON.stringify(outside)}, ${server.port}\n` +
    program;
  for (let i = 0; i < count(4, { asan: 2, tsan: 1 }); i++) {
    await c.write('home/w/mine', 'mine').catch(async () => {
      await c.request('fs.mkdir', { path: 'home/w' });
      await c.write('home/w/mine', 'mine');
    });
    const run = await c.runProgram('home/w/try.py', source, { tty: false, timeout: 60000 });
    assert.deepEqual(run.text.split('\n').filter((l) => /^(DONE|ODD)/.test(l)), [], run.err.toString());
    const tried = Number(/tried (\d+)/.exec(run.text)?.[1]);
    assert.ok(tried > 700, `${tried} tried: ${run.text}${run.err}`);
    await c.request('fs.remove', { path: 'home/w', recursive: true });
  }

  // Links that a program left, and paths, over the wire: by every method and route that changes something.
  for (const [name, to] of [['abs', outside], ['up', '../../../../outside'], ['course', '/work/courses/c'],
    ['file', path.join(outside, 'canary')], ['bob', '../../bob/home'], ['course-up', '../../../courses/c']])
    await c.runProgram('home/link.py', `import os; os.symlink(${JSON.stringify(to)}, ${JSON.stringify(name)})`);
  await c.write('home/own', 'own');
  const paths = ['home/abs/x', 'home/abs/canary', 'home/up/canary', 'home/file', 'home/bob/secret', 'home/course/n',
    'home/course-up/n', 'courses/c/n', 'courses/c/new', 'courses/new', 'users/bob/home/secret', 'bob/secret', 'staging/x',
    '../x', 'home/../../bob/home/secret', '/etc/passwd', 'home//x', 'home/./x', 'etc/passwd', 'home', 'courses', ''];
  for (const p of paths) {
    const link = p === 'home/file'; // the link itself is ann's to remove and to move
    const changes = [['fs.write', { path: p, data: 'x' }], ['fs.mkdir', { path: p }],
      ['fs.rename', { from: 'home/own', to: p }], ['fs.rename', { from: 'home/own', to: p, replace: true }],
      ...(link ? [] : [['fs.remove', { path: p }], ['fs.remove', { path: p, recursive: true }],
        ['fs.rename', { from: p, to: 'home/stolen' }]])];
    for (const [method, params] of changes.filter(([m, q]) => !(link && q.replace)))
      await assert.rejects(c.request(method, params), { name: 'RpcError' }, `${method} ${JSON.stringify(params)}`);
    for (const method of link ? ['PUT'] : ['PUT', 'DELETE']) {
      const status = await ask(server, method, p, ann.token);
      assert.ok(status >= 400 && status < 500, `${method} ${p}: ${status}`);
    }
  }
  assert.equal((await c.request('fs.read', { path: 'home/own' })).data, 'own');
  assert.equal((await bob.request('fs.read', { path: 'home/secret' })).data, 'of bob');

  const after = look();
  for (const [i, root] of roots.entries())
    assert.deepEqual([...after[i]].filter(([p, what]) => before[i].get(p) !== what), [], root);
  assert.deepEqual(after.map((m) => m.size), before.map((m) => m.size));
});
