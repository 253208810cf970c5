/* The contract is in spawn/spawn.h. Each request carries a socket of its own, on which the spawner, or the
 * holder that it became, answers: so requests of many threads need neither a lock nor an order. */
#include "spawn/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "latch/lock.h"
#include "spawn/setup.h"

#define START_MS   30000u /* the canary has 10 s of them */
#define SESSION_MS 10000u
#define END_MS     1000u
#define SOCKET     3 /* of the spawner (latch_spawn_main.c) */

struct spawner {
        pid_t pid; /* fixed, as are the others */
        int fd, pidfd;
};

/* ---- start ---- */

/* Its own session, so that Ctrl-C at latchd's terminal does not end it; nothing of ours but stderr. */
static int execute(const char *path, const char *const argv[], int sock, pid_t *ret) {
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attr;
        sigset_t none, all;
        int r;

        sigemptyset(&none);
        sigfillset(&all);
        r = posix_spawn_file_actions_init(&files);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attr);
        if (r != 0) {
                posix_spawn_file_actions_destroy(&files);
                return -r;
        }
        r = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&files, 0, 1);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(&files, sock, SOCKET);
        if (r == 0)
                r = posix_spawn_file_actions_addclosefrom_np(&files, SOCKET + 1);
        if (r == 0)
                r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                            POSIX_SPAWN_SETSID);
        if (r == 0)
                r = posix_spawnattr_setsigmask(&attr, &none);
        if (r == 0)
                r = posix_spawnattr_setsigdefault(&attr, &all);
        if (r == 0)
                r = posix_spawn(ret, path, &files, &attr, (char **)(uintptr_t)argv, environ);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attr);
        return -r;
}

static int execute_spawner(const struct spawn_options *o, int sock, pid_t *ret, char **ret_error) {
        _cleanup_(freep) char *path = str_printf("%s/latch-spawn", o->exec_dir);
        char base[12], count[12], uid[12], gid[12];
        const char *argv[] = {"latch-spawn", o->data, o->exec_dir, o->bwrap, o->python,
                              base,          count,   uid,         gid,      NULL};
        int r;

        if (!path)
                return -ENOMEM;
        snprintf(base, sizeof base, "%u", (unsigned)o->uid_base);
        snprintf(count, sizeof count, "%u", o->uid_count);
        snprintf(uid, sizeof uid, "%u", (unsigned)o->latchd_uid);
        snprintf(gid, sizeof gid, "%u", (unsigned)o->latchd_gid);
        r = execute(path, argv, sock, ret);
        if (r < 0) {
                *ret_error = str_printf("cannot execute %s (%s)", path, strerrordesc_np(-r));
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        return 0;
}

/* 0, -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, uint64_t until_ms) {
        for (;;) {
                struct pollfd p = {.fd = fd, .events = events};
                uint64_t now = clock_mono_ms();
                if (now >= until_ms)
                        return -ETIMEDOUT;
                int r = poll(&p, 1, (int)(until_ms - now));
                if (r > 0)
                        return 0;
                if (r < 0 && errno != EINTR)
                        return -errno;
        }
}

int spawner_verdict(struct spawner *s, char **ret_error) {
        struct spawn_verdict v;
        int r = wait_for(s->fd, POLLIN, clock_mono_ms() + START_MS);
        ssize_t k;

        if (r < 0)
                return r;
        k = fd_recv(s->fd, &v, sizeof v, NULL, NULL, MSG_DONTWAIT);
        if (k < 0)
                return (int)k;
        if (k != (ssize_t)sizeof v)
                return -EPIPE;
        if (v.error == 0)
                return 0;
        v.text[sizeof v.text - 1] = '\0';
        *ret_error = str_printf("%s", v.text);
        return *ret_error ? -EINVAL : -ENOMEM;
}

int spawner_start(const struct spawn_options *o, struct spawner **ret, char **ret_error) {
        struct spawner *s = malloc(sizeof *s);
        int pair[2], r;

        if (!s)
                return -ENOMEM;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
                r = -errno;
                free(s);
                return r;
        }
        *s = (struct spawner){.pid = -1, .fd = pair[0], .pidfd = -1};
        r = execute_spawner(o, pair[1], &s->pid, ret_error);
        fd_close(pair[1]);
        if (r == 0) {
                s->pidfd = (int)syscall(SYS_pidfd_open, s->pid, 0);
                r = s->pidfd < 0 ? -errno : 0;
        }
        if (r < 0) {
                spawner_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

/* It ends by itself once it sees our end closed; one that hangs must not make us hang. As root's it may be
 * beyond our reach by now: then it is left. */
static void end(const struct spawner *s) {
        int r = wait_for(s->pidfd, POLLIN, clock_mono_ms() + END_MS);

        if (r < 0 && kill(s->pid, SIGKILL) == 0)
                r = wait_for(s->pidfd, POLLIN, clock_mono_ms() + END_MS);
        if (r < 0)
                log_event(LOG_WARN, "spawn.left", LOG_I("pid", s->pid), LOG_E(r));
        (void)waitpid(s->pid, NULL, WNOHANG);
}

struct spawner *spawner_free(struct spawner *s) {
        if (!s)
                return NULL;
        fd_close(s->fd);
        if (s->pid > 0)
                end(s);
        fd_close(s->pidfd);
        free(s);
        return NULL;
}

int spawner_fd(const struct spawner *s) {
        return s->fd;
}

/* ---- sessions ---- */

static int ask(int fd, const struct spawn_spec *spec, const char *strings, const int *fds,
               size_t nfds, uint64_t until_ms) {
        size_t n = sizeof *spec + spec->strings_n;
        _cleanup_(freep) char *message = malloc(n);
        int r;

        if (!message)
                return -ENOMEM;
        memcpy(message, spec, sizeof *spec);
        if (spec->strings_n > 0)
                memcpy(message + sizeof *spec, strings, spec->strings_n);
        for (;;) {
                r = fd_send(fd, message, n, fds, nfds, MSG_DONTWAIT);
                if (r != -EAGAIN)
                        return r == -ECONNRESET ? -EPIPE : r;
                r = wait_for(fd, POLLOUT, until_ms);
                if (r < 0)
                        return r;
        }
}

static bool is_gone(const struct spawner *s) {
        struct pollfd p = {.fd = s->fd};

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}

/* Looks at the first message without taking it: a refusal, or the holder's HELLO, which is the caller's. */
static int hear_answer(const struct spawner *s, int sock, uint64_t until_ms) {
        struct spawn_refusal no = {0};
        int r = wait_for(sock, POLLIN, until_ms);
        ssize_t k;

        if (r < 0)
                return r;
        k = recv(sock, &no, sizeof no, MSG_PEEK | MSG_DONTWAIT);
        if (k == 0 || (k < 0 && errno == ECONNRESET)) /* or a holder that could not even speak */
                return is_gone(s) ? -EPIPE : -EIO;
        if (k < 0)
                return -errno;
        if (k == (ssize_t)sizeof no && no.type == SPAWN_REFUSED)
                return no.error < 0 ? no.error : -EPROTO;
        return 0;
}

/* The request may still be on its way, and a holder come of it that nobody knows. */
static void give_up(int sock) {
        const uint32_t forget[2] = {SETUP_FORGET, 0};

        (void)!fd_send(sock, forget, sizeof forget, NULL, 0, MSG_DONTWAIT);
}

int spawner_session(struct spawner *s, const struct spawn_spec *spec, const char *strings,
                    int script_fd, int *ret_sock) {
        _cleanup_(fd_closep) int mine = -1, theirs = -1;
        uint64_t until = clock_mono_ms() + SESSION_MS;
        int pair[2], r;

        latch_blocking("spawner_session");
        if (spec->strings_n > SPAWN_STRINGS_MAX)
                return -EINVAL;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        mine = pair[0];
        theirs = pair[1];
        r = ask(s->fd, spec, strings, (int[]){theirs, script_fd}, script_fd >= 0 ? 2 : 1, until);
        if (r < 0)
                return r;
        theirs = fd_close(theirs);
        r = hear_answer(s, mine, until);
        if (r < 0) {
                give_up(mine);
                return r;
        }
        *ret_sock = TAKE_FD(mine);
        return 0;
}
