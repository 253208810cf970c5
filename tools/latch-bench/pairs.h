/* pairs.h - ours and a peer by turns, the order within the pairs by turns, too: what the machine does besides
 * falls on both.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define PAIRS_VALUES 4u    /* that one turn can measure */
#define PAIRS_ROUNDS 1000u /* at most */

/* One turn of a side: sets to[]. 0 or -errno. */
typedef int (*pairs_turn)(void *side, double to[PAIRS_VALUES]);

struct pairs_plan {
        const char *bench, *name; /* the benchmark, and which case of it */
        const char *peer;         /* in words */
        size_t values;
        const char *names[PAIRS_VALUES]; /* of the values, with their unit: "p99_us" */
        pairs_turn ours, bare;
        void *ours_side, *bare_side;
        unsigned rounds; /* 1..PAIRS_ROUNDS */
};

/* Measures and tells: the medians of each side, and the median of the pairs' ratios. 0 or what a turn said. */
_must_use_ int pairs_run(const struct pairs_plan *plan, bool json);
