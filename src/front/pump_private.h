/* pump_private.h - the pump as front knows it: sockets that want a turn, and what it does for each.
 *
 * A socket joins when it is first woken, at the latest once it has stayed for READER_JOIN_MS, and leaves when its
 * thread says it is gone; both happen on the pump's thread. Who comes and goes in between costs it nothing. Whoever has something for a socket puts it on the list of the ready, once, and the pump
 * takes the list as a whole: no lock on either side.
 *
 * Threads: pump_wake: any. All else: the pump's own.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "front/pump.h"
#include "front/sock.h"

#define PUMP_FRAME_BYTES 65536u /* payload of one frame, its 16 bytes of header included */
#define PUMP_SCRATCH     (PUMP_FRAME_BYTES * 2)
#define PUMP_IOV         64
#define PUMP_TURN_BYTES  (256u * 1024u) /* output of one socket before others get theirs */
#define PUMP_NAP_OVER    4096u          /* a batch above this... */
#define PUMP_NAP_NS      500000u /* ...lets output gather for so long (facts: halves the CPU) */
#define PUMP_TICK_NS     100000000u
#define PUMP_LATER_MAX   32u        /* who come or go before the pump is woken for them */
#define PUMP_CARE_NS     250000000u /* how often each socket's health is looked at */

#define PUMP_PING_NS   10000000000ull /* of silence before we ask */
#define PUMP_SILENT_NS 28000000000ull /* of silence before the peer is given up */
#define PUMP_STALL_NS  30000000000ull /* data waits and nothing moves: "no progress" */

enum pump_ready {
        PUMP_NOT_READY,
        PUMP_LISTED, /* or just about to be */
        PUMP_WOKEN,  /* the same, and the pump is not to wait for its tick */
};

struct pump_times { /* the three above; tests shorten them */
        _Atomic uint64_t ping_ns, silent_ns, stall_ns;
};

struct pump {
        int epoll_fd, event_fd;
        atomic_bool asleep; /* is about to wait, or waits: write event_fd */
        atomic_bool stopping;
        _Atomic(struct sock *) ready; /* newest first; each holds a reference */
        atomic_uint later;            /* of them, those that can wait for the tick */
        struct sessions *sessions;    /* set by pump_run */
        struct pump_times times;
        pthread_t thread;
        bool running; /* main's */

        /* The thread's own. */
        struct sock *all; /* attached, each holds a reference */
        struct sock *run_first, *run_last;
        struct sock *naps;
        uint64_t ticked_ns, cared_ns;
        unsigned char *scratch;
        struct iovec iov[PUMP_IOV]; /* the frames that lie in scratch */
        int iov_n;
};

/* Any thread: this socket has something to send. */
void pump_wake(struct pump *p, struct sock *c);
/* Any thread: it stays, or is gone, which a tick from now is soon enough, unless many are. */
void pump_later(struct pump *p, struct sock *c);
/* Its own thread, after it has read its last. Who never joined has no need to be let go. */
void pump_leave(struct pump *p, struct sock *c);

void pump_queue(struct pump *p, struct sock *c); /* a turn for c, at the end of the row */
void pump_nap(struct pump *p, struct sock *c, uint64_t until_ns);

/* pump_turn.c: one socket's turn: control frames and replies, then output. */
void pump_turn(struct pump *p, struct sock *c, uint64_t now_ns);
/* pump_care.c: pings, stalls, sign-outs, closes that take too long. */
void pump_care(struct pump *p, struct sock *c, uint64_t now_ns);
