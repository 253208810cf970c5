/* process.h - starting a program beside us and waiting for it, without a shell.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

struct process {
        pid_t pid; /* 0: none */
        int pidfd;
        int in;  /* its stdin, -1 if not asked for */
        int out; /* its stdout, -1 if not asked for */
};
#define PROCESS_NONE ((struct process){.pidfd = -1, .in = -1, .out = -1})

struct process_plan {
        const char *program;     /* a path */
        const char *const *argv; /* ends with NULL */
        int log;                 /* where stderr goes, and stdout unless it is asked for */
        bool in, out;            /* pipes wanted */
};
_must_use_ int process_start(const struct process_plan *plan, struct process *ret);

/* Waits for its end: the exit status, 128 + signal, -ETIMEDOUT, -errno. */
_must_use_ int process_wait(struct process *p, uint64_t deadline_ns);
/* Kills it if it lives, waits, closes. Nothing of PROCESS_NONE. */
void process_end(struct process *p);
