/* handover.c - a mutex goes from one thread to another that is named, and to no other in between: latch/lock.h.
 *
 * Who holds it names the heir and lets the mutex go as ever. Whoever gets the mutex then and is not the heir lets it
 * go again and sleeps on `handed`, which every change of `heir` moves on. So each unlocks what it locked itself, as
 * POSIX and ThreadSanitizer want it. tests/model/heir.pml has the proof.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "latch/pct_private.h"

/* False: the time (of CLOCK_MONOTONIC; UINT64_MAX for none) has come. Wakes without a cause happen. */
static bool sleep_on(atomic_uint *word, unsigned value, uint64_t mono_ns) {
        const struct timespec at = latch_timespec(mono_ns);
        long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
                         mono_ns == UINT64_MAX ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);

        return r == 0 || errno != ETIMEDOUT;
}

/* Under m's mutex. */
static void name_heir(struct latch_mutex *m, struct latch_thread *heir) {
        LATCH_SET_(m->heir, heir);
        atomic_fetch_add_explicit(&m->handed, 1, memory_order_release);
        (void)syscall(SYS_futex, &m->handed, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void latch_hand_over_(struct latch_mutex *m, struct latch_thread *to,
                      const struct latch_site *site) {
        if (!latch_holds_mutex(m))
                latch_report(LATCH_HAND_OVER_WITHOUT, &m->head, site, NULL);
        if (LATCH_GET_(m->heir))
                latch_report(LATCH_HANDED_TWICE, &m->head, site, NULL);
        atomic_fetch_add_explicit(&to->heir_of, 1, memory_order_relaxed);
        name_heir(m, to);
}

static void take_up(struct latch_mutex *m) {
        atomic_fetch_sub_explicit(&latch_self_.heir_of, 1, memory_order_relaxed);
        name_heir(m, NULL);
}

bool latch_take_handed_(struct latch_mutex *m, const struct latch_site *site) LATCH_UNCHECKED_ {
        struct latch_thread *self = latch_thread_self();

        if (site && !latch_track_want(&m->head, site, LATCH_MUTEX))
                return false;
        if (site && latch_pct_is_on())
                latch_pct_step();
        latch_wait_begin(m, m->head.class, site, LATCH_WAITS_HEIR);
        for (;;) {
                /* Before heir is looked at: a change after that ends the sleep. */
                unsigned seen = atomic_load_explicit(&m->handed, memory_order_acquire);

                latch_must_(pthread_mutex_lock(&m->mutex));
                if (LATCH_GET_(m->heir) == self)
                        break;
                latch_must_(pthread_mutex_unlock(&m->mutex));
                (void)sleep_on(&m->handed, seen, UINT64_MAX);
        }
        latch_wait_end();
        take_up(m);
        if (site)
                latch_push_any(&m->head, site, LATCH_MUTEX);
        return true;
}

bool latch_yield_until(struct latch_mutex *m, uint64_t mono_ns, const struct latch_site *site)
        LATCH_UNCHECKED_ {
        bool had = true;

        while (had && LATCH_UNLIKELY_(LATCH_GET_(m->heir) != NULL)) {
                if (LATCH_GET_(m->heir) == latch_thread_self()) {
                        latch_report(LATCH_HANDED_NOT_TAKEN_UP, &m->head, site, NULL);
                        take_up(m);
                        break;
                }
                unsigned seen = LATCH_GET_(m->handed);
                latch_must_(pthread_mutex_unlock(&m->mutex));
                latch_wait_begin(m, m->head.class, site, LATCH_WAITS_HEIR);
                /* And until the heir has let it go: it is taken up at the beginning of its hold. */
                had = sleep_on(&m->handed, seen, mono_ns) && latch_lock_until(m, mono_ns);
                latch_wait_end();
        }
        return had;
}

void latch_yield_to_heir_(struct latch_mutex *m, const struct latch_site *site) {
        (void)latch_yield_until(m, UINT64_MAX, site);
}
