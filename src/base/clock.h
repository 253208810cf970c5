/* clock.h - the two clocks: monotonic for durations and deadlines, real for people.
 *
 * Threads: any. Lock: any may be held.
 */
#pragma once

#include <stdint.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC, nanoseconds (clock_gettime(2)) */
uint64_t clock_mono_ms(void);
uint64_t clock_real_ms(void); /* CLOCK_REALTIME, milliseconds since 1970 */

struct clock_date { /* UTC */
        unsigned year, month, day, hour, minute, second;
        unsigned weekday; /* 0: Sunday */
};
/* Of seconds since 1970, of the years 0 to 9999: the nearest of those. gmtime_r(3) takes the C library's lock of time
 * zones, and computes those anew each time: the threads that log would meet there. */
void clock_date(int64_t seconds, struct clock_date *ret);
