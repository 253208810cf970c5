/* command.h - what latchctl can be told: one table of commands, and the two ways to carry one out.
 *
 * A row of the table says all that is checked before anything is done: words, arguments, options. `ask`
 * goes through the server that owns DIR; `direct` works on DIR itself, which only whoever has DIR's lock may.
 *
 * Threads: one. Lock: none.
 * Errors:  0, or -errno, or of `attach` the exit status; *ret_error (malloc'd) has the words for people, or is NULL without memory.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/macros.h"
#include "base/str.h" // IWYU pragma: keep
#include "config/config.h"
#include "store/store.h"

enum option {
        OPTION_DATA,
        OPTION_CONFIG,
        OPTION_ROLE,
        OPTION_PASSWORD_STDIN,
        OPTION_END_SESSIONS,
        OPTION_FILE,
        OPTION_FORCE,
        OPTION_JSON,
        OPTION_SINCE,
        OPTION_USER,
        OPTION_WHAT,
        OPTION_TEACHER,
        OPTION_ENTER,
        OPTION_DETACH_KEY,
        OPTION_VIEWER,
        OPTION_LEVEL,
        OPTION_TRACE,
        OPTION_WAITS,
        OPTION_COUNT
};
#define OPTION_BIT(o) (1u << (o))

#define COMMAND_ARGS_MAX 4

struct command {
        const struct command_row *row;
        const char *arg[COMMAND_ARGS_MAX]; /* as the row names them; NULL: left out */
        const char
                *option[OPTION_COUNT]; /* its value; "" for one that takes none; NULL: not given */
        char password[1026]; /* of --password-stdin: one byte more than may be, to see too much */
};

/* -ENOENT or -ECONNREFUSED from ask: there is no server (no words); -ECANCELED: it, or what was found in DIR,
 * says no, in the words. */
typedef int command_way(const struct command *c, const struct config *config, char **ret_error);

struct command_row {
        const char *words; /* "user add" */
        const char *
                args; /* "NAME [TEXT]": one word for each positional argument; those in brackets may be left out */
        unsigned options;    /* OPTION_BITs that it takes, beside --data and --config */
        unsigned needed;     /* of those, the ones that must be there */
        const char *usage;   /* of the options, as people read it; "" for none */
        command_way *ask;    /* NULL: not while a server runs */
        command_way *direct; /* NULL: not without a server. DIR's lock is held */
        bool makes_data;     /* direct, DIR is made as latchd would make it */
};

/* The i-th row, or NULL behind the last. */
const struct command_row *command_row_at(size_t i);

/* -EINVAL: it is no command, and *ret_error says why. The password is not read yet. */
_must_use_ int command_parse(int argc, char **argv, struct command *ret, char **ret_error);

/* Reads the password up to the end of standard input, without the line's end behind it. -EINVAL. */
_must_use_ int command_read_password(struct command *c, char **ret_error);

/* A key as --detach-key names it: "^A", "^]", or "none" (NUL). 0, -EINVAL. */
_must_use_ int command_key(const char *value, char *ret);

/* ---- what the ways are made of ---- */

#define COMPLAIN(ret, error, ...)                                                                  \
        ({                                                                                         \
                int complain_r_ = (error);                                                         \
                *(ret) = str_printf(__VA_ARGS__);                                                  \
                *(ret) ? complain_r_ : -ENOMEM;                                                    \
        })

/* One request to the server (stolen; {"command", ...}: store/datadir.h) and its reply, which is an object
 * with "ok": true. */
#define COMMAND_ANSWER_MS 30000u
_must_use_ int command_request(const struct config *config, json_t *request, unsigned timeout_ms,
                               json_t **ret, char **ret_error);

/* print.c */
/* What somebody else wrote, so that it looks like no other line and commands no terminal; "-" for "". 0, -EIO. */
_must_use_ int command_print(const char *text);
#define COMMAND_TIME_MAX 32
void command_time(uint64_t ms, char to[COMMAND_TIME_MAX]); /* 2026-01-31T08:15:00.000Z */

/* users.c */
command_way user_add_ask, user_add_direct, user_list_ask, user_list_direct;
/* courses.c */
command_way course_add_ask, course_add_direct, course_list, course_teacher_add_ask,
        course_teacher_add_direct, course_teacher_remove_ask, course_teacher_remove_direct;
command_way user_act_ask, user_act_direct; /* user disable and the like */
/* sessions.c: a server that does not run has none */
command_way session_list_ask, session_kill_ask, session_send_ask, session_wait_ask;
/* attach.c */
command_way attach_ask;
/* locks.c */
command_way locks_ask;
/* reload.c */
command_way reload_ask;
/* audit.c */
command_way audit_verify_ask, audit_verify_direct, audit_list_ask, audit_list_direct;
/* On record, where no server runs: after it was done, before it is said. */
_must_use_ int audit_direct(struct store *store, const char *what, const char *object,
                            char **ret_error);
/* The server writes what it has noted. */
_must_use_ int audit_flush_ask(const struct config *config, char **ret_error);
/* backup.c */
command_way backup_ask, backup_direct, restore_direct;
/* stop.c */
command_way stop_ask;
