/* folder.h - DIR/sessions: what lies there of a session has its id and a suffix as its name.
 *
 * Threads: any. Lock: none may be held.
 */
#pragma once

#include "latch/lock.h"

/* "DIR/sessions", or of that session's file if id is not NULL. malloc'ed; NULL: -ENOMEM. */
char *folder_path(const char *data, const char *id, const char *suffix);
/* One that is not there is as good as removed; another failure is logged. */
void folder_unlink(const char *data, const char *id, const char *suffix) LATCH_BLOCKS;
