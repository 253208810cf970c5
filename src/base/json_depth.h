/* json_depth.h - what may be given to a JSON parser that recurses for each level.
 *
 * Threads: any. Lock: any may be held. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether objects and arrays are nested deeper than this. A text that is no JSON may be either. */
bool json_deeper(const char *text, size_t n, unsigned depth);
