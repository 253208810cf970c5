/* http_place.h - what the files of front that serve users' files share: the path of a request, conditions,
 * and the answer that says how a conflict came about.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>

#include "front/condition.h"
#include "front/http.h"
#include "workspace/workspace.h"

struct http_place {
        char *path; /* of the wire */
        struct workspace *ws;
};

/* Of r->rest. False: it was answered. Either way to be freed. */
_must_use_ bool place_open(struct request *r, struct http_place *p);
void place_done(struct http_place *p);

#define HTTP_ETAG_MAX (WORKSPACE_ETAG_MAX + 2)
/* etag receives it in quotes, and must live as long. */
struct validators validators_of(const struct workspace_stat *st, char etag[HTTP_ETAG_MAX]);
/* The request's headers into c, read left as it is. */
void conditions_of(const struct request *r, struct conditions *c);

/* Into the audit log: what a user changed in their files, or tried to. */
void place_note(const struct request *r, const char *what, const char *path, int error);

/* 412 with what stands there now: ETag, and error.etag, .size, .mtime. now NULL: nothing does, or no one
 * knows. */
void http_conflict(struct request *r, int error, const struct workspace_stat *now);
