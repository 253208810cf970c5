/* lobby.h - guests: connections from their first moment to their last, and how many may wait before they
 * have asked for anything.
 *
 * Who connects and says nothing takes a thread of civetweb's. So that they never take all of them, LOBBY_MAX
 * threads are theirs, and those of sockets that are not open: one more, and who has stood there longest is
 * shut.
 *
 * Threads: any. Lock: lobby, inside; none may be held by the caller.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "latch/lock.h"
#include "latch/rcu.h"

#define LOBBY_MAX 64u

struct seat;

struct guest {
        struct latch_ref ref; /* the connection's, and a newcomer's while it shuts this one */
        int fd;               /* fixed while it stands in the lobby; later the connection's own */
        int own;              /* fixed: civetweb's descriptor of the same socket (peer.h) */
        bool refused;      /* the connection's: whatever is still read of it is not carried out */
        bool early;        /* the same: bytes came behind the headers */
        struct seat *seat; /* the same: it becomes a socket (ws.c), NULL */
        bool waits LATCH_GUARDED_BY(lobby);
        struct guest *next LATCH_GUARDED_BY(lobby);
        struct guest *prev LATCH_GUARDED_BY(lobby);
};

struct lobby {
        struct latch_mutex lock;
        struct guest *oldest LATCH_GUARDED_BY(lobby);
        struct guest *newest LATCH_GUARDED_BY(lobby);
        unsigned n LATCH_GUARDED_BY(lobby);
};

void lobby_init(struct lobby *l);
void lobby_done(struct lobby *l); /* nobody waits any more */

/* fd becomes the guest's, also on failure. 0, -ENOMEM. */
_must_use_ int guest_new(int fd, int own, struct guest **ret);
/* The connection's own thread: another descriptor of its socket (close-on-exec). -ENOTCONN, -EMFILE. */
_must_use_ int guest_dup(const struct guest *g); /* NULL: -ENOTCONN */
struct guest *guest_unref(struct guest *g);      /* NULL is fine; returns NULL */

/* room: how many may stand there, this one counted. Above it the oldest is shut, both ways: its thread wakes
 * up and finds it has been let go. */
void lobby_enter(struct lobby *l, struct guest *g, unsigned room);
/* False: it was shut to make room. */
_must_use_ bool lobby_leave(struct lobby *l, struct guest *g);
