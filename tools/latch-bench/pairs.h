/* pairs.h - ours and its peers by turns, who begins by turns, too: what the machine does besides falls on all.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define PAIRS_VALUES 4u /* that one turn can measure */
#define PAIRS_PEERS  3u
#define PAIRS_ROUNDS 1000u /* at most */

/* One turn of a side: sets to[]. 0 or -errno. */
typedef int (*pairs_turn)(void *side, double to[PAIRS_VALUES]);

struct pairs_side {
        const char *name; /* of a peer, in words */
        pairs_turn turn;  /* NULL: there is no such peer */
        void *side;
};

struct pairs_plan {
        const char *bench, *name; /* the benchmark, and which case of it */
        size_t values;
        const char *names[PAIRS_VALUES]; /* of the values, with their unit: "p99_us" */
        struct pairs_side ours, peers[PAIRS_PEERS];
        unsigned rounds; /* 1..PAIRS_ROUNDS */
};

/* Measures and tells, of each peer: the medians of both sides, and the median of the ratios within a round. 0 or what
 * a turn said. */
_must_use_ int pairs_run(const struct pairs_plan *plan, bool json);
