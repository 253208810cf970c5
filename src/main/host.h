/* host.h - what latchd needs of the machine before it has a thread: who to be, programs that can be
 * reached, DIR, the spawner, descriptors enough.
 *
 * Threads: main, before the first other thread. Lock: none may be held.
 * Errors:  -EINVAL: a setting or path that *ret_error (malloc'd) names; else -errno and *ret_error says what
 *          failed, or is NULL.
 */
#pragma once

#include "base/macros.h"
#include "config/config.h"
#include "main/privileges.h"
#include "spawn/spawn.h"

struct host {
        const struct config *config;
        struct privileges who;
        char exec_dir[4096]; /* where latchd and its programs lie */
        int lock;            /* DIR's, or -1 */
        struct spawner *spawner;
};

/* Looks only; makes nothing. */
_must_use_ int host_check(const struct config *config, struct host *ret, char **ret_error);

/* Makes DIR where it is missing and becomes its owner; starts the spawner; becomes who latchd shall be. After
 * host_check. host_done is due also after a failure. */
_must_use_ int host_take(struct host *h, char **ret_error);

/* Ends the spawner and lets DIR go. */
void host_done(struct host *h);
