/* privileges.h - who latchd is: as root it becomes a user of its own that keeps three capabilities.
 *
 * CAP_CHOWN, CAP_FOWNER, CAP_DAC_OVERRIDE: files of users are written by latchd and given to them.
 * Source: capabilities(7), "Effect of user ID changes on capabilities"; PR_SET_KEEPCAPS(2const).
 *
 * Threads: main, before the first other thread (checked). Lock: none may be held.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/macros.h"

struct privileges {
        bool root; /* started as root: there is somebody to become */
        uid_t uid; /* who latchd is from privileges_drop on */
        gid_t gid;
};

/* Looks up who latchd shall be: as root `user`, else whoever it is. 0; -EINVAL and *ret_error (malloc'd):
 * there is no such user, or it is root. */
_must_use_ int privileges_find(const char *user, struct privileges *ret, char **ret_error);

/* Becomes that, for good, and looks whether it did: ids, groups, capabilities, no way back. Nothing to
 * do where it was not root. 0; -EBUSY other threads run; -EPERM not as wanted; -errno. */
_must_use_ int privileges_drop(const struct privileges *p);
