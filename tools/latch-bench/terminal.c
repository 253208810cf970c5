/* terminal.c - terminals beside a bare relay: the cases by name, and floods. */
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "pairs.h"

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

/* ---- floods ---- */

static int flood_turn(void *side, double to[PAIRS_VALUES]) {
        const struct terminal_side *s = side;
        struct line l = LINE_NONE;
        char command[256];
        uint64_t before, began, cpu;
        int r = line_open(&s->place, &l);

        (void)snprintf(command, sizeof command, s->work->command, s->work->amount);
        if (r == 0)
                r = line_run(&l, "stty -echo; echo REA''DY\r", "READY");
        before = l.bytes;
        cpu = terminal_cpu_ns(s, &l);
        began = clock_mono_ns();
        if (r == 0)
                r = line_run(&l, command, "DONE_MARK");
        double mb = (double)(l.bytes - before) / 1e6;
        to[0] = mb / ((double)(clock_mono_ns() - began) / 1e9);
        to[1] = (double)(terminal_cpu_ns(s, &l) - cpu) / 1e6 / mb;
        if (r == 0 && l.bytes - before < s->work->amount)
                r = -EPROTO; /* something was lost on the way */
        line_end(&l);
        return r;
}

static int flood(struct terminal_run *run, const char *name, const char *command, unsigned amount) {
        const struct terminal_work work = {
                .amount = run->options->quick ? amount / QUICK : amount,
                .command = command,
        };
        struct pairs_plan plan = {
                .name = name,
                .values = 2,
                .names = {"mb_s", "cpu_ms_per_mb"},
                .ours.turn = flood_turn,
                .rounds = bench_rounds(run->options, ROUNDS),
        };

        return terminal_measure(run, &run->peers, &work, &plan);
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
                .ours = {.place = {.site = &server->site,
                                   .token = s->token,
                                   .deadline_ns = o->deadline_ns},
                         .server = server},
        };
        terminal_peers_tell(&run);
        r = terminal_peers_start(&run, shell, &run.peers);
        if (r == 0) {
                r = run_cases(&run);
                terminal_peers_end(&run.peers);
        }
        class_dismiss(s, 1);
        return r < 0;
}
