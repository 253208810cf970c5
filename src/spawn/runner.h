/* runner.h - the text of runner.py, which runs a snapshot of a Python file in the cage.
 *
 * Threads: any; const. Lock: any.
 */
#pragma once

#include <stddef.h>

extern const char runner_text[], runner_end[];

static inline size_t runner_size(void) {
        return (size_t)(runner_end - runner_text);
}
