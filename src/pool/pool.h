/* pool.h - a fixed number of workers, a bounded queue, strands, and fair turns between users.
 *
 * A job belongs to a turn (one for each user): turns with waiting jobs are served round robin, so a
 * user with a thousand jobs delays another's single one by at most one job a worker. A job may name a
 * strand: jobs of one strand run in the order they were submitted, one at a time.
 *
 * Threads: any registered thread submits; new, drain and free: main.
 * Lock:    pool, inside, for a few instructions. A job runs under no lock.
 * Memory:  nothing is allocated after new: job, turn and strand are the caller's, embedded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct pool;
struct pool_job;

struct pool_turn { /* zeroed by pool_turn_init; lives until its last job has begun */
        struct pool_job *first, *last; /* waiting, guarded by pool */
        struct pool_turn *next;        /* in the rotation, guarded by pool */
        unsigned queued;               /* guarded by pool */
        bool rotating;                 /* guarded by pool */
};

struct pool_strand { /* zeroed by pool_strand_init; lives until its last job has returned */
        struct pool_job *first, *last; /* held back behind the one that runs, guarded by pool */
        bool busy;                     /* guarded by pool */
};

struct pool_job {
        /* Without an after, the job is the callee's from here on: it may free it. */
        void (*run)(struct pool_job *job);
        /* NULL, or called last, once the strand is let go: it frees strand and job, run does not. */
        void (*after)(struct pool_job *job);
        struct pool_turn *turn;     /* not NULL */
        struct pool_strand *strand; /* or NULL */
        uint64_t deadline_ns;       /* clock_mono_ns(); 0: none. Past it the job still runs... */
        bool late;                  /* ...with this set before run: answer "timeout" */
        struct pool_job *next;      /* the pool's own */
        uint64_t queued_ns;         /* the pool's own */
};

struct pool_limits {
        unsigned workers;
        unsigned queued;          /* most jobs waiting, in all */
        unsigned queued_per_turn; /* most jobs waiting of one turn */
};

/* Histogram of durations: bucket i counts those below 2^i microseconds; the last counts the rest. */
#define POOL_BUCKETS 32
struct pool_stats {
        uint64_t wait[POOL_BUCKETS], service[POOL_BUCKETS];
        uint64_t wait_ns, service_ns; /* their sums */
        uint64_t accepted, refused, finished;
        unsigned queued, running;
};

/* 0, -ENOMEM, -EAGAIN. */
_must_use_ int pool_new(const struct pool_limits *limits, struct pool **ret);
struct pool *pool_free(struct pool *p); /* drained before. NULL is fine; returns NULL */

void pool_turn_init(struct pool_turn *t);
void pool_strand_init(struct pool_strand *s);

/* Queue a job. 0; -EBUSY if the queue or the turn's share is full; -ESHUTDOWN after drain began. On
 * failure the job is still the caller's. */
_must_use_ int pool_submit(struct pool *p, struct pool_job *job);

/* How long a refused caller should wait before it tries again, milliseconds, from recent service. */
unsigned pool_retry_after_ms(struct pool *p);

/* Admit no more; wait until all queued jobs have run. 0, or -ETIMEDOUT (jobs may still be running). */
_must_use_ int pool_drain(struct pool *p, unsigned timeout_ms);

void pool_stats(struct pool *p, struct pool_stats *ret);
