/* canary.h - the first cage of all: whatever a cage must forbid is tried in it before anybody's program is.
 *
 * Threads: the spawner's one. Lock: none.
 */
#pragma once

#include "base/macros.h"
#include "spawn/launch.h"

/* 0; -EINVAL and ret_text says in words what does not hold or cannot be reached; -ETIMEDOUT; -errno. */
_must_use_ int canary_run(const struct launcher *l, char *ret_text, size_t size);
