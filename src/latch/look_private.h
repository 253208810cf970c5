/* look_private.h - a look at all threads: who holds or waits for a lock. Each word of it is true of a moment near
 * the look; where somebody hangs, all are. */
#pragma once

#include <stdio.h>

#include "latch/latch_private.h"

#define LATCH_LOOK_MAX 256 /* threads that hold or wait; of more, how many */

struct latch_look_hold {
        const void *lock;
        const struct latch_site *site;
        enum latch_class class;
        bool shared;
        uint64_t since_ns; /* 0: it is not timed */
        uint64_t number;   /* of the thread's takes of this class: another hold has another */
        uint64_t seen_ns;  /* the watchdog's: of the first look that saw it */
        bool told;
};

struct latch_look_thread {
        const struct latch_thread *id;
        char name[16];
        pid_t tid;
        unsigned count;
        struct latch_look_hold holds[LATCH_HELD_MAX]; /* the oldest first */
        enum latch_waiting waits;
        const void *waits_for;
        const struct latch_site *waits_at; /* may be NULL */
        enum latch_class waits_class;
        uint64_t waits_since_ns;
        bool told; /* the watchdog's: it has said so */
};

struct latch_look {
        unsigned threads; /* that ever took a lock and live */
        unsigned count, more;
        struct latch_look_thread of[LATCH_LOOK_MAX];
        struct latch_handed handed[LATCH_HANDED_MAX];
};

void latch_look(struct latch_look *ret);

/* For a lock, or for one to be handed over. */
static inline bool latch_look_waits(const struct latch_look_thread *t) {
        return t->waits != LATCH_WAITS_NOT && t->waits != LATCH_WAITS_COND;
}

/* Whether it was handed over to thread i, which has not taken it up. */
bool latch_look_is_heir(const struct latch_look *look, unsigned i, const void *lock);

/* Who holds the lock that thread i waits for, or is to hold it first, from j on; -1: nobody, as far as is known. */
int latch_look_holder(const struct latch_look *look, unsigned i, unsigned from);

/* A circle of waits: its threads go to path[], each waiting for the next, the last for the first. How many; 0: none. */
unsigned latch_look_circle(const struct latch_look *look, unsigned path[LATCH_LOOK_MAX]);

void latch_look_print_to(FILE *to, const struct latch_look *look, uint64_t now_ns);
