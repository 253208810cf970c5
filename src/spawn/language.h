/* language.h - what runs a file or a prompt: the table of languages, and the argv inside the cage.
 *
 * Threads: any; the table is const. Lock: any.
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "spawn/spec.h"

/* The language of a file by its name's ending, or NULL. */
const char *language_by_name(const char *path);
bool language_known(const char *language);
/* "python (.py), shell (.sh)": for error messages. */
const char *language_list(void);
