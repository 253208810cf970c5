/* handover.c - a mutex goes from one thread to another that is named, and to no other in between: latch/lock.h.
 *
 * Who holds it names the heir and lets the mutex go as ever. Whoever gets the mutex then and is not the heir lets it
 * go again and sleeps on `handed`, which every change of `heir` moves on. So each unlocks what it locked itself, as
 * POSIX and ThreadSanitizer want it. tests/model/heir.pml has the proof.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
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

/* Under the list's lock: for who looks, and may not look into a lock. */
static struct latch_handed noted[LATCH_HANDED_MAX];

/* Where there is the first entry, puts the second; of more than there is room for, nothing is known. */
static void note(const struct latch_mutex *was, const struct latch_thread *whose,
                 const struct latch_mutex *is, const struct latch_thread *heir) {
        latch_threads_lock();
        for (unsigned i = 0; i < LATCH_HANDED_MAX; i++)
                if (noted[i].lock == was && noted[i].heir == whose) {
                        noted[i] = (struct latch_handed){is, heir};
                        break;
                }
        latch_threads_unlock();
}

void latch_handed_locked(struct latch_handed ret[LATCH_HANDED_MAX]) {
        memcpy(ret, noted, sizeof noted);
}

void latch_hand_over_(struct latch_mutex *m, struct latch_thread *to,
                      const struct latch_site *site) {
        if (!latch_holds_mutex(m))
                latch_report(LATCH_HAND_OVER_WITHOUT, &m->head, site, NULL);
        if (LATCH_GET_(m->heir))
                latch_report(LATCH_HANDED_TWICE, &m->head, site, NULL);
        atomic_fetch_add_explicit(&to->heir_of, 1, memory_order_relaxed);
        note(NULL, NULL, m, to);
        name_heir(m, to);
}

/* Under m's mutex; false: no more. */
static bool is_heir_or_unlock(struct latch_mutex *m, const struct latch_thread *self)
        LATCH_UNCHECKED_ {
        if (LATCH_GET_(m->heir) == self)
                return true;
        latch_must_(pthread_mutex_unlock(&m->mutex));
        return false;
}

static void await_hand_over(struct latch_mutex *m, const struct latch_thread *self)
        LATCH_UNCHECKED_ {
        for (;;) {
                /* Before heir is looked at: a change after that ends the sleep. */
                unsigned seen = atomic_load_explicit(&m->handed, memory_order_acquire);

                latch_must_(pthread_mutex_lock(&m->mutex));
                if (is_heir_or_unlock(m, self))
                        return;
                (void)sleep_on(&m->handed, seen, UINT64_MAX);
        }
}

void latch_take_up(struct latch_mutex *m) {
        note(m, &latch_self_, NULL, NULL);
        atomic_fetch_sub_explicit(&latch_self_.heir_of, 1, memory_order_relaxed);
        name_heir(m, NULL);
}

bool latch_take_handed_(struct latch_mutex *m, const struct latch_site *site) LATCH_UNCHECKED_ {
        struct latch_thread *self = latch_thread_self();

        if (site && !latch_track_want(&m->head, site, LATCH_MUTEX))
                return false;
        if (site && latch_pct_is_on())
                latch_pct_step();
        if (!latch_had_(pthread_mutex_trylock(&m->mutex)) || !is_heir_or_unlock(m, self)) {
                latch_wait_begin(m, m->head.class, site, LATCH_WAITS_HEIR);
                await_hand_over(m, self);
                latch_wait_end();
        }
        latch_take_up(m);
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
                        latch_take_up(m);
                        break;
                }
                unsigned seen = LATCH_GET_(m->handed);
                latch_must_(pthread_mutex_unlock(&m->mutex));
                latch_wait_begin(m, m->head.class, site,
                                 mono_ns == UINT64_MAX ? LATCH_WAITS_LOCK : LATCH_WAITS_UNTIL);
                if (latch_pct_is_on()) /* it does not see who lets whom go on here */
                        latch_pct_away();
                /* And until the heir has let it go: it is taken up at the beginning of its hold. */
                had = sleep_on(&m->handed, seen, mono_ns) && latch_lock_until(m, mono_ns);
                latch_wait_end();
        }
        return had;
}

void latch_yield_to_heir_(struct latch_mutex *m, const struct latch_site *site) {
        (void)latch_yield_until(m, UINT64_MAX, site);
}
