/* head.h - a request's line and headers as bytes, before civetweb reads them.
 *
 * civetweb forgives what RFC 9112 lets nobody forgive who stands behind a proxy: bare line feeds, folded
 * lines, spaces before a colon, headers beyond the 64th. It also forgets them, so they are judged here,
 * byte for byte: what is let pass has one reading only.
 *
 * Threads: one at a time. Lock: none needed. Nothing is allocated.
 */
#pragma once

#include <stddef.h>

#include "front/judge.h"

#define HEAD_BYTES_MAX   32768u /* civetweb's max_request_size is the same */
#define HEAD_HEADERS_MAX 63u    /* civetweb keeps 64, and cannot say that there were more */

enum head_what { HEAD_MORE, HEAD_WHOLE, HEAD_BAD };

struct head { /* begins as {0} */
        int at;
        size_t n;    /* bytes that were judged; once it is whole, its size */
        size_t part; /* of them, in the part under way */
        unsigned headers;
};

/* bytes: all that has come, from the first on. *ret is set where it is bad, which is final. */
enum head_what head_judge(struct head *h, const char *bytes, size_t n, struct refusal *ret);
