/* line_peer.h - a line over the WebSocket of another server: what line.c asks for where the wire is not latch.v1.
 *
 * Threads: one. Errors: 0 or -errno.
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "line.h"

/* The shell comes with the connection, and goes with it. */
_must_use_ int line_peer_connect(const struct line_place *place, struct line *l);
_must_use_ int line_peer_type(struct line *l, const void *data, size_t n);

/* Of line.c: output has come. */
void line_take(struct line *l, const char *data, size_t n);
