/* judge.h - what every request must be before anybody looks at what it wants.
 *
 * civetweb lets pass what RFC 9112 forbids and what a proxy in front may read otherwise: it is refused
 * here. And whether a browser's page may use the cookie that the browser sends along.
 *
 * Threads: any. Lock: none may be held. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <civetweb.h>

struct refusal {
        int status;
        const char *code, *message;
};

/* True: well-formed. Else *ret says how to answer. */
bool judge_request(const struct mg_request_info *ri, struct refusal *ret);

/* The one value of a header, NULL if it is absent (of several, the first: judge_request refuses several
 * of those that matter). */
const char *judge_header(const struct mg_request_info *ri, const char *name);

/* civetweb will treat it as a WebSocket's beginning. */
bool judge_wants_socket(const struct mg_request_info *ri);

/* Whether a request that is known by its cookie comes from our own pages. unsafe: it may change something,
 * or opens a socket: then its Origin must be there and match. Else it is refused only where Origin or
 * Sec-Fetch-Site says it comes from elsewhere. public_url: "" or the configured one. */
bool judge_same_site(const struct mg_request_info *ri, bool unsafe, const char *public_url);

/* Whether this Origin is that of the host that was asked for. */
bool judge_origin(const char *origin, const char *host, const char *public_url);

/* Whether a comma-separated list names this token, without regard to case. */
bool judge_lists(const char *list, const char *token);

/* Our cookie's value in a Cookie header (RFC 6265 4.2.1). False: there is none, or it is too long for to. */
bool judge_cookie(const char *header, char *to, size_t size);
