/* terminal_open.c - see terminal.h: how soon a shell is there, and what it weighs once nobody looks at it. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "pairs.h"
#include "stats.h"
#include "terminal.h"
#include "usage.h"

#define ROUNDS       21u
#define ROUNDS_MANY  5u
#define MANY         50u
#define MANY_MIN     4u /* quick */
#define SESSIONS     100u
#define SESSIONS_MIN 5u
#define WARM_UP      20u
#define SETTLE_NS    UINT64_C(5000000000)
#define LOOK_MS      200

#define SHOWN(path) "--ro-bind-try", path, path

/* What the server does for a shell beside its own: the same namespaces, the same mounts but for the user's, and
 * the same shell, which reads the same files as it starts and runs the programs that these name. */
static const char *const caged[] = {"/usr/bin/bwrap",
                                    BENCH_CAGE,
                                    SHOWN("/etc/profile"),
                                    SHOWN("/etc/profile.d"),
                                    SHOWN("/etc/bash.bashrc"),
                                    SHOWN("/etc/inputrc"),
                                    "--clearenv",
                                    "--setenv",
                                    "PATH",
                                    "/usr/local/bin:/usr/bin:/bin",
                                    "--setenv",
                                    "HOME",
                                    "/tmp",
                                    "--setenv",
                                    "LANG",
                                    "C.UTF-8",
                                    "--setenv",
                                    "TERM",
                                    "xterm-256color",
                                    "--",
                                    "/bin/bash",
                                    "-l",
                                    NULL};

/* ---- opening ---- */

static int until_all(struct line *lines, unsigned n, uint64_t deadline_ns) {
        struct pollfd p[MANY];
        unsigned left = n;
        int r = 0;

        while (left > 0 && r == 0) {
                left = 0;
                for (unsigned i = 0; i < n; i++) {
                        p[i] = (struct pollfd){line_fd(&lines[i]), POLLIN, 0};
                        left += lines[i].first_ns == 0;
                }
                if (left > 0 && poll(p, n, 1000) < 0)
                        return -errno;
                for (unsigned i = 0; i < n && r == 0; i++)
                        r = p[i].revents ? line_turn(&lines[i]) : 0;
                if (clock_mono_ns() > deadline_ns)
                        r = -ETIMEDOUT;
        }
        return r;
}

/* amount shells at once: milliseconds from the first one's asking to the last one's prompt. */
static int open_turn(void *side, double to[PAIRS_VALUES]) {
        const struct terminal_side *s = side;
        struct line lines[MANY];
        uint64_t last = 0;
        unsigned n = 0;
        int r = 0;

        while (r == 0 && n < s->work->amount)
                r = line_ask(&s->place, &lines[n++]);
        if (r == 0)
                r = until_all(lines, n, s->place.deadline_ns);
        for (unsigned i = 0; i < n; i++)
                last = MAX(last, lines[i].first_ns);
        to[0] = (double)(last - lines[0].asked_ns) / 1e6;
        for (unsigned i = 0; i < n; i++)
                line_end(&lines[i]);
        return r;
}

static int opens(struct terminal_run *run, const char *name, unsigned amount, unsigned rounds) {
        const struct terminal_work work = {.amount = amount};
        struct terminal_peers peers;
        struct pairs_plan plan = {
                .name = name,
                .values = 1,
                .names = {"prompt_ms"},
                .ours.turn = open_turn,
                .rounds = bench_rounds(run->options, rounds),
        };
        int r = terminal_peers_start(run, caged, &peers);

        if (r == 0) {
                r = terminal_measure(run, &peers, &work, &plan);
                terminal_peers_end(&peers);
        }
        return r;
}

int terminal_opens(struct terminal_run *run) {
        return opens(run, "open", 1, ROUNDS);
}

int terminal_opens_50(struct terminal_run *run) {
        return opens(run, "open50", run->options->quick ? MANY_MIN : MANY, ROUNDS_MANY);
}

/* ---- idle ---- */

struct idle {
        char (*sessions)[48];
        unsigned n;
};

/* By one socket: each thread that serves one for the first time would weigh more than a session. */
static int open_more(struct line *l, struct idle *all, unsigned n) {
        int r = 0;

        for (unsigned i = 0; i < n && r == 0; i++)
                r = line_spare(l, all->sessions[all->n++]);
        return r;
}

/* What it weighs once it no longer changes. */
static int weigh_settled(pid_t pid, unsigned long *ret_kib) {
        uint64_t until_ns = clock_mono_ns() + SETTLE_NS;
        unsigned long before = 0;
        int r;

        do {
                before = *ret_kib;
                (void)poll(NULL, 0, LOOK_MS);
                r = usage_private_kib(pid, ret_kib);
        } while (r == 0 && *ret_kib != before && clock_mono_ns() < until_ns);
        return r;
}

static int weigh_holders(const struct server *s, unsigned n, double *ret_kib) {
        _cleanup_(freep) pid_t *pids = calloc(n, sizeof *pids);
        _cleanup_(freep) double *kib = calloc(n, sizeof *kib);
        size_t found = 0;

        if (!pids || !kib)
                return -ENOMEM;
        for (size_t i = MIN(usage_find(s, "latch-hold", pids, n), (size_t)n); i > 0; i--) {
                unsigned long one;
                if (usage_private_kib(pids[i - 1], &one) == 0)
                        kib[found++] = (double)one;
        }
        *ret_kib = stats_of(kib, found).p50;
        return found > 0 ? 0 : -ESRCH;
}

static int weigh_idle(struct terminal_run *run, struct line *l, struct idle *all, unsigned n) {
        unsigned long before = 0, after = 0;
        double holder = 0;
        pid_t pid = run->server->latchd.pid;
        int r = open_more(l, all, MIN(WARM_UP, n));

        if (r == 0)
                r = weigh_settled(pid, &before);
        if (r == 0)
                r = open_more(l, all, n);
        if (r == 0)
                r = weigh_settled(pid, &after);
        if (r == 0)
                r = weigh_holders(run->server, n, &holder);
        if (r < 0)
                return r;
        double each = ((double)after - (double)before) / n;
        if (run->options->json)
                printf("{\"bench\":\"terminal\",\"case\":\"idle\",\"sessions\":%u,\"unit\":\"kib\","
                       "\"latchd_kib_per_session\":%.2f,\"holder_kib\":%.0f}\n",
                       n, each, holder);
        else
                printf("idle, %u sessions that nobody is attached to: %.2f KiB each in latchd, "
                       "%.0f KiB in a holder beside its ring\n",
                       n, each, holder);
        return fflush(stdout) == 0 ? 0 : -errno;
}

int terminal_idle(struct terminal_run *run) {
        unsigned n = run->options->quick ? SESSIONS_MIN : SESSIONS;
        struct idle all = {calloc(n + WARM_UP, sizeof *all.sessions), 0};
        struct line l = LINE_NONE;
        int r = all.sessions ? line_open(&run->ours.place, &l) : -ENOMEM;

        if (r == 0)
                r = weigh_idle(run, &l, &all, n);
        while (r == 0 && all.n > 0)
                r = line_close(&l, all.sessions[--all.n]);
        line_end(&l);
        free(all.sessions);
        return r;
}
