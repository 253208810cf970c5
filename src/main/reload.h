/* reload.h - the settings read again, while the server runs: SIGHUP and `latchctl reload`.
 *
 * All or nothing: with anything wrong in the file nothing changes. Each setting that changed, or would with a
 * restart, is a line of the log.
 *
 * Threads: main. Lock: none may be held (files are read).
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"
#include "config/config.h"

struct reload { /* as main was given them; all outlive the server */
        int argc;
        char **argv;
        struct config *config; /* in force */
};

/* 0: *ret (free it) says what changed, now or at the next start. -EINVAL and *ret_error (malloc'd): what is
 * wrong, for people; -ENOMEM. */
_must_use_ int reload_settings(const struct reload *r, struct config_change **ret, size_t *ret_n,
                               char **ret_error);
