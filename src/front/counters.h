/* counters.h - what front has answered and refused, for /metrics.
 *
 * Threads: any; each number is atomic for itself. Lock: any may be held.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define COUNTED_ROUTES 64 /* at most; then assets, then what was for no route */
#define ROUTE_IS_ASSET COUNTED_ROUTES
#define ROUTE_IS_NONE  (COUNTED_ROUTES + 1)
#define STATUS_CLASSES 5 /* 1xx to 5xx */

enum limited { LIMITED_USER, LIMITED_ADDRESS, LIMITED_SIGN_IN, LIMITED_SOCKETS, LIMITED_THREADS };
#define LIMITED_KINDS 5

struct counters {
        _Atomic uint64_t answered[COUNTED_ROUTES + 2][STATUS_CLASSES];
        _Atomic uint64_t limited[LIMITED_KINDS];
};

static inline void counters_limited(struct counters *c, enum limited what) {
        atomic_fetch_add_explicit(&c->limited[what], 1, memory_order_relaxed);
}
