/* front_echo.c - see front.h: one message under way on each of 64 sockets, all driven by one thread. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "front.h"
#include "pairs.h"
#include "stats.h"
#include "usage.h"

#define LINES       64
#define ROUNDS      11u
#define SLICE_NS    UINT64_C(400000000)
#define QUICK_NS    UINT64_C(50000000)
#define SAMPLES     400000u /* of a slice: more are not counted among the times */
#define PATIENCE_MS 20000

struct line {
        int fd;
        size_t got;
        uint64_t sent_ns; /* 0: nothing is under way */
        unsigned char *in;
};

struct side {
        struct line lines[LINES];
        const struct front_frame *frame;
        int epoll_fd;
        pid_t pid; /* of the server */
        unsigned under_way;
        double *us; /* the times of the slice */
        size_t n;
        uint64_t slice_ns;
};

static void side_done(struct side *s) {
        for (size_t i = 0; i < LINES; i++) {
                fd_close(s->lines[i].fd);
                free(s->lines[i].in);
        }
        free(s->us);
        s->epoll_fd = fd_close(s->epoll_fd);
}

static int open_line(struct side *s, const struct site *site, uint64_t deadline_ns,
                     struct line *l) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
        int r = front_connect(site, deadline_ns, &l->fd);

        l->in = malloc(s->frame->in_n);
        if (r == 0 && !l->in)
                r = -ENOMEM;
        if (r == 0)
                r = front_ask_upgrade(l->fd, site);
        if (r == 0)
                r = front_take_upgrade(l->fd);
        if (r == 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, l->fd, &e) < 0)
                r = -errno;
        return r;
}

static int side_open(struct side *s, const struct site *site, pid_t pid,
                     const struct front_frame *frame, const struct bench_options *o) {
        int r = 0;

        *s = (struct side){.frame = frame, .pid = pid, .slice_ns = o->quick ? QUICK_NS : SLICE_NS};
        for (size_t i = 0; i < LINES; i++)
                s->lines[i].fd = -1;
        s->us = calloc(SAMPLES, sizeof *s->us);
        s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (s->epoll_fd < 0 || !s->us)
                r = s->us ? -errno : -ENOMEM;
        for (size_t i = 0; i < LINES && r == 0; i++)
                r = open_line(s, site, o->deadline_ns, &s->lines[i]);
        return r;
}

static int send_next(struct side *s, struct line *l, uint64_t now_ns) {
        l->got = 0;
        l->sent_ns = now_ns;
        s->under_way++;
        return front_send(l->fd, s->frame->out, s->frame->out_n);
}

static void take_time(struct side *s, struct line *l, uint64_t now_ns) {
        if (s->n < SAMPLES)
                s->us[s->n++] = (double)(now_ns - l->sent_ns) / 1e3;
        l->sent_ns = 0;
        s->under_way--;
}

/* What has come; the next one goes out unless the slice is over. */
static int on_line(struct side *s, struct line *l, uint64_t until_ns) {
        ssize_t k = recv(l->fd, l->in + l->got, s->frame->in_n - l->got, MSG_DONTWAIT);
        uint64_t now;

        if (k <= 0)
                return k < 0 && errno == EAGAIN ? 0 : k < 0 ? -errno : -ECONNRESET;
        l->got += (size_t)k;
        if (l->got < s->frame->in_n)
                return 0;
        if (!l->sent_ns || memcmp(l->in, s->frame->in, s->frame->in_n) != 0)
                return -EPROTO;
        now = clock_mono_ns();
        take_time(s, l, now);
        return now < until_ns ? send_next(s, l, now) : 0;
}

static int turn(void *side, double to[PAIRS_VALUES]) {
        struct side *s = side;
        uint64_t began = clock_mono_ns(), until = began + s->slice_ns, cpu = usage_cpu_ns(s->pid);
        struct stats us;
        int r = 0;

        s->n = 0;
        for (size_t i = 0; i < LINES && r == 0; i++)
                r = send_next(s, &s->lines[i], clock_mono_ns());
        while (r == 0 && s->under_way > 0) {
                struct epoll_event events[LINES];
                int n = epoll_wait(s->epoll_fd, events, LINES, PATIENCE_MS);

                if (n <= 0)
                        r = n < 0 ? -errno : -ETIMEDOUT;
                for (int i = 0; i < n && r == 0; i++)
                        r = on_line(s, events[i].data.ptr, until);
        }
        to[0] = (double)s->n / ((double)(clock_mono_ns() - began) / 1e9);
        us = stats_of(s->us, s->n);
        to[1] = us.p50;
        to[2] = us.p99;
        to[3] = s->n ? (double)(usage_cpu_ns(s->pid) - cpu) / 1e3 / (double)s->n : 0;
        return r;
}

int front_echo(struct front_run *run, const char *name, size_t bytes) {
        const struct bench_options *o = run->options;
        _cleanup_(front_frame_done) struct front_frame frame = {0};
        struct side ours = {.epoll_fd = -1}, bare = {.epoll_fd = -1};
        const struct pairs_plan plan = {
                .bench = "front",
                .name = name,
                .values = 4,
                .names = {"round_trips_per_s", "p50_us", "p99_us", "cpu_us"},
                .ours = {NULL, turn, &ours},
                .peers = {{"civetweb's own echo", turn, &bare}},
                .rounds = bench_rounds(o, ROUNDS),
        };
        int r = front_frame(bytes, &frame);

        if (r < 0)
                return r;
        r = side_open(&ours, &run->server->site, run->server->latchd.pid, &frame, o);
        if (r == 0) {
                r = side_open(&bare, &run->civet.site, run->civet.process.pid, &frame, o);
                if (r == 0)
                        r = pairs_run(&plan, o->json);
                side_done(&bare);
        }
        side_done(&ours);
        return r;
}
