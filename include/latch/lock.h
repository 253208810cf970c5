/* lock.h - mutex, rwlock and condition with a class, an owner, an order, and a guard for each.
 *
 * A lock is taken by a guard alone; the end of the guard's scope lets it go. What each thread holds,
 * who owns what and whether the order is the declared one is checked at every step (level.h); a
 * violation (double release, release by another, recursion, inversion, destruction while held, thread
 * end while holding, blocking while holding) prints a report and aborts (or goes on: policy.h).
 *
 * Threads: any. A lock may be let go only by the thread that took it.
 * Signals: never in a signal handler.
 * Analysis: under clang, classes are capabilities of -Wthread-safety -Wthread-safety-beta. They are
 *           per class: the wrong instance of the right class is found at run time, not compile time.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latch/level.h" /* IWYU pragma: export */
#include "latch/table.h" /* IWYU pragma: export */

#pragma GCC visibility push(default)

/* Most locks that a thread may hold at once. */
#define LATCH_HELD_MAX 16

/* ---- locks ---- */

/* A place in the source; one static object for each guard that is written. */
struct latch_site {
        const char *file;
        int line;
        const char *func;
};

/* What every lock has in common. All but the generation may be read by any thread, for reports. */
struct latch_head {
        union {
                struct {
                        enum latch_class class; /* fixed for life */
                        atomic_uint life;       /* LATCH_ALIVE_ between init and done */
                };
                _Atomic uint64_t identity; /* both */
        };
        _Atomic(struct latch_thread *) owner;         /* NULL: nobody, or readers */
        _Atomic(const struct latch_site *) let_go_at; /* of the owner before */
        _Atomic(const struct latch_site *)
                left_at; /* of one that ended while it held it: where it took it */
        uint64_t
                generation; /* of exclusive holds at level 2; written by the owner, read under the lock */
};

struct LATCH_TSA_(capability("mutex")) latch_mutex {
        struct latch_head head;
        _Atomic(struct latch_thread *)
                heir;       /* to whom it was handed over; changed under the mutex */
        atomic_uint handed; /* counts changes of heir: what others wait on */
        pthread_mutex_t mutex;
};

struct LATCH_TSA_(capability("rwlock")) latch_rwlock {
        struct latch_head head; /* who reads is on the readers' own stacks: they share no word */
        pthread_rwlock_t rwlock;
};

struct latch_cond {
        pthread_cond_t cond; /* on CLOCK_MONOTONIC */
};

/* done reports if the lock is held. */
void latch_mutex_init(struct latch_mutex *m, enum latch_class class);
#define latch_mutex_done(m) latch_mutex_done_(m, LATCH_HERE_())
void latch_mutex_done_(struct latch_mutex *m, const struct latch_site *site);
void latch_rwlock_init(struct latch_rwlock *l, enum latch_class class);
#define latch_rwlock_done(l) latch_rwlock_done_(l, LATCH_HERE_())
void latch_rwlock_done_(struct latch_rwlock *l, const struct latch_site *site);
void latch_cond_init(struct latch_cond *c);
void latch_cond_done(struct latch_cond *c);

/* Lets m go, waits, takes m again. Only m may be held. Wakes without a cause happen: loop on the
 * condition. The deadline is in clock_mono_ns() time; 0 or -ETIMEDOUT (pthread_cond_timedwait(3)). */
#define latch_cond_wait(c, m)                latch_cond_wait_(c, m, LATCH_HERE_())
#define latch_cond_wait_until(c, m, mono_ns) latch_cond_wait_until_(c, m, mono_ns, LATCH_HERE_())
void latch_cond_signal(struct latch_cond *c);
void latch_cond_broadcast(struct latch_cond *c);

/* Reports if this thread holds any lock, or is in an RCU read section: stands before what may block or call back. */
#define latch_blocking(what) latch_blocking_(what, LATCH_HERE_())
void latch_blocking_(const char *what, const struct latch_site *site) LATCH_BLOCKS;

/* Whether this thread holds m. True also where nobody is known to: the hold may have begun at level 0. */
bool latch_holds_mutex(const struct latch_mutex *m);

/* When the caller's guard of m ends, m is `to`'s and nobody else gets it in between: who wants it waits until
 * `to` has taken it up with LATCH_GUARD_HANDED or LATCH_WITH_HANDED, and let it go. A thread that ends before
 * that is reported. LATCH_TRY of `to` takes it up, too. While `to` waits to be handed something it waits for work, as
 * on a condition: in no figure, and not too long for the watchdog. `to`: a thread that called latch_thread_begin and
 * lives until then. */
struct latch_thread;
#define latch_hand_over(m, to) latch_hand_over_(m, to, LATCH_HERE_())

#pragma GCC visibility pop

/* ---- guards ----
 *
 *     LATCH_GUARD(pool, &p->lock);                 holds to the end of the scope
 *     LATCH_WITH(pool, &p->lock) { ... }           holds for the block; break, return, goto let go
 *
 * and the same with _READ and _WRITE for a rwlock. The _HANDED forms wait until m is handed over to this thread. The
 * _BOTH forms take two mutexes of a class that is declared LATCH_BY_ADDRESS, the lower address first. */
#define LATCH_GUARD(name, p)        LATCH_GUARD_(mutex, name, p, __COUNTER__)
#define LATCH_GUARD_READ(name, p)   LATCH_GUARD_(read, name, p, __COUNTER__)
#define LATCH_GUARD_WRITE(name, p)  LATCH_GUARD_(write, name, p, __COUNTER__)
#define LATCH_WITH(name, p)         LATCH_WITH_(mutex, name, p, __COUNTER__)
#define LATCH_WITH_READ(name, p)    LATCH_WITH_(read, name, p, __COUNTER__)
#define LATCH_WITH_WRITE(name, p)   LATCH_WITH_(write, name, p, __COUNTER__)
#define LATCH_GUARD_HANDED(name, p) LATCH_GUARD_(handed, name, p, __COUNTER__)
#define LATCH_WITH_HANDED(name, p)  LATCH_WITH_(handed, name, p, __COUNTER__)
#define LATCH_GUARD_BOTH(name, p, q)                                                               \
        LATCH_GUARD_(both, name, ((struct latch_mutex *[]){p, q}), __COUNTER__)
#define LATCH_WITH_BOTH(name, p, q)                                                                \
        LATCH_WITH_(both, name, ((struct latch_mutex *[]){p, q}), __COUNTER__)

/*     LATCH_TRY(pool, &p->lock) { ... } else { ... }
 *
 * Without waiting: the first block has the lock, the second runs if others do. Nothing that does not wait can be
 * taken in a wrong order, so none is judged. The _UNTIL forms wait until clock_mono_ns() is there (CLOCK_MONOTONIC),
 * in the order of the table. */
#define LATCH_TRY(name, p)                                                                         \
        LATCH_MAYBE_(mutex, name, p, latch_begin_try_mutex(p, LATCH_HERE_(), LATCH_CLASS_##name),  \
                     __COUNTER__)
#define LATCH_TRY_READ(name, p)                                                                    \
        LATCH_MAYBE_(read, name, p, latch_begin_try_read(p, LATCH_HERE_(), LATCH_CLASS_##name),    \
                     __COUNTER__)
#define LATCH_TRY_WRITE(name, p)                                                                   \
        LATCH_MAYBE_(write, name, p, latch_begin_try_write(p, LATCH_HERE_(), LATCH_CLASS_##name),  \
                     __COUNTER__)
#define LATCH_UNTIL(name, p, mono_ns)                                                              \
        LATCH_MAYBE_(mutex, name, p, LATCH_UNTIL_INIT_(mutex, name, p, mono_ns), __COUNTER__)
#define LATCH_UNTIL_READ(name, p, mono_ns)                                                         \
        LATCH_MAYBE_(read, name, p, LATCH_UNTIL_INIT_(read, name, p, mono_ns), __COUNTER__)
#define LATCH_UNTIL_WRITE(name, p, mono_ns)                                                        \
        LATCH_MAYBE_(write, name, p, LATCH_UNTIL_INIT_(write, name, p, mono_ns), __COUNTER__)

#include "latch/lock_guards.h" /* IWYU pragma: export */
