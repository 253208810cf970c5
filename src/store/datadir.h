/* datadir.h - DIR: its folders, its one owner, and the way to the server that owns it.
 *
 *     DIR/lock          flock(2), held by the process that works on DIR
 *     DIR/latch.db      the store (store.h)
 *     DIR/sessions      0700: sockets of the holders
 *     DIR/control.sock  0600, SOCK_SEQPACKET: latchctl's way in while a server holds DIR
 *
 * A control message is one JSON object: {"command":"user.add","name","role","password"},
 * {"command":"user.password","name","password"}, "user.link" (answers "link"), "user.role" ("role"),
 * "user.disable", "user.enable", "user.delete", "user.purge", "user.sign_out" ("name" each),
 * {"command":"user.list","after"} (names behind "after", "" for the first; at most
 * DATADIR_USERS_PAGE a reply, with "more" true if there are others), {"command":"stop",
 * "end_sessions"}, {"command":"reload"}, {"command":"locks"} (api/locks.h), "locks.level" ("level"; answers "was" and "is"),
 * "locks.trace" ("at", 0 for the first page, and "trace" of its answer for the others; answers "events", "lost", and
 * "next" where "more" is true), {"command":"audit.flush"}, {"command":"session.list","after_ms","after"}
 * (behind the start and the id of the last that was told), "session.kill" ("session"), "session.send"
 * ("session","client","offset","data" in base64,"enter"; answers "taken"), "session.wait" ("session"; answers
 * when it has ended, "words"), "session.attach" ("session"; answers "ticket", which opens one socket at "address"). The reply is {"ok":true,...}
 * ("users":[{"name","role","uid","disabled","deleted"}] for a list) or {"ok":false,"error":"words"}.
 *
 * Threads: any. Lock: none may be held (all of it is I/O; asserted). dir is absolute everywhere.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"
#include "latch/lock.h"

#define DATADIR_MESSAGE_MAX (64u << 10) /* bytes of one control message, either way */
#define DATADIR_USERS_PAGE  200u

/* Makes DIR (0755, and its parents) and DIR/sessions (0700) where they are missing; as root what is
 * made is given to uid and gid. 0; -EINVAL and *ret_error (malloc'd) names the path that is no folder,
 * belongs to a stranger, or may be written by everybody; -errno and *ret_error. */
_must_use_ int datadir_prepare(const char *dir, uid_t uid, gid_t gid,
                               char **ret_error) LATCH_BLOCKS;

/* Becomes the owner of DIR until *ret_fd (close-on-exec) is closed. 0, -EBUSY another process is,
 * -ENOENT no such DIR, -errno. */
_must_use_ int datadir_lock(const char *dir, int *ret_fd) LATCH_BLOCKS;

/* The owner's listening control socket, non-blocking; a stale one is replaced. 0 or -errno. */
_must_use_ int datadir_listen(const char *dir, int *ret_fd) LATCH_BLOCKS;

/* Asks the server that owns DIR: one request, one reply (malloc'd, NUL-terminated). 0; -ENOENT or
 * -ECONNREFUSED nobody listens; -ETIMEDOUT; -EPIPE it went away without an answer; -errno. */
_must_use_ int datadir_ask(const char *dir, const char *request, unsigned timeout_ms,
                           char **ret) LATCH_BLOCKS;
