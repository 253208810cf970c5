/* Unit tests for what a cage shows and forbids, seen by a Python program in it (ACCEPTANCE 10, 27). */
#include "../hold/client.h"

static void write_file(const char *name, const char *text) {
        char path[256];

        snprintf(path, sizeof path, "%s/%s", world.dir, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        fd_close(fd);
}

static int setup(void **state) {
        int r = world_setup(state);

        write_file("courses/lesson.txt", "for everybody");
        write_file("users/bob/home/secret-of-bob.txt", "canary-5417");
        return r;
}

/* Runs it as ann, with DIR as its argument; what it printed must be this. */
static void check(const char *source, const char *want) {
        struct spawn_spec s;
        struct client c;

        make_spec(&s, SPAWN_RUN, false);
        s.argc = 1;
        assert_int_equal(open_session(&s, source, world.dir, strlen(world.dir) + 1, &c), 0);
        client_wait_exit(&c);
        if (!c.out.data || strcmp(c.out.data, want) != 0)
                fail_msg("gave %s\nand %s\nnot %s", c.out.data, c.err.data, want);
        client_end(&c);
}

static void test_the_tree_is_what_the_wire_says(void **state) {
        (void)state;
        check("import os\n"
              "print(sorted(os.listdir('/')))\n"
              "print(sorted(os.listdir('/work')), sorted(os.listdir('/work/courses')))\n"
              "print(open('/work/courses/lesson.txt').read())\n"
              "print(sorted(os.listdir('/run')), os.listdir('/var'), os.listdir('/tmp'))\n"
              "print(os.getuid(), os.getgid(), os.getgroups(), os.uname().nodename)\n"
              "import pwd; print(pwd.getpwuid(1000).pw_name, os.path.expanduser('~'))\n",
              "['bin', 'dev', 'etc', 'lib', 'lib64', 'proc', 'run', 'sbin', 'tmp', 'usr', 'var', 'work']\n"
              "['courses', 'home'] ['lesson.txt']\nfor everybody\n"
              "['latch'] ['tmp'] []\n1000 1000 [] latch\nann /work/home\n");
}

/* Thirty ways to come upon another user's name or byte. */
static void test_nobody_else_is_seen(void **state) {
        static const char source[] =
                "import os, sys, subprocess, ctypes, glob\n"
                "dir = sys.argv[1]; sys.argv = []\nseen = []\n"
                "def look(what, f):\n"
                "  try: r = f()\n"
                "  except (OSError, subprocess.SubprocessError): return\n"
                "  if any(w in str(r) for w in ('secret-of-bob', 'canary-5417', \"'bob'\", '/users/bob')): seen.append(what)\n"
                "libc = ctypes.CDLL(None, use_errno=True)\n"
                "bob = dir + '/users/bob/home'\nfile = bob + '/secret-of-bob.txt'\n"
                "look('listdir', lambda: os.listdir(bob))\n"
                "look('users', lambda: os.listdir(dir + '/users'))\n"
                "look('open', lambda: open(file).read())\n"
                "look('os.open', lambda: os.read(os.open(file, os.O_RDONLY), 100))\n"
                "look('stat', lambda: (os.stat(file), 'canary-5417'))\n"
                "look('work', lambda: os.listdir('/work/../work/home/../../users'))\n"
                "look('up', lambda: os.listdir('/work/home/../../..'))\n"
                "look('root', lambda: list(os.walk('/proc/1/root')))\n"
                "look('cwd', lambda: os.listdir('/proc/1/cwd/'))\n"
                "look('fds', lambda: [os.readlink(p) for p in glob.glob('/proc/*/fd/*')])\n"
                "look('exe', lambda: [os.readlink(p) for p in glob.glob('/proc/[0-9]*/exe')])\n"
                "look('environ', lambda: [open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/environ')])\n"
                "look('cmdline', lambda: [open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline') if p != '/proc/%d/cmdline' % os.getpid()])\n"
                "look('maps1', lambda: open('/proc/1/maps').read())\n"
                "look('mounts', lambda: open('/proc/self/mountinfo').read())\n"
                "look('net', lambda: open('/proc/net/unix').read())\n"
                "look('find', lambda: subprocess.run(['find', '/', '-name', '*bob*', '-not', '-path', '/proc/*'], capture_output=True).stdout)\n"
                "look('ps', lambda: subprocess.run(['ps', 'aux'], capture_output=True).stdout)\n"
                "look('passwd', lambda: open('/etc/passwd').read())\n"
                "look('shadow', lambda: open('/etc/shadow').read() + 'canary-5417')\n"
                "look('hard link', lambda: (os.link(file, '/work/home/l'), 'canary-5417'))\n"
                "look('symlink', lambda: (os.symlink(file, '/work/home/s'), open('/work/home/s').read()))\n"
                "look('chroot', lambda: (os.chroot('/proc/1/root'), 'canary-5417'))\n"
                "look('mount', lambda: 'canary-5417' if libc.mount(b'/', b'/tmp', None, 4096, None) == 0 else '')\n"
                "look('unshare', lambda: 'canary-5417' if libc.unshare(0x10000000) == 0 else '')\n"
                "look('setuid', lambda: (os.setuid(61001), 'canary-5417'))\n"
                "look('ptrace', lambda: 'canary-5417' if libc.ptrace(16, 1, 0, 0) == 0 else '')\n"
                "look('kill', lambda: (os.kill(os.getppid() + 1000, 0), 'canary-5417'))\n"
                "look('mknod', lambda: (os.mknod('/work/home/d', 0o60666, os.makedev(8, 0)), 'canary-5417'))\n"
                "look('sys', lambda: os.listdir('/sys'))\n"
                "look('shm', lambda: os.listdir('/dev/shm'))\n"
                "look('keys', lambda: open('/proc/keys').read() + 'canary-5417' if libc.syscall(250, 0, -3, 0) >= 0 else '')\n"
                "print(seen)\n";

        (void)state;
        check(source, "[]\n");
}

static void test_only_the_users_own_can_be_written(void **state) {
        (void)state;
        check("import os\n"
              "def can(p):\n"
              "  try: open(p, 'w').close(); os.unlink(p); return True\n"
              "  except OSError as e: return e.errno in (1, 2, 13, 30) and 'no'\n"
              "for p in ('/x', '/usr/x', '/usr/bin/x', '/etc/x', '/etc/passwd', '/dev/x', '/run/x', '/run/latch/runner.py',\n"
              "          '/run/latch/script', '/var/x', '/work/x', '/work/courses/x', '/work/courses/lesson.txt', '/proc/x', '/proc/sys/kernel/hostname'):\n"
              "  if can(p) != 'no': print(p, can(p))\n"
              "print([can(p) for p in ('/work/home/x', '/tmp/x', '/var/tmp/x', '/dev/shm/x')])\n",
              "[True, True, True, True]\n");
}

static void test_there_is_no_network_but_its_own(void **state) {
        (void)state;
        check("import socket, os\n"
              "def can(f):\n"
              "  try: f(); return True\n"
              "  except OSError as e: return os.strerror(e.errno)\n"
              "s = socket.create_server(('localhost', 0)); print(can(lambda: socket.create_connection(s.getsockname())))\n"
              "print(can(lambda: socket.create_connection(('192.0.2.1', 80), 2)))\n"
              "print(can(lambda: socket.socket(socket.AF_VSOCK)), can(lambda: socket.socket(socket.AF_PACKET)))\n"
              "print(sorted(n for i, n in socket.if_nameindex()))\n",
              "True\nNetwork is unreachable\n"
              "Address family not supported by protocol Address family not supported by protocol\n['lo']\n");
}

/* What the filter refuses is refused as a system without it would say it, so that libraries fall back. */
static void test_common_programs_still_work(void **state) {
        (void)state;
        check("import subprocess, threading, multiprocessing, tempfile, asyncio, signal, os, pty\n"
              "print(subprocess.run(['bash', '-c', 'echo $((1+1)) | cat'], capture_output=True, text=True).stdout, end='')\n"
              "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
              "with multiprocessing.Pool(2) as p: print(p.map(abs, [-1, -2]))\n"
              "with tempfile.NamedTemporaryFile() as f: print(os.path.dirname(f.name))\n"
              "async def a(): await asyncio.sleep(0.01); return (await asyncio.create_subprocess_exec('true')).pid > 1\n"
              "print(asyncio.run(a()))\n"
              "print(os.openpty() is not None, os.getpriority(0, 0))\n"
              "print(multiprocessing.shared_memory.SharedMemory(create=True, size=10).size if __import__('multiprocessing.shared_memory') else 0)\n",
              "2\nthread\n[1, 2]\n/tmp\nTrue\nTrue 0\n10\n");
}

static void test_temporary_space_has_a_limit(void **state) {
        (void)state;
        check("import os\n"
              "def fill(p):\n"
              "  n = 0\n"
              "  with open(p, 'wb', buffering=0) as f:\n"
              "    try:\n"
              "      while n < 64 << 20: n += f.write(bytes(1 << 20))\n"
              "    except OSError as e: print(os.strerror(e.errno), n <= 16 << 20)\n"
              "fill('/tmp/x'); fill('/dev/shm/x')\n",
              "No space left on device True\nNo space left on device True\n");
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_tree_is_what_the_wire_says),
                cmocka_unit_test(test_nobody_else_is_seen),
                cmocka_unit_test(test_only_the_users_own_can_be_written),
                cmocka_unit_test(test_there_is_no_network_but_its_own),
                cmocka_unit_test(test_common_programs_still_work),
                cmocka_unit_test(test_temporary_space_has_a_limit),
        };

        return cmocka_run_group_tests_name("cage", tests, setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
