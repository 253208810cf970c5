/* lock.c - what a lock of liblatch costs beside pthread's own of the same kind, at each level. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "beside.h"
#include "latch/level.h"
#include "latch/lock.h"

#define BATCHES       2001u
#define BATCHES_QUICK 3u
#define PAIRS         2000u /* a batch */
#define LEVELS        3u
#define CACHE_LINE    64

/* A thread's own locks, each pair away from all else that is written. */
struct bed {
        _Alignas(CACHE_LINE) struct latch_mutex mutex;
        _Alignas(CACHE_LINE) pthread_mutex_t bare_mutex;
        _Alignas(CACHE_LINE) pthread_mutex_t checking;
        _Alignas(CACHE_LINE) struct latch_rwlock rwlock;
        _Alignas(CACHE_LINE) pthread_rwlock_t bare_rwlock;
};

/* The loops differ in the pair alone; nothing in them can be left out, for it is all calls and atomic words. */
#define BARE(name, field, take, drop)                                                              \
        static void name(void *of_thread, unsigned n) {                                            \
                struct bed *b = of_thread;                                                         \
                for (unsigned i = 0; i < n; i++) {                                                 \
                        (void)take(&b->field);                                                     \
                        (void)drop(&b->field);                                                     \
                }                                                                                  \
        }
#define OURS(name, field, with)                                                                    \
        static void name(void *of_thread, unsigned n) {                                            \
                struct bed *b = of_thread;                                                         \
                for (unsigned i = 0; i < n; i++)                                                   \
                        with(pool, &b->field) {                                                    \
                        }                                                                          \
        }
BARE(bare_mutex, bare_mutex, pthread_mutex_lock, pthread_mutex_unlock)
BARE(bare_checking, checking, pthread_mutex_lock, pthread_mutex_unlock)
BARE(bare_read, bare_rwlock, pthread_rwlock_rdlock, pthread_rwlock_unlock)
BARE(bare_write, bare_rwlock, pthread_rwlock_wrlock, pthread_rwlock_unlock)
OURS(our_mutex, mutex, LATCH_WITH)
OURS(our_read, rwlock, LATCH_WITH_READ)
OURS(our_write, rwlock, LATCH_WITH_WRITE)

static const struct {
        const char *name;
        beside_way ours, bare;
        unsigned levels; /* at which it is measured */
} cases[] = {
        {"mutex", our_mutex, bare_mutex, LEVELS},
        {"rwlock_rd", our_read, bare_read, LEVELS},
        {"rwlock_wr", our_write, bare_write, LEVELS},
        {"errorcheck", bare_checking, bare_mutex, 1}, /* pthread's own checks know no level */
};

static void make(struct bed *b) {
        pthread_mutexattr_t checks;

        CHECK(pthread_mutexattr_init(&checks) == 0);
        CHECK(pthread_mutexattr_settype(&checks, PTHREAD_MUTEX_ERRORCHECK) == 0);
        CHECK(pthread_mutex_init(&b->checking, &checks) == 0);
        CHECK(pthread_mutexattr_destroy(&checks) == 0);
        CHECK(pthread_mutex_init(&b->bare_mutex, NULL) == 0);
        CHECK(pthread_rwlock_init(&b->bare_rwlock, NULL) == 0);
        latch_mutex_init(&b->mutex, LATCH_CLASS_pool);
        latch_rwlock_init(&b->rwlock, LATCH_CLASS_pool);
}

static void unmake(struct bed *b) {
        latch_rwlock_done(&b->rwlock);
        latch_mutex_done(&b->mutex);
        CHECK(pthread_rwlock_destroy(&b->bare_rwlock) == 0);
        CHECK(pthread_mutex_destroy(&b->bare_mutex) == 0);
        CHECK(pthread_mutex_destroy(&b->checking) == 0);
}

static void tell(const char *name, unsigned level, unsigned threads, const struct beside *f,
                 bool json) {
        if (json)
                printf("{\"bench\":\"lock\",\"case\":\"%s\",\"level\":%u,\"threads\":%u,\"ns\":%.2f,"
                       "\"ratio\":%.3f}\n",
                       name, level, threads, f->ours_ns, f->ratio);
        else
                printf("%-12s %5u %8u %8.2f %8.2f %8.3f\n", name, level, threads, f->ours_ns,
                       f->bare_ns, f->ratio);
        (void)fflush(stdout);
}

/* One case at one level with one number of threads. */
static int measure(struct bed *beds, size_t which, unsigned level, unsigned threads,
                   const struct bench_options *o) {
        const struct beside_plan plan = {
                .threads = threads,
                .batches = o->quick ? BATCHES_QUICK : BATCHES,
                .n = PAIRS,
                .ours = cases[which].ours,
                .bare = cases[which].bare,
                .of_thread = {&beds[0], &beds[1]},
        };
        struct beside figures;
        int r = latch_set_level(level);

        if (r == 0)
                r = beside_run(&plan, &figures);
        if (r == 0)
                tell(cases[which].name, level, threads, &figures, o->json);
        return r;
}

/* -ENOTSUP: there is no such case. */
static int measure_all(struct bed *beds, const struct bench_options *o) {
        int r = o->only ? -ENOTSUP : 0;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                if (o->only && strcmp(o->only, cases[i].name) != 0)
                        continue;
                r = 0;
                for (unsigned k = 0; r == 0 && k < cases[i].levels * BESIDE_THREADS; k++)
                        r = measure(beds, i, k / BESIDE_THREADS, k % BESIDE_THREADS + 1, o);
                if (r < 0)
                        break;
        }
        return r;
}

int bench_lock(struct server *none, const struct bench_options *o) {
        static struct bed beds[BESIDE_THREADS];

        (void)none;
        for (size_t i = 0; i < ELEMENTS(beds); i++)
                make(&beds[i]);
        if (!o->json)
                printf("%-12s %5s %8s %8s %8s %8s\n", "case", "level", "threads", "ns", "bare ns",
                       "ratio");
        int r = measure_all(beds, o);
        for (size_t i = 0; i < ELEMENTS(beds); i++)
                unmake(&beds[i]);
        if (r < 0)
                fprintf(stderr, "latch-bench: lock: %s\n", strerror(-r));
        return r < 0;
}
