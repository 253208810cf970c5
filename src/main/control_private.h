/* control_private.h - what the files behind the control socket share: the commands of its one table.
 *
 * Threads: main. Lock: none may be held.
 */
#pragma once

#include <stdbool.h>

#include <jansson.h>

#include "base/random.h"
#include "latch/trace.h"
#include "main/control.h"

#define CONTROL_PEERS 8 /* a newcomer takes the place of whoever has been silent for longest */

#define CONTROL_WAITERS 64

struct control_waiter { /* is owed an answer once its session has ended */
        int fd;         /* -1: free */
        char session[RANDOM_ID_CHARS + 1];
};

struct control {
        struct control_deps deps;
        int epoll, listener;
        int over;                 /* the sessions' own: one has ended; -1: there are none */
        int peers[CONTROL_PEERS]; /* -1: free; the oldest first */
        struct control_waiter waiters[CONTROL_WAITERS];
        int *asking;    /* of peers: whose command is carried out now */
        int stop_asker; /* is owed an answer; -1: nobody */
        bool stop, end_sessions;
        struct latch_trace *trace; /* that somebody reads, page by page; NULL: nobody */
        unsigned traces;           /* which one that is */
};

/* A command: the reply (NULL: no memory for one), unless *c->asking was taken for a later answer. m is the
 * message, of any shape: NULL, too. */
typedef json_t *control_handler(struct control *c, const json_t *m);

void control_send(int fd, json_t *reply); /* steals reply; never waits */

json_t *control_refusal(const char *words); /* {"ok":false,"error"} */

/* Administration: on record before it is answered. NULL, or the refusal that says what could not be written. */
json_t *control_note(struct control *c, const char *what, const char *object, int error);

/* control_reload.c */
control_handler control_reload;

/* control_locks.c */
control_handler control_locks, control_locks_level, control_locks_trace, control_locks_waits;

/* control_courses.c */
control_handler control_course_add, control_course_teacher;

/* control_sessions.c */
control_handler control_session_list, control_session_kill, control_session_send,
        control_session_wait, control_session_attach;
void control_answer_waiters(struct control *c); /* those whose session has ended */

/* control_users.c */
control_handler control_user_add, control_user_list, control_user_act;
