/* try.c - locks taken without waiting, or until a time: the try and timed forms of lock.h. */
#include "latch/pct_private.h"

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

static int lock_until(struct latch_head *h, enum latch_kind kind, const struct timespec *at)
        LATCH_UNCHECKED_ {
        switch (kind) {
        case LATCH_MUTEX:
                return pthread_mutex_clocklock(&latch_mutex_of_(h)->mutex, CLOCK_MONOTONIC, at);
        case LATCH_READ:
                return pthread_rwlock_clockrdlock(latch_rwlock_of_(h), CLOCK_MONOTONIC, at);
        case LATCH_WRITE:
                return pthread_rwlock_clockwrlock(latch_rwlock_of_(h), CLOCK_MONOTONIC, at);
        }
        __builtin_unreachable();
}

bool latch_lock_until(struct latch_mutex *m, uint64_t mono_ns) LATCH_UNCHECKED_ {
        const struct timespec at = latch_timespec(mono_ns);

        if (mono_ns == UINT64_MAX)
                return latch_had_(pthread_mutex_lock(&m->mutex));
        return latch_had_(lock_until(&m->head, LATCH_MUTEX, &at));
}

bool latch_take_try_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        if (site && !latch_track_try(h, site, kind))
                return false;
        if (site && latch_pct_is_on())
                latch_pct_step();
        if (!latch_had_(latch_kind_try_(h, kind)))
                return false;
        if (latch_kind_has_heir_(h, kind)) {
                if (LATCH_GET_(latch_mutex_of_(h)->heir) != &latch_self_) {
                        latch_kind_unlock_(h, kind);
                        return false;
                }
                latch_take_up(latch_mutex_of_(h));
        }
        if (site)
                latch_push_any(h, site, kind);
        return true;
}

bool latch_take_until_(struct latch_head *h, uint64_t mono_ns, const struct latch_site *site,
                       enum latch_kind kind) {
        const struct timespec at = latch_timespec(mono_ns);
        bool had;

        if (site && !latch_track_want(h, site, kind))
                return false;
        if (site && latch_pct_is_on())
                latch_pct_step();
        had = latch_had_(latch_kind_try_(h, kind));
        if (!had) {
                latch_wait_begin(h, h->class, site, LATCH_WAITS_UNTIL);
                had = latch_had_(lock_until(h, kind, &at));
                latch_wait_end();
        }
        if (had && latch_kind_has_heir_(h, kind))
                had = latch_yield_until(latch_mutex_of_(h), mono_ns, site);
        if (had && site)
                latch_push_any(h, site, kind);
        return had;
}
