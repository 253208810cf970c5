/* server.h - all rooms of one server, wired: the order in which they start, and its mirror at the end.
 *
 * Threads: main. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "audit/audit.h"
#include "base/macros.h"
#include "config/config.h"
#include "people/people.h"
#include "spawn/spawn.h"

struct server;

struct server_deps { /* all outlive the server */
        const struct config *config;
        struct spawner *spawner;
        const char *users_apart; /* front.h */
};

/* Opens the store, starts workers and pump, adopts living sessions. Nothing is listened on yet. 0, or
 * -errno and *ret_error (malloc'd, or NULL) says what failed. */
_must_use_ int server_open(const struct server_deps *deps, struct server **ret, char **ret_error);

/* Listens; clients wait. address receives HOST:PORT. 0; -EINVAL and *ret_error: server.listen; -errno. */
_must_use_ int server_listen(struct server *s, char *address, size_t size, char **ret_error);
/* Serves them. 0, -errno. */
_must_use_ int server_admit(struct server *s);

struct audit *server_audit(struct server *s);
const struct people *server_people(const struct server *s);

/* The one way down: requests that were received are carried out, sessions end or live on, sockets are told,
 * threads joined, the store closed. False: some request would not end in time; its threads still run, so
 * nothing was freed, and the process must go. NULL is fine. */
_must_use_ bool server_close(struct server *s, bool end_sessions);
