/* peer.h - descriptors of civetweb's connections, which it does not tell.
 *
 * Threads: any that serves the connection, so that it is not closed meanwhile. Lock: none may be held.
 */
#pragma once

#include <stdint.h>

#include <civetweb.h>

#include "base/macros.h"

/* A duplicate (close-on-exec) of this connection's socket, the caller's to close. -ENOTCONN if it is gone
 * already; -EMFILE. */
_must_use_ int peer_dup(const struct mg_request_info *ri);

/* At a stop: wakes the thread that accepts, then everyone who waits for a client of this port. */
void peer_shut_all(uint16_t port);
