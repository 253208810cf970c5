/* gcra.h - the generic cell rate algorithm (ITU-T I.371, virtual scheduling): n at once, then n a minute.
 *
 * What is counted are units: an event may weigh several, at most per_minute of them.
 *
 * All of its state is one number, the theoretical arrival time of the next event; 0 at the start.
 *
 * Threads: any; gcra_take_shared by many at once. Lock: any may be held.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

#define GCRA_MINUTE_NS UINT64_C(60000000000)

/* Nanoseconds until an event conforms: 0, it does now. */
static inline uint64_t gcra_wait_ns(uint64_t tat_ns, uint64_t now_ns, unsigned per_minute,
                                    unsigned units) {
        uint64_t step = GCRA_MINUTE_NS / per_minute, tolerance = step * (per_minute - units);

        return tat_ns > now_ns + tolerance ? tat_ns - now_ns - tolerance : 0;
}

/* The state after an event now. */
static inline uint64_t gcra_next(uint64_t tat_ns, uint64_t now_ns, unsigned per_minute,
                                 unsigned units) {
        return MAX(tat_ns, now_ns) + GCRA_MINUTE_NS / per_minute * units;
}

/* Judges and counts in one step, however many do so at once. 0, or how long to wait (not counted). */
static inline uint64_t gcra_take_shared(_Atomic uint64_t *tat_ns, uint64_t now_ns,
                                        unsigned per_minute, unsigned units) {
        uint64_t tat = atomic_load(tat_ns);

        for (;;) {
                uint64_t wait = gcra_wait_ns(tat, now_ns, per_minute, units);
                if (wait > 0)
                        return wait;
                if (atomic_compare_exchange_weak(tat_ns, &tat,
                                                 gcra_next(tat, now_ns, per_minute, units)))
                        return 0;
        }
}
