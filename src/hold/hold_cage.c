/* The contract is in hold/hold_private.h: the making of the cage, and what its init says. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "hold/hold_private.h"

#define START_MS 15000u

/* ---- making it ---- */

/* Pipes for a program without a terminal: ours in h, the program's in theirs. */
static int make_pipes(struct hold *h, int theirs[3]) {
        for (int i = 0; i < 3; i++) {
                int pair[2], ours = i == 0;
                if (pipe2(pair, O_CLOEXEC) < 0)
                        return -errno;
                theirs[i] = pair[!ours];
                int mine = pair[ours];
                int r = fd_set_nonblock(mine, true);
                if (r == 0 && i == 0)
                        r = hold_watch(h, mine, EVENT_STDIN, 0);
                if (r == 0 && i > 0)
                        r = hold_watch(h, mine, i == 1 ? EVENT_STDOUT : EVENT_STDERR, EPOLLIN);
                if (i == 0) {
                        h->input.fd = mine;
                        h->input.writable = true;
                } else {
                        h->out[i - 1] = (struct hold_source){
                                mine, i == 1 ? RING_OUTPUT : RING_STDERR, false};
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int send_config(struct hold *h, const int stdio[3]) {
        const struct setup *s = h->setup;
        struct init_config c = {
                .type = INIT_CONFIG,
                .cols = s->cols,
                .rows = s->rows,
                .tty = s->tty,
                .cpu_ms = s->limits.cpu_ms,
                .memory_bytes = s->limits.memory_bytes,
                .processes = s->limits.processes,
                .argc = s->argc,
                .envc = s->envc,
                .strings_n = s->strings_n,
        };
        _cleanup_(freep) char *message = malloc(sizeof c + s->strings_n);

        if (!message)
                return -ENOMEM;
        memcpy(c.cwd, s->cwd, sizeof c.cwd);
        memcpy(message, &c, sizeof c);
        memcpy(message + sizeof c, h->strings, s->strings_n);
        return fd_send(h->init, message, sizeof c + s->strings_n, stdio, s->tty ? 0 : 3,
                       MSG_DONTWAIT);
}

/* Credentials tell us init's pid, which inside is 1 for everybody. */
static int take_socket(struct hold *h) {
        int on = 1, room = SETUP_STRINGS_MAX * 2;

        h->init = SETUP_TO_INIT;
        h->complaints = SETUP_COMPLAINTS;
        if (setsockopt(h->init, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
            setsockopt(h->init, SOL_SOCKET, SO_SNDBUF, &room, sizeof room) < 0)
                return -errno;
        return hold_watch(h, h->init, EVENT_INIT, EPOLLIN);
}

static int start(struct hold *h) {
        int stdio[3] = {-1, -1, -1};
        int r = take_socket(h);

        if (r == 0 && !h->setup->tty)
                r = make_pipes(h, stdio);
        if (r == 0)
                r = send_config(h, stdio);
        for (int i = 0; i < 3; i++)
                fd_close(stdio[i]);
        return r == -EPIPE || r == -ECONNRESET ? 0 : r; /* it has ended: hold_cage_reap knows why */
}

void hold_cage_start(struct hold *h) {
        int r = start(h);

        h->clocks.start_at = clock_mono_ms() + START_MS;
        if (r < 0)
                hold_cage_fail(h, r, "holder");
        hold_cage_reap(h); /* it may have ended before there was a signal of it */
}

void hold_cage_fail(struct hold *h, int error, const char *stage) {
        hold_move(h, STAGE_FAILED);
        h->failed =
                (struct hold_failed){.head.type = HOLD_FAILED, .error = error < 0 ? -error : error};
        snprintf(h->failed.stage, sizeof h->failed.stage, "%s", stage);
        h->conn.word_due = true;
        h->clocks.start_at = 0;
        if (h->bwrap)
                (void)kill(h->bwrap, SIGKILL);
        hold_input_end(h);
}

/* ---- what init says ---- */

union control {
        char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int) * 4)];
        struct cmsghdr align;
};

/* One message, who sent it, and at most one descriptor. Its size; 0 at the end; -errno. */
static ssize_t hear(int sock, struct init_word *w, pid_t *ret_pid, int *ret_fd) {
        union control control;
        struct iovec iov = {.iov_base = w, .iov_len = sizeof *w};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
        ssize_t k = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (k < 0)
                return -errno;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
                if (c->cmsg_level != SOL_SOCKET)
                        continue;
                if (c->cmsg_type == SCM_CREDENTIALS) {
                        struct ucred u;
                        memcpy(&u, CMSG_DATA(c), sizeof u);
                        *ret_pid = u.pid;
                }
                if (c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                        fd_close(*ret_fd);
                        memcpy(ret_fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                }
        }
        return k;
}

static int take_terminal(struct hold *h, int *master) {
        int r;

        if (*master < 0)
                return -EPROTO;
        r = fd_set_nonblock(*master, true);
        if (r == 0)
                r = hold_watch(h, *master, EVENT_TTY, EPOLLIN);
        if (r < 0)
                return r;
        h->out[0] = (struct hold_source){*master, RING_OUTPUT, true};
        h->input.fd = TAKE_FD(*master);
        h->input.writable = true;
        if (h->cols != h->setup->cols ||
            h->rows != h->setup->rows) { /* resized while it was being made */
                struct winsize size = {.ws_col = h->cols, .ws_row = h->rows};
                (void)ioctl(h->input.fd, TIOCSWINSZ, &size);
        }
        return 0;
}

static void started(struct hold *h, pid_t pid, int *master) {
        int r = h->setup->tty ? take_terminal(h, master) : 0;

        if (r == 0) {
                h->pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
                r = h->pidfd < 0 ? -errno : hold_watch(h, h->pidfd, EVENT_PIDFD, EPOLLIN);
        }
        if (r == 0) {
                struct init_signal seen = {.type = INIT_SEEN};
                r = fd_send(h->init, &seen, sizeof seen, NULL, 0, MSG_DONTWAIT);
        }
        if (r < 0) {
                hold_cage_fail(h, r, "init");
                return;
        }
        hold_move(h, STAGE_RUNNING);
        h->conn.word_due = true;
        hold_cwd_start(h);
        hold_clocks_started(h);
        if (h->ending)
                (void)hold_cage_signal(h, SIGTERM, INIT_ALL);
}

static void judge_word(struct hold *h, const struct init_word *w, pid_t pid, int *fd) {
        if (h->stage == STAGE_STARTING && w->type == INIT_STARTED) {
                started(h, pid, fd);
        } else if (h->stage == STAGE_STARTING && w->type == INIT_FAILED) {
                char stage[sizeof w->stage];
                memcpy(stage, w->stage, sizeof stage);
                stage[sizeof stage - 1] = '\0';
                hold_cage_fail(h, w->error, stage);
        } else if (h->stage == STAGE_RUNNING && w->type == INIT_CPU) {
                hold_cage_end(h, HOLD_CPU);
        } else if (h->stage == STAGE_RUNNING && w->type == INIT_ENDED && !h->reported) {
                h->report = *w;
                h->reported = true;
                h->ended_ms = clock_mono_ms();
        }
}

void hold_cage_hear(struct hold *h) {
        while (h->init >= 0) {
                _cleanup_(fd_closep) int fd = -1;
                struct init_word w = {0};
                pid_t pid = -1;
                ssize_t k = hear(h->init, &w, &pid, &fd);

                if (k == -EAGAIN || k == -EINTR)
                        return;
                if (k <= 0) {
                        h->init = fd_close(h->init);
                        return;
                }
                if (k == (ssize_t)sizeof w)
                        judge_word(h, &w, pid, &fd);
        }
}
