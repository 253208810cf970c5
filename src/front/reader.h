/* reader.h - the thread of one WebSocket: reads, joins frames, hands messages on, until the end.
 *
 * civetweb calls us once the handshake is out and would read frames itself after that; we do not return
 * before the socket is done. So no length is believed before its bytes have come, an unmasked frame is
 * refused, and a stall inside a frame has a deadline.
 *
 * Threads: the connection's own. Lock: none may be held.
 */
#pragma once

#include "front/sock.h"
#include "rpc/rpc.h"
#include "session/session.h"
#include "session/typing.h"

struct reader_to { /* where messages go; unused by echo */
        struct rpc *rpc;
        struct sessions *sessions;
        struct typing *typing;           /* of a raw socket; NULL: it has no seat */
        void (*stays)(const void *data); /* called when it joins the pump */
        const void *data;
};

#define READER_JOIN_MS  100 /* silent for so long, or heard: it stays, and joins the pump */
#define READER_STALL_NS 10000000000ull /* inside a frame, without a byte */
#define READER_FRAME_NS 60000000000ull /* one frame from its first byte to its last */

/* Returns when nothing more will be read. */
void reader_run(struct sock *c, const struct reader_to *to);
