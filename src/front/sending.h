/* sending.h - bytes of an answer to a client that may be slow: it may take its time, but not stand still.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <stddef.h>

#include "front/http.h"

/* An answer whose length nobody knows yet (RFC 9112, 7.1), after http_begin with .chunked. Until the
 * last one has gone out it is plain to the client that the answer is not whole. */
struct chunks {
        struct request *r;
        int sock;
        size_t n; /* waits in piece */
        char piece[65536];
};
_must_use_ int chunks_add(struct chunks *c, const void *data, size_t n);
_must_use_ int chunks_end(struct chunks *c);
