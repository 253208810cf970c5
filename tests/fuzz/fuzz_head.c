/* fuzz_head.c - a request's headers as bytes: the same verdict in whatever pieces they come, and what passes is
 * looked at a second time, in other words than head.c's.
 */
#include <ctype.h>

#include "front/head.h"
#include "fuzz.h"

/* A line of what was let pass: no control character but a tab, a colon behind a name without blanks. */
static void check_line(const char *line, size_t n, bool first) {
        const char *colon = memchr(line, ':', n);

        for (size_t i = 0; i < n; i++)
                CHECK(line[i] == '\t' || !iscntrl((unsigned char)line[i]));
        if (first)
                return;
        CHECK(colon && colon > line);
        for (const char *p = line; p < colon; p++)
                CHECK(isgraph((unsigned char)*p));
}

static void check_whole(const char *bytes, size_t n) {
        unsigned lines = 0;

        CHECK(n >= 4 && n <= HEAD_BYTES_MAX && memcmp(bytes + n - 4, "\r\n\r\n", 4) == 0);
        for (const char *at = bytes, *end = bytes + n - 2; at < end; lines++) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                CHECK(stop && stop > at && stop[-1] == '\r');
                check_line(at, (size_t)(stop - at) - 1, lines == 0);
                at = stop + 1;
        }
        CHECK(lines >= 1 && lines - 1 <= HEAD_HEADERS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = {data, size}, pieces = take_until(&in, '\n');
        const char *bytes = (const char *)in.p;
        struct refusal no = {0}, later = {0};
        struct head once = {0}, often = {0};
        enum head_what what, again = HEAD_MORE;

        if (in.n == 0 || in.n > HEAD_BYTES_MAX)
                return 0;
        what = head_judge(&once, bytes, in.n, &no);
        for (size_t n = 0; again == HEAD_MORE && n < in.n;) {
                size_t more = (size_t)take_byte(&pieces) + 1;
                n = MIN(in.n, n + more);
                again = head_judge(&often, bytes, n, &later);
                CHECK(often.n <= n);
        }
        CHECK(what == again);
        CHECK(once.n <= in.n);
        if (what == HEAD_WHOLE) {
                CHECK(once.n == often.n);
                check_whole(bytes, once.n);
        }
        if (what == HEAD_BAD) {
                CHECK(no.status >= 400 && no.status < 600 && no.code && no.message);
                CHECK(later.status == no.status);
        }
        return 0;
}
