/* head.c - see head.h. Sections are those of RFC 9112. */
#include "front/head.h"

#include <ctype.h>
#include <string.h>

enum { AT_METHOD, AT_TARGET, AT_VERSION, AT_LINE_END, AT_NAME, AT_VALUE, AT_END, AT_WHOLE };

#define METHOD_MAX 16u

/* RFC 9110 5.6.2. */
static bool is_token(unsigned char c) {
        return isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *go(struct head *h, int to) {
        h->at = to;
        h->part = 0;
        return NULL;
}

static const char *method(struct head *h, unsigned char c) {
        if (c == ' ' && h->part > 0)
                return go(h, AT_TARGET);
        if (!is_token(c) || h->part == METHOD_MAX)
                return "the request does not begin with a method";
        h->part++;
        return NULL;
}

/* 3.2.1: a path of this server, and nothing else: we are nobody's proxy. */
static const char *target(struct head *h, unsigned char c) {
        if (c == ' ' && h->part > 0)
                return go(h, AT_VERSION);
        if (h->part == 0 && c != '/')
                return "the request is for no path of this server";
        if (c <= ' ' || c >= 0x7f || c == '#')
                return "the path holds what must be written as %XX";
        h->part++;
        return NULL;
}

/* 2.3. */
static const char *version(struct head *h, unsigned char c) {
        static const char form[] = "HTTP/0.0";

        if (h->part == sizeof form - 1)
                return c == '\r' ? go(h, AT_LINE_END) : "the first line does not end";
        if (form[h->part] == '0' ? !isdigit(c) : c != (unsigned char)form[h->part])
                return "the first line names no version of HTTP";
        h->part++;
        return NULL;
}

/* 5.1, 5.2: no space before the colon, no folded line. */
static const char *name(struct head *h, unsigned char c) {
        if (h->part == 0 && c == '\r')
                return go(h, AT_END);
        if (h->part == 0 && (c == ' ' || c == '\t'))
                return "a header is folded";
        if (c == ':' && h->part > 0) {
                h->headers++;
                return go(h, AT_VALUE);
        }
        if (!is_token(c))
                return "a header's name is none";
        h->part++;
        return NULL;
}

/* 5.5. Tabs are allowed there, but civetweb takes none. */
static const char *value(struct head *h, unsigned char c) {
        if (c == '\r')
                return go(h, AT_LINE_END);
        return c < ' ' || c == 0x7f ? "a header holds a control character" : NULL;
}

/* 2.2: CR and LF, always both. */
static const char *line_feed(struct head *h, unsigned char c, int to) {
        return c == '\n' ? go(h, to) : "a line does not end with CR and LF";
}

static const char *step(struct head *h, unsigned char c) {
        switch (h->at) {
        case AT_METHOD: return method(h, c);
        case AT_TARGET: return target(h, c);
        case AT_VERSION: return version(h, c);
        case AT_LINE_END: return line_feed(h, c, AT_NAME);
        case AT_NAME: return name(h, c);
        case AT_VALUE: return value(h, c);
        default: return line_feed(h, c, AT_WHOLE);
        }
}

enum head_what head_judge(struct head *h, const char *bytes, size_t n, struct refusal *ret) {
        while (h->n < n && h->at != AT_WHOLE) {
                const char *wrong = step(h, (unsigned char)bytes[h->n]);

                if (wrong) {
                        *ret = (struct refusal){400, "bad_request", wrong};
                        return HEAD_BAD;
                }
                h->n++;
                if (h->headers > HEAD_HEADERS_MAX) {
                        *ret = (struct refusal){431, "too_large", "at most 63 headers are taken"};
                        return HEAD_BAD;
                }
        }
        if (h->at == AT_WHOLE)
                return HEAD_WHOLE;
        if (n < HEAD_BYTES_MAX)
                return HEAD_MORE;
        *ret = (struct refusal){431, "too_large", "the headers are over 32 KiB"};
        return HEAD_BAD;
}
