/* locks.h - what liblatch counts and traces (latch/figures.h, latch/trace.h) as JSON: for admins' pages and latchctl.
 *
 * Threads: any. Lock: none may be held.
 */
#pragma once

#include <jansson.h>

#include "latch/trace.h"

/* {"level","violations","classes":[{"name","taken","contended","wait","hold"}],"contention":[{"place","class",
 * "contended","wait_ns","longest_wait_ns"}],"holds":[{"place","class","longest_hold_ns"}],"places_lost"}; wait and hold are
 * {"count","sum_ns","p50_ns","p99_ns","max_ns"}; the lists have the worst first, LOCKS_PLACES at most. NULL: no memory. */
#define LOCKS_PLACES 20u
json_t *locks_json(void);

/* {"thread","tid","ended","n","step","class","lock","shared","generation","time_ns","place"}: event i of that ring; n is
 * how many steps the thread made before. NULL: no memory. */
json_t *locks_event_json(const struct latch_trace_ring *ring, size_t i);
