/* cage.h - what a cage shows: bubblewrap's arguments, and the few files made for it.
 *
 * The system below /usr, read-only, the user's own home at /work/home, the course folders at
 * /work/courses, a /tmp of a fixed size, a /proc and /dev of its own. No network, no other user, nothing
 * of DIR; everything else of the file system is made for the cage and cannot be written.
 *
 * Threads: any. Lock: none may be held (files are written).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "spawn/setup.h"

struct cage {
        const char *data;   /* DIR */
        const char *user;   /* NULL: the canary's, which has an empty home */
        uint64_t tmp_bytes; /* of /tmp, and as much of /dev/shm; 0 = the kernel's default */
        bool script;        /* SETUP_SCRIPT is there */
        bool tty, prompt;   /* a terminal; a shell or another prompt: what they look at is shown */
};

/* Makes the files that bubblewrap reads: SETUP_ARGS, PASSWD, GROUP, HOSTS and RUNNER of fds[SETUP_END], which
 * the caller closes also on failure. 0, -ENOMEM, -ENOBUFS, -errno. */
_must_use_ int cage_files(const struct cage *c, int fds[SETUP_END]);

/* Executes fds[SETUP_BWRAP] with them as child of the holder or canary: only numbers SETUP_CONN and
 * SETUP_CAGE.. may be open. init_args end with NULL. Returns -errno only. */
int cage_exec(const char *const init_args[]);
