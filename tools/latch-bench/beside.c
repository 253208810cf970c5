/* The contract is in beside.h. */
#include "beside.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/clock.h"
#include "latch/thread.h"
#include "stats.h"

#define SPINS 100000u /* a thread that is not here by then has lost its processor: so may we */

struct meeting {
        unsigned threads;
        atomic_uint come;
};

struct worker {
        const struct beside_plan *plan;
        struct meeting *meeting;
        void *mine;
        cpu_set_t where;
        pthread_t thread;
        double ours_ns[BESIDE_BATCHES], bare_ns[BESIDE_BATCHES], ratios[BESIDE_BATCHES];
};

/* Until all have come as often as this thread has. */
static void meet(struct meeting *m, unsigned times) {
        atomic_fetch_add(&m->come, 1);
        for (unsigned i = 0; atomic_load(&m->come) < times * m->threads; i++)
                if (i % SPINS == SPINS - 1)
                        (void)sched_yield();
}

static double time_of(struct worker *w, beside_way way, unsigned times) {
        meet(w->meeting, times);
        uint64_t began = clock_mono_ns();
        way(w->mine, w->plan->n);
        return (double)(clock_mono_ns() - began) / w->plan->n;
}

static void *work(void *arg) {
        struct worker *w = arg;
        const struct beside_plan *p = w->plan;

        (void)pthread_setaffinity_np(pthread_self(), sizeof w->where, &w->where);
        latch_thread_begin("bench");
        for (unsigned i = 0; i < p->batches; i++) {
                bool first = i % 2 == 0;
                double a = time_of(w, first ? p->ours : p->bare, 2 * i + 1),
                       b = time_of(w, first ? p->bare : p->ours, 2 * i + 2);
                w->ours_ns[i] = first ? a : b;
                w->bare_ns[i] = first ? b : a;
                w->ratios[i] = w->ours_ns[i] / w->bare_ns[i];
        }
        latch_thread_end();
        return NULL;
}

static struct beside figures(struct worker *w) {
        unsigned n = w->plan->batches;

        return (struct beside){stats_of(w->ours_ns, n).p50, stats_of(w->bare_ns, n).p50,
                               stats_of(w->ratios, n).p50};
}

/* The first processors that we may be on, one a thread. */
static int place(struct worker *workers, unsigned n) {
        cpu_set_t ours;
        unsigned placed = 0;

        if (sched_getaffinity(0, sizeof ours, &ours) < 0)
                return -errno;
        for (int cpu = 0; cpu < CPU_SETSIZE && placed < n; cpu++) {
                if (!CPU_ISSET(cpu, &ours))
                        continue;
                CPU_ZERO(&workers[placed].where);
                CPU_SET(cpu, &workers[placed].where);
                placed++;
        }
        return placed < n ? -ENODATA : 0;
}

/* All start, or the process has no use for those that did. */
static void run(struct worker *workers, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
        for (unsigned i = 0; i < n; i++)
                CHECK(pthread_join(workers[i].thread, NULL) == 0);
}

int beside_run(const struct beside_plan *plan, struct beside *ret) {
        static struct worker workers[BESIDE_THREADS];
        struct meeting meeting = {.threads = plan->threads};
        int r = place(workers, plan->threads);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < plan->threads; i++) {
                workers[i].plan = plan;
                workers[i].meeting = &meeting;
                workers[i].mine = plan->of_thread[i];
        }
        run(workers, plan->threads);
        struct beside most = {0};
        for (unsigned i = 0; i < plan->threads; i++) {
                struct beside one = figures(&workers[i]);
                if (one.ratio > most.ratio)
                        most = one;
        }
        *ret = most;
        return 0;
}
