/* terminal.h - the cases of latch-bench terminal, and what they share.
 *
 * Threads: one. Errors: 0 or -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "bench.h"
#include "line.h"
#include "listener.h"
#include "pairs.h"

struct terminal_work {       /* what a turn does */
        unsigned amount;     /* of what it repeats */
        const char *command; /* of a flood, with %u for the amount; its output ends with the mark */
        bool busy;           /* beside a flood */
        bool watched;        /* by a viewer that reads nothing */
};

struct terminal_side { /* who does it */
        struct line_place place;
        const struct server *server; /* NULL: a peer */
        pid_t pid;                   /* of a peer that is one process; 0: a relay, one a line */
        const struct terminal_work *work;
};

/* All that start this program in a terminal: the bare relay first, then those that are installed, if they are wanted.
 * It stays where it was started. */
struct terminal_peers {
        struct terminal_side sides[PAIRS_PEERS];
        const char *names[PAIRS_PEERS];
        struct listener listeners[PAIRS_PEERS];
        size_t n;
};

struct terminal_run {
        const struct bench_options *options;
        struct server *server;
        struct terminal_side ours;
        struct terminal_peers peers; /* they start a shell as it is, outside any cage */
};

_must_use_ int terminal_peers_start(const struct terminal_run *run, const char *const *argv,
                                    struct terminal_peers *p);
void terminal_peers_end(struct terminal_peers *p);
/* Says which are not installed, and what installs them. */
void terminal_peers_tell(const struct terminal_run *run);

/* Measures ours and these peers. The plan has the case's name and values, the turn of ours and the rounds. */
_must_use_ int terminal_measure(const struct terminal_run *run, const struct terminal_peers *peers,
                                const struct terminal_work *work, struct pairs_plan *plan);
/* What a side's own processes have used while this line was there, ns. */
uint64_t terminal_cpu_ns(const struct terminal_side *side, const struct line *l);

/* The cases. */
_must_use_ int terminal_keys(struct terminal_run *run); /* a key there and back, 100 a second */
_must_use_ int terminal_keys_busy(struct terminal_run *run); /* the same beside a flood */
_must_use_ int terminal_opens(struct terminal_run *run);     /* asked for to the prompt */
_must_use_ int terminal_opens_50(struct terminal_run *run);
_must_use_ int terminal_idle(
        struct terminal_run *run); /* what a session weighs that nobody looks at */
_must_use_ int terminal_stalled(struct terminal_run *run); /* a viewer that reads nothing */
_must_use_ int terminal_shells(struct terminal_run *run);  /* 300, a key a second each */
