/* client.h - what the tests of spawn and hold share: a real spawner in a folder of its own, and a session's
 * other end, as latchd would be. Static, since each test is one file.
 *
 * Every wait has a deadline; a test that waits too long fails.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"
#include "base/str.h"
#include "hold/hold_proto.h"
#include "latch/thread.h"
#include "ring/ring.h"
#include "spawn/language.h"
#include "spawn/spawn.h"

#define UID_BASE     61000u
#define UID_ORDINARY 61990u
#define PATIENCE_MS  20000u
#define TEST_WINDOW  (256u << 10)

static struct {
        char dir[64], bin[512];
        struct spawner *spawner;
        bool root;
} world;

/* ---- the world ---- */

_unused_ static void run_command(const char *const argv[]) {
        int status;
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                execvp(argv[0], (char **)(uintptr_t)argv);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

_unused_ static void make_dir(const char *name, mode_t mode, uid_t uid) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", world.dir, name);
        assert_int_equal(mkdir(path, mode), 0);
        assert_int_equal(chmod(path, mode), 0);
        if (world.root)
                assert_int_equal(chown(path, uid, uid), 0);
}

_unused_ static void make_user(const char *name, unsigned number) {
        char path[64];

        snprintf(path, sizeof path, "users/%s", name);
        make_dir(path, 0700, UID_BASE + number);
        snprintf(path, sizeof path, "users/%s/home", name);
        make_dir(path, 0700, UID_BASE + number);
}

/* Programs where the ordinary user can execute them; root's need not be reachable for anybody else. */
_unused_ static void find_programs(void) {
        const char *from = getenv("LATCH_BIN");

        assert_non_null(from);
        if (world.root) {
                snprintf(world.bin, sizeof world.bin, "%s", from);
                return;
        }
        snprintf(world.bin, sizeof world.bin, "%s/bin", world.dir);
}

_unused_ static struct spawn_options world_options(void) {
        return (struct spawn_options){
                .exec_dir = world.bin,
                .data = world.dir,
                .bwrap = "/usr/bin/bwrap",
                .python = "/usr/bin/python3",
                .uid_base = UID_BASE,
                .uid_count = 100,
                .latchd_uid = geteuid(),
                .latchd_gid = getegid(),
        };
}

_unused_ static void start_spawner(void) {
        struct spawn_options o = world_options();
        char *error = NULL;
        int r = spawner_start(&o, &world.spawner, &error);
        if (r == 0)
                r = spawner_verdict(world.spawner, &error);
        if (r < 0)
                print_message("%s\n", error ? error : strerror(-r));
        free(error);
        assert_int_equal(r, 0);
}

_unused_ static int world_setup(void **state) {
        (void)state;
        latch_thread_begin("test");
        world.root = geteuid() == 0;
        if (!world.dir[0]) {
                strcpy(world.dir, "/tmp/latch-test-XXXXXX");
                assert_non_null(mkdtemp(world.dir));
                assert_int_equal(chmod(world.dir, 0755), 0);
        }
        make_dir("users", 0711, 0);
        make_dir("courses", 0755, 0);
        make_dir("sessions", 0700, 0);
        make_user("ann", 0);
        make_user("bob", 1);
        find_programs();
        start_spawner();
        return 0;
}

/* Holders of this world that a failed test left behind: known by the folder in their argv. */
_unused_ static void end_holders(void) {
        DIR *d = opendir("/proc");
        struct dirent *e;
        char path[300], want[128], line[256];
        size_t n = (size_t)snprintf(want, sizeof want, "latch-hold%c%s", '\0', world.dir) + 1;

        while (d && (e = readdir(d))) {
                snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                if (fd_read_full(fd, line, sizeof line) > (ssize_t)n && memcmp(line, want, n) == 0)
                        (void)kill(atoi(e->d_name), SIGTERM);
                fd_close(fd);
        }
        if (d)
                closedir(d);
}

/* What a sanitizer said in a holder (latch_hold_main.c). */
_unused_ static void check_reports(void) {
        glob_t found;

        if (glob("/tmp/latch-hold-report.*", 0, NULL, &found) != 0)
                return;
        run_command((const char *const[]){"cat", found.gl_pathv[0], NULL});
        (void)unlink(found.gl_pathv[0]);
        fail_msg("%s", found.gl_pathv[0]);
}

_unused_ static int world_teardown(void **state) {
        (void)state;
        world.spawner = spawner_free(world.spawner);
        end_holders();
        check_reports();
        run_command((const char *const[]){"rm", "-rf", world.dir, NULL});
        world.dir[0] = '\0';
        latch_thread_end();
        return 0;
}

/* Runs the tests as root, if we are, and then in a child as an ordinary user. */
_unused_ static int run_as_both(int (*run)(void)) {
        int failed, status = 0;
        char bin[512];

        cmocka_set_test_filter(getenv("ONLY_TEST")); /* a pattern, for one test alone */
        failed = run();
        if (geteuid() != 0)
                return failed;
        strcpy(world.dir, "/tmp/latch-test-XXXXXX");
        if (!mkdtemp(world.dir) || chmod(world.dir, 0755) < 0 ||
            chown(world.dir, UID_ORDINARY, UID_ORDINARY) < 0)
                return 1;
        snprintf(bin, sizeof bin, "%s/bin", world.dir);
        run_command((const char *const[]){"mkdir", bin, NULL});
        if (chown(bin, UID_ORDINARY, UID_ORDINARY) < 0)
                return 1;
        for (int i = 0; i < 3; i++) {
                static const char *const names[] = {"latch-spawn", "latch-hold", "latch-init"};
                char from[600];
                snprintf(from, sizeof from, "%s/%s", getenv("LATCH_BIN"), names[i]);
                run_command((const char *const[]){"cp", from, bin, NULL});
        }
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                if (setresgid(UID_ORDINARY, UID_ORDINARY, UID_ORDINARY) < 0 ||
                    setresuid(UID_ORDINARY, UID_ORDINARY, UID_ORDINARY) < 0)
                        _exit(1);
                /* Without this our own /proc files are root's, and descriptors cannot be opened again. */
                (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
                exit(run());
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
                return 1;
        return failed + (status != 0);
}

/* ---- a session's other end ---- */

struct client {
        char id[RANDOM_ID_CHARS + 1];
        int sock, wake;
        struct ring_reader *ring;
        bool hello, started, failed, exited;
        bool hold_back; /* never sets the gate */
        int pidfd;
        struct hold_hello first;
        struct hold_failed failure;
        struct hold_exit exit;
        unsigned exits, resized;
        uint64_t at; /* output read */
        struct buf out, err;
        uint64_t acked, refused, count; /* input: newest word of each */
        unsigned acks, refusals, counts;
        uint32_t refusal;
        uint32_t last_mark;      /* ACK or REFUSED */
        uint64_t last_acked_tag; /* whose */
        struct buf picture;      /* the newest */
        uint64_t picture_at;
        unsigned pictures, no_pictures, expiries;
        uint64_t expires_ms;
        char title[TITLE_BYTES + 8];
        unsigned titles;
        char cwd[HOLD_CWD_MAX + 8];
        unsigned cwds;
};

_unused_ static void make_spec(struct spawn_spec *s, enum spawn_kind kind, bool tty) {
        *s = (struct spawn_spec){
                .size = sizeof *s,
                .kind = kind,
                .uid = UID_BASE,
                .tty = tty,
                .cols = 80,
                .rows = 24,
                .ring_bytes = 1 << 20,
                .input_bytes = 64 << 10,
                .driver_grace_ms = 60000,
                .stop_grace_ms = 500,
                .limits = {.processes = 64,
                           .memory_bytes = UINT64_C(1) << 30,
                           .tmp_bytes = 16 << 20},
        };
        random_id(s->id);
        strcpy(s->user, "ann");
        strcpy(s->cwd, "home");
        if (kind != SPAWN_SHELL)
                strcpy(s->language, "python");
        if (kind == SPAWN_RUN)
                strcpy(s->path, "home/main.py");
}

_unused_ static struct client client_of(const char *id, int sock) {
        struct client c = {.sock = sock,
                           .wake = -1,
                           .pidfd = -1,
                           .out = BUF_INIT(64 << 20),
                           .err = BUF_INIT(64 << 20),
                           .picture = BUF_INIT(HOLD_SNAPSHOT_MAX)};

        memcpy(c.id, id, sizeof c.id);
        return c;
}

/* strings: argc, then envc of them. */
_unused_ static int open_session(struct spawn_spec *s, const char *source, const char *strings,
                                 size_t n, struct client *ret) {
        _cleanup_(fd_closep) int script = -1;
        int sock, r;

        s->strings_n = (uint32_t)n;
        if (source)
                assert_int_equal(fd_sealed("script", source, strlen(source), &script), 0);
        r = spawner_session(world.spawner, s, strings, script, &sock);
        if (r == 0)
                *ret = client_of(s->id, sock);
        return r;
}

_unused_ static struct client run_python(const char *source, bool tty) {
        struct spawn_spec s;
        struct client c;

        make_spec(&s, SPAWN_RUN, tty);
        assert_int_equal(open_session(&s, source, NULL, 0, &c), 0);
        return c;
}

static void hear_picture(struct client *c, const struct hold_mark *m, int fd) {
        off_t n = lseek(fd, 0, SEEK_END);

        assert_int_equal(fcntl(fd, F_GET_SEALS),
                         F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
        assert_true(n > 0 && n <= (off_t)HOLD_SNAPSHOT_MAX);
        buf_clear(&c->picture);
        assert_int_equal(buf_reserve(&c->picture, (size_t)n), 0);
        assert_int_equal(pread(fd, c->picture.data, (size_t)n, 0), n);
        c->picture.n = (size_t)n;
        c->picture_at = m->offset;
        c->pictures++;
        fd_close(fd);
}

_unused_ static void client_hear(struct client *c) {
        static _Alignas(8) char m[HOLD_MESSAGE_MAX];
        int fds[3] = {-1, -1, -1};
        size_t nfds = 3;
        ssize_t k = fd_recv(c->sock, m, sizeof m, fds, &nfds, MSG_DONTWAIT);

        if (k == -EAGAIN)
                return;
        if (k <= 0) {
                c->sock = fd_close(c->sock);
                return;
        }
        struct hold_head *head = (struct hold_head *)m;
        switch (head->type) {
        case HOLD_HELLO:
                assert_int_equal(k, sizeof c->first);
                assert_int_equal(nfds, 3);
                memcpy(&c->first, m, sizeof c->first);
                assert_string_equal(c->first.id, c->id);
                if (!c->ring)
                        assert_int_equal(ring_reader_open(fds[0], fds[1], c->id, &c->ring), 0);
                fd_close(fds[0]);
                fd_close(fds[1]);
                fd_close(c->wake);
                c->wake = fds[2];
                c->hello = true;
                break;
        case HOLD_STARTED:
                assert_int_equal(nfds, 1);
                fd_close(c->pidfd);
                c->pidfd = fds[0];
                c->started = true;
                break;
        case HOLD_FAILED:
                memcpy(&c->failure, m, sizeof c->failure);
                c->failed = true;
                break;
        case HOLD_EXIT:
                memcpy(&c->exit, m, sizeof c->exit);
                c->exited = true;
                c->exits++;
                break;
        case HOLD_INPUT_ACK:
                c->acked = ((struct hold_mark *)m)->offset;
                c->acks++;
                c->last_mark = head->type;
                c->last_acked_tag = ((struct hold_mark *)m)->tag;
                break;
        case HOLD_INPUT_REFUSED:
                c->refused = ((struct hold_mark *)m)->offset;
                c->refusal = ((struct hold_mark *)m)->code;
                c->refusals++;
                c->last_mark = head->type;
                break;
        case HOLD_INPUT_AT:
                c->count = ((struct hold_mark *)m)->offset;
                c->counts++;
                break;
        case HOLD_RESIZED: c->resized++; break;
        case HOLD_SNAPSHOT: hear_picture(c, (struct hold_mark *)m, fds[0]); break;
        case HOLD_NO_SNAPSHOT: c->no_pictures++; break;
        case HOLD_TITLE:
                memcpy(c->title, ((struct hold_title *)m)->text, sizeof c->title);
                c->titles++;
                break;
        case HOLD_CWD:
                assert_int_equal(k, sizeof(struct hold_cwd));
                memcpy(c->cwd, ((struct hold_cwd *)m)->path, sizeof c->cwd);
                c->cwds++;
                break;
        case HOLD_EXPIRES:
                c->expires_ms = ((struct hold_mark *)m)->offset;
                c->expiries++;
                break;
        default: fail_msg("a message of type %u", head->type);
        }
}

_unused_ static void client_send(struct client *c, const void *m, size_t n) {
        assert_int_equal(fd_send(c->sock, m, n, NULL, 0, 0), 0);
}

_unused_ static void client_word(struct client *c, enum hold_type type) {
        client_send(c, &(struct hold_head){.type = type}, sizeof(struct hold_head));
}

/* Takes what is in the ring now. */
_unused_ static void client_read(struct client *c) {
        static char piece[64 << 10];
        enum ring_kind kind;
        uint64_t tail;
        ssize_t k;

        while ((k = ring_read(c->ring, c->at, piece, sizeof piece, &kind, &tail)) > 0) {
                assert_int_equal(buf_add(kind == RING_STDERR ? &c->err : &c->out, piece, (size_t)k),
                                 0);
                c->at += (uint64_t)k;
                if (!c->hold_back && ring_reader_set_gate(c->ring, c->at))
                        client_word(c, HOLD_GATE);
        }
        assert_int_equal(k, 0);
}

/* One wait for whatever comes first. False at the deadline. */
_unused_ static bool client_turn(struct client *c, uint64_t until_ms) {
        struct pollfd p[2] = {{.fd = c->sock, .events = POLLIN}, {.fd = c->wake, .events = POLLIN}};
        uint64_t now = clock_mono_ms(), count;

        if (c->ring) {
                client_read(c);
                if (ring_reader_arm(c->ring, c->at))
                        return true;
        }
        if (now >= until_ms)
                return false;
        assert_true(poll(p, 2, (int)(until_ms - now)) >= 0);
        if (p[1].revents)
                assert_int_equal(read(c->wake, &count, sizeof count), sizeof count);
        if (p[0].revents)
                client_hear(c);
        if (c->ring)
                client_read(c); /* the caller looks at its condition next */
        return true;
}

#define client_until(c, condition)                                                                    \
        do {                                                                                          \
                uint64_t until_ = clock_mono_ms() + PATIENCE_MS;                                      \
                while (!(condition))                                                                  \
                        if (!client_turn(c, until_))                                                  \
                                fail_msg(                                                             \
                                        "waited in vain for %s; output so far: %s / %s; failure: %s", \
                                        #condition, (c)->out.data, (c)->err.data,                     \
                                        (c)->failure.stage);                                          \
        } while (0)

/* The same without reading: for who looks at the ring alone. */
#define client_until_quietly(c, condition)                                                         \
        do {                                                                                       \
                uint64_t until_ = clock_mono_ms() + PATIENCE_MS;                                   \
                while (!(condition)) {                                                             \
                        struct pollfd p_ = {.fd = (c)->sock, .events = POLLIN};                    \
                        if (clock_mono_ms() >= until_)                                             \
                                fail_msg("waited in vain for %s", #condition);                     \
                        assert_true(poll(&p_, 1, 100) >= 0);                                       \
                        client_hear(c);                                                            \
                }                                                                                  \
        } while (0)

_unused_ static void client_wait_output(struct client *c, const char *text) {
        client_until(c, c->out.data && strstr(c->out.data, text));
}

_unused_ static void client_wait_exit(struct client *c) {
        client_until(c, c->exited);
        client_read(c);
        assert_int_equal(c->exit.offset, c->at); /* all of it lies below the exit's offset */
}

_unused_ static void client_input(struct client *c, char key, uint64_t offset, const void *bytes,
                                  size_t n) {
        static char m[HOLD_MESSAGE_MAX];
        struct hold_input h = {.head.type = HOLD_INPUT, .tag = (uint64_t)key, .offset = offset};

        memset(h.key, key, sizeof h.key);
        memcpy(m, &h, sizeof h);
        if (n > 0)
                memcpy(m + sizeof h, bytes, n);
        client_send(c, m, sizeof h + n);
}

_unused_ static void client_ask_only(struct client *c, char key) {
        struct hold_query q = {.head.type = HOLD_QUERY_INPUT, .tag = 7};

        memset(q.key, key, sizeof q.key);
        client_send(c, &q, sizeof q);
}

_unused_ static void client_ask(struct client *c, char key) {
        unsigned before = c->counts;

        client_ask_only(c, key);
        client_until(c, c->counts > before);
}

_unused_ static void client_ask_picture(struct client *c) {
        unsigned before = c->pictures + c->no_pictures;

        client_send(c, &(struct hold_query){.head.type = HOLD_ASK_SNAPSHOT, .tag = 9},
                    sizeof(struct hold_query));
        client_until(c, c->pictures + c->no_pictures > before);
}

/* As if latchd were gone. */
_unused_ static void client_lose(struct client *c) {
        c->sock = fd_close(c->sock);
        c->hello = c->started = c->exited = false;
}

/* As a new latchd does: through the socket in DIR/sessions. 0 or -errno. */
_unused_ static int client_return(struct client *c) {
        _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        snprintf(a.sun_path, sizeof a.sun_path, "%s/sessions/%s.sock", world.dir, c->id);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
                return -errno;
        c->hello = c->started = c->exited = false;
        c->sock = TAKE_FD(fd);
        return 0;
}

/* Holders, dead or alive, that the spawner has not reaped: its children by /proc. */
_unused_ static unsigned children_of_spawner(void) {
        char path[64], text[4096];
        unsigned n = 0;

        snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        for (int level = 0; level < 2; level++) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                ssize_t k = fd < 0 ? 0 : fd_read_full(fd, text, sizeof text - 1);
                fd_close(fd);
                text[k < 0 ? 0 : k] = '\0';
                n = 0;
                for (const char *p = text; *p; p++)
                        n += *p == ' ';
                if (level == 0) {
                        int pid = atoi(text);
                        assert_int_equal(n, 1); /* the spawner is our one child */
                        snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
                }
        }
        return n;
}

/* Its holder ends too; waits until it has. */
_unused_ static void client_end(struct client *c) {
        if (c->sock >= 0)
                client_word(c, HOLD_FORGET);
        client_until(c, c->sock < 0);
        ring_reader_free(c->ring);
        fd_close(c->wake);
        fd_close(c->pidfd);
        buf_done(&c->out);
        buf_done(&c->err);
        buf_done(&c->picture);
}

/* ---- what is left ---- */

/* A process with this word in its argv, in whatever namespace. */
_unused_ static bool lives(const char *token) {
        DIR *d = opendir("/proc");
        struct dirent *e;
        bool found = false;

        while ((e = readdir(d))) {
                char path[300], line[512];
                snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                ssize_t n = read(fd, line, sizeof line);
                close(fd);
                found = found || (n > 0 && memmem(line, (size_t)n, token, strlen(token)));
        }
        closedir(d);
        return found;
}

/* The last test of a group: every session was ended by now. */
_unused_ static void test_no_zombies_and_no_sockets_are_left(void **state) {
        char path[128];

        (void)state;
        snprintf(path, sizeof path, "%s/sessions", world.dir);
        uint64_t until = clock_mono_ms() + PATIENCE_MS;
        for (;;) {
                DIR *d = opendir(path);
                unsigned n = 0;
                struct dirent *e;
                while ((e = readdir(d)))
                        n += str_ends(e->d_name, ".sock");
                closedir(d);
                if (n == 0 && !children_of_spawner())
                        return;
                assert_true(clock_mono_ms() < until);
                (void)poll(NULL, 0, 5);
        }
}
