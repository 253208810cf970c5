/* figures.h - how long locks are waited for and held, and where.
 *
 * Every wait is timed: who waits has the time. Holds are timed in samples, the first of a class in a thread and then
 * one in up to 1,024, and a sample counts for those that it stands for. At level 0 nothing is counted.
 *
 * Threads: any, at any time. Figures are of a moment near the call, each for itself, and only ever grow.
 * Errors:  none; what found no room in the table of places is counted (latch_places_lost).
 */
#pragma once

#include "latch/lock.h"

/* Four to each doubling, from 0 ns to 36 minutes; what is longer is in the last. */
#define LATCH_BUCKETS    160
#define LATCH_PLACES_MAX 1024

struct latch_histogram {
        uint64_t count, sum_ns;
        uint64_t max_ns; /* of what was timed */
        uint64_t bucket[LATCH_BUCKETS];
};

struct latch_class_figures {
        uint64_t taken;     /* in any mode; who waits may be counted before it has it */
        uint64_t contended; /* of these, and of tries to have it in time: who had to wait */
        struct latch_histogram wait, hold;
};

struct latch_place {
        const struct latch_site *site;
        enum latch_class class;
        uint64_t contended, wait_ns, longest_wait_ns;
        uint64_t longest_hold_ns; /* of those that were timed */
};

#pragma GCC visibility push(default)

void latch_figures(enum latch_class class, struct latch_class_figures *ret);

/* The first value in ns that is above bucket i. */
uint64_t latch_bucket_end_ns(unsigned i);

/* The end of the bucket in which the share q (0 to 1) of all lies below, but no more than the longest; 0 if there is none. */
uint64_t latch_quantile_ns(const struct latch_histogram *h, double q);

/* Copies up to `most` places at which a lock was waited for or a hold was timed; how many. In no order. */
size_t latch_places(struct latch_place *ret, size_t most);
uint64_t latch_places_lost(void);

#pragma GCC visibility pop
