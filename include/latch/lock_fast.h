/* lock_fast.h - a thread's words, and the short way of taking and letting go, inline. Include lock.h instead.
 *
 * A hold with nothing to judge costs a few loads, which nobody else writes, and a few stores into words of the
 * thread's own and of the lock. It is inline for the same reason as it has few stores: an atomic operation, and a
 * mutex is two, waits for every store before it (docs/benchmarks.md). Whatever is not plain goes the long way, a call.
 *
 * A thread's words are written by it alone. Others read some of them, to report: those are atomic, and relaxed, for
 * a report needs words that are whole, not a moment that is. What others read names no memory but sites, which
 * are never freed, and locks by address, which are not looked into.
 */
#pragma once

#include <sys/types.h>

#include "latch/lock.h"
#include "latch/lock_kinds.h"

#define LATCH_LIKELY_(x)     __builtin_expect(!!(x), 1)
#define LATCH_UNLIKELY_(x)   __builtin_expect(!!(x), 0)
#define LATCH_BIT_(class)    (UINT64_C(1) << (class))
#define LATCH_GET_(x)        atomic_load_explicit(&(x), memory_order_relaxed)
#define LATCH_SET_(x, value) atomic_store_explicit(&(x), value, memory_order_relaxed)

/* What a lock's `life` is. Other values: it was never made. */
#define LATCH_ALIVE_ 0x6c617463u
#define LATCH_DEAD_  0x64656164u

/* ---- a thread's words ---- */

/* A hold's `lock` is the head's address, with these in its low bits; its `place` is the site's, with the class in bits
 * 58 to 63, which no address of a program has. */
#define LATCH_HELD_SHARED_ 1u
#define LATCH_HELD_TIMED_  2u
#define LATCH_HELD_TRACED_ 4u
#define LATCH_HELD_FLAGS_  7u
#define LATCH_PLACE_CLASS_ 58

struct latch_held {
        _Atomic uintptr_t lock;
        _Atomic uintptr_t place;
        uint64_t mask; /* of the classes from here down */
        /* If it is timed: since when, and how many takes it stands for. */
        _Atomic uint64_t since_ns;
        unsigned weight;
};
_Static_assert(sizeof(uintptr_t) == 8 && LATCH_CLASSES_MAX == 64, "a place has room for a class");

enum latch_waiting {
        LATCH_WAITS_NOT,
        LATCH_WAITS_LOCK,
        LATCH_WAITS_UNTIL, /* a time */
        LATCH_WAITS_COND,
        LATCH_WAITS_HEIR,
};

struct latch_thread {
        _Atomic(struct latch_held *) top; /* of the stack; NULL before the thread is made */
        struct latch_held *short_to; /* the short way is open below: NULL in signal handlers, too */
        _Atomic uint16_t
                untimed[LATCH_CLASSES_MAX]; /* takes of a class until the next that is timed */
        struct latch_held held[LATCH_HELD_MAX + 1]; /* the first is none: the bottom */

        struct latch_ring *ring;                   /* at level 2 */
        _Atomic uint64_t lost;                     /* steps that found no ring */
        _Atomic uint64_t taken[LATCH_CLASSES_MAX]; /* with what `untimed` still counts */

        /* What it waits for. The lock of a condition is told, too. */
        _Atomic enum latch_waiting waits;
        _Atomic(const void *) waits_for;
        _Atomic(const struct latch_site *) waits_at;
        _Atomic uint64_t waits_since_ns;
        _Atomic enum latch_class waits_class;

        char name[16]; /* as in /proc/PID/task/TID/comm; changed under the list's lock */
        pid_t tid;
        bool in_rcu;                /* registered with liburcu */
        bool in_callback;           /* of latch_rcu_defer */
        volatile unsigned handlers; /* signal handlers that it is in, as far as they say so */
        atomic_uint heir_of;        /* mutexes handed over to it that it has not taken up */
        struct latch_thread *next, *before; /* in threads.c's list */
};

#pragma GCC visibility push(default)
extern _Thread_local struct latch_thread latch_self_ __attribute__((tls_model("initial-exec")));
/* By class: those that were seen beneath it, as they may be. Nothing is to be judged or noted there any more. */
extern _Atomic uint64_t latch_settled_[LATCH_CLASSES_MAX];
#pragma GCC visibility pop

/* ---- the short way ---- */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LATCH_IDENTITY_(class) ((uint64_t)LATCH_ALIVE_ << 32 | (class))
#else
#define LATCH_IDENTITY_(class) ((uint64_t)(class) << 32 | LATCH_ALIVE_)
#endif

/* Whether there is nothing to judge and nothing to time: the thread is made, the lock lives and is of the class that its
 * guard names, and every class that is held was seen beneath this one, as it may be. The class is the guard's, a
 * constant: what comes of it need not wait for the lock's own word. */
LATCH_INLINE_ bool latch_is_plain_(const struct latch_thread *t, const struct latch_head *h,
                                   enum latch_class class) {
        const struct latch_held *top = LATCH_GET_(t->top);

        return LATCH_LIKELY_((uintptr_t)top < (uintptr_t)t->short_to) &&
               LATCH_LIKELY_(LATCH_GET_(h->identity) == LATCH_IDENTITY_(class)) &&
               LATCH_LIKELY_(!(top->mask & ~LATCH_GET_(latch_settled_[class]))) &&
               LATCH_LIKELY_(LATCH_GET_(t->untimed[class]) != 0);
}

/* What is about to be taken goes onto the stack before it is taken: then a hold costs one store after pthread's call,
 * the owner's word, and a signal that comes in between finds a stack that is whole. Who reads the stack may see for a
 * moment a hold that is only tried; who has to wait takes it off again. */
LATCH_INLINE_ struct latch_held *latch_push_(struct latch_thread *t, struct latch_head *h,
                                             const struct latch_site *site, enum latch_class class,
                                             unsigned flags) {
        struct latch_held *below = LATCH_GET_(t->top), *held = below + 1;

        LATCH_SET_(held->lock, (uintptr_t)h | flags);
        LATCH_SET_(held->place, (uintptr_t)site | (uintptr_t) class << LATCH_PLACE_CLASS_);
        held->mask = below->mask | LATCH_BIT_(class);
        LATCH_SET_(t->untimed[class], (uint16_t)(LATCH_GET_(t->untimed[class]) - 1));
        /* Who sees the top sees what lies there. */
        atomic_store_explicit(&t->top, held, memory_order_release);
        return held;
}

/* The top is let go. The owner's word before the unlock: after it, it would be the next owner's to write. */
LATCH_INLINE_ void latch_pop_(struct latch_thread *t, struct latch_held *top, struct latch_head *h,
                              const struct latch_site *site, enum latch_kind kind) {
        LATCH_SET_(t->top, top - 1);
        if (kind == LATCH_READ)
                return;
        LATCH_SET_(h->let_go_at, site);
        LATCH_SET_(h->owner, NULL);
}

/* Whether it is had without a wait. Nobody has a mutex, nor is to have it: then pthread's lock is not going to wait, or
 * hardly ever. glibc's word says it at the price of a load; to try first would cost half as much as all the rest. */
LATCH_INLINE_ bool latch_is_had_at_once_(struct latch_head *h, enum latch_kind kind) {
        if (kind == LATCH_MUTEX)
                latch_must_(latch_kind_lock_(h, kind));
        else if (LATCH_UNLIKELY_(latch_kind_try_(h, kind) != 0))
                return false;
        return !latch_kind_has_heir_(h, kind);
}

LATCH_INLINE_ bool latch_looks_taken_(struct latch_head *h, enum latch_kind kind) {
        return kind == LATCH_MUTEX &&
               __atomic_load_n(&latch_mutex_of_(h)->mutex.__data.__lock, __ATOMIC_RELAXED) != 0;
}

/* At level 1. */
LATCH_INLINE_ bool latch_take_fast_(struct latch_head *h, const struct latch_site *site,
                                    enum latch_kind kind, enum latch_class class) {
        struct latch_thread *t = &latch_self_;

        __asm__(""
                : "+r"(t)); /* not kept across the call: to make it anew is quicker than to save it */
        if (LATCH_UNLIKELY_(!latch_is_plain_(t, h, class)) ||
            LATCH_UNLIKELY_(latch_looks_taken_(h, kind)))
                return latch_take_long_(h, site, kind, class);
        (void)latch_push_(t, h, site, class, kind == LATCH_READ ? LATCH_HELD_SHARED_ : 0);
        if (LATCH_UNLIKELY_(!latch_is_had_at_once_(h, kind)))
                return latch_take_late_(h, site, kind);
        if (kind != LATCH_READ)
                LATCH_SET_(h->owner, &latch_self_);
        return true;
}

LATCH_INLINE_ void latch_drop_fast_(struct latch_head *h, const struct latch_site *site,
                                    enum latch_kind kind) {
        struct latch_thread *t = &latch_self_;
        struct latch_held *top = LATCH_GET_(t->top);
        uintptr_t plain = (uintptr_t)h | (kind == LATCH_READ ? LATCH_HELD_SHARED_ : 0);

        if (LATCH_UNLIKELY_(!top) || LATCH_UNLIKELY_(LATCH_GET_(top->lock) != plain)) {
                latch_drop_long_(h, site, kind);
                return;
        }
        latch_pop_(t, top, h, site, kind);
        latch_kind_unlock_(h, kind);
}
