/* launch.h - how the spawner makes a process: descriptors at their places, a uid, one exec.
 *
 * Threads: the spawner's one. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "spawn/setup.h"

/* What the spawner opened or was told at its start; const afterwards. */
struct launcher {
        const char *data, *python; /* DIR; the interpreter's path in the cage */
        int sessions;              /* DIR/sessions */
        int hold, init, bwrap;     /* executables; init is a copy in a memfd */
        int filter;                /* seccomp */
        bool root;                 /* then programs run under the range below */
        uid_t uid_base;
        unsigned uid_count;
        uid_t latchd_uid;
        gid_t latchd_gid;
};

/* A holder for a checked spec; conn and script (or -1) stay the caller's. 0 and its pid; -EPERM a uid out
 * of range; -EEXIST the id has a socket; -EAGAIN; -errno. If the holder cannot be executed it says so on
 * conn itself. */
_must_use_ int launch_session(const struct launcher *l, const struct spawn_spec *spec,
                              const char *strings, int conn, int script, pid_t *ret);

/* ---- also of the canary ---- */

/* A file with these bytes read from its start again: another offset, the same file. 0 or -errno. */
_must_use_ int launch_reopen(int fd, int *ret);
/* In a child: fds[i] becomes number i, not close-on-exec but for SETUP_HOLD; 0 becomes
 * /dev/null, 1 and 2 stay, everything else is closed. 0 or -errno. */
_must_use_ int launch_place(const int fds[SETUP_END]);
/* In a child of root: another uid, no groups, no way back; default signals for everybody. 0 or -errno. */
_must_use_ int launch_become(bool root, uid_t uid);
