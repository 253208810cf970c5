/* The contract is in base/buf.h. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int buf_reserve(struct buf *b, size_t n) {
        if (n > b->limit || b->n > b->limit - n)
                return -ENOBUFS;

        size_t need = b->n + n + 1;
        if (need <= b->cap)
                return 0;
        size_t cap = MAX(need, MIN(MAX(b->cap * 2, (size_t)256), b->limit + 1));
        char *p = realloc(b->data, cap);
        if (!p)
                return -ENOMEM;
        b->data = p;
        b->cap = cap;
        return 0;
}

int buf_add(struct buf *b, const void *data, size_t n) {
        int r = buf_reserve(b, n);

        if (r < 0)
                return r;
        if (n > 0)
                memcpy(b->data + b->n, data, n);
        b->n += n;
        b->data[b->n] = '\0';
        return 0;
}

int buf_adds(struct buf *b, const char *s) {
        return buf_add(b, s, strlen(s));
}

int buf_addf(struct buf *b, const char *fmt, ...) {
        va_list args, again;

        va_start(args, fmt);
        va_copy(again, args);
        int n = vsnprintf(NULL, 0, fmt, args);
        va_end(args);

        int r = n < 0 ? -EINVAL : buf_reserve(b, (size_t)n);
        if (r == 0) {
                vsnprintf(b->data + b->n, (size_t)n + 1, fmt, again);
                b->n += (size_t)n;
        }
        va_end(again);
        return r;
}

void buf_drop(struct buf *b, size_t n) {
        CHECK(n <= b->n);
        if (n == 0)
                return;
        memmove(b->data, b->data + n, b->n - n + 1);
        b->n -= n;
}

void buf_clear(struct buf *b) {
        b->n = 0;
        if (b->data)
                b->data[0] = '\0';
}

void buf_done(struct buf *b) {
        free(b->data);
        *b = BUF_INIT(b->limit);
}
