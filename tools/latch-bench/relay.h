/* relay.h - one process between a socket and a pty, and nothing else: what no server can be quicker than.
 *
 * Threads: one.
 */
#pragma once

#include <sys/types.h>

#include "base/macros.h"

/* A child that starts argv on a pty of 80 by 24; *ret_fd is the other end of its socket. 0 or -errno. */
_must_use_ int relay_start(const char *const *argv, int *ret_fd, pid_t *ret);
/* After its socket was closed, which is its end and the program's. 0 is fine, and what it is set to. */
void relay_end(pid_t *relay_pid);
