/* histogram.h - durations counted in buckets that double.
 *
 * Threads: one at a time (the pool's lock). Lock: any may be held.
 */
#pragma once

#include <stdint.h>

#include "pool/pool.h"

/* Bucket i counts those below 2^i microseconds; the last counts the rest. */
void histogram_add(uint64_t buckets[POOL_BUCKETS], uint64_t ns);
