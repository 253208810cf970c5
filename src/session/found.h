/* found.h - the holders that are found in DIR/sessions at the start: connected, asked who they are.
 *
 * Threads: main. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/random.h"
#include "session/holder.h"

struct found {
        char id[RANDOM_ID_CHARS + 1]; /* by the name of its socket */
        int fd;                       /* connected; -1 once taken */
        struct holder_message *hello; /* NULL: it said nothing in time, or nonsense */
        bool nonsense;
};

/* All that answer, within hello_ms; sockets on which nobody listens are removed. No folder: none. 0, -ENOMEM,
 * -errno (opendir(3)). found_free(*ret, *ret_n). */
_must_use_ int found_look(const char *data, unsigned hello_ms, struct found **ret, size_t *ret_n);
void found_free(struct found *f, size_t n); /* closes what was not taken */

/* DIR/sessions/ID.sock, whose holder is gone. */
void found_unlink(const char *data, const char *id);
