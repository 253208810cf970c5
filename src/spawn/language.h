/* language.h - what runs a file or a prompt: the table of languages, and the argv inside the cage.
 *
 * Threads: any; the table is const. Lock: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"
#include "spawn/spec.h"

/* Where a run's snapshot and what runs Python files stand in the cage. */
#define LANGUAGE_SCRIPT "/run/latch/script"
#define LANGUAGE_RUNNER "/run/latch/runner.py"

/* The language of a file by its name's ending, or NULL. */
const char *language_by_name(const char *path);
bool language_known(const char *language);
/* "python (.py), shell (.sh)": for error messages. */
const char *language_list(void);

/* The program's argv for a checked spec, NUL after each, added to `to`; arguments: the spec's own argc
 * strings. 0 and the count; -ENOBUFS, -ENOMEM. */
_must_use_ int language_argv(const struct spawn_spec *spec, const char *python,
                             const char *arguments, struct buf *to, uint32_t *ret_argc);
