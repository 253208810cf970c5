/* The contract is in hold/hold_private.h: the one connection to latchd. Nothing here waits: what cannot be
 * said now stays due, folded into the newest state of its kind. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "hold/hold_private.h"

#define TURN_MESSAGES 32u
#define ACK_BYTES     4096u

_Static_assert(SETUP_FORGET == HOLD_FORGET, "who gives a request up says the same");
_Static_assert(sizeof(struct hold_head) == 8, "and as much");

static void lose(struct hold *h) {
        if (h->clocks.linger_at) /* it heard that we failed: there is nothing else to say */
                h->forget = true;
        h->conn.fd = fd_close(h->conn.fd);
        h->conn.answers_n = h->conn.snapshots_n = 0;
        hold_input_forget_tags(h);
        hold_clocks_lost(h);
}

/* ---- in ---- */

static void resize(struct hold *h, const struct hold_resize *m) {
        struct winsize size = {.ws_col = m->cols, .ws_row = m->rows};

        if (m->cols == 0 || m->rows == 0 || !h->setup->tty)
                return;
        h->cols = m->cols;
        h->rows = m->rows;
        hold_screen_resize(h);
        if (h->input.fd >= 0)
                (void)ioctl(h->input.fd, TIOCSWINSZ, &size);
        h->conn.resized_due = true;
}

static void pass_signal(struct hold *h, uint32_t signal) {
        static const uint8_t allowed[] = {SIGINT,  SIGTERM, SIGKILL, SIGHUP, SIGQUIT,
                                          SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT};

        for (size_t i = 0; i < sizeof allowed; i++)
                if (signal == allowed[i])
                        (void)hold_cage_signal(h, signal, INIT_FOREGROUND);
}

static void answer(struct hold *h, const struct hold_query *q) {
        h->conn.answers[h->conn.answers_n++] = (struct hold_mark){
                .head.type = HOLD_INPUT_AT,
                .tag = q->tag,
                .offset = hold_input_count(h, q->key),
        };
}

static void forget(struct hold *h) {
        h->forget = true;
        hold_cage_kill(h);
}

/* False for what latchd never says. */
static bool obey(struct hold *h, const void *message, size_t n) {
        const struct hold_head *head = message;

        if (n < sizeof *head)
                return false;
        switch (head->type) {
        case HOLD_INPUT:
                if (n < sizeof(struct hold_input) || n - sizeof(struct hold_input) > HOLD_INPUT_MAX)
                        return false;
                hold_input_take(h, message, (const char *)message + sizeof(struct hold_input),
                                n - sizeof(struct hold_input));
                return true;
        case HOLD_RESIZE:
                if (n != sizeof(struct hold_resize))
                        return false;
                resize(h, message);
                return true;
        case HOLD_SIGNAL:
                if (n != sizeof(struct hold_signal))
                        return false;
                pass_signal(h, ((const struct hold_signal *)message)->signal);
                return true;
        case HOLD_QUERY_INPUT:
                if (n != sizeof(struct hold_query))
                        return false;
                answer(h, message);
                return true;
        case HOLD_STOP: hold_cage_end(h, HOLD_STOPPED); return n == sizeof *head;
        case HOLD_GATE: hold_clocks_gate(h); return n == sizeof *head;
        case HOLD_ASK_SNAPSHOT:
                if (n != sizeof(struct hold_query))
                        return false;
                h->conn.snapshots[h->conn.snapshots_n++] =
                        ((const struct hold_query *)message)->tag;
                return true;
        case HOLD_GRACE: hold_clocks_lost(h); return n == sizeof *head;
        case HOLD_FORGET: forget(h); return n == sizeof *head;
        default: return false;
        }
}

void hold_conn_read(struct hold *h) {
        static _Alignas(8) char message[HOLD_MESSAGE_MAX];

        for (unsigned i = 0; i < TURN_MESSAGES && hold_conn_more(h); i++) {
                ssize_t k = fd_recv(h->conn.fd, message, sizeof message, NULL, NULL, MSG_DONTWAIT);

                if (k == -EAGAIN)
                        h->conn.readable = false;
                else if (k == -ECONNRESET)
                        continue; /* said once, ahead of what latchd sent before it went: FORGET, maybe */
                else if (k <= 0 || !obey(h, message, (size_t)k))
                        lose(h);
        }
}

/* Queries are answered one for one: while there is no room for another answer, nothing is read. */
bool hold_conn_more(const struct hold *h) {
        return h->conn.fd >= 0 && h->conn.readable && h->conn.answers_n < ANSWERS_MAX &&
               h->conn.snapshots_n < SNAPSHOTS_MAX;
}

/* ---- who connects ---- */

/* What latchd said before it went counts, though its successor is there already. Answers have nobody to go
 * to. A socket holds less than this. */
static void hear_last_words(struct hold *h) {
        h->conn.readable = true; /* whichever of the two was heard of first */
        for (unsigned i = 0; i < 64 && h->conn.fd >= 0 && h->conn.readable; i++) {
                h->conn.answers_n = h->conn.snapshots_n = 0;
                hold_conn_read(h);
        }
        if (h->conn.fd >= 0)
                lose(h);
}

void hold_conn_open(struct hold *h, int fd) {
        hear_last_words(h);
        h->conn.fd = fd;
        h->conn.readable = h->conn.writable = true;
        h->conn.hello_due = true;
        h->conn.word_due = h->stage != STAGE_STARTING;
        h->conn.exit_due = h->stage == STAGE_DONE;
        h->conn.resized_due = false;
        h->conn.expires_due = h->clocks.warned;
        h->conn.title_due = h->title.text[0] != '\0';
        h->conn.cwd_due = h->cwd[0] != '\0';
        if (fd_set_nonblock(fd, true) < 0 || hold_watch(h, fd, EVENT_CONN, EPOLLIN) < 0)
                lose(h);
}

/* Only root and latchd's own uid. The socket's folder lets nobody else in, but a folder's mode is not ours
 * to keep. */
static bool may_connect(const struct hold *h, int fd) {
        struct ucred u;
        socklen_t n = sizeof u;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &n) < 0)
                return false;
        return u.uid == 0 || u.uid == h->setup->latchd_uid;
}

void hold_conn_accept(struct hold *h) {
        for (;;) {
                int fd = accept4(SETUP_LISTEN, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (fd < 0)
                        return;
                if (may_connect(h, fd))
                        hold_conn_open(h, fd);
                else
                        fd_close(fd);
        }
}

/* ---- out ---- */

/* Room is asked for only then: else each message that latchd reads would wake us up. */
static void wait_for_room(struct hold *h) {
        h->conn.writable = hold_watch_again(h, h->conn.fd, EVENT_CONN, EPOLLIN | EPOLLOUT) < 0;
        if (h->conn.writable)
                hold_clocks_retry(h);
}

void hold_conn_writable(struct hold *h) {
        /* Failing, it wakes us more often than it must. */
        if (h->conn.fd >= 0 && !h->conn.writable)
                (void)!hold_watch_again(h, h->conn.fd, EVENT_CONN, EPOLLIN);
        h->conn.writable = true;
}

/* 0, or -errno and it stays due: until there is room, or for the next connection. */
static int say(struct hold *h, const void *m, size_t n, const int *fds, size_t nfds) {
        int r = fd_send(h->conn.fd, m, n, fds, nfds, MSG_DONTWAIT);

        if (r == -EAGAIN)
                wait_for_room(h);
        else if (r == -ENOBUFS || r == -ENOMEM)
                hold_clocks_retry(h);
        return r;
}

static int say_hello(struct hold *h) {
        const struct setup *s = h->setup;
        struct hold_hello m = {
                .head.type = HOLD_HELLO,
                .version = HOLD_VERSION,
                .pid = (uint32_t)getpid(),
                .kind = (uint8_t)s->kind,
                .tty = s->tty,
                .cols = h->cols,
                .rows = h->rows,
                .started_ms = h->started_real_ms,
        };

        memcpy(m.id, s->id, sizeof m.id);
        memcpy(m.user, s->user, sizeof m.user);
        memcpy(m.path, s->path, sizeof m.path);
        return say(h, &m, sizeof m, (int[]){SETUP_DATA, SETUP_CONTROL, SETUP_WAKE}, 3);
}

static int say_word(struct hold *h) {
        struct hold_head m = {.type = HOLD_STARTED};

        if (h->stage == STAGE_FAILED) {
                int r = say(h, &h->failed, sizeof h->failed, NULL, 0);
                if (r == 0)
                        hold_clocks_failed(h);
                return r;
        }
        return say(h, &m, sizeof m, &h->pidfd, 1);
}

static int say_resized(struct hold *h) {
        struct hold_resize m = {.head.type = HOLD_RESIZED, .cols = h->cols, .rows = h->rows};

        return say(h, &m, sizeof m, NULL, 0);
}

static int say_expires(struct hold *h) {
        uint64_t now = clock_mono_ms();
        struct hold_mark m = {.head.type = HOLD_EXPIRES};

        if (h->clocks.warned && h->clocks.idle_at)
                m.offset = h->clocks.idle_at > now ? h->clocks.idle_at - now : 1;
        return say(h, &m, sizeof m, NULL, 0);
}

static int say_title(struct hold *h) {
        struct hold_title m = {.head.type = HOLD_TITLE};

        if (!hold_clocks_may_title(h))
                return -EAGAIN;
        memcpy(m.text, h->title.text, sizeof h->title.text);
        return say(h, &m, sizeof m, NULL, 0);
}

static int say_cwd(struct hold *h) {
        struct hold_cwd m = {.head.type = HOLD_CWD};

        memcpy(m.path, h->cwd, strlen(h->cwd));
        return say(h, &m, sizeof m, NULL, 0);
}

/* The refusal first: whoever is refused for want of room waits for the acknowledgement. */
static int say_input(struct hold *h, struct input_key *k, bool ack_waits) {
        int r = 0;

        if (k->refusal_due) {
                struct hold_mark m = {.head.type = HOLD_INPUT_REFUSED,
                                      .tag = k->tag,
                                      .offset = k->taken,
                                      .code = k->refusal_due};
                r = say(h, &m, sizeof m, NULL, 0);
                k->refusal_due = r < 0 ? k->refusal_due : 0;
        }
        if (r == 0 && ((k->ack_due && !ack_waits) || (k->starved && hold_input_has_room(h)))) {
                struct hold_mark m = {
                        .head.type = HOLD_INPUT_ACK, .tag = k->tag, .offset = k->written};
                r = say(h, &m, sizeof m, NULL, 0);
                k->ack_due = r < 0;
                h->told_due &= r < 0; /* it wakes latchd up, who looks at the output then */
                k->starved &= r < 0 || !hold_input_has_room(h);
        }
        return r;
}

/* A key that is typed is echoed: its acknowledgement goes when that does, so that latchd wakes up once. A paste
 * is told as it goes. */
static bool acks_wait(const struct hold *h) {
        return h->clocks.ack_at > clock_mono_ms() && h->input.unsaid < ACK_BYTES &&
               !h->conn.exit_due;
}

static int say_inputs(struct hold *h) {
        bool wait = acks_wait(h);
        int r = 0;

        for (unsigned i = 0; r == 0 && i < h->input.keys_n; i++)
                r = say_input(h, &h->input.keys[i], wait);
        if (r == 0 && !wait) {
                h->clocks.ack_at = 0;
                h->input.unsaid = 0;
        }
        return r;
}

static int say_answers(struct hold *h) {
        unsigned said = 0;

        while (said < h->conn.answers_n &&
               say(h, &h->conn.answers[said], sizeof h->conn.answers[said], NULL, 0) == 0)
                said++;
        h->conn.answers_n -= said;
        memmove(h->conn.answers, h->conn.answers + said,
                h->conn.answers_n * sizeof *h->conn.answers);
        return h->conn.answers_n > 0 ? -EAGAIN : 0; /* whatever the reason */
}

/* The picture is drawn now, not when it was asked for: the newest will do. */
static int say_snapshot(struct hold *h, uint64_t tag) {
        _cleanup_(fd_closep) int fd = -1;
        struct hold_mark m = {.head.type = HOLD_SNAPSHOT, .tag = tag};
        int r = hold_screen_snapshot(h, &fd, &m.offset);

        if (r == 0)
                return say(h, &m, sizeof m, &fd, 1);
        m.head.type = HOLD_NO_SNAPSHOT;
        m.code = (uint32_t)-r;
        return say(h, &m, sizeof m, NULL, 0);
}

static int say_snapshots(struct hold *h) {
        struct hold_conn *c = &h->conn;

        while (c->snapshots_n > 0) {
                int r = say_snapshot(h, c->snapshots[0]);
                if (r < 0)
                        return r;
                c->snapshots_n--;
                memmove(c->snapshots, c->snapshots + 1, c->snapshots_n * sizeof *c->snapshots);
        }
        return 0;
}

static int say_if(struct hold *h, bool *due, int (*what)(struct hold *h)) {
        if (!*due)
                return 0;
        int r = what(h);
        *due = r < 0;
        return r;
}

static int say_exit(struct hold *h) {
        return say(h, &h->exit, sizeof h->exit, NULL, 0);
}

void hold_conn_write(struct hold *h) {
        struct hold_conn *c = &h->conn;

        if (c->fd < 0 || !c->writable)
                return;
        if (say_if(h, &c->hello_due, say_hello) == 0 && say_if(h, &c->word_due, say_word) == 0 &&
            say_if(h, &c->resized_due, say_resized) == 0 &&
            say_if(h, &c->expires_due, say_expires) == 0 && say_inputs(h) == 0 &&
            say_answers(h) == 0 && say_snapshots(h) == 0) {
                (void)say_if(h, &c->title_due, say_title);
                (void)say_if(h, &c->cwd_due, say_cwd);
                (void)say_if(h, &c->exit_due, say_exit);
        }
}
