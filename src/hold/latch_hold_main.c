/* latch-hold - one session's holder: owns its terminal or pipes, its output ring, its clocks and limits.
 *
 *     latch-hold DIR ID PID    with descriptors and bubblewrap's process as spawn/setup.h says
 *
 * Started by the spawner, as the session's user; outlives latchd, and takes its successor's connection on
 * DIR/sessions/ID.sock. Ends when it is told to forget (hold/hold_proto.h). Static, one thread.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "hold/hold_private.h"

#define TURNS_AT_LIMIT 16u /* more messages than a socket holds */

#if defined(__SANITIZE_ADDRESS__)
/* Nobody reads a holder's stderr: what the sanitizer finds goes where the tests look. To look for leaks at its
 * end costs a holder more than all it did before; the tests end thousands, and all run the same code. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
        return getpid() % 8 ? "log_path=/tmp/latch-hold-report:detect_leaks=0"
                            : "log_path=/tmp/latch-hold-report:detect_leaks=1";
}
#endif

static int control(struct hold *h, int op, int fd, struct epoll_event e) {
        e.events |= EPOLLET;
        return epoll_ctl(h->epoll, op, fd, &e) < 0 ? -errno : 0;
}

int hold_watch(struct hold *h, int fd, enum hold_event event, uint32_t events) {
        return control(h, EPOLL_CTL_ADD, fd, (struct epoll_event){events, {.u32 = event}});
}

int hold_watch_again(struct hold *h, int fd, enum hold_event event, uint32_t events) {
        return control(h, EPOLL_CTL_MOD, fd, (struct epoll_event){events, {.u32 = event}});
}

/* ---- start ---- */

static int read_setup(struct hold *h, const char *id) {
        char *text;
        size_t n;
        int r = fd_read_file(SETUP_FILE, sizeof(struct setup) + SETUP_STRINGS_MAX, &text, &n);

        if (r < 0)
                return r;
        const struct setup *s = (const struct setup *)(const void *)text;
        if (n < sizeof *s || s->version != SETUP_VERSION || n - sizeof *s != s->strings_n ||
            !str_eq(s->id, id)) {
                free(text);
                return -EPROTO;
        }
        h->setup = s;
        h->strings = text + sizeof *s;
        h->cols = h->screen.cols = s->cols;
        h->rows = h->screen.rows = s->rows;
        return 0;
}

static int watch_signals(struct hold *h) {
        sigset_t all;

        sigfillset(&all);
        if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
                return -errno;
        sigemptyset(&all);
        sigaddset(&all, SIGCHLD);
        sigaddset(&all, SIGTERM);
        h->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        return h->signals < 0 ? -errno : hold_watch(h, h->signals, EVENT_SIGNALS, EPOLLIN);
}

static int take_bwrap(struct hold *h, const char *pid) {
        uint64_t n;
        int r = str_to_u64(pid, 2, INT_MAX, &n);

        if (r == 0)
                h->bwrap = (pid_t)n;
        return r;
}

static int prepare(struct hold *h, const char *id, const char *pid) {
        int r = read_setup(h, id);

        if (r == 0)
                r = take_bwrap(h, pid);
        if (r < 0)
                return r;
        (void)prctl(PR_SET_NAME, "latch-hold", 0, 0, 0);
        umask(077);
        /* Another process of this uid may neither trace us nor look into our memory. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                return -errno;
        h->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (h->epoll < 0)
                return -errno;
        r = ring_writer_open(SETUP_DATA, SETUP_CONTROL, &h->ring);
        if (r == 0)
                r = watch_signals(h);
        if (r == 0)
                r = hold_watch(h, SETUP_LISTEN, EVENT_LISTEN, EPOLLIN);
        return r;
}

/* ---- loop ---- */

static void mark(struct hold *h, const struct epoll_event *e) {
        bool in = e->events & (EPOLLIN | EPOLLHUP | EPOLLERR),
             out = e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR);

        switch ((enum hold_event)e->data.u32) {
        case EVENT_CONN:
                h->conn.readable |= in;
                if (out)
                        hold_conn_writable(h);
                break;
        case EVENT_TTY:
                h->out[0].ready |= in && h->out[0].fd >= 0;
                if (out)
                        hold_input_writable(h);
                break;
        case EVENT_STDIN:
                if (out)
                        hold_input_writable(h);
                break;
        case EVENT_STDOUT: h->out[0].ready |= in && h->out[0].fd >= 0; break;
        case EVENT_STDERR: h->out[1].ready |= in && h->out[1].fd >= 0; break;
        case EVENT_LISTEN: hold_conn_accept(h); break;
        case EVENT_INIT: hold_cage_hear(h); break;
        case EVENT_SIGNALS:
        case EVENT_PIDFD: hold_cage_reap(h); break;
        }
}

static bool has_more(const struct hold *h) {
        return hold_conn_more(h) || hold_input_more(h) || hold_output_more(h);
}

static int turn(struct hold *h, int wait_ms) {
        struct epoll_event events[16];
        int n = epoll_wait(h->epoll, events, ELEMENTS(events), has_more(h) ? 0 : wait_ms);

        if (n < 0 && errno != EINTR)
                return -errno;
        for (int i = 0; i < n; i++)
                mark(h, &events[i]);
        hold_conn_read(h);
        hold_input_write(h);
        hold_output_read(h);
        hold_cage_check(h);
        hold_conn_write(h);
        hold_output_tell(h);
        return 0;
}

static bool is_over(const struct hold *h) {
        return h->forget && h->bwrap == 0 && !hold_alive(h);
}

/* Whatever arrived before a deadline was looked at comes first: one turn more, without waiting. */
static int loop(struct hold *h) {
        while (!is_over(h)) {
                int r = turn(h, hold_clocks_wait_ms(h));
                if (r < 0)
                        return r;
                if (!hold_clocks_due(h))
                        continue;
                unsigned turns = 0;
                do
                        r = turn(h, 0);
                while (r == 0 && hold_conn_more(h) && ++turns < TURNS_AT_LIMIT);
                if (r < 0)
                        return r;
                hold_clocks_run(h);
                hold_conn_write(h); /* what there is to say of it */
        }
        return 0;
}

static void remove_socket(const struct hold *h) {
        _cleanup_(freep) char *path = str_printf("%s/sessions/%s.sock", h->data, h->setup->id);

        /* As another uid than latchd's we may not: then the spawner does, or latchd. */
        if (path)
                (void)unlink(path);
}

int main(int argc, char **argv) {
        struct hold h = {
                .epoll = -1,
                .signals = -1,
                .init = -1,
                .pidfd = -1,
                .complaints = -1,
                .out = {{.fd = -1}, {.fd = -1}},
                .input.fd = -1,
                .conn.fd = -1,
                .started_real_ms = clock_real_ms(),
        };
        int r;

        if (argc != 4)
                return 1;
        h.data = argv[1];
        r = prepare(&h, argv[2], argv[3]);
        if (r < 0)
                return 1; /* the connection closes: the asker sees that nobody came */
        hold_conn_open(&h, SETUP_CONN);
        hold_conn_write(&h);
        hold_cage_start(&h);
        r = loop(&h);
        remove_socket(&h);
        hold_input_free(&h);
        vt_free(h.screen.vt);
        ring_writer_free(h.ring);
        free((void *)(uintptr_t)h.setup);
        return r < 0;
}
