/* sock.h - one open WebSocket: its port for sessions, its way out, and what is known of its health.
 *
 * Its own thread (civetweb's, for the connection's life) reads. The pump writes, and so does whoever has a
 * frame while nothing else is on its way (direct.h): one at a time, who has the way (way.h). Its
 * descriptor is a duplicate that belongs to the sock: whatever civetweb closes and hands to the next
 * client, a late write here finds a dead socket and never a stranger's.
 *
 * Threads: see each function. Lock: outbox and port inside; none may be held by the caller.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "front/frames.h"
#include "front/outbox.h"
#include "registry/registry.h"
#include "session/port.h"

struct pump;
struct account;

#define SOCK_READ_BYTES 32768u /* a message of 16 KiB with its header, and more, in one read */
#define SOCK_CLOSE_NS   1000000000ull /* how long a close frame may take to leave and be answered */

struct sock {
        struct registry_item item; /* by number, in front's registry; its memory goes last */
        struct latch_ref ref;      /* what it holds goes with the last of these */
        uint64_t number;           /* fixed, never reused: socket= in log lines */
        struct pump *pump;         /* fixed */
        struct port port;
        bool echo; /* fixed: /v1/echo, no identity and no sessions */
        bool raw;  /* fixed: /v1/attach, one session's bytes and no words */
        int fd;    /* fixed, the sock's own */
        struct outbox outbox;

        /* Any thread. */
        atomic_uint ready;       /* enum pump_ready: on the pump's list of those who want a turn? */
        struct sock *ready_next; /* of that list: whoever set `ready`, then the pump */
        atomic_bool attached;    /* the pump's to set: it has it */
        atomic_bool gone;        /* its thread has read its last: the pump lets it go */
        atomic_bool close_received; /* the client's close frame */
        atomic_bool deaf;           /* it broke the protocol: what still comes is thrown away */
        atomic_uint close_code;     /* the first that was sent, for the log; 0 none */
        _Atomic uint64_t heard_ns;  /* the last byte from the client, monotonic */

        /* The connection's own thread. */
        struct frames frames;

        /* Of who has the way out. */
        atomic_uint way;                     /* enum way */
        struct outbox_frame *out, *out_last; /* under way, the first from out_at */
        size_t out_at;
        bool close_sent;

        /* The pump's. */
        struct sock *next, *prev; /* all that the pump has */
        struct sock *run_next;    /* the turn that comes */
        struct sock *nap_next;
        bool running, napping, blocked, dead;
        unsigned next_viewer; /* whose turn it is among the channels */
        uint8_t last_kind;    /* of the chunk that was taken last */
        bool raw_over;        /* raw: the exit was told... */
        uint64_t
                raw_owed; /* ...and to where output was taken, to be acknowledged once it is written */
        uint64_t nap_until_ns, close_until_ns, answers_until_ns, pinged_ns;
        int waiting_bytes; /* in the kernel, when last looked at while blocked; -1 unknown */

        _Atomic uint64_t progress_ns; /* any thread: data has left */

        /* The connection's own thread. The last, for it is not cleared: what was never read into takes no
         * memory. */
        unsigned char in[SOCK_READ_BYTES];
};

struct sock_options {
        struct registry *registry;
        struct pump *pump;
        struct identity *identity; /* NULL: echo */
        bool raw;
        const char *address; /* the client's; copied */
        struct frames_budget *budget;
        uint64_t number;
        int fd; /* becomes the sock's, also on failure */
        size_t message_bytes, outbox_bytes;
};

/* 0, and a reference that its own thread holds; -ENOMEM, -EUSERS. */
_must_use_ int sock_new(const struct sock_options *o, struct sock **ret);
struct sock *sock_ref(struct sock *c);
/* From a registry's item to a sock: a reference, or NULL if its last one is gone. */
struct sock *sock_of_item(struct registry_item *item);
struct sock *sock_unref(struct sock *c); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct sock, sock_unref)

/* For registry_new: what frees a sock. */
void sock_reclaim(struct registry_item *item);

/* Any thread. Send a frame, or queue it; one that does not fit closes the socket with 1008. */
void sock_send(struct sock *c, unsigned opcode, const void *data, size_t n);
/* Any thread. Say goodbye; the first one counts. reason: at most 123 bytes. */
void sock_close(struct sock *c, unsigned code, const char *reason);
/* Any thread. End it now: both directions are shut down, its thread wakes up. */
void sock_cut(struct sock *c);
