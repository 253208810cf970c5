/* server.h - the server that is measured: one of our own, with a DIR that goes with it, or one that is there.
 *
 * Threads: one. Errors: told on stderr; 0 or -errno.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "base/macros.h"
#include "process.h"
#include "student.h"

struct server {
        struct site site;
        char bin[PATH_MAX];  /* where latchd and latchctl lie */
        char dir[PATH_MAX];  /* ours, temporary; "" if the server is not ours */
        char data[PATH_MAX]; /* DIR; "" if not known */
        int log;
        struct process latchd;
};

struct server_settings {             /* lines of its configuration beside the delivered ones */
        const char *server, *limits; /* of these sections */
        const char *sections;        /* whole ones */
};
/* Starts latchd, found beside this program, on a fresh DIR and a free port. */
_must_use_ int server_start(struct server *s, const struct server_settings *settings,
                            uint64_t deadline_ns);
/* One that is there: url http://HOST:PORT; data may be NULL. */
_must_use_ int server_use(struct server *s, const char *url, const char *data);
/* latchctl user add, as a student. */
_must_use_ int server_add_user(struct server *s, const char *name, const char *password,
                               uint64_t deadline_ns);
/* Ends our own with its sessions and removes its DIR. 0, or what latchd's end was if it was not clean. */
_must_use_ int server_end(struct server *s);
