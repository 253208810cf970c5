/* The contract is in spawn/launch.h. */
#include "spawn/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/child.h"
#include "base/fd.h"
#include "ring/ring.h"
#include "spawn/cage.h"
#include "spawn/language.h"

#define HIGH_FD 64 /* above every fixed number */
#define BACKLOG 4

int launch_reopen(int fd, int *ret) {
        char path[32];
        int r;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        r = open(path, O_RDONLY | O_CLOEXEC);
        if (r < 0)
                return -errno;
        *ret = r;
        return 0;
}

int launch_place(const int fds[SETUP_END]) {
        int high[SETUP_END];
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) < 0)
                return -errno;
        for (int i = SETUP_CONN; i < SETUP_END; i++) {
                high[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
                if (fds[i] >= 0 && high[i] < 0)
                        return -errno;
        }
        for (int i = SETUP_CONN; i < SETUP_END; i++) {
                if (high[i] < 0)
                        (void)close(i); /* or it was not open */
                else if (dup3(high[i], i, i == SETUP_HOLD ? O_CLOEXEC : 0) < 0)
                        return -errno;
        }
        return close_range(SETUP_END, ~0U, 0) < 0 ? -errno : 0;
}

int launch_become(bool root, uid_t uid) {
        sigset_t none;

        sigemptyset(&none);
        if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
                return -errno;
        if (!root)
                return 0;
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                return -errno;
        return 0;
}

/* ---- what a holder is given ---- */

/* Bound by us, in a folder that the user cannot enter; listened on as the user, so that a peer sees whose
 * it is. Through /proc, since a socket's path may have 108 bytes only. */
static int make_socket(const struct launcher *l, const char *name, int *ret) {
        _cleanup_(fd_closep) int fd =
                socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        if (fd < 0)
                return -errno;
        snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%s", l->sessions, name);
        if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
                return errno == EADDRINUSE ? -EEXIST : -errno;
        if (l->root &&
            fchownat(l->sessions, name, l->latchd_uid, l->latchd_gid, AT_SYMLINK_NOFOLLOW) < 0) {
                int r = -errno;
                (void)unlinkat(l->sessions, name, 0);
                return r;
        }
        *ret = TAKE_FD(fd);
        return 0;
}

static int add_string(struct buf *b, uint32_t *count, const char *s) {
        ++*count;
        return buf_add(b, s, strlen(s) + 1);
}

static bool names_same(const char *a, const char *b) {
        size_t n = strcspn(a, "=");

        return strncmp(a, b, n + 1) == 0;
}

/* Ours first, but for what the user gave a value of their own. */
static int add_environment(const struct spawn_spec *spec, const char *theirs, struct buf *b,
                           uint32_t *envc) {
        char user[sizeof "USER=" + 33], logname[sizeof "LOGNAME=" + 33];
        const char *ours[] = {
                "PATH=/usr/local/bin:/usr/bin:/bin",
                "HOME=/work/home",
                user,
                logname,
                "SHELL=/bin/bash",
                "LANG=C.UTF-8",
                "TERM=xterm-256color",
                /* Through a pipe Python would keep what it prints until the end. */
                spec->tty ? NULL : "PYTHONUNBUFFERED=1",
        };
        int r = 0;

        snprintf(user, sizeof user, "USER=%s", spec->user);
        snprintf(logname, sizeof logname, "LOGNAME=%s", spec->user);
        for (size_t i = 0; r == 0 && i < ELEMENTS(ours); i++) {
                bool given = ours[i] == NULL;
                const char *s = theirs;
                for (uint32_t k = 0; k < spec->envc; k++, s += strlen(s) + 1)
                        given = given || names_same(s, ours[i]);
                if (!given)
                        r = add_string(b, envc, ours[i]);
        }
        for (uint32_t k = 0; r == 0 && k < spec->envc; k++, theirs += strlen(theirs) + 1)
                r = add_string(b, envc, theirs);
        return r;
}

static const char *after_arguments(const struct spawn_spec *spec, const char *strings) {
        for (uint32_t i = 0; i < spec->argc; i++)
                strings += strlen(strings) + 1;
        return strings;
}

static int make_setup(const struct launcher *l, const struct spawn_spec *spec, const char *strings,
                      int *ret) {
        struct setup *s;
        struct buf b = BUF_INIT(sizeof *s + SETUP_STRINGS_MAX);
        uint32_t argc = 0, envc = 0;
        int r = buf_reserve(&b, sizeof *s);

        if (r < 0)
                return r;
        b.n = sizeof *s;
        r = language_argv(spec, l->python, strings, &b, &argc);
        if (r == 0)
                r = add_environment(spec, after_arguments(spec, strings), &b, &envc);
        if (r == 0) {
                s = (struct setup *)(void *)b.data;
                memset(s, 0, sizeof *s);
                s->version = SETUP_VERSION;
                s->kind = spec->kind;
                memcpy(s->id, spec->id, sizeof s->id);
                memcpy(s->user, spec->user, sizeof s->user);
                s->tty = spec->tty;
                s->cols = spec->cols;
                s->rows = spec->rows;
                s->latchd_uid = l->latchd_uid;
                memcpy(s->path, spec->path, sizeof s->path);
                snprintf(s->cwd, sizeof s->cwd, "/work%s%s", spec->cwd[0] ? "/" : "", spec->cwd);
                s->limits = spec->limits;
                s->input_bytes = spec->input_bytes;
                s->driver_grace_ms = spec->driver_grace_ms;
                s->stop_grace_ms = spec->stop_grace_ms;
                s->argc = argc;
                s->envc = envc;
                s->strings_n = (uint32_t)(b.n - sizeof *s);
                r = fd_sealed("latch-setup", b.data, b.n, ret);
        }
        buf_done(&b);
        return r;
}

/* Nobody may change a snapshot while it is being read: it must be sealed. */
static int take_script(int script, int *ret) {
        const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
        int have = fcntl(script, F_GET_SEALS);

        if (have < 0 || (have & seals) != seals)
                return -EINVAL;
        return launch_reopen(script, ret);
}

static int make_fds(const struct launcher *l, const struct spawn_spec *spec, const char *strings,
                    int script, int fds[SETUP_END]) {
        struct cage cage = {.data = l->data,
                            .user = spec->user,
                            .tmp_bytes = spec->limits.tmp_bytes,
                            .script = spec->kind == SPAWN_RUN,
                            .tty = spec->tty,
                            .prompt = spec->kind == SPAWN_SHELL || spec->kind == SPAWN_REPL ||
                                      spec->then_repl};
        int r = cage.script == (script >= 0) ? 0 : -EINVAL;

        if (r == 0 && script >= 0)
                r = take_script(script, &fds[SETUP_SCRIPT]);
        if (r == 0)
                r = ring_create(spec->id, spec->ring_bytes, &fds[SETUP_DATA], &fds[SETUP_CONTROL]);
        if (r == 0) {
                fds[SETUP_WAKE] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
                r = fds[SETUP_WAKE] < 0 ? -errno : 0;
        }
        if (r == 0)
                r = make_setup(l, spec, strings, &fds[SETUP_FILE]);
        if (r == 0)
                r = launch_reopen(l->filter, &fds[SETUP_FILTER]);
        if (r == 0)
                r = cage_files(&cage, fds);
        return r;
}

/* ---- bubblewrap ---- */

struct cage_birth {
        int init, complaints;
        pid_t holder;
};

/* In the child, which has our memory. Everything but the cage's own descriptors goes: bubblewrap would pass it on. */
static int become_bwrap(const struct cage_birth *b) {
        const char *args[] = {NULL};

        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        if (getppid() != b->holder)
                return -ESRCH;
        if (dup2(b->init, SETUP_CONN) < 0 || dup2(b->complaints, STDERR_FILENO) < 0)
                return -errno;
        if (close_range(SETUP_CONN + 1, SETUP_BWRAP - 1, 0) < 0 ||
            close_range(SETUP_END, ~0U, 0) < 0)
                return -errno;
        int r = fd_set_cloexec(SETUP_BWRAP, true);
        return r < 0 ? r : cage_exec(args);
}

static int cage_child(void *birth) {
        int r = become_bwrap(birth);

        dprintf(STDERR_FILENO, "bubblewrap: %s", strerrordesc_np(-r));
        return 127;
}

/* In the holder to be: what is made here, it finds. A number of the cage's that is not in use is filled, so that nothing
 * of ours comes to stand there. */
static int start_cage(pid_t *ret) {
        int init[2], complaints[2];

        for (int fd = SETUP_CONN; fd < SETUP_END; fd++)
                if (fcntl(fd, F_GETFD) < 0 && dup2(STDIN_FILENO, fd) < 0)
                        return -errno;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, init) < 0 ||
            pipe2(complaints, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        struct cage_birth b = {init[1], complaints[1], getpid()};
        pid_t pid = child_start(cage_child, &b);
        if (pid < 0)
                return pid;
        if (dup2(init[0], SETUP_TO_INIT) < 0 || dup2(complaints[0], SETUP_COMPLAINTS) < 0 ||
            close_range(SETUP_COMPLAINTS + 1, SETUP_END - 1, 0) < 0)
                return -errno;
        *ret = pid;
        return 0;
}

/* ---- the holder ---- */

struct birth { /* of a holder */
        const struct launcher *launcher;
        const struct spawn_spec *spec;
        const int *fds; /* SETUP_END of them */
};

/* In the child, which has our memory. Returns only what went wrong. */
static int become_holder(const struct birth *b) {
        const struct launcher *l = b->launcher;
        const struct spawn_spec *spec = b->spec;
        char number[12], *env[] = {NULL};
        const char *argv[] = {"latch-hold", l->data, spec->id, number, NULL};
        int fds[SETUP_END], r;
        pid_t bwrap = 0;

        (void)setsid(); /* fails only for a leader, which a new child is not */
        memcpy(fds, b->fds, sizeof fds);
        fds[SETUP_HOLD] = l->hold;
        fds[SETUP_BWRAP] = l->bwrap;
        fds[SETUP_INIT] = l->init;
        r = launch_place(fds);
        if (r == 0 &&
            (dup2(STDIN_FILENO, STDOUT_FILENO) < 0 || dup2(STDIN_FILENO, STDERR_FILENO) < 0))
                r = -errno;
        if (r == 0)
                r = launch_become(l->root, spec->uid);
        /* Before the holder is even loaded: whoever finds nobody listening takes the session for dead. */
        if (r == 0 && listen(SETUP_LISTEN, BACKLOG) < 0)
                r = -errno;
        if (r == 0)
                r = start_cage(&bwrap);
        if (r == 0) {
                snprintf(number, sizeof number, "%d", bwrap);
                execveat(SETUP_HOLD, "", (char **)(uintptr_t)argv, env, AT_EMPTY_PATH);
                r = -errno;
        }
        return r;
}

static int child(void *birth) {
        const struct birth *b = birth;
        struct spawn_refusal no = {.type = SPAWN_REFUSED, .error = become_holder(b)};

        /* Placed or not, one of the two is the connection. */
        if (fd_send(SETUP_CONN, &no, sizeof no, NULL, 0, 0) < 0)
                (void)!fd_send(b->fds[SETUP_CONN], &no, sizeof no, NULL, 0, 0);
        return 1;
}

int launch_session(const struct launcher *l, const struct spawn_spec *spec, const char *strings,
                   int conn, int script, pid_t *ret) {
        char name[sizeof spec->id + 5];
        int fds[SETUP_END];
        pid_t pid = -1;
        int r;

        if (l->root && (spec->uid < l->uid_base || spec->uid - l->uid_base >= l->uid_count))
                return -EPERM;
        for (int i = 0; i < SETUP_END; i++)
                fds[i] = -1;
        snprintf(name, sizeof name, "%s.sock", spec->id);
        r = make_fds(l, spec, strings, script, fds);
        if (r == 0)
                r = make_socket(l, name, &fds[SETUP_LISTEN]);
        if (r == 0) {
                struct birth b = {l, spec, fds};
                fds[SETUP_CONN] = conn;
                pid = child_start(child, &b);
                r = MIN(pid, 0);
                fds[SETUP_CONN] = -1;
                if (r < 0)
                        (void)unlinkat(l->sessions, name, 0);
        }
        for (int i = 0; i < SETUP_END; i++)
                fds[i] = fd_close(fds[i]);
        if (r == 0)
                *ret = pid;
        return r;
}
