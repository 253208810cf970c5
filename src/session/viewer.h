/* viewer.h - one channel of one socket: a cursor into a session's output, and a window.
 *
 * The pump (front) takes what is next, and sends it; it asks again only when the socket has taken all of
 * it. So a viewer costs a cursor, never a queue.
 *
 * Threads: viewer_take: the pump alone. The rest: any. Lock: session inside take, for a few instructions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct viewer;

enum viewer_what {
        VIEWER_NOTHING, /* until the port is woken again */
        VIEWER_DATA, /* a binary frame: kind, channel, offset, and n bytes in the caller's buffer */
        VIEWER_TEXT, /* a text frame: n bytes of JSON in the caller's buffer (gap, exit) */
};

struct viewer_out {
        enum viewer_what what;
        uint8_t kind; /* the wire's */
        uint32_t channel;
        uint64_t offset; /* of data's first byte; of a gap's */
        uint64_t gap_to; /* a text that tells of a gap: where it ends; else 0 */
        bool exit;       /* the text that is a channel's last */
        size_t n;
};

#define VIEWER_BUFFER_MIN 4096u /* cap below this is a CHECK */

/* What comes next, copied into buf, and the cursor moved past it: it is the caller's to deliver now. 0;
 * -EPROTO: the holder's ring is bad, the session is ended as lost by the session itself. */
_must_use_ int viewer_take(struct viewer *v, void *buf, size_t cap, struct viewer_out *ret);

/* Bytes wait for this viewer but its window is shut, since when (clock_mono_ns), else 0: "no progress". */
uint64_t viewer_stalled_since(const struct viewer *v);

/* The reply that names its channel is queued: from now on it is heard, its snapshot first, if it has one. Until then
 * it gives nothing. */
void viewer_activate(struct viewer *v);
/* The reply that it drives is queued: whoever drives after it is told from now on. */
void viewer_drive_answered(struct viewer *v);

struct viewer *viewer_ref(struct viewer *v);
struct viewer *viewer_unref(struct viewer *v); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct viewer, viewer_unref)
