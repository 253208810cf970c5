/* trace.h - what each thread did with locks, lately: level 2 (level.h) writes every step into a ring of the thread's own.
 *
 * A thread's first ring has room for 256 steps; one that has filled it gets room for 2,048. The rings of the last
 * threads that have ended are kept. Of an exclusive hold the generation says the exact place in the lock's life,
 * without a clock: a number that is missing is a step that is missing. A time stands only where it was taken
 * anyway (figures.h), and where somebody waited.
 *
 * Threads: any, at any time.
 */
#pragma once

#include <sys/types.h>

#include "latch/lock.h"

enum latch_step {
        LATCH_STEP_TAKE,
        LATCH_STEP_DROP,
        LATCH_STEP_WAIT, /* others hold it, or it was handed over to one; then comes a take, or it was not had in time */
        LATCH_STEP_COND_WAIT, /* lock is the condition; its mutex was dropped before, and is taken after */
        LATCH_STEP_HEIR_WAIT, /* for it to be handed over */
};

struct latch_event {
        uint64_t lock; /* its address */
        const struct latch_site *site;
        uint64_t
                generation; /* of the lock: this exclusive hold, or the last one before this reader; 0: its take is gone */
        uint64_t time_ns; /* of CLOCK_MONOTONIC; 0: not taken */
        enum latch_class class;
        enum latch_step step;
        bool shared;
};

struct latch_trace_ring {
        char thread[16];
        pid_t tid;
        bool ended;     /* the thread has */
        uint64_t first; /* how many entries came before, steps and their times */
        size_t count;
        struct latch_event *events; /* the oldest first */
};

struct latch_trace {
        size_t count;
        struct latch_trace_ring *rings;
        uint64_t
                lost; /* steps that found no ring: of threads that held a lock when level 2 began, or above the limit */
};

#pragma GCC visibility push(default)

/* A copy of all that is there. 0, -ENOMEM. */
int latch_trace_copy(struct latch_trace **ret);
struct latch_trace *latch_trace_free(struct latch_trace *trace); /* NULL is fine; returns NULL */

/* "take", "drop", ... */
const char *latch_step_name(enum latch_step step);

#pragma GCC visibility pop
