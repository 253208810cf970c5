/* terminal_keys.c - see terminal.h: how long a key takes to come back. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pairs.h"
#include "stats.h"
#include "terminal.h"

#define KEYS      300u
#define KEYS_MIN  20u /* quick */
#define PACE_NS   UINT64_C(10000000)
#define LOOK_NS   UINT64_C(50000000)
#define SETTLE_NS UINT64_C(300000000)
#define ROUNDS    7u

/* ---- a flood beside it, which another process reads ---- */

struct noise {
        int stop; /* its other end is the child's: closing it is the sign */
        pid_t pid;
};

static _Noreturn void make_noise(const struct line_place *place, int stopped) {
        struct line l = LINE_NONE;
        struct pollfd p = {.fd = stopped, .events = POLLIN};
        int r = line_open(place, &l);

        if (r == 0)
                r = line_type(&l, "yes\r", 4);
        while ((r == 0 || r == -ETIMEDOUT) && poll(&p, 1, 0) == 0)
                r = line_wait(&l, clock_mono_ns() + LOOK_NS);
        line_end(&l);
        _exit(r == 0 || r == -ETIMEDOUT ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int noise_start(const struct line_place *place, struct noise *ret) {
        int fds[2];

        if (pipe(fds) < 0)
                return -errno;
        ret->pid = fork();
        if (ret->pid == 0) {
                fd_close(fds[1]);
                make_noise(place, fds[0]);
        }
        fd_close(fds[0]);
        ret->stop = fds[1];
        return ret->pid < 0 ? -EAGAIN : 0;
}

/* -EPIPE: there was none, or it ended before it was told to. */
static int noise_end(struct noise *n) {
        int status = 0;

        n->stop = fd_close(n->stop);
        while (n->pid > 0 && waitpid(n->pid, &status, 0) < 0 && errno == EINTR)
                ;
        return n->pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPIPE;
}

/* ---- keys ---- */

/* Takes what comes until then. */
static int idle_until(struct line *l, uint64_t until_ns) {
        int r = 0;

        while (r == 0)
                r = line_wait(l, until_ns);
        return r == -ETIMEDOUT ? 0 : r;
}

static int press(struct line *l, double *ret_us) {
        uint64_t bytes = l->bytes, began = clock_mono_ns();
        int r = line_type(l, "k", 1);

        while (r == 0 && l->bytes == bytes)
                r = line_wait(l, l->place->deadline_ns);
        *ret_us = (double)(l->last_ns - began) / 1e3;
        return r;
}

static int press_all(const struct terminal_side *s, struct line *l, double *us,
                     double to[PAIRS_VALUES]) {
        uint64_t began = clock_mono_ns(), cpu = terminal_cpu_ns(s, l);
        int r = 0;

        for (unsigned i = 0; i < s->work->amount && r == 0; i++) {
                r = idle_until(l, began + i * PACE_NS);
                if (r == 0)
                        r = press(l, &us[i]);
        }
        to[2] = (double)(terminal_cpu_ns(s, l) - cpu) / 1e3 / s->work->amount;
        struct stats of = stats_of(us, s->work->amount);
        to[0] = of.p50;
        to[1] = of.p99;
        return r;
}

static int keys_turn(void *side, double to[PAIRS_VALUES]) {
        const struct terminal_side *s = side;
        _cleanup_(freep) double *us = calloc(s->work->amount, sizeof *us);
        struct noise noise = {-1, 0};
        struct line l = LINE_NONE;
        int r = us ? 0 : -ENOMEM;

        if (r == 0 && s->work->busy)
                r = noise_start(&s->place, &noise);
        if (r == 0)
                r = line_open(&s->place, &l);
        if (r == 0)
                r = line_run(&l, "stty raw -echo; echo REA''DY; exec cat\r", "READY");
        if (r == 0)
                r = idle_until(&l, clock_mono_ns() + SETTLE_NS);
        if (r == 0)
                r = press_all(s, &l, us, to);
        line_end(&l);
        if (s->work->busy) {
                int quiet = noise_end(&noise);
                r = r < 0 ? r : quiet;
        }
        return r;
}

static int keys(struct terminal_run *run, const char *name, bool busy) {
        const struct terminal_work work = {
                .amount = run->options->quick ? KEYS_MIN : KEYS,
                .busy = busy,
        };
        struct pairs_plan plan = {
                .name = name,
                .values = busy ? 2 : 3, /* beside a flood the processor's time is the flood's */
                .names = {"p50_us", "p99_us", "cpu_us_per_key"},
                .ours.turn = keys_turn,
                .rounds = bench_rounds(run->options, ROUNDS),
        };

        return terminal_measure(run, &run->peers, &work, &plan);
}

int terminal_keys(struct terminal_run *run) {
        return keys(run, "keys", false);
}

int terminal_keys_busy(struct terminal_run *run) {
        return keys(run, "keys_busy", true);
}
