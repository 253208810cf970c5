/* multipart.c - see multipart.h: boundaries and bodies. */
#include "front/multipart.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_BYTES   16384u
#define BUFFER_BYTES  (SLICE_BYTES + MULTIPART_HEAD_MAX + 128u)
#define PADDING_MAX   64u /* blanks behind a boundary */
#define DELIMITER_MAX (MULTIPART_BOUNDARY_MAX + 4)

enum state { PREAMBLE, BOUNDARY, HEAD, BODY, EPILOGUE };

struct multipart {
        struct multipart_hooks hooks;
        char delimiter[DELIMITER_MAX + 1]; /* CRLF, two dashes, the boundary */
        size_t delimiter_n;
        enum state state;
        unsigned parts;
        bool open; /* a part has begun, and its end is not sure yet */
        struct multipart_part part;
        size_t n; /* not used up yet */
        char buffer[BUFFER_BYTES];
};

int multipart_new(const char *boundary, const struct multipart_hooks *hooks,
                  struct multipart **ret) {
        struct multipart *m = calloc(1, sizeof *m);

        if (!m)
                return -ENOMEM;
        m->hooks = *hooks;
        m->delimiter_n = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
        CHECK(m->delimiter_n < sizeof m->delimiter);
        /* The first boundary may be the very beginning: as if a line had ended before it. */
        memcpy(m->buffer, "\r\n", 2);
        m->n = 2;
        *ret = m;
        return 0;
}

struct multipart *multipart_free(struct multipart *m) {
        free(m);
        return NULL;
}

static void use_up(struct multipart *m, size_t n) {
        m->n -= n;
        memmove(m->buffer, m->buffer + n, m->n);
}

/* Up to the next delimiter, or all that can be no part of one. *ret_found: it is there, and used up. */
static int pass_data(struct multipart *m, bool keep, bool *ret_found) {
        const char *at = memmem(m->buffer, m->n, m->delimiter, m->delimiter_n);
        size_t n = at ? (size_t)(at - m->buffer) : m->n - MIN(m->n, m->delimiter_n - 1);
        int r = keep && n > 0 ? m->hooks.data(m->hooks.arg, m->buffer, n) : 0;

        *ret_found = at != NULL;
        if (r == 0)
                use_up(m, at ? n + m->delimiter_n : n);
        return r;
}

static int step_preamble(struct multipart *m, bool *ret_more) {
        int r = pass_data(m, false, ret_more);

        if (*ret_more)
                m->state = BOUNDARY;
        return r;
}

static int step_body(struct multipart *m, bool *ret_more) {
        int r = pass_data(m, true, ret_more);

        if (r < 0 || !*ret_more)
                return r;
        m->state = BOUNDARY;
        return 0;
}

/* Only now is it sure that what came before was a boundary, so the part is whole. */
static int end_part(struct multipart *m) {
        bool open = m->open;

        m->open = false;
        return open ? m->hooks.end(m->hooks.arg) : 0;
}

/* Behind a boundary: two dashes and it is the last; blanks and a line's end, and a part begins. */
static int step_boundary(struct multipart *m, bool *ret_more) {
        size_t blanks = 0;

        *ret_more = false;
        if (m->n < 2)
                return 0;
        if (!memcmp(m->buffer, "--", 2)) {
                m->state = EPILOGUE;
                *ret_more = true;
                return end_part(m);
        }
        while (blanks < m->n && (m->buffer[blanks] == ' ' || m->buffer[blanks] == '\t'))
                blanks++;
        if (blanks > PADDING_MAX)
                return -EBADMSG;
        if (m->n < blanks + 2)
                return m->n > blanks && m->buffer[blanks] != '\r' ? -EBADMSG : 0;
        if (memcmp(m->buffer + blanks, "\r\n", 2) != 0)
                return -EBADMSG;
        if (m->parts++ >= MULTIPART_PARTS_MAX)
                return -E2BIG;
        use_up(m, blanks + 2);
        m->state = HEAD;
        *ret_more = true;
        return end_part(m);
}

static int step_head(struct multipart *m, bool *ret_more) {
        const char *end = memmem(m->buffer, m->n, "\r\n\r\n", 4);
        size_t n = end ? (size_t)(end - m->buffer) : m->n;

        *ret_more = end != NULL;
        if (n > MULTIPART_HEAD_MAX)
                return -E2BIG;
        if (m->n >= 2 && !memcmp(m->buffer, "\r\n", 2))
                return -EBADMSG; /* a part needs a Content-Disposition */
        if (!end)
                return 0;
        int r = multipart_head(m->buffer, n, &m->part);
        if (r < 0)
                return r;
        use_up(m, n + 4);
        m->state = BODY;
        m->open = true;
        return m->hooks.begin(m->hooks.arg, &m->part);
}

static int step(struct multipart *m, bool *ret_more) {
        switch (m->state) {
        case PREAMBLE: return step_preamble(m, ret_more);
        case BOUNDARY: return step_boundary(m, ret_more);
        case HEAD: return step_head(m, ret_more);
        case BODY: return step_body(m, ret_more);
        case EPILOGUE: break; /* whatever it is, it is passed over */
        }
        use_up(m, m->n);
        *ret_more = false;
        return 0;
}

int multipart_feed(struct multipart *m, const char *data, size_t n) {
        int r = 0;

        while (r == 0 && n > 0) {
                size_t k = MIN(n, MIN((size_t)SLICE_BYTES, sizeof m->buffer - m->n));
                bool more = true;

                CHECK(k > 0); /* what is left over fits a head or a delimiter */
                memcpy(m->buffer + m->n, data, k);
                m->n += k;
                data += k;
                n -= k;
                while (r == 0 && more)
                        r = step(m, &more);
        }
        return r;
}

int multipart_finish(const struct multipart *m) {
        return m->state == EPILOGUE ? 0 : -EBADMSG;
}
