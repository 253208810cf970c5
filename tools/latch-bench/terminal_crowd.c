/* terminal_crowd.c - see terminal.h: a viewer that reads nothing, and many shells at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pairs.h"
#include "stats.h"
#include "terminal.h"
#include "usage.h"

#define FLOOD_BYTES 30000000u
#define QUICK       100u /* times less */
#define ROUNDS      5u
#define SHELLS      300u
#define SHELLS_MIN  5u /* quick */
#define SECONDS     10u
#define SECONDS_MIN 1u

/* ---- a viewer that reads nothing ---- */

static int stalled_turn(void *side, double to[PAIRS_VALUES]) {
        const struct terminal_side *s = side;
        struct line l = LINE_NONE, viewer = LINE_NONE;
        unsigned long before = 0, after = 0;
        char command[128];
        uint64_t bytes, began;
        int r = line_open(&s->place, &l);

        (void)snprintf(command, sizeof command,
                       "head -c %u /dev/zero | tr '\\0' x; echo DONE_''MARK\r", s->work->amount);
        if (r == 0 && s->work->watched)
                r = line_watch(&s->place, l.session, &viewer);
        if (r == 0)
                r = usage_pss_kib(s->server->latchd.pid, &before);
        bytes = l.bytes;
        began = clock_mono_ns();
        if (r == 0)
                r = line_run(&l, command, "DONE_MARK");
        to[0] = (double)(l.bytes - bytes) / 1e6 / ((double)(clock_mono_ns() - began) / 1e9);
        if (r == 0)
                r = usage_pss_kib(s->server->latchd.pid, &after);
        to[1] = (double)after - (double)before;
        line_leave(&viewer);
        line_end(&l);
        return r;
}

int terminal_stalled(struct terminal_run *run) {
        unsigned n = run->options->quick ? FLOOD_BYTES / QUICK : FLOOD_BYTES;
        const struct terminal_work watched = {.amount = n, .watched = true}, alone = {.amount = n};
        struct terminal_side with = run->ours, without = run->ours;
        const struct pairs_plan plan = {
                .bench = "terminal",
                .name = "stalled",
                .values = 2,
                .names = {"mb_s", "grown_kib"},
                .ours = {NULL, stalled_turn, &with},
                .peers = {{"the same without the viewer", stalled_turn, &without}},
                .rounds = bench_rounds(run->options, ROUNDS),
        };

        with.work = &watched;
        without.work = &alone;
        return pairs_run(&plan, run->options->json);
}

/* ---- many shells ---- */

struct crowd {
        struct line *lines;
        uint64_t *typed_ns; /* 0: its key has come back */
        unsigned n, opened;
        int epoll;
        double *us;
        size_t keys, max;
};

static int enter(struct crowd *c, const struct line_place *place) {
        struct line *l = &c->lines[c->opened];
        struct epoll_event e = {.events = EPOLLIN, .data.u32 = c->opened};
        int r = line_open(place, l);

        c->opened++;
        if (r == 0)
                r = line_run(l, "stty raw -echo; echo REA''DY; exec cat\r", "READY");
        return r == 0 && epoll_ctl(c->epoll, EPOLL_CTL_ADD, line_fd(l), &e) < 0 ? -errno : r;
}

static int take(struct crowd *c, unsigned i) {
        uint64_t bytes = c->lines[i].bytes;
        int r = line_turn(&c->lines[i]);

        if (r == 0 && c->lines[i].bytes > bytes && c->typed_ns[i] && c->keys < c->max) {
                c->us[c->keys++] = (double)(c->lines[i].last_ns - c->typed_ns[i]) / 1e3;
                c->typed_ns[i] = 0;
        }
        return r;
}

static int take_until(struct crowd *c, uint64_t until_ns) {
        struct epoll_event events[64];
        int r = 0;

        for (uint64_t now = clock_mono_ns(); r == 0 && now < until_ns; now = clock_mono_ns()) {
                struct timespec wait = {(time_t)((until_ns - now) / 1000000000),
                                        (long)((until_ns - now) % 1000000000)};
                int n = epoll_pwait2(c->epoll, events, ELEMENTS(events), &wait, NULL);
                if (n < 0)
                        return -errno;
                for (int k = 0; k < n && r == 0; k++)
                        r = take(c, events[k].data.u32);
        }
        return r;
}

/* One by one in turn, each once a second. A key whose last one is not back yet would measure nothing. */
static int type_for(struct crowd *c, unsigned seconds) {
        uint64_t began = clock_mono_ns(), step = UINT64_C(1000000000) / c->n;
        int r = 0;

        for (unsigned k = 0; k < seconds * c->n && r == 0; k++) {
                unsigned i = k % c->n;

                r = take_until(c, began + k * step);
                if (r == 0 && c->typed_ns[i])
                        r = -ETIMEDOUT;
                c->typed_ns[i] = clock_mono_ns();
                if (r == 0)
                        r = line_type(&c->lines[i], "k", 1);
        }
        return r == 0 ? take_until(c, clock_mono_ns() + UINT64_C(1000000000)) : r;
}

static int tell(const struct crowd *c, const struct terminal_run *run) {
        struct stats s = stats_of(c->us, c->keys);
        unsigned long kib = 0, threads = 0;
        int r = usage_pss_kib(run->server->latchd.pid, &kib);

        if (r == 0)
                r = usage_threads(run->server->latchd.pid, &threads);
        if (r < 0)
                return r;
        if (run->options->json)
                printf("{\"bench\":\"terminal\",\"case\":\"shells\",\"shells\":%u,\"keys\":%zu,"
                       "\"unit\":\"p99_us\",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,"
                       "\"latchd_kib\":%lu,\"threads\":%lu}\n",
                       c->n, c->keys, s.p50, s.p99, s.max, kib, threads);
        else
                printf("%u shells, a key a second each, %zu keys: p50 %.1f us, p99 %.1f us, max %.1f us; "
                       "latchd %lu KiB, %lu threads\n",
                       c->n, c->keys, s.p50, s.p99, s.max, kib, threads);
        return fflush(stdout) == 0 ? 0 : -errno;
}

int terminal_shells(struct terminal_run *run) {
        unsigned n = run->options->quick ? SHELLS_MIN : SHELLS,
                 seconds = run->options->quick ? SECONDS_MIN : SECONDS;
        struct crowd c = {
                .lines = calloc(n, sizeof *c.lines),
                .typed_ns = calloc(n, sizeof *c.typed_ns),
                .n = n,
                .epoll = epoll_create1(EPOLL_CLOEXEC),
                .us = calloc((size_t)n * seconds, sizeof *c.us),
                .max = (size_t)n * seconds,
        };
        int r = c.lines && c.typed_ns && c.us && c.epoll >= 0 ? 0 : -ENOMEM;

        while (r == 0 && c.opened < n)
                r = enter(&c, &run->ours.place);
        if (r == 0)
                r = type_for(&c, seconds);
        if (r == 0 && c.keys < c.max)
                r = -EPROTO; /* a key did not come back */
        if (r == 0)
                r = tell(&c, run);
        for (unsigned i = 0; i < c.opened; i++)
                line_end(&c.lines[i]);
        free(c.lines);
        free(c.typed_ns);
        free(c.us);
        fd_close(c.epoll);
        return r;
}
