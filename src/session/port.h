/* port.h - a client's socket as sessions see it: numbered channels, and a way out for text.
 *
 * front embeds a port in each connection. A channel is a viewer (session/viewer.h) of one session.
 *
 * Threads: see each function. Lock: port, inside; none may be held by the caller.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "base/net.h"
#include "latch/lock.h"

#define PORT_CHANNELS_MAX 256

struct port;
struct session;
struct viewer;
struct viewer_out;

/* Given by front, called under no lock, never block. */
struct port_ops {
        /* Queue one text frame (a whole JSON-RPC object). A socket whose queue is over its limit is closed
         * by front; the text is then dropped. */
        void (*send_text)(struct port *p, const char *json, size_t n);
        /* The same for what may wait: 0; -ENOBUFS much waits for this client already, or
         * -ENOMEM: nothing is queued; -EPIPE it is gone. */
        int (*offer_text)(struct port *p, const char *json, size_t n);
        /* The same, one binary frame: what it is, and its out->n bytes. */
        void (*send_data)(struct port *p, const struct viewer_out *out, const void *bytes);
        void (*wake)(struct port *p);        /* a viewer of this port may have something to take */
        struct port *(*ref)(struct port *p); /* keeps the connection's memory */
        struct port *(*unref)(struct port *p); /* returns NULL */
};

/* What ends with the socket, embedded in whatever that is. */
struct port_closer {
        /* Once, by the connection's own thread, under no lock; may free what embeds it. */
        void (*closed)(struct port_closer *c);
        struct port_closer *next;
};

struct port {
        const struct port_ops *ops;     /* fixed */
        struct identity *identity;      /* fixed, referenced */
        char address[ADDRESS_TEXT_MAX]; /* fixed: the client's */
        atomic_uint requests;           /* rpc's: received and not answered yet */
        struct latch_mutex lock;
        bool closed LATCH_GUARDED_BY(port);
        uint32_t last_channel LATCH_GUARDED_BY(port);
        struct port_closer *closers LATCH_GUARDED_BY(port);
        size_t channels LATCH_GUARDED_BY(port);
        struct viewer *viewers[PORT_CHANNELS_MAX] LATCH_GUARDED_BY(
                port); /* referenced, first `channels` */
};

/* identity: a reference is taken. address: copied. */
void port_init(struct port *p, const struct port_ops *ops, struct identity *identity,
               const char *address);

/* The socket is gone: every channel leaves its session, every closer is called. A driver that leaves so
 * holds the gate for driver_grace. Once, by the connection's own thread, after its last frame was read. */
void port_close(struct port *p);
void port_done(struct port *p); /* frees what init took; closed before */

/* c ends with the socket. 0; -EPIPE: it is gone already, and c is not called. */
_must_use_ int port_at_close(struct port *p, struct port_closer *c);
/* The closer that has this function, or NULL: so a room finds what it keeps for a socket. */
struct port_closer *port_closer(struct port *p, void (*closed)(struct port_closer *c));
bool port_is_closed(struct port *p);

/* References to the viewers there now, for the pump: at most PORT_CHANNELS_MAX. How many. */
size_t port_viewers(struct port *p, struct viewer *ret[PORT_CHANNELS_MAX]);

/* The session behind a channel: a reference, or NULL if the channel is not there (any more). */
_must_use_ struct session *port_session(struct port *p, uint32_t channel);
