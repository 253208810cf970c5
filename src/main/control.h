/* control.h - DIR/control.sock: what latchctl asks of the server that owns DIR (store/datadir.h has the
 * messages).
 *
 * One request a connection, carried out at once by main; only root and our own uid are heard.
 *
 * Threads: main. Lock: none may be held (passwords are hashed, files are made).
 */
#pragma once

#include <stdbool.h>

#include "audit/audit.h"
#include "base/macros.h"
#include "config/config.h"
#include "main/reload.h"
#include "people/people.h"

struct control;

struct control_deps { /* all outlive the control, but for control_close and control_free */
        const struct config *config;
        const struct people *people;
        const struct reload *reload;
        const char *address; /* where HTTP is served, HOST:PORT; NULL: nowhere */
        struct audit *audit;
};

_must_use_ int control_open(const struct control_deps *deps, struct control **ret); /* 0, -errno */

int control_fd(const struct control *c);  /* readable: call control_dispatch */
void control_dispatch(struct control *c); /* never waits for a peer */

/* True once somebody asked the server to stop; *ret_end_sessions says how. */
bool control_stop_wanted(const struct control *c, bool *ret_end_sessions);

/* Hears no more; the socket is removed. DIR's lock must still be held. */
void control_close(struct control *c);
/* Answers whoever asked for the stop, which is done now. NULL is fine; returns NULL. */
struct control *control_free(struct control *c);
