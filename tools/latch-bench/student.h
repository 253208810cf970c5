/* student.h - one user at one socket, who writes a program, runs it, and looks at what it left.
 *
 * It speaks PROTOCOL.md and checks what it is told: each reply has a request, each byte of output its
 * place, the exit comes after the last of them. What is not right is kept in words.
 *
 * Threads: one, which drives all students with students_until.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "client/ws.h"

struct site { /* where the server is */
        char host[64];
        unsigned port;
};

enum student_state { /* each in turn; a run may be repeated from WRITTEN or ENDED */
                     STUDENT_AWAY,
                     STUDENT_CONNECTED, /* the upgrade is done */
                     STUDENT_GREETED,   /* hello has come */
                     STUDENT_WRITTEN,   /* the program is saved */
                     STUDENT_ENDED,     /* it was run, and its exit has come */
                     STUDENT_LISTED,    /* the home was listed */
};

struct student {
        char name[40], password[80], token[128];
        enum student_state state;
        struct ws *ws;
        int64_t request; /* id of the one under way, 0: none */
        int64_t last_id;
        unsigned asked, answered;
        uint32_t channel;
        struct buf output; /* of the last run */
        uint64_t acked;
        uint64_t opened_ns, first_ns, exit_ns; /* of the last run; 0: not yet */
        bool exited_well;                      /* verdict exited, code 0, all output before it */
        unsigned own_files, others_files;      /* of those named by-USER, in the home */
        char trouble[240];                     /* "" while all is well */
};

void student_init(struct student *s);
void student_done(struct student *s);
bool student_failed(const struct student *s);

/* Signs in over HTTP and opens the socket. Failures go to trouble, here and below. */
void student_sign_in(struct student *s, const struct site *site, uint64_t deadline_ns);
void student_connect(struct student *s, const struct site *site, uint64_t deadline_ns);
void student_write(struct student *s, const char *path, const char *program);
void student_run(struct student *s, const char *path);
void student_list_home(struct student *s);

/* Until every student has come to this state or failed. 0; -ETIMEDOUT; -errno of epoll. */
_must_use_ int students_until(struct student *all, size_t n, enum student_state state,
                              uint64_t deadline_ns);
