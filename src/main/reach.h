/* reach.h - whether a path can be reached by those who need it, and what stands in the way if not.
 *
 * As root the question is asked as the uid that needs it, which we become for that moment, so modes, owners and
 * access lists all count as they will later.
 *
 * Threads: main, before the first other thread (ids are the process's). Lock: none may be held.
 */
#pragma once

#include <sys/types.h>

#include "base/macros.h"

/* Whether `uid` (as root; else whoever we are) may walk to path and has `access` (R_OK, X_OK: access(2)) to
 * it. what: for the words, "sandbox.bwrap" or the like. 0; -EINVAL and *ret_error (malloc'd) names the
 * part of the path that is missing or shut; -errno. */
_must_use_ int reach_check(const char *what, const char *path, int access, uid_t uid,
                           char **ret_error);

/* The same for a program of ours, which the spawner opens while it may and starts by its descriptor: it
 * may lie beneath folders that uid cannot enter, but its mode must let uid execute it. */
_must_use_ int reach_check_program(const char *what, const char *path, uid_t uid, char **ret_error);

/* The same for a folder that need not be there yet: as far as it exists. */
_must_use_ int reach_check_folder(const char *what, const char *path, uid_t uid, char **ret_error);
