/* pct_private.h - where the tracker asks the scheduler of latch/pct.h. Each costs one branch while it is off, all of them
 * off the short way: while it is on, every hold is timed, and what is timed goes the long way.
 *
 * Lock: whatever the thread holds. Calls with _locked inside hold the scheduler's own, which nothing is taken under.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "latch/latch_private.h"

extern atomic_bool latch_pct_on_;

static inline bool latch_pct_is_on(void) {
        return LATCH_UNLIKELY_(LATCH_GET_(latch_pct_on_));
}

void latch_pct_from_environment(void); /* at the first lock */
void latch_pct_begin(void);            /* the caller has a name */
void latch_pct_end(void);              /* the caller ends */
void latch_pct_in_child(void);

/* Before a take. */
void latch_pct_step(void);
/* The lock was not had at once: has it now. */
void latch_pct_take(struct latch_head *h, enum latch_kind kind);
/* Behind the release of h. soon: it is about to be released. */
void latch_pct_released(const struct latch_head *h, bool soon);
/* This thread waits for what the scheduler does not know, or does not wait any more. */
void latch_pct_away(void);
void latch_pct_back(void);
