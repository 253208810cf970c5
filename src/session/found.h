/* found.h - the holders that are found in DIR/sessions at the start: connected, asked who they are.
 *
 * Threads: main. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/random.h"
#include "latch/lock.h"
#include "session/holder.h"

struct found {
        char id[RANDOM_ID_CHARS + 1]; /* by the name of its socket */
        int fd;                       /* connected; -1 once taken, or if too many have called it */
        bool speaks;                  /* in time: something can be received, or it is gone */
        struct holder_message *hello; /* heard; NULL: it said nothing in time, or nonsense */
        bool nonsense;
};

/* All that can be reached within hello_ms, connected; sockets on which nobody listened for so long are
 * removed. No folder: none. 0, -ENOMEM, -errno (opendir(3), connect(2)): then nobody was judged.
 * found_free(*ret, *ret_n). */
_must_use_ int found_look(const char *data, unsigned hello_ms, struct found **ret,
                          size_t *ret_n) LATCH_BLOCKS;
/* Receives what it said first, with its descriptors: one at a time is heard and done with, since a message has
 * three of them. 0, also if that was nothing; -EMFILE, -ENOMEM, -errno: it could not be had. */
_must_use_ int found_hear(struct found *f);
void found_done(struct found *f);           /* closes what was not taken of it */
void found_free(struct found *f, size_t n); /* the same, of all */

/* DIR/sessions/ID.sock, whose holder is gone. */
void found_unlink(const char *data, const char *id);
