/* cors.h - pages of other origins that may read our answers: those of server.cors_origins (Fetch, 3.2).
 *
 * They sign in with a bearer token. Credentials that a browser has on its own are never theirs: no answer
 * allows them, so there is no cookie and no `*`. For every other origin there is no CORS header at all.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/macros.h"
#include "front/http.h"

/* The request's Origin, if it is one of the list; else NULL. */
const char *cors_origin(const struct request *r);

/* Of any answer: who may read it, and that it depends on who asks. 0, -ENOMEM, -ENOBUFS. */
_must_use_ int cors_headers(const struct request *r, struct buf *to);

/* True: it was the question whether one of the list may ask with a method, and was answered. allowed: the
 * methods that the path has. */
bool cors_preflight(struct request *r, unsigned allowed);
