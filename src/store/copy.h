/* copy.h - what a backup and a restore have in common. The room's own.
 *
 * Threads: any. Lock: none may be held.
 * Errors:  0 or -errno and words (but -ENOMEM); a file that is damaged is -EINVAL.
 */
#pragma once

#include "base/macros.h"
#include "store/store_private.h"

/* error is looked at first: making the words may change errno. */
#define COMPLAIN(ret, error, ...)                                                                  \
        ({                                                                                         \
                int complain_r_ = (error);                                                         \
                *(ret) = str_printf(__VA_ARGS__);                                                  \
                *(ret) ? complain_r_ : -ENOMEM;                                                    \
        })

/* A reader of a file of any version that we know. */
_must_use_ int reader_open(const char *path, struct store **ret, int64_t *ret_version,
                           char **ret_error);

/* The whole database into a file that is empty. */
_must_use_ int copy_into(struct store *from, const char *path, char **ret_error);
_must_use_ int check_copy(const char *path, char **ret_error); /* all of its integrity */

_must_use_ int folder_sync(const char *path); /* 0 or -errno: no words */
