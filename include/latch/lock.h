/* lock.h - mutex, rwlock and condition with a class, an owner, an order, and a guard for each.
 *
 * A lock is taken by a guard alone; the end of the guard's scope lets it go. What each thread holds,
 * who owns what and whether the order is the declared one is checked at every step and always; a
 * violation (double release, release by another, recursion, inversion, destruction while held, thread
 * end while holding, blocking while holding) prints a report and aborts.
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

#ifdef LATCH_CLASSES_HEADER
#include LATCH_CLASSES_HEADER
#else
#include "latch/classes.h"
#endif

#if defined(__clang__)
#define LATCH_TSA_(x) __attribute__((x))
#else
#define LATCH_TSA_(x)
#endif
#define LATCH_UNCHECKED_ LATCH_TSA_(no_thread_safety_analysis)

/* ---- classes ---- */

#define X(name, under) LATCH_CLASS_##name,
enum latch_class { LATCH_CLASSES(X) LATCH_CLASS_COUNT };
#undef X
_Static_assert(LATCH_CLASS_COUNT <= 64, "a thread's classes are one 64-bit mask");

/* A class is a phantom: the analysis follows it, no code ever touches it. */
struct LATCH_TSA_(capability("lock class")) latch_class_token {
        char unused;
};

#define LATCH_PICK_(a, b, c, d, e, f, name, ...) name
#define LATCH_T1_(a)                             latch_class_##a
#define LATCH_T2_(a, ...)                        latch_class_##a, LATCH_T1_(__VA_ARGS__)
#define LATCH_T3_(a, ...)                        latch_class_##a, LATCH_T2_(__VA_ARGS__)
#define LATCH_T4_(a, ...)                        latch_class_##a, LATCH_T3_(__VA_ARGS__)
#define LATCH_T5_(a, ...)                        latch_class_##a, LATCH_T4_(__VA_ARGS__)
#define LATCH_T6_(a, ...)                        latch_class_##a, LATCH_T5_(__VA_ARGS__)
#define LATCH_TOKENS_(...)                                                                         \
        LATCH_PICK_(__VA_ARGS__, LATCH_T6_, LATCH_T5_, LATCH_T4_, LATCH_T3_, LATCH_T2_,            \
                    LATCH_T1_, )                                                                   \
        (__VA_ARGS__)

#define LATCH_ALONE
#define LATCH_UNDER(...) LATCH_TSA_(acquired_after(LATCH_TOKENS_(__VA_ARGS__)))
#define X(name, under)   extern struct latch_class_token *const latch_class_##name under;
LATCH_CLASSES(X)
#undef X
#undef LATCH_ALONE
#undef LATCH_UNDER

/* Words for declarations. */
#define LATCH_GUARDED_BY(name)  LATCH_TSA_(guarded_by(latch_class_##name))
#define LATCH_MUST_HOLD(name)   LATCH_TSA_(requires_capability(latch_class_##name))
#define LATCH_NEVER_UNDER(name) LATCH_TSA_(locks_excluded(latch_class_##name))

const char *latch_class_name(enum latch_class class);

/* ---- locks ---- */

/* A place in the source; one static object for each guard that is written. */
struct latch_site {
        const char *file;
        int line;
        const char *func;
};

/* What every lock has in common. All fields but `class` may be read by any thread, for reports. */
struct latch_head {
        enum latch_class class;                       /* fixed for life */
        _Atomic(struct latch_thread *) owner;         /* NULL: nobody, or readers */
        _Atomic(const struct latch_site *) taken_at;  /* of the owner */
        _Atomic(const struct latch_site *) let_go_at; /* of the owner before */
        atomic_uint life;                             /* LATCH_ALIVE_ between init and done */
};

struct LATCH_TSA_(capability("mutex")) latch_mutex {
        struct latch_head head;
        pthread_mutex_t mutex;
};

struct LATCH_TSA_(capability("rwlock")) latch_rwlock {
        struct latch_head head;
        atomic_uint readers; /* how many hold it for reading, for done */
        pthread_rwlock_t rwlock;
};

struct latch_cond {
        pthread_cond_t cond; /* on CLOCK_MONOTONIC */
};

/* done reports if the lock is held. */
void latch_mutex_init(struct latch_mutex *m, enum latch_class class);
#define latch_mutex_done(m) latch_mutex_done_(m, LATCH_HERE_())
void latch_rwlock_init(struct latch_rwlock *l, enum latch_class class);
#define latch_rwlock_done(l) latch_rwlock_done_(l, LATCH_HERE_())
void latch_cond_init(struct latch_cond *c);
void latch_cond_done(struct latch_cond *c);

/* Lets m go, waits, takes m again. Only m may be held. Wakes without a cause happen: loop on the
 * condition. The deadline is in clock_mono_ns() time; 0 or -ETIMEDOUT (pthread_cond_timedwait(3)). */
#define latch_cond_wait(c, m)                latch_cond_wait_(c, m, LATCH_HERE_())
#define latch_cond_wait_until(c, m, mono_ns) latch_cond_wait_until_(c, m, mono_ns, LATCH_HERE_())
void latch_cond_signal(struct latch_cond *c);
void latch_cond_broadcast(struct latch_cond *c);

/* Reports if this thread holds any lock: stands before what may block or call back. */
#define latch_blocking(what) latch_blocking_(what, LATCH_HERE_())

/* Whether this thread holds this very lock, in any mode. */
bool latch_holds_mutex(const struct latch_mutex *m);

/* ---- guards ----
 *
 *     LATCH_GUARD(pool, &p->lock);                 holds to the end of the scope
 *     LATCH_WITH(pool, &p->lock) { ... }           holds for the block; break, return, goto let go
 *
 * and the same with _READ and _WRITE for a rwlock. */
#define LATCH_GUARD(name, p)       LATCH_GUARD_(mutex, name, p, __COUNTER__)
#define LATCH_GUARD_READ(name, p)  LATCH_GUARD_(read, name, p, __COUNTER__)
#define LATCH_GUARD_WRITE(name, p) LATCH_GUARD_(write, name, p, __COUNTER__)
#define LATCH_WITH(name, p)        LATCH_WITH_(mutex, name, p, __COUNTER__)
#define LATCH_WITH_READ(name, p)   LATCH_WITH_(read, name, p, __COUNTER__)
#define LATCH_WITH_WRITE(name, p)  LATCH_WITH_(write, name, p, __COUNTER__)

#include "latch/lock_guards.h" /* IWYU pragma: export */
