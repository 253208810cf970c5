/* buf.h - bytes that grow, up to a limit given at the start.
 *
 * Threads: one at a time. Lock: none may be held by a caller that appends (it may allocate).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct buf {
        char *data;   /* NULL until something was added; a NUL always follows the bytes */
        size_t n;     /* bytes in use */
        size_t cap;   /* bytes allocated */
        size_t limit; /* n never passes it */
};

#define BUF_INIT(limit_bytes) ((struct buf){.limit = (limit_bytes)})

/* Room for n more bytes. 0, -ENOBUFS above the limit, -ENOMEM; the buffer is as before on failure. */
_must_use_ int buf_reserve(struct buf *b, size_t n);
_must_use_ int buf_add(struct buf *b, const void *data, size_t n); /* as buf_reserve */
_must_use_ int buf_adds(struct buf *b, const char *s);             /* as buf_reserve */
_must_use_ int buf_addf(struct buf *b, const char *fmt, ...) _printf_(2, 3);

void buf_drop(struct buf *b, size_t n); /* removes the first n (<= b->n) bytes */
void buf_clear(struct buf *b);          /* keeps the memory */
void buf_done(struct buf *b);           /* frees; may be used again */
