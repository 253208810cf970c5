/* try.c - locks taken without waiting, or until a time: the try and timed forms of lock.h. */
#include <errno.h>
#include <time.h>

#include "latch/latch_private.h"

/* Whether it was taken; other failures are broken promises of ours. */
static bool got(int r) {
        if (r != 0 && r != EBUSY && r != ETIMEDOUT)
                __builtin_trap();
        return r == 0;
}

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer of gcc 12 does not know the calls that name their clock: it is told by those that wait for the
 * time of day. */
static struct timespec wall_of(const struct timespec *mono) {
        struct timespec m, w;

        clock_gettime(CLOCK_MONOTONIC, &m);
        clock_gettime(CLOCK_REALTIME, &w);
        int64_t ns = (mono->tv_sec - m.tv_sec + w.tv_sec) * INT64_C(1000000000) +
                     (mono->tv_nsec - m.tv_nsec + w.tv_nsec);
        return latch_timespec(ns < 0 ? 0 : (uint64_t)ns);
}
#define pthread_mutex_clocklock(m, clock, at)                                                      \
        pthread_mutex_timedlock(m, &(struct timespec[]){wall_of(at)}[0])
#define pthread_rwlock_clockrdlock(l, clock, at)                                                   \
        pthread_rwlock_timedrdlock(l, &(struct timespec[]){wall_of(at)}[0])
#define pthread_rwlock_clockwrlock(l, clock, at)                                                   \
        pthread_rwlock_timedwrlock(l, &(struct timespec[]){wall_of(at)}[0])
#endif

bool latch_mutex_try_(struct latch_mutex *m, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_try(&m->head, site, LATCH_EXCLUSIVE) ||
            !got(pthread_mutex_trylock(&m->mutex)))
                return false;
        latch_track_take(&m->head, site, LATCH_EXCLUSIVE);
        return true;
}

bool latch_mutex_until_(struct latch_mutex *m, uint64_t mono_ns, const struct latch_site *site)
        LATCH_UNCHECKED_ {
        const struct timespec at = latch_timespec(mono_ns);

        if (!latch_track_want(&m->head, site, LATCH_EXCLUSIVE) ||
            !got(pthread_mutex_clocklock(&m->mutex, CLOCK_MONOTONIC, &at)))
                return false;
        latch_track_take(&m->head, site, LATCH_EXCLUSIVE);
        return true;
}

bool latch_read_try_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_try(&l->head, site, LATCH_SHARED) ||
            !got(pthread_rwlock_tryrdlock(&l->rwlock)))
                return false;
        latch_track_reader(l, site);
        return true;
}

bool latch_read_until_(struct latch_rwlock *l, uint64_t mono_ns, const struct latch_site *site)
        LATCH_UNCHECKED_ {
        const struct timespec at = latch_timespec(mono_ns);

        if (!latch_track_want(&l->head, site, LATCH_SHARED) ||
            !got(pthread_rwlock_clockrdlock(&l->rwlock, CLOCK_MONOTONIC, &at)))
                return false;
        latch_track_reader(l, site);
        return true;
}

bool latch_write_try_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_try(&l->head, site, LATCH_EXCLUSIVE) ||
            !got(pthread_rwlock_trywrlock(&l->rwlock)))
                return false;
        latch_track_take(&l->head, site, LATCH_EXCLUSIVE);
        return true;
}

bool latch_write_until_(struct latch_rwlock *l, uint64_t mono_ns, const struct latch_site *site)
        LATCH_UNCHECKED_ {
        const struct timespec at = latch_timespec(mono_ns);

        if (!latch_track_want(&l->head, site, LATCH_EXCLUSIVE) ||
            !got(pthread_rwlock_clockwrlock(&l->rwlock, CLOCK_MONOTONIC, &at)))
                return false;
        latch_track_take(&l->head, site, LATCH_EXCLUSIVE);
        return true;
}
