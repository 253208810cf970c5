/* ws.h - from an upgrade to an open socket, and its end.
 *
 * A request that was judged gets a seat (begin_request). Limits and the subprotocol are settled in connect,
 * the last place where a refusal is an HTTP answer; in ready the socket opens and is read to its end; the
 * seat goes when the connection does, whatever happened.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>

#include <civetweb.h>

#include "front/http.h"
#include "front/lobby.h"

/* True: the seat is bound to the connection. False: it was answered. */
_must_use_ bool ws_seat(struct request *r);

/* civetweb's callbacks; cbdata is the front. It needs none for data: ws_ready has read all there was. */
int ws_connect(const struct mg_connection *conn, void *cbdata);
void ws_ready(struct mg_connection *conn, void *cbdata);

void ws_leave(struct seat *s); /* NULL is fine */
