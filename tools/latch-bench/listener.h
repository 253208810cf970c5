/* listener.h - a peer that listens: a child of ours, which says its address in its first line and ends when its stdin
 * does.
 *
 * Threads: one. Errors: 0 or -errno.
 */
#pragma once

#include <stdint.h>

#include "base/macros.h"
#include "process.h"
#include "student.h"

struct listener {
        struct process process;
        struct site site;
};
#define LISTENER_NONE ((struct listener){.process = PROCESS_NONE})

/* Its words of trouble are on our stderr. -EPROTO: it ended, or said something else than 127.0.0.1:PORT. */
_must_use_ int listener_start(const char *program, const char *const *argv, uint64_t deadline_ns,
                              struct listener *ret);
/* Also of one that was started otherwise and has no stdin: it has nothing to lose. Nothing of LISTENER_NONE. */
void listener_end(struct listener *l);
