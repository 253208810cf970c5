/* lease.h - who may run a file: one living run of a file for each user.
 *
 * A lease is a latch_lease in a registry, by user and path: its token goes with the session, and its generation is of
 * all leases ever taken, so letting go of one can never let go of its successor. It is taken by a session that is all made, and let go at one
 * place alone: session_settle, the end of its cage.
 *
 * Threads: any. Lock: none may be held.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "base/random.h"
#include "registry/registry.h"

struct lease;

struct leases {
        struct registry *registry;
        _Atomic uint64_t taken, released; /* ever */
};

_must_use_ int leases_init(struct leases *l, size_t limit); /* 0, -ENOMEM */
void leases_done(struct leases *l);                         /* none is held */

/* 0; -EBUSY and holder is the session that has it; -EUSERS at the limit; -ENOMEM. path: relative to the
 * user's root, at most 4,096 bytes. */
_must_use_ int lease_take(struct leases *l, int64_t user_id, const char *path, const char *session,
                          struct lease **ret, char holder[RANDOM_ID_CHARS + 1]);
/* Whether somebody has it now: a look that takes nothing. */
bool lease_held(struct leases *l, int64_t user_id, const char *path,
                char holder[RANDOM_ID_CHARS + 1]);
struct lease *lease_release(struct leases *l, struct lease *lease); /* NULL is fine; returns NULL */
uint64_t lease_generation(const struct lease *lease);
