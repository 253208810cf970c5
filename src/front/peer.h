/* peer.h - descriptors of civetweb's connections, which it does not tell.
 *
 * Threads: any that serves the connection, so that it is not closed meanwhile. Lock: none may be held.
 */
#pragma once

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <civetweb.h>

#include "base/macros.h"

/* A duplicate (close-on-exec) of this connection's socket, the caller's to end with peer_close. -ENOTCONN if
 * it is gone already; -EMFILE. *ret_own is civetweb's own number of it: the next search passes both by, until
 * peer_forget, which is to come before civetweb closes it. */
_must_use_ int peer_dup(const struct mg_request_info *ri, int *ret_own);
void peer_forget(int fd); /* negative is fine */
void peer_close(int fd);  /* of a duplicate; negative is fine */

/* A connection of our own (close-on-exec). The descriptor, or -errno. */
_must_use_ int peer_connect(const struct sockaddr_in *a);

/* Throws away what comes until the client's end, at most ms: what was said to it arrives, and is not lost to
 * the reset that unread bytes would cause. *stop ends it at once. */
void peer_drain(int fd, unsigned ms, const atomic_bool *stop);

/* The number of the socket that listens on this port, whoever's it is. -ENOTCONN. */
_must_use_ int peer_listener(uint16_t port);

/* At a stop: wakes the thread that accepts, then everyone who waits for a client of this port. */
void peer_shut_all(uint16_t port);
