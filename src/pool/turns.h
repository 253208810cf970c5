/* turns.h - the waiting jobs: a rotation of turns, a queue in each, strands that hold jobs back.
 *
 * Threads: one at a time. Lock: pool, held by the caller of every function.
 */
#pragma once

#include "latch/lock.h"
#include "pool/pool.h"

/* The turns that have a job ready to run, the next to be served first. */
struct rotation {
        struct pool_turn *first, *last;
};

/* A new job: ready, or held back behind its strand. True if a job became ready. */
bool turns_add(struct rotation *r, struct pool_job *job) LATCH_MUST_HOLD(pool);

/* The next job to run, NULL if none is ready. Its turn is touched no more. */
struct pool_job *turns_take(struct rotation *r) LATCH_MUST_HOLD(pool);

/* The strand's running job has come to its end. True if a job became ready. */
bool turns_leave_strand(struct rotation *r, struct pool_strand *s) LATCH_MUST_HOLD(pool);
