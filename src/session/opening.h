/* opening.h - what opening a session has in hand on the way. Of open.c and request.c alone.
 *
 * Threads: one at a time. Lock: none may be held.
 */
#pragma once

#include "session/session_private.h"
#include "spawn/spec.h"

struct opening {
        struct sessions *ss;
        struct port *port;
        const struct session_request *rq;
        struct session_refusal *no;
        struct spawn_spec *spec;
        int file_fd, script_fd; /* of a run: its file, its sealed snapshot */
};

/* All that can be said of a request without taking anything: spec is complete, the run's file is open.
 * 0, -EINVAL, -E2BIG, -errno of the workspace; o->no says why. */
_must_use_ int opening_judge(struct opening *o);
/* Returns error, having said why. */
int refuse(struct session_refusal *no, int error, const char *code, const char *fmt, ...)
        _printf_(4, 5);
