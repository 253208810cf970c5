/* attach.h - one session in this terminal, over latch.v1: what attach.c (keys, waiting, coming back) and
 * attach_wire.c (what is said to the server, and heard) share.
 *
 * Threads: main. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/random.h"
#include "client/ws.h"
#include "questions.h"

struct attach {
        const struct config *config;
        const char *session;
        char client[RANDOM_ID_CHARS + 1]; /* whose input it is, also after a break */
        struct ws *ws;                    /* NULL: not connected */
        uint32_t channel;                 /* 0: not attached on this socket */
        bool began;                       /* it was once */
        bool driver;
        bool again; /* not now: it is asked on another connection */

        uint64_t received, acked, head; /* offsets of output; below head is the past */
        struct questions questions;     /* of the past */

        struct buf input; /* what the server has not taken yet, from input_base on */
        uint64_t input_base, input_sent;
        bool input_full; /* the program does not read: sent again in a while */

        bool over;       /* the session has ended, or it is no use to try again */
        int status;      /* then: ours; -errno without an ending */
        char words[256]; /* and what to say of it */
};

/* Connects and asks to be attached. 0; -EAGAIN no server, or none that answers, now; -ECANCELED never, words
 * say why; -ENOENT, -ECONNREFUSED before anything: no server runs. */
_must_use_ int wire_open(struct attach *a);
/* Hears and writes. 0; -errno: the connection is of no use any more. */
_must_use_ int wire_turn(struct attach *a);
void wire_close(struct attach *a);

/* Each 0 or -errno as wire_turn. Without a channel nothing is sent; it is after the next attach. */
_must_use_ int wire_input(
        struct attach *a); /* what is in `input` and was not sent on this socket */
_must_use_ int wire_resize(struct attach *a);
_must_use_ int wire_detach(struct attach *a);

/* A line of ours among the program's. */
void attach_remark(const char *words);
