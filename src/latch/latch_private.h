/* latch_private.h - the inside of liblatch, for src/latch/ only. */
#pragma once

#include <time.h>

#include "latch/lock.h"
#include "latch/thread.h"

/* What a lock's `life` is. Other values: it was never made. */
#define LATCH_ALIVE_ 0x6c617463u
#define LATCH_DEAD_  0x64656164u

enum latch_violation {
        LATCH_DOUBLE_RELEASE,
        LATCH_RELEASE_BY_ANOTHER,
        LATCH_RECURSION,
        LATCH_READ_TWICE,
        LATCH_UPGRADE,
        LATCH_INVERSION,
        LATCH_SAME_CLASS,
        LATCH_DESTROY_WHILE_HELD,
        LATCH_NOT_ALIVE,
        LATCH_END_WHILE_HOLDING,
        LATCH_WAIT_WHILE_HOLDING,
        LATCH_WAIT_WITHOUT,
        LATCH_BLOCKING_WHILE_HOLDING,
        LATCH_FORK_WHILE_HOLDING,
        LATCH_CALLBACK_WHILE_HOLDING,
        LATCH_BLOCKING_IN_CALLBACK,
        LATCH_WAIT_IN_SECTION,
        LATCH_IN_HANDLER,
        LATCH_TOO_MANY,
        LATCH_NOT_BEGUN,
        LATCH_LEASE_TWICE,
        LATCH_LEASE_STALE,
        LATCH_LEASE_HELD,
        LATCH_LEASE_NOT_ALIVE,
};

/* Counts what happened and prints it, with every place and owner that is known, as the policy says. Returns if it
 * lets the program go on. `lock` and `site` may be NULL where the violation is about none. */
void latch_report(enum latch_violation what, const struct latch_head *lock,
                  const struct latch_site *site, const char *detail);

/* The same about what is no lock: print tells of it, by lines on stderr. */
void latch_report_about(enum latch_violation what, const struct latch_site *site,
                        const char *detail, void (*print)(const void *thing), const void *thing);
void latch_print_site(const char *what, const struct latch_site *site); /* NULL: no line */

/* This thread must hold nothing here: reported against the lock that it took last. */
void latch_judge_held(const struct latch_thread *t, enum latch_violation what,
                      const struct latch_site *site, const char *detail);

/* Of a time of CLOCK_MONOTONIC in ns, for pthread's calls. */
static inline struct timespec latch_timespec(uint64_t ns) {
        return (struct timespec){.tv_sec = (time_t)(ns / 1000000000),
                                 .tv_nsec = (long)(ns % 1000000000)};
}

/* The tracker: called after each acquisition and before each release, in that order. */
/* Judges what is about to be taken. False: it must not be, this thread has it. */
bool latch_track_want(struct latch_head *h, const struct latch_site *site, enum latch_mode mode);
/* The same for what will not wait: no order can be wrong. */
bool latch_track_try(struct latch_head *h, const struct latch_site *site, enum latch_mode mode);
void latch_track_take(struct latch_head *h, const struct latch_site *site, enum latch_mode mode);
void latch_track_reader(struct latch_rwlock *l, const struct latch_site *site); /* take, shared */
/* False: it must not be let go, it is not this thread's. */
bool latch_track_drop(struct latch_head *h, const struct latch_site *site, enum latch_mode mode);
void latch_track_init(struct latch_head *h, enum latch_class class);
/* False: it must not be destroyed, it is held. */
bool latch_track_done(struct latch_head *h, const struct latch_site *site, unsigned readers);

/* The classes that may be held while `class` is taken, as a mask; transitive. */
uint64_t latch_order_under(enum latch_class class);
/* Those alone that the table names. */
uint64_t latch_order_declared(enum latch_class class);

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
