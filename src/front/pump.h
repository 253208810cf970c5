/* pump.h - the one thread that writes to sockets and reads from holders. It never waits for either.
 *
 * Threads: new, run, stop, free: main; the rest is front's own (pump_private.h).
 */
#pragma once

#include "base/macros.h"
#include "session/pump_hooks.h"

struct pump;

_must_use_ int pump_new(struct pump **ret); /* 0, -errno (epoll_create1(2), eventfd(2)) */
void pump_hooks(struct pump *p, struct pump_hooks *ret);
_must_use_ int pump_run(struct pump *p, struct sessions *ss); /* starts the thread; 0, -EAGAIN */
void pump_stop(struct pump *p);                               /* joins; sockets are gone by then */
struct pump *pump_free(struct pump *p);
