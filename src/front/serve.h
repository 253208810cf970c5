/* serve.h - one request from its first look to its log line; what becomes a WebSocket goes on in ws.h.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <civetweb.h>

#include "front/front_private.h"
#include "front/http.h"

/* For begin_request: the status that was answered, or 0: it is to become a WebSocket (ws_seat was made). */
int serve(struct front *f, struct mg_connection *conn);

/* A request that no handler of ours sees, to be answered and logged like the others. */
void serve_begin(struct front *f, struct mg_connection *conn, const struct mg_request_info *ri,
                 struct request *ret);
/* Its status, in the metrics. */
void serve_count(const struct request *r);
/* That, and its line. */
void serve_log(const struct request *r);
