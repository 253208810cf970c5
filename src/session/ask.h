/* ask.h - questions to a holder that somebody waits for.
 *
 * Threads: any but the pump, which brings the answers. Lock: none may be held.
 */
#pragma once

#include "base/buf.h"
#include "session/session_private.h"

/* A question to the holder; on the asker's stack, in a list of the session. */
struct session_query {
        enum hold_type type; /* HOLD_QUERY_INPUT, HOLD_ASK_SNAPSHOT */
        uint64_t tag, offset;
        int fd;    /* of a snapshot; the asker's once it is done */
        int error; /* the holder's word, or 0 */
        bool done;
        struct session_query *next;
};

/* How much input of this key was taken. Nobody is left to ask once the holder is gone: then it was the last, too,
 * and *ret stays. 0; -ETIMEDOUT, -EAGAIN it does not answer; -errno. */
_must_use_ int session_ask_input(struct session *s, uint64_t tag, const uint8_t key[HOLD_KEY_BYTES],
                                 uint64_t *ret);
/* Its screen, after a terminal reset, and where output goes on. 0; -ENODATA the holder is gone, or has none; -EPROTO
 * what it sent is no snapshot; as above. */
_must_use_ int session_ask_snapshot(struct session *s, uint64_t tag, struct buf *ret,
                                    uint64_t *ret_offset);
