/* level.h - how much liblatch watches; switched at any time, while locks are held.
 *
 * What a hold cost at each is measured by latch-bench lock. A hold that began at level 0 is exempt from what is
 * checked: who has it is not known, and the end of its guard lets it go as pthread would.
 *
 * Threads: any, at any time; one level for the program.
 */
#pragma once

#include <stdatomic.h>

enum latch_level {
        LATCH_LEVEL_OFF,   /* guards alone: pthread's calls, inline */
        LATCH_LEVEL_CHECK, /* owners, order, figures; the default */
        LATCH_LEVEL_TRACE, /* and every step into a ring in memory (trace.h) */
};

#pragma GCC visibility push(default)

/* Holds from now on. 0, -EINVAL: there is no such level. */
int latch_set_level(unsigned level);
static inline unsigned latch_level(void) {
        extern _Atomic unsigned latch_level_;
        return atomic_load_explicit(&latch_level_, memory_order_relaxed);
}

#pragma GCC visibility pop
