/* search_private.h - what the files of this room share.
 *
 * Threads: one at a time. Lock: none.
 */
#pragma once

#include "base/buf.h"
#include "search/search.h"

#define SEARCH_LINE_MAX (128u << 10) /* of a tool's output; a longer one is passed over */

enum search_tool { SEARCH_RG, SEARCH_GREP, SEARCH_FIND };

/* The whole argv, NUL after each. 0 and the count; -EINVAL and words say why; -ENOBUFS, -ENOMEM. */
_must_use_ int search_argv(const struct search_request *rq, enum search_tool tool, const char *rg,
                           struct buf *to, uint32_t *ret_argc, char words[256]);

/* A tool's output on its way to matches. */
struct search_parse {
        enum search_tool tool;
        const struct search_request *rq;
        struct search_result *to;
        size_t room, bytes; /* for matches; kept so far */
        struct buf line;
        bool skipping; /* the rest of a line that is too long */
};
void search_parse_begin(struct search_parse *p, enum search_tool tool,
                        const struct search_request *rq, struct search_result *to);
void search_parse_done(struct search_parse *p);
/* 0; -EDQUOT that is enough (to->truncated is set); -EPROTO no such output; -ENOMEM. */
_must_use_ int search_parse_feed(struct search_parse *p, const char *data, size_t n);
/* UTF-8 of any bytes, at most max of them: what is none becomes U+FFFD. malloc'd, or NULL. */
_must_use_ char *search_clean(const char *data, size_t n, size_t max);
