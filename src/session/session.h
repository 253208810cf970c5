/* session.h - sessions: opening, attaching, driving, ending; the leases on files that are being run.
 *
 * A session belongs to a user; its program lives in a cage held by a holder process, which outlives
 * latchd. What is known here of it: record, ring, viewers, driver, gate. Life: STARTING, RUNNING, ENDED
 * (or LOST), by the table of moves in session_state.c.
 *
 * Threads: open, attach, close, list, stop, signal, resize, drive, detach: workers, on the session's
 *          strand where one is given; input, ack: the connection's own thread. Lock: session inside;
 *          none may be held by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"
#include "pool/pool.h"
#include "session/port.h"
#include "session/pump_hooks.h"
#include "spawn/spawn.h"
#include "store/store.h"

struct sessions;
struct session;

struct sessions_deps { /* all outlive the sessions */
        const struct config *config;
        struct store *store;
        struct auth *auth;
        struct pool *pool;
        struct spawner *spawner;
        struct pump_hooks hooks;
};

_must_use_ int sessions_new(const struct sessions_deps *deps, struct sessions **ret);
struct sessions *sessions_free(struct sessions *ss); /* lets connections to holders go; they live on */

/* Finds the holders in DIR/sessions, gives each 250 ms, in parallel; takes over records and leases.
 * Before anything is listened on, the pump running. 0 or -errno of the store. */
_must_use_ int sessions_adopt(struct sessions *ss);
/* Ends every session and waits until all cages are gone, at most timeout_ms. 0, -ETIMEDOUT. */
_must_use_ int sessions_end_all(struct sessions *ss, unsigned timeout_ms);

/* A session of this account: a reference, or NULL: another's is as good as none. */
_must_use_ struct session *sessions_find(struct sessions *ss, const struct account *owner, const char *id);
struct session *session_ref(struct session *s);
struct session *session_unref(struct session *s);
DEFINE_CLEANUP(struct session, session_unref)
struct pool_strand *session_strand(struct session *s);

/* Input from the wire, on the connection's thread; never blocks. Refusals go out as notifications. A
 * channel that is not there (any more) is silently passed over. */
void sessions_input(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset,
                    const void *data, size_t n);
/* An acknowledgement. False: beyond what was sent, or going back: the caller ignores it. */
bool sessions_ack(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset);
