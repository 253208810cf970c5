/* arrive.h - a connection from civetweb's accept to the moment when its request is read.
 *
 * civetweb calls us on the connection's thread before it reads. We wait for the request's headers without
 * taking them out of the socket, with a deadline and in the lobby, and judge their bytes. A refusal is
 * answered here; whatever civetweb still reads of a guest that was refused is not carried out.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include <netinet/in.h>

#include <civetweb.h>

#include "base/macros.h"
#include "front/lobby.h"

struct front;

#define ARRIVE_NS        10000000000ull /* for the headers, from the first look to their last byte */
#define ARRIVE_LINGER_MS 1000u          /* for a refusal to be read */

/* civetweb's init_connection. */
int arrive(const struct mg_connection *conn, void **ret_guest);

/* The guest of this connection; NULL where there was no memory or descriptor for one. */
struct guest *guest_of(const struct mg_connection *conn);

/* While a connection is new civetweb does not tell who it is, though it knows: the answer lies where it
 * lies in every other connection of this library. Asks one of our own to this address, so that it is known
 * before the first guest comes. 0, -errno. */
_must_use_ int arrive_learn(struct front *f, const struct sockaddr_in *a);
/* In connection_close: where the answer lies. */
void arrive_look(const struct mg_connection *conn);
