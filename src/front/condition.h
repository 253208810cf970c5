/* condition.h - the conditions of a request (RFC 9110, 13) against what stands there now.
 *
 * Threads: any. Lock: any may be held. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The headers; NULL where one is not there. */
struct conditions {
        const char *match, *none;              /* If-Match, If-None-Match */
        const char *modified_s, *unmodified_s; /* If-Modified-Since, If-Unmodified-Since */
        bool read;                             /* GET or HEAD */
};

/* What stands there: a strong etag, with its quotes, NULL if nothing does; seconds since 1970. */
struct validators {
        const char *etag;
        int64_t modified_s;
};

enum condition_verdict {
        CONDITION_HOLDS,  /* go on */
        CONDITION_SAME,   /* 304 */
        CONDITION_FAILS,  /* 412 */
        CONDITION_EXISTS, /* 412, for If-None-Match: * */
};
enum condition_verdict condition_judge(const struct conditions *c, const struct validators *now);

/* Whether an If-Range lets a range be of this: the same strong etag, or exactly its date, if that is
 * over a second ago (13.1.5, 8.8.2.2). NULL holds. */
bool condition_range(const char *if_range, const struct validators *now, int64_t now_s);

/* HTTP-date in its three forms (5.6.7). False: it is none. */
bool condition_date(const char *text, int64_t *ret_s);
#define CONDITION_DATE_MAX 40
void condition_date_text(int64_t s, char to[CONDITION_DATE_MAX]);
