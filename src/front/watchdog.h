/* watchdog.h - deadlines for clients that send a request's body slowly: civetweb has none.
 *
 * A watch is set before each piece of reading and taken off after it. When it runs out, the socket's
 * receiving half is shut down: the reading thread wakes up with nothing, and can still answer.
 *
 * Threads: any. Lock: conns, inside; none may be held by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"

struct watchdog;
struct watch;

_must_use_ int watchdog_new(struct watchdog **ret); /* with its thread. 0, -ENOMEM, -EAGAIN */
struct watchdog *watchdog_free(
        struct watchdog *d); /* no watch is left. NULL is fine; returns NULL */

/* fd becomes the watch's, also on failure. 0, -ENOMEM. */
_must_use_ int watch_new(struct watchdog *d, int fd, struct watch **ret);
void watch_until(struct watch *w, uint64_t deadline_ns); /* monotonic; 0: not now */
bool watch_fired(const struct watch *w);
struct watch *watch_free(struct watch *w); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct watch, watch_free)
