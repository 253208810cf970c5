/* kept.h - the last output of a session that has ended, and its screen: in a file, when the holder is gone.
 *
 * DIR/sessions/ID.last, 0600, put in its place by a rename. It is checked like all that comes from outside, and has a
 * hash over all of it: one that is torn, or was changed, is none. It is not forced to the disk: a loss of power that
 * takes it would have taken the holder, too.
 *
 * Threads: any; what is made or loaded is one owner's, and does not change. Lock: none may be held, but for kept_read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/macros.h"
#include "latch/lock.h"
#include "ring/ring.h"

#define KEPT_BYTES_MAX   (16u << 20) /* of output: the most that the configuration allows */
#define KEPT_PICTURE_MAX (1u << 20)  /* a larger screen is not kept */

struct kept_segment { /* from here to the next one's offset it is of this kind */
        uint64_t offset, kind;
};

struct kept {
        uint64_t tail, head; /* the output that is there */
        const char *bytes;
        const struct kept_segment *segments;
        size_t segments_n;
        const char *picture; /* draws the screen at head */
        size_t picture_n;    /* 0: there is none */
        struct buf file;     /* all of it lies there */
};

/* At most `limit` bytes of the ring's last below `end`; ring NULL: none of it is left. 0, -EPROTO (ring_read),
 * -ENOMEM. */
_must_use_ int kept_make(const char *id, struct ring_reader *ring, uint64_t end, size_t limit,
                         const struct buf *picture, struct kept **ret);
struct kept *kept_free(struct kept *k); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct kept, kept_free)

/* As ring_read, of what is there. */
_must_use_ ssize_t kept_read(const struct kept *k, uint64_t offset, void *to, size_t cap,
                             enum ring_kind *ret_kind, uint64_t *ret_tail);

/* Takes the place of what was there. 0; -errno, and there is what was there. */
_must_use_ int kept_write(const char *data, const char *id, const struct kept *k) LATCH_BLOCKS;
/* Of a session whose output ended there. 0; -ENOENT; -EPROTO: it is not what was written; -ENOMEM, -errno. */
_must_use_ int kept_load(const char *data, const char *id, uint64_t end,
                         struct kept **ret) LATCH_BLOCKS;
uint64_t kept_size(const char *data,
                   const char *id) LATCH_BLOCKS; /* bytes of the file; 0: there is none */
void kept_unlink(const char *data, const char *id);
/* Removes those whose session is not `known`, and what was never finished. */
void kept_sweep(const char *data, bool (*known)(void *arg, const char *id), void *arg) LATCH_BLOCKS;
