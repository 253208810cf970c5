/* filter.h - the seccomp filter of every cage.
 *
 * A list of what is refused (EPERM), since programs of people use all the rest: other programs' memory,
 * new namespaces and mounts, keys, the kernel's own machinery, typing into a terminal from behind.
 * clone3 answers ENOSYS, so that libc falls back to clone, whose flags can be looked at.
 *
 * Threads: any. Lock: none may be held (it writes a file).
 */
#pragma once

#include "base/macros.h"

/* A memfd with the compiled filter, read from its start. 0, -ENOMEM, -errno. */
_must_use_ int filter_make(int *ret_fd);
