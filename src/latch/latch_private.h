/* latch_private.h - the inside of liblatch, for src/latch/ only. A thread's words and the short way of a take are in
 * latch/lock_fast.h. */
#pragma once

#include <stddef.h>
#include <time.h>

#include "latch/lock.h"
#include "latch/thread.h" /* IWYU pragma: export */

/* ---- reports ---- */

enum latch_violation {
        LATCH_DOUBLE_RELEASE,
        LATCH_RELEASE_BY_ANOTHER,
        LATCH_RECURSION,
        LATCH_READ_TWICE,
        LATCH_UPGRADE,
        LATCH_INVERSION,
        LATCH_SAME_CLASS,
        LATCH_OTHER_CLASS,
        LATCH_BY_ADDRESS_DOWN,
        LATCH_DEADLOCK,
        LATCH_DESTROY_WHILE_HELD,
        LATCH_NOT_ALIVE,
        LATCH_END_WHILE_HOLDING,
        LATCH_END_WHILE_HEIR,
        LATCH_END_IN_SECTION,
        LATCH_WAIT_WHILE_HOLDING,
        LATCH_WAIT_WITHOUT,
        LATCH_BLOCKING_WHILE_HOLDING,
        LATCH_FORK_WHILE_HOLDING,
        LATCH_CALLBACK_WHILE_HOLDING,
        LATCH_BLOCKING_IN_CALLBACK,
        LATCH_BLOCKING_IN_SECTION,
        LATCH_WAIT_IN_SECTION,
        LATCH_IN_HANDLER,
        LATCH_TOO_MANY,
        LATCH_NOT_BEGUN,
        LATCH_LEASE_TWICE,
        LATCH_LEASE_STALE,
        LATCH_LEASE_HELD,
        LATCH_LEASE_NOT_ALIVE,
        LATCH_HAND_OVER_WITHOUT,
        LATCH_HANDED_TWICE,
        LATCH_HANDED_NOT_TAKEN_UP,
        LATCH_ALLOCATES,
        LATCH_FREED_HELD,
        LATCH_FREED_ALIVE,
};

/* Counts what happened and prints it, with every place and owner that is known, as the policy says. Returns if it
 * lets the program go on. `lock` and `site` may be NULL where the violation is about none. */
void latch_report(enum latch_violation what, const struct latch_head *lock,
                  const struct latch_site *site, const char *detail);

/* The same about what is no lock: print tells of it, by lines on stderr. */
void latch_report_about(enum latch_violation what, const struct latch_site *site,
                        const char *detail, void (*print)(const void *thing), const void *thing);
void latch_print_lock(const struct latch_head *lock);
void latch_print_site(const char *what, const struct latch_site *site); /* NULL: no line */

/* This thread must hold nothing here: reported against the lock that it took last. */
void latch_judge_held(const struct latch_thread *t, enum latch_violation what,
                      const struct latch_site *site, const char *detail);

/* This thread may block here, for all that RCU knows. */
void latch_judge_rcu(const struct latch_thread *self, const struct latch_site *site,
                     const char *what);

/* From here on, what the program does with memory is watched, if anybody tells. */
void latch_heap_watch(void);

/* Around what prints: it is no point of cancellation, which would leave locked what is locked there. */
static inline int latch_cancel_off(void) {
        int before;

        (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
        return before;
}

static inline void latch_cancel_back(const int *before) {
        (void)pthread_setcancelstate(*before, NULL);
}

/* ---- time ---- */

/* Of a time of CLOCK_MONOTONIC in ns, for pthread's calls. */
static inline struct timespec latch_timespec(uint64_t ns) {
        return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                                 .tv_nsec = (long)(ns % 1000000000)};
}

static inline uint64_t latch_now_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- threads ---- */

extern struct latch_thread latch_ended; /* who held a lock that nobody will let go */

/* The list of living threads that ever took a lock. `fn` runs under the list's lock: it takes none of liblatch. */
void latch_threads_add(struct latch_thread *t);
/* Takes it off, and keeps what it counted and its ring. */
void latch_threads_end(struct latch_thread *t);
void latch_threads_name(struct latch_thread *t, const char *name);
void latch_threads_each(void (*fn)(struct latch_thread *t, void *arg), void *arg);
void latch_threads_each_locked(void (*fn)(struct latch_thread *t, void *arg), void *arg);
/* The list's lock alone, for what it guards besides: the rings, and what those who ended counted. */
void latch_threads_lock(void);
void latch_threads_unlock(void);
/* Around a fork; the child keeps the caller alone, the others are as if they had ended. */
void latch_threads_before_fork(void);
void latch_threads_after_fork(void);
void latch_threads_in_child(struct latch_thread *only);

/* Whether the short way is open to it. */
static inline void latch_open_short_way(struct latch_thread *t) {
        t->short_to = t->tid != 0 && t->handlers == 0 ? &t->held[LATCH_HELD_MAX] : NULL;
}

static inline struct latch_head *latch_held_lock(const struct latch_held *held) {
        return (struct latch_head *)(LATCH_GET_(held->lock) & ~(uintptr_t)LATCH_HELD_FLAGS_);
}

static inline bool latch_held_shared(const struct latch_held *held) {
        return LATCH_GET_(held->lock) & LATCH_HELD_SHARED_;
}

static inline enum latch_class latch_class_of_place(uintptr_t place) {
        return (enum latch_class)(place >> LATCH_PLACE_CLASS_);
}

static inline const struct latch_site *latch_site_of_place(uintptr_t place) {
        return (const struct latch_site *)(place & ((UINT64_C(1) << LATCH_PLACE_CLASS_) - 1));
}

static inline enum latch_class latch_held_class(const struct latch_held *held) {
        return latch_class_of_place(LATCH_GET_(held->place));
}

static inline const struct latch_site *latch_held_site(const struct latch_held *held) {
        return latch_site_of_place(LATCH_GET_(held->place));
}

static inline unsigned latch_held_count(const struct latch_thread *t) {
        struct latch_held *top = atomic_load_explicit(&t->top, memory_order_acquire);

        return top ? (unsigned)(top - t->held) : 0;
}

/* Of this thread: bit of each class that is held. */
static inline uint64_t latch_held_mask(const struct latch_thread *t) {
        const struct latch_held *top = LATCH_GET_(t->top);

        return top ? top->mask : 0;
}

/* ---- order ---- */

/* The classes that may be held while `class` is taken, as a mask; transitive. */
uint64_t latch_order_under(enum latch_class class);
/* Those alone that the table names. */
uint64_t latch_order_declared(enum latch_class class);
bool latch_order_by_address(
        enum latch_class class); /* two of it may be held, the lower address first */

uint64_t latch_order_no_malloc(void); /* the classes under which nothing is allocated */

/* Who took a lock of one class while holding one of another, the first time that anybody did. */
struct latch_witness {
        char thread[16];
        pid_t tid;
        const struct latch_site *held_at, *taken_at;
};

/* self is about to take a lock of that class. */
void latch_witness_note(const struct latch_thread *self, enum latch_class class,
                        const struct latch_site *site);
/* NULL: it was never seen. */
const struct latch_witness *latch_witness_of(enum latch_class taken, enum latch_class held);

/* ---- figures and trace ---- */

/* This take is timed. */
void latch_time_next_hold(struct latch_thread *t, enum latch_class class);
void latch_note_hold(const struct latch_held *held, uint64_t now_ns);
void latch_note_wait(enum latch_class class, const struct latch_site *site, uint64_t ns);
/* Of one that ends; under the list's lock. */
void latch_figures_of_ended(struct latch_thread *t);

/* It holds nothing: finds it a ring, or a larger one, or none. */
void latch_trace_begin(struct latch_thread *t);
void latch_trace_end(struct latch_thread *t);      /* under the list's lock */
void latch_trace_in_child(struct latch_thread *t); /* likewise: it has another number */
bool latch_trace_has_ring(struct latch_thread *t); /* false: the step is counted as lost */
void latch_trace_wait(struct latch_thread *t, const void *what, enum latch_class class,
                      const struct latch_site *site, enum latch_waiting how, uint64_t now_ns);

/* In a forked child there is no watchdog, and nobody dumps. */
void latch_watchdog_in_child(void);
void latch_dump_in_child(void);

/* ---- the tracker ---- */

/* Judges what is about to be taken. False: it must not be, this thread has it. */
bool latch_track_want(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
/* The same for what will not wait: no order can be wrong. */
bool latch_track_try(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
/* It has been taken, at any level. */
void latch_push_any(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
/* What was pushed was not had. */
void latch_unpush(struct latch_thread *t);
/* It is about to be let go, at any level, from anywhere on the stack. False: it must not be, it is not this thread's. */
bool latch_pop_any(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
void latch_track_init(struct latch_head *h, enum latch_class class);
/* False: it must not be destroyed, it is held. */
bool latch_track_done(struct latch_head *h, const struct latch_site *site, const char *held_by);
/* Whether the level was ever 0: then nobody known to hold a lock need not mean that nobody does. */
bool latch_was_off(void);
/* Of this thread; NULL: not among what is tracked. */
struct latch_held *latch_find_held(struct latch_thread *t, const struct latch_head *h);
/* Whether any thread reads under it, as far as that is tracked. */
bool latch_is_read(const struct latch_head *h);

/* This thread is going to wait, and has waited. NULL: of level 0. */
void latch_wait_begin(const void *what, enum latch_class class, const struct latch_site *site,
                      enum latch_waiting how);
void latch_wait_end(void);

/* m, whose mutex this thread has, was handed over to it. */
void latch_take_up(struct latch_mutex *m);

/* Mutexes that have an heir, who has not taken them up; NULL where an entry is free. Under the list's lock. */
#define LATCH_HANDED_MAX 64
struct latch_handed {
        const void *lock;
        const struct latch_thread *heir;
};
void latch_handed_locked(struct latch_handed ret[LATCH_HANDED_MAX]);

/* This thread has m's mutex: whether it still has it once an heir, if there is one, has let it go; false: the
 * time came first, and it has it no more. */
bool latch_lock_until(struct latch_mutex *m, uint64_t mono_ns); /* UINT64_MAX: for ever */
bool latch_yield_until(struct latch_mutex *m, uint64_t mono_ns, const struct latch_site *site);
