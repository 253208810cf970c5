/* The contract is in pool/pool.h. */
#include "pool/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"
#include "latch/lock.h"
#include "latch/thread.h"
#include "pool/histogram.h"
#include "pool/turns.h"

#define RETRY_LEAST_MS 20
#define RETRY_MOST_MS  5000
#define MEAN_WEIGHT    8 /* a new service time counts one eighth of the mean */

struct pool {
        struct pool_limits limits; /* fixed for life */
        struct latch_mutex lock;
        struct latch_cond work; /* a job became ready, or the end came */
        struct latch_cond idle; /* nothing is queued and nothing runs */
        struct rotation rotation LATCH_GUARDED_BY(pool);
        struct pool_stats stats LATCH_GUARDED_BY(pool);
        uint64_t mean_service_ns LATCH_GUARDED_BY(pool);
        bool draining LATCH_GUARDED_BY(pool);
        bool ending LATCH_GUARDED_BY(pool);
        unsigned started; /* workers that there are; fixed after new */
        pthread_t workers[];
};

void pool_turn_init(struct pool_turn *t) {
        *t = (struct pool_turn){0};
}

void pool_strand_init(struct pool_strand *s) {
        *s = (struct pool_strand){0};
}

/* Waits for a job. NULL: there will be no more. */
static struct pool_job *next_job_locked(struct pool *p) LATCH_MUST_HOLD(pool)
        LATCH_TSA_(requires_capability(p->lock)) {
        struct pool_job *job;

        while (!(job = turns_take(&p->rotation))) {
                if (p->ending && p->stats.queued == 0)
                        return NULL;
                latch_cond_wait(&p->work, &p->lock);
        }
        return job;
}

static struct pool_job *begin_job(struct pool *p, uint64_t *ret_began_ns) {
        LATCH_GUARD(pool, &p->lock);
        struct pool_job *job = next_job_locked(p);

        if (!job)
                return NULL;
        *ret_began_ns = clock_mono_ns();
        histogram_add(p->stats.wait, *ret_began_ns - job->queued_ns);
        p->stats.wait_ns += *ret_began_ns - job->queued_ns;
        p->stats.queued--;
        p->stats.running++;
        job->late = job->deadline_ns != 0 && *ret_began_ns > job->deadline_ns;
        return job;
}

static void count_service(struct pool *p, uint64_t ns) LATCH_MUST_HOLD(pool) {
        histogram_add(p->stats.service, ns);
        p->stats.service_ns += ns;
        p->mean_service_ns += ns / MEAN_WEIGHT - p->mean_service_ns / MEAN_WEIGHT;
}

/* Its time is over, and with it its turn in the strand. It still counts as running. */
static void end_run(struct pool *p, struct pool_strand *strand, uint64_t began_ns) {
        uint64_t service_ns = clock_mono_ns() - began_ns;

        LATCH_GUARD(pool, &p->lock);
        count_service(p, service_ns);
        if (strand && turns_leave_strand(&p->rotation, strand))
                latch_cond_signal(&p->work);
}

static void end_job(struct pool *p) {
        LATCH_GUARD(pool, &p->lock);
        p->stats.running--;
        p->stats.finished++;
        if (p->stats.queued > 0 || p->stats.running > 0)
                return;
        latch_cond_broadcast(&p->idle);
        if (p->ending)
                latch_cond_broadcast(&p->work);
}

static void carry_out(struct pool *p, struct pool_job *job, uint64_t began_ns) {
        void (*after)(struct pool_job * job) = job->after;
        struct pool_strand *strand = job->strand;

        job->run(job);                      /* without an after, the job is gone from here on */
        latch_blocking("the end of a job"); /* it left no lock behind */
        end_run(p, strand, began_ns);
        if (after)
                after(job); /* here the strand may go */
        end_job(p);
}

static void *worker(void *arg) {
        struct pool *p = arg;
        struct pool_job *job;
        uint64_t began_ns;

        latch_thread_begin("worker");
        while ((job = begin_job(p, &began_ns)))
                carry_out(p, job, began_ns);
        latch_thread_end();
        return NULL;
}

int pool_submit(struct pool *p, struct pool_job *job) {
        CHECK(job->run && job->turn);
        job->late = false;

        LATCH_GUARD(pool, &p->lock);
        if (p->draining)
                return -ESHUTDOWN;
        if (p->stats.queued >= p->limits.queued || job->turn->queued >= p->limits.queued_per_turn) {
                p->stats.refused++;
                return -EBUSY;
        }
        job->queued_ns = clock_mono_ns(); /* under the lock: queues are in the order of age */
        p->stats.queued++;
        p->stats.accepted++;
        if (turns_add(&p->rotation, job))
                latch_cond_signal(&p->work);
        return 0;
}

unsigned pool_retry_after_ms(struct pool *p) {
        LATCH_GUARD(pool, &p->lock);
        uint64_t ns = p->mean_service_ns * (p->stats.queued + 1) / p->limits.workers;
        uint64_t ms = ns / 1000000;

        return (unsigned)MAX((uint64_t)RETRY_LEAST_MS, MIN(ms, (uint64_t)RETRY_MOST_MS));
}

int pool_drain(struct pool *p, unsigned timeout_ms) {
        uint64_t until = clock_mono_ns() + timeout_ms * UINT64_C(1000000);
        int r = 0;

        LATCH_GUARD(pool, &p->lock);
        p->draining = true;
        while (r == 0 && (p->stats.queued > 0 || p->stats.running > 0))
                r = latch_cond_wait_until(&p->idle, &p->lock, until);
        return p->stats.queued > 0 || p->stats.running > 0 ? r : 0;
}

void pool_stats(struct pool *p, struct pool_stats *ret) {
        LATCH_GUARD(pool, &p->lock);
        *ret = p->stats;
}

/* Signals are main's: a worker is born with all of them blocked. */
static int start_workers(struct pool *p) {
        sigset_t all, before;
        int r = 0;

        sigfillset(&all);
        CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
        while (r == 0 && p->started < p->limits.workers) {
                r = -pthread_create(&p->workers[p->started], NULL, worker, p);
                if (r == 0)
                        p->started++;
        }
        CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
        return r;
}

int pool_new(const struct pool_limits *limits, struct pool **ret) {
        CHECK(limits->workers > 0);
        struct pool *p = calloc(1, sizeof *p + limits->workers * sizeof p->workers[0]);
        int r;

        if (!p)
                return -ENOMEM;
        p->limits = *limits;
        latch_mutex_init(&p->lock, LATCH_CLASS_pool);
        latch_cond_init(&p->work);
        latch_cond_init(&p->idle);
        r = start_workers(p);
        if (r < 0) {
                pool_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

struct pool *pool_free(struct pool *p) {
        if (!p)
                return NULL;
        LATCH_WITH(pool, &p->lock) {
                p->draining = true;
                p->ending = true;
                latch_cond_broadcast(&p->work);
        }
        for (unsigned i = 0; i < p->started; i++)
                CHECK(pthread_join(p->workers[i], NULL) == 0);
        latch_cond_done(&p->idle);
        latch_cond_done(&p->work);
        latch_mutex_done(&p->lock);
        free(p);
        return NULL;
}
