/* outbox.h - frames that wait to leave by one socket: a bounded queue, filled by anyone, emptied by the pump.
 *
 * Terminal output never stands here: a viewer is a cursor. Only replies, notices and control frames do.
 *
 * Threads: add, close: any. take, sent, done: the pump, or the last who holds the socket.
 * Lock:    outbox, inside, for a few instructions; none may be held by the caller (it allocates).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "latch/lock.h"

struct outbox_frame {
        struct outbox_frame *next;
        size_t n;
        bool close; /* the close frame: the last */
        bool data;  /* its leaving is progress; a ping's is not */
        bool counted;
        unsigned char bytes[]; /* with its header */
};

struct outbox {
        size_t limit_bytes;    /* fixed */
        unsigned limit_frames; /* fixed */
        atomic_size_t bytes;   /* added and not sent yet */
        atomic_uint frames;    /* the same */
        atomic_uint waiting;   /* added and not taken yet */
        struct latch_mutex lock;
        struct outbox_frame *first LATCH_GUARDED_BY(outbox);
        struct outbox_frame *last LATCH_GUARDED_BY(outbox);
        bool closed LATCH_GUARDED_BY(outbox);
};

void outbox_init(struct outbox *o, size_t limit_bytes, unsigned limit_frames);
void outbox_done(struct outbox *o);

/* One whole frame. 0; -ENOBUFS above a limit; -EPIPE the close frame was added already; -ENOMEM. */
_must_use_ int outbox_add(struct outbox *o, unsigned opcode, const void *data, size_t n);
/* A frame that has begun to leave while none else was in: it counts like one that was taken. NULL without
 * memory. */
_must_use_ struct outbox_frame *outbox_begun(struct outbox *o, unsigned opcode, const void *data,
                                             size_t n);
/* The close frame, over any limit. -EPIPE if there is one; -ENOMEM. reason: at most 123 bytes. */
_must_use_ int outbox_close(struct outbox *o, unsigned code, const char *reason);

/* All frames that wait, in order, or NULL; each is the caller's and counts until outbox_sent. */
struct outbox_frame *outbox_take(struct outbox *o);
/* This one has left or never will: freed. Its successor. */
struct outbox_frame *outbox_sent(struct outbox *o, struct outbox_frame *f);
/* A frame of the caller's own making, for bytes that are halfway out: not counted, but sent like one. */
_must_use_ struct outbox_frame *outbox_frame_new(size_t n);
