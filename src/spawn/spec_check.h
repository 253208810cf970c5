/* spec_check.h - a spec from latchd, judged as if it came from an enemy.
 *
 * Threads: any. Lock: any (nothing is allocated).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"
#include "spawn/spec.h"

/* Limits of the strings beside their size. */
#define SPAWN_ARGS_MAX 1024u
#define SPAWN_ENV_MAX  256u

/* The whole message. 0, or -EINVAL: size, a string without an end, id, user, path, cwd, language,
 * arguments, environment, terminal or ring size, graces. Uids are the spawner's to judge. */
_must_use_ int spawn_spec_check(const struct spawn_spec *spec, size_t n, const char *strings);
