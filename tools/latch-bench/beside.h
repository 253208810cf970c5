/* beside.h - two ways of doing one thing a few thousand times, by turns in small batches: ours, and a bare one.
 *
 * Each thread has a processor of its own and what it works on, and all are in the same way at the same time, so that
 * words which both write show. The caller waits meanwhile: there is always a thread more than those that work, for
 * with one alone glibc's locks are no atomic operations.
 *
 * Threads: one. Errors: 0 or -errno; -ENODATA: there are fewer processors than threads.
 */
#pragma once

#include "base/macros.h"

#define BESIDE_THREADS 2u
#define BESIDE_BATCHES 5001u /* at most */

/* n times, on what the thread has. */
typedef void (*beside_way)(void *of_thread, unsigned n);

struct beside_plan {
        unsigned threads; /* 1..BESIDE_THREADS */
        unsigned batches; /* 1..BESIDE_BATCHES */
        unsigned n;       /* times a batch */
        beside_way ours, bare;
        void *of_thread[BESIDE_THREADS];
};

struct beside {
        double ours_ns, bare_ns; /* of one time: medians over batches */
        double ratio;            /* median of ours to bare within a round */
};

/* Of two threads, the figures of the one with the higher ratio. */
_must_use_ int beside_run(const struct beside_plan *plan, struct beside *ret);
