/* door.h - the listening socket while there are no descriptors for those who come in.
 *
 * civetweb's accept fails then, and is called again at once, for ever (facts: 100 % of a processor). So
 * a thread looks a few times a second whether a descriptor could be had; if not, what civetweb waits for is
 * changed for something that nobody connects to, and changed back later. Meanwhile newcomers wait in the
 * kernel's queue.
 *
 * Threads: main. Lock: none may be held.
 */
#pragma once

#include <stdint.h>

#include "base/macros.h"

struct door;

#define DOOR_SPARE 16 /* descriptors that must be there before it opens again */

/* For the socket that listens on this port, with its thread. 0; -ENOTCONN: there is none; -errno. */
_must_use_ int door_new(uint16_t port, struct door **ret);
/* Opens it, joins. Before civetweb closes what it listens on. NULL is fine; returns NULL. */
struct door *door_free(struct door *d);
