/* rcu.h - RCU read sections as a capability, deferred reclaim, reference counts.
 *
 * Forgetting a read section is a warning of clang's -Wthread-safety: what may only be done inside one
 * is marked LATCH_IN_RCU. Over liburcu (memb flavour; Desnoyers et al., IEEE TPDS 23(2), 2012).
 *
 * Threads: those that called latch_thread_begin.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <urcu.h>

#include "latch/lock.h"

#pragma GCC visibility push(default)

struct LATCH_TSA_(capability("rcu")) latch_rcu {
        char unused;
};
extern struct latch_rcu latch_rcu;

/* Read sections nest; they may not block, and what leaves one leaves with a reference. */
void latch_rcu_enter(void) LATCH_TSA_(acquire_shared_capability(latch_rcu));
void latch_rcu_leave(void) LATCH_TSA_(release_shared_capability(latch_rcu));
#define LATCH_IN_RCU LATCH_TSA_(requires_shared_capability(latch_rcu))

/* Run fn(d) once every read section that is open now has closed. fn frees what embeds d; it runs on
 * liburcu's thread, holds nothing when it ends, and may not block. Any lock may be held by the caller. */
struct latch_deferred {
        struct rcu_head rcu;
        void (*fn)(struct latch_deferred *d);
};
void latch_rcu_defer(struct latch_deferred *d, void (*fn)(struct latch_deferred *d));

/* Waits until every read section that is open now has closed. No lock may be held, no read section open, and
 * no callback of latch_rcu_defer may wait; all three are reported. */
#define latch_rcu_wait() latch_rcu_wait_(LATCH_HERE_())
void latch_rcu_wait_(const struct latch_site *site) LATCH_BLOCKS;

/* Waits until all that was deferred has run; as latch_rcu_wait otherwise. */
#define latch_rcu_barrier() latch_rcu_barrier_(LATCH_HERE_())
void latch_rcu_barrier_(const struct latch_site *site) LATCH_BLOCKS;

#pragma GCC visibility pop

/* liburcu before 0.15 is opaque to ThreadSanitizer: tell it the order that we rely on. */
#if defined(__SANITIZE_THREAD__)
void __tsan_release(void *p);
void __tsan_acquire(void *p);
#define LATCH_ORDER_BEFORE(p) __tsan_release(p)
#define LATCH_ORDER_AFTER(p)  __tsan_acquire(p)
#else
#define LATCH_ORDER_BEFORE(p) ((void)(p))
#define LATCH_ORDER_AFTER(p)  ((void)(p))
#endif

/* A reference count. */
struct latch_ref {
        atomic_uint n;
};

static inline void latch_ref_init(struct latch_ref *r) {
        atomic_init(&r->n, 1);
}
static inline void latch_ref_get(struct latch_ref *r) {
        atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);
}
/* True: that was the last one. */
static inline bool latch_ref_put(struct latch_ref *r) {
        return atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel) == 1;
}
/* False: the last one is gone already. */
static inline bool latch_ref_get_unless_zero(struct latch_ref *r) {
        unsigned n = atomic_load_explicit(&r->n, memory_order_relaxed);

        while (n != 0)
                if (atomic_compare_exchange_weak(&r->n, &n, n + 1))
                        return true;
        return false;
}
