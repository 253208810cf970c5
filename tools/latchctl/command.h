/* command.h - what latchctl was asked to do, and the two ways to do it.
 *
 * Threads: one. Lock: none.
 * Errors:  0 or -errno; *ret_error (malloc'd) has the words for people, or is NULL without memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/config.h"
#include "store/store.h"

enum command_kind { COMMAND_USER_ADD, COMMAND_USER_LIST, COMMAND_STOP };

struct command {
        enum command_kind kind;
        const char *data, *config_file; /* NULL: not given */
        const char *name;               /* of user add */
        enum role role;                 /* of user add */
        char password[1026]; /* of user add: one byte more than may be, to see too much */
        bool end_sessions;   /* of stop */
};

/* -EINVAL: it is no command, and *ret_error says why. The password is not read yet. */
_must_use_ int command_parse(int argc, char **argv, struct command *ret, char **ret_error);

/* Reads the password up to the end of standard input, without the line's end behind it. -EINVAL. */
_must_use_ int command_read_password(struct command *c, char **ret_error);

/* Through the server that owns DIR. -ENOENT or -ECONNREFUSED: there is none (no words). -ECANCELED: it
 * said no, in the words. */
_must_use_ int command_ask(const struct command *c, const struct config *config, char **ret_error);

/* On the store itself, while DIR's lock is held. */
_must_use_ int command_do(const struct command *c, const struct config *config, char **ret_error);

/* One user as `user list` shows it: name, role, uid, and whether disabled. */
_must_use_ int command_print_user(const char *name, const char *role, int64_t uid, bool disabled);
