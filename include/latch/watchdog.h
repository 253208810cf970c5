/* watchdog.h - a thread that looks at who holds and who waits: for too long, or for each other.
 *
 * It costs those who take locks nothing: what they hold and wait for stands in words that they write anyway. It sees what is
 * tracked (level.h): a hold that began at level 0 is seen by who waits for it alone. While the program is stopped, or
 * comes to no look for four periods, nothing lasts.
 *
 * Threads: any; stop by one.
 */
#pragma once

#include <stdint.h>

struct latch_watchdog {
        uint64_t hold_ns; /* a hold that lasts longer is reported, once; 0: none is */
        uint64_t
                wait_ns; /* a wait for a lock likewise, with all that is held and waited for; 0: none */
        uint64_t period_ns; /* between two looks; a hold is seen to last from the first one */
};

#pragma GCC visibility push(default)

/* Looks until it is stopped. A circle of threads that wait for each other, without an end in time, is reported at any
 * setting, and ends the program (policy.h). 0, -EINVAL (a period of 0), -EALREADY, or what pthread_create(3) says, negative. */
int latch_watchdog_start(const struct latch_watchdog *w);
void latch_watchdog_stop(void); /* returns once it has; no harm if there is none */

/* How many holds and waits it has reported. */
uint64_t latch_stalls(void);

/* Writes who holds what since when, who waits for what and for whom, and a circle, if there is one. 0, or -errno of write(2). */
int latch_dump(int fd);

#pragma GCC visibility pop
