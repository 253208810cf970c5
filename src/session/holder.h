/* holder.h - the socket to a holder: whole messages of hold/hold_proto.h, checked for size and shape.
 *
 * Threads: sending: any, whole messages do not mix; receiving: one at a time. Lock: none may be held.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "hold/hold_proto.h"
#include "latch/lock.h"

#define HOLDER_FDS 3

struct holder_message {
        union {
                struct hold_head head;
                struct hold_hello hello;
                struct hold_failed failed;
                struct hold_mark mark;
                struct hold_exit exit;
                struct hold_resize resize;
                struct hold_title title;
                struct hold_cwd cwd;
        } u;
        int fds[HOLDER_FDS]; /* owned; -1 where there is none */
};

/* The next message, never waiting. Its type is a holder's, its size and count of descriptors are that
 * type's; nothing else is checked. 0; -EAGAIN; -EPIPE the holder is gone; -EPROTO no such message; -errno. */
_must_use_ int holder_receive(int fd, struct holder_message *ret);
void holder_message_done(struct holder_message *m); /* closes what was not taken */

/* A message and what follows it, never waiting. 0, -EAGAIN, -EPIPE, -errno (sendmsg(2)). */
_must_use_ int holder_send(int fd, const void *message, size_t n, const void *tail,
                           size_t tail_n) LATCH_BLOCKS;
_must_use_ int holder_tell(int fd, enum hold_type type); /* a message that is only a head */

/* Its holder is to end, and is waited for: a socket that is closed with messages unread may take what was said
 * with it. At most that long. */
void holder_dismiss(int fd, uint64_t until_ns);

/* Waits until something can be read, or written. 0, -ETIMEDOUT. */
int holder_wait(int fd, short events, uint64_t until_ns) LATCH_BLOCKS;
