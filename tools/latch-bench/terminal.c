/* terminal.c - terminals beside a bare relay: the cases by name, and floods. */
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "pairs.h"
#include "usage.h"

#define FLOOD_BYTES 100000000u
#define LINES       5000000u
#define QUICK       100u /* times less */
#define ROUNDS      5u

const struct server_settings bench_terminal_settings = {
        "",
        "sessions_per_user = 400\nrequests_per_minute = 100000000\n"
        "address_requests_per_minute = 100000000\nsockets_per_user = 400\n",
        "[run]\nprocesses = 8192\n",
};

static const char *const shell[] = {"/bin/bash", "--norc", "--noprofile", "-i", NULL};

uint64_t terminal_cpu_ns(const struct terminal_side *side, const struct line *l) {
        return side->server ? usage_server_cpu_ns(side->server) : usage_cpu_ns(l->relay);
}

/* ---- floods ---- */

struct flood {
        struct terminal_side side;
        const char *command; /* with %u for the amount; its output ends with the mark */
};

static int flood_turn(void *side, double to[PAIRS_VALUES]) {
        const struct flood *f = side;
        struct line l = LINE_NONE;
        char command[256];
        uint64_t before, began, cpu;
        int r = line_open(&f->side.place, &l);

        (void)snprintf(command, sizeof command, f->command, f->side.amount);
        if (r == 0)
                r = line_run(&l, "stty -echo; echo REA''DY\r", "READY");
        before = l.bytes;
        cpu = terminal_cpu_ns(&f->side, &l);
        began = clock_mono_ns();
        if (r == 0)
                r = line_run(&l, command, "DONE_MARK");
        double mb = (double)(l.bytes - before) / 1e6;
        to[0] = mb / ((double)(clock_mono_ns() - began) / 1e9);
        to[1] = (double)(terminal_cpu_ns(&f->side, &l) - cpu) / 1e6 / mb;
        if (r == 0 && l.bytes - before < f->side.amount)
                r = -EPROTO; /* something was lost on the way */
        line_end(&l);
        return r;
}

static int flood(struct terminal_run *run, const char *name, const char *command, unsigned amount) {
        unsigned n = run->options->quick ? amount / QUICK : amount;
        struct flood ours = {run->ours, command}, bare = {run->bare, command};
        const struct pairs_plan plan = {
                .bench = "terminal",
                .name = name,
                .peer = "a bare relay",
                .values = 2,
                .names = {"mb_s", "cpu_ms_per_mb"},
                .ours = flood_turn,
                .bare = flood_turn,
                .ours_side = &ours,
                .bare_side = &bare,
                .rounds = bench_rounds(run->options, ROUNDS),
        };

        ours.side.amount = bare.side.amount = n;
        return pairs_run(&plan, run->options->json);
}

/* 10^8 bytes of x. */
static int terminal_flood(struct terminal_run *run) {
        return flood(run, "flood", "head -c %u /dev/zero | tr '\\0' x; echo DONE_''MARK\r",
                     FLOOD_BYTES);
}

static int terminal_lines(struct terminal_run *run) {
        return flood(run, "lines", "seq 1 %u; echo DONE_''MARK\r", LINES);
}

/* ---- the cases ---- */

/* The memory first, while nothing has grown the server. */
static const struct {
        const char *name;
        int (*run)(struct terminal_run *run);
} cases[] = {
        {"idle", terminal_idle},           {"flood", terminal_flood},
        {"lines", terminal_lines},         {"keys", terminal_keys},
        {"keys_busy", terminal_keys_busy}, {"open", terminal_opens},
        {"open50", terminal_opens_50},     {"stalled", terminal_stalled},
        {"shells", terminal_shells},
};

/* -ENOTSUP: there is no such case. */
static int run_cases(struct terminal_run *run) {
        const char *only = run->options->only;
        int r = only ? -ENOTSUP : 0;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                if (only && !str_eq(cases[i].name, only))
                        continue;
                r = cases[i].run(run);
                if (r < 0) {
                        fprintf(stderr, "latch-bench: terminal: %s: %s\n", cases[i].name,
                                strerror(-r));
                        break;
                }
        }
        return r;
}

int bench_terminal(struct server *server, const struct bench_options *o) {
        int r = bench_raise_descriptors();
        struct student *s = r == 0 ? class_gather(server, o, 1) : NULL;

        if (r < 0)
                fprintf(stderr, "latch-bench: terminal: %s\n", strerror(-r));
        if (!s)
                return 1;
        s->ws = ws_close(s->ws); /* its name is all that is wanted */
        struct terminal_run run = {
                .options = o,
                .server = server,
                .ours = {{&server->site, s->token, NULL, o->deadline_ns}, server, 0},
                .bare = {{NULL, NULL, shell, o->deadline_ns}, NULL, 0},
        };
        r = run_cases(&run);
        class_dismiss(s, 1);
        return r < 0;
}
