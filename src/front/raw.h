/* raw.h - /v1/attach: a socket that carries one session's bytes and nothing else.
 *
 * Output is sent as binary frames without a header; every text or binary frame from the client is input. What
 * was written to the socket counts as acknowledged. There are no words on it: the end is a close frame's, and what
 * is no output as it was is told by a ping ahead of it, which terminals never see and scripts may read:
 * "gap FROM TO", and "snapshot OFFSET LENGTH" of a terminal's reset and picture, behind which output goes on at OFFSET.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "front/http.h"
#include "front/sock.h"
#include "session/typing.h"

struct raw; /* what was asked for */

/* Before the upgrade. True: *ret is what was asked for, and may be had. False: it was answered. */
_must_use_ bool raw_asked(struct request *r, struct raw **ret);
struct raw *raw_free(struct raw *raw); /* NULL is fine; returns NULL */

/* Takes the seat. NULL: the socket was told why not, and closes. */
struct typing *raw_begin(const struct raw *raw, struct sock *c);

/* A message of input; t NULL: it has no seat. Waits while the program does not read, which closes the socket with 1008 in the end. */
void raw_type(struct sock *c, struct typing *t, const void *data, size_t n);
