/* courses.h - course folders: DIR/courses/NAME, the server's own, read by everybody, written by its teachers.
 *
 * The folder is on the disk, who teaches is in the store; both are asked each time, so what is changed here
 * holds at once. A teacher writes through latchd alone: to a program of theirs the folder is as read-only as to
 * anybody's.
 *
 * Threads: any. Lock: none may be held (files, the store).
 * Errors:  -EINVAL a name that is none; -EEXIST; -ESRCH no such course; -ENOENT no such user; -EACCES a
 *          student cannot teach; -errno of files and store.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "latch/lock.h"
#include "store/store.h"

/* teacher: NULL for none. A course whose folder stands there already gets that one. */
_must_use_ int courses_add(const char *dir, struct store *store, const char *name,
                           const char *teacher) LATCH_BLOCKS;
_must_use_ int courses_set_teacher(struct store *store, const char *course, const char *teacher,
                                   bool teaches);
const char *courses_words(int error); /* for people */
