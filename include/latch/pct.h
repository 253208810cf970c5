/* pct.h - a scheduler that looks for orders of threads in which a bug shows: PCT (Burckhardt, Kothari, Musuvathi,
 * Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010).
 *
 * Each thread has a priority, drawn from the seed, its name and which of that name it is. It goes on from a step, which
 * is before each take and behind each release, only while no other thread that can run has a higher one. At depth - 1
 * steps, drawn from the seed among the first `steps`, who takes the step falls below all others. With n threads and k
 * steps a bug of depth d is met with a probability of at least 1/(n*k^(d-1)), by each seed: an AB-BA deadlock has depth 2. The
 * same seed gives the same run, as far as threads meet in locks alone.
 *
 * A thread is not waited for while it waits (for a lock, a condition, to be handed one), from a latch_blocking on until
 * its next step, and once it has ended. Who reaches no step for LATCH_PCT_PATIENCE_MS is not waited for either until
 * it does: told on stderr the first time, and counted.
 *
 * A deadlock of mutexes and writers is told with the seed and what each thread waits for; then the program hangs, as it would.
 *
 * Off until it is started, and free then. Once on it stays, at levels 1 and 2.
 */
#pragma once

#include <stdint.h>

#define LATCH_PCT_DEPTH_MAX   16
#define LATCH_PCT_PATIENCE_MS 50

struct latch_pct_figures {
        uint64_t threads;   /* that ever came */
        uint64_t steps;     /* the k of the bound */
        uint64_t changes;   /* of priorities */
        uint64_t impatient; /* times that somebody was not waited for any longer */
        uint64_t deadlocks;
};

#pragma GCC visibility push(default)

/* A thread comes in with its latch_thread_begin, or its first step: so before there are other threads, which may
 * else go on for some takes as they were. LATCH_PCT=seed[,steps[,depth]] in the environment does the same at a program's first
 * lock (100 steps, depth 2). 0; -EINVAL: no steps, a depth of 0 or above LATCH_PCT_DEPTH_MAX; -EALREADY. */
int latch_pct_start(uint64_t seed, uint64_t steps, unsigned depth);
void latch_pct_figures(struct latch_pct_figures *ret);

#pragma GCC visibility pop
