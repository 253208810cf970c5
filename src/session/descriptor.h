/* descriptor.h - what a descriptor that came over a socket really is, by the kernel's word: a holder may
 * send anything. Asking never waits for whoever made it.
 *
 * Threads: any. Lock: none may be held. Source: proc_pid_fdinfo(5).
 */
#pragma once

#include "base/macros.h"

/* A pidfd of the first process of a pid namespace below ours: to kill it ends what is in there and nothing
 * else, and it is readable when all of that is gone. 0; -ESRCH a pidfd whose process is gone and reaped, so
 * that nobody can say what it was; -EPROTO anything else; -errno it could not be asked. */
_must_use_ int descriptor_is_cage_init(int fd);
/* 0; -EPROTO; -errno it could not be asked. */
_must_use_ int descriptor_is_eventfd(int fd);
