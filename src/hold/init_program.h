/* init_program.h - the user's program as init starts it: terminal or pipes, limits, exec.
 *
 * Threads: init's one. Lock: none.
 */
#pragma once

#include <sys/types.h>

#include "base/macros.h"
#include "hold/init_proto.h"

struct init_program {
        pid_t pid;
        int master, slave; /* of the terminal; -1 without */
};

/* Starts it as leader of a session of its own, and waits until it is executed. stdio: what becomes 0, 1 and
 * 2 without a terminal; closed by this. 0; -errno and *ret_stage names what failed. */
_must_use_ int init_program_start(const struct init_config *c, char *strings, int stdio[3],
                                  struct init_program *ret, const char **ret_stage);

/* To the group in the terminal's foreground; without a terminal to the program's own. 0 or -errno. */
_must_use_ int init_program_signal(const struct init_program *p, int signal);
