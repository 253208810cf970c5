/* terminal.h - the cases of latch-bench terminal, and what they share.
 *
 * Threads: one. Errors: 0 or -errno.
 */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "bench.h"
#include "line.h"

struct terminal_side { /* of a pair */
        struct line_place place;
        const struct server *server; /* NULL: the relay */
        unsigned amount;             /* of what a turn repeats */
};

struct terminal_run {
        const struct bench_options *options;
        struct server *server;
        struct terminal_side ours, bare; /* the relay starts a shell as it is, outside any cage */
};

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
