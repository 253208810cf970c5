/* front.h - civetweb behind one wall: HTTP, sockets, frames, the pump. Nothing of civetweb elsewhere.
 *
 * Order: pump_new, its hooks to sessions_new, sessions_adopt, front_new, front_listen, front_admit ...
 * front_stop, front_free, sessions_free, pump_free.
 *
 * Threads: all of these: main. Lock: none may be held.
 */
#pragma once

#include <stddef.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"
#include "front/pump.h"
#include "rpc/rpc.h"
#include "session/session.h"
#include "store/store.h"

struct front;
struct audit;
struct quota;

struct front_deps { /* all outlive the front */
        const struct config *config;
        struct store *store;
        struct auth *auth;
        struct audit *audit;
        struct quota *quota; /* or NULL: there is none */
        struct sessions *sessions;
        struct rpc *rpc;
        struct pool *pool;
        struct pump *pump;
        const char *users_apart; /* for health: "uid" (each user has one) or "namespace" */
};

_must_use_ int front_new(const struct front_deps *deps, struct front **ret);

/* Binds. 0; -EINVAL: the address is none, or is taken, or may not be bound, and *ret_error (malloc'd) says
 * which. address receives HOST:PORT as bound. Who connects now waits until it is known whether we can serve. */
_must_use_ int front_listen(struct front *f, char *address, size_t size, char **ret_error);
/* Serves. Once. */
void front_admit(struct front *f);

/* Admits no one, tells every socket this close code (1001 or 1012), waits at most 1 s for the frames to
 * leave, wakes what is blocked, joins all threads. */
void front_stop(struct front *f, unsigned close_code);
struct front *front_free(struct front *f);
