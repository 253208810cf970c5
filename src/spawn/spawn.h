/* spawn.h - latchd's end of the spawner: the only maker of processes, an executable of its own.
 *
 * Threads: start, verdict: main; start before the first thread; session: any worker. Lock: none inside; none
 *          may be held by the caller (it waits for the spawner's answer, at most 10 s).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "latch/lock.h"
#include "spawn/spec.h"

struct spawner;

struct spawn_options {
        const char *
                exec_dir; /* where latch-spawn, latch-hold and latch-init lie: latchd's own folder */
        const char *data; /* DIR, absolute */
        const char *bwrap, *python;
        uid_t uid_base; /* used where we are root */
        unsigned uid_count;
        uid_t latchd_uid; /* who latchd will become: owner of DIR/sessions and its sockets */
        gid_t latchd_gid;
};

/* Starts latch-spawn, which tries the cage with a canary program. 0; -EINVAL and *ret_error (malloc'd) names
 * what is missing; -errno. */
_must_use_ int spawner_start(const struct spawn_options *o, struct spawner **ret, char **ret_error);
/* Waits for its verdict; once, before the first session. 0; -EINVAL and *ret_error (malloc'd) names what is
 * unreachable or does not hold; -errno. */
_must_use_ int spawner_verdict(struct spawner *s, char **ret_error);

/* Ends the spawner (holders live on) and waits for it. NULL is fine; returns NULL. */
struct spawner *spawner_free(struct spawner *s);

/* Readable (POLLHUP) once the spawner has died: latchd then ends. */
int spawner_fd(const struct spawner *s);

/* Starts a holder, and through it the program. script_fd: the sealed snapshot of a run's file, or -1; it
 * stays the caller's. *ret_sock is the connection to the holder (hold/hold_proto.h), which sends HELLO
 * first. 0; -ETIMEDOUT; -EPIPE the spawner is gone; -EAGAIN no process could be made; -errno. */
_must_use_ int spawner_session(struct spawner *s, const struct spawn_spec *spec,
                               const char *strings, int script_fd, int *ret_sock) LATCH_BLOCKS;
