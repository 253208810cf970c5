/* lock_kinds.h - the three ways to hold a lock over pthread's calls, so that what is done around these is written once.
 * Include lock.h instead. `kind` is always a constant: the functions vanish into their callers.
 */
#pragma once

#include <errno.h>

#include "latch/lock.h"

enum latch_kind { LATCH_MUTEX, LATCH_READ, LATCH_WRITE };

#define LATCH_INLINE_ static inline __attribute__((always_inline))

/* A failure of pthread here is a broken promise of ours: there is nothing to go on with. */
LATCH_INLINE_ void latch_must_(int r) {
        if (__builtin_expect(r != 0, 0))
                __builtin_trap();
}

/* Whether it was had. */
LATCH_INLINE_ bool latch_had_(int r) {
        if (__builtin_expect(r != 0 && r != EBUSY && r != ETIMEDOUT, 0))
                __builtin_trap();
        return r == 0;
}

/* The head comes first in both. */
LATCH_INLINE_ struct latch_mutex *latch_mutex_of_(struct latch_head *h) {
        _Static_assert(offsetof(struct latch_mutex, head) == 0, "a cast finds it");
        return (struct latch_mutex *)h;
}

LATCH_INLINE_ pthread_rwlock_t *latch_rwlock_of_(struct latch_head *h) {
        _Static_assert(offsetof(struct latch_rwlock, head) == 0, "a cast finds it");
        return &((struct latch_rwlock *)h)->rwlock;
}

LATCH_INLINE_ int latch_kind_try_(struct latch_head *h, enum latch_kind kind) LATCH_UNCHECKED_ {
        switch (kind) {
        case LATCH_MUTEX: return pthread_mutex_trylock(&latch_mutex_of_(h)->mutex);
        case LATCH_READ: return pthread_rwlock_tryrdlock(latch_rwlock_of_(h));
        case LATCH_WRITE: return pthread_rwlock_trywrlock(latch_rwlock_of_(h));
        }
        __builtin_unreachable();
}

LATCH_INLINE_ int latch_kind_lock_(struct latch_head *h, enum latch_kind kind) LATCH_UNCHECKED_ {
        switch (kind) {
        case LATCH_MUTEX: return pthread_mutex_lock(&latch_mutex_of_(h)->mutex);
        case LATCH_READ: return pthread_rwlock_rdlock(latch_rwlock_of_(h));
        case LATCH_WRITE: return pthread_rwlock_wrlock(latch_rwlock_of_(h));
        }
        __builtin_unreachable();
}

/* glibc's rwlock cannot fail to be let go: it returns 0 and nothing else. */
LATCH_INLINE_ void latch_kind_unlock_(struct latch_head *h, enum latch_kind kind) LATCH_UNCHECKED_ {
        if (kind == LATCH_MUTEX)
                latch_must_(pthread_mutex_unlock(&latch_mutex_of_(h)->mutex));
        else
                (void)pthread_rwlock_unlock(latch_rwlock_of_(h));
}

/* Who has just got a mutex that was handed over to another waits for that one; a rwlock has no heirs. */
LATCH_INLINE_ bool latch_kind_has_heir_(struct latch_head *h, enum latch_kind kind) {
        return kind == LATCH_MUTEX &&
               __builtin_expect(atomic_load_explicit(&latch_mutex_of_(h)->heir,
                                                     memory_order_relaxed) != NULL,
                                0);
}
