/* line.h - a shell's terminal as a client has it: of the server over latch.v1, of another server, or of a bare relay, a
 * child of ours between a socket and a pty, which is the least that a server can do.
 *
 * Threads: one. Errors: 0 or -errno; -EREMOTEIO: the server refused, and its words are on stderr; -ECONNRESET: the
 * other side has ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "client/ws.h"
#include "student.h"

enum line_wire { /* what a server speaks */
                 LINE_LATCH,
                 LINE_PLAIN,     /* messages are a shell's bytes as they are */
                 LINE_TERMINADO, /* arrays of JSON */
};

struct line_place {              /* who gives shells */
        const struct site *site; /* a server; NULL: a relay */
        enum line_wire wire;     /* of the server */
        const char *token;       /* whose they are there */
        const char *const *argv; /* what a relay starts: a path, arguments, NULL */
        uint64_t deadline_ns;
};

struct line {
        const struct line_place *place;
        struct ws *ws;           /* NULL: it is a relay's */
        int fd;                  /* the relay's, or -1 */
        pid_t relay;             /* 0: none */
        int64_t asked, answered; /* ids of requests: the last ones */
        uint32_t channel;
        char session[48];
        bool ended;            /* session.exit has come */
        uint64_t typed, acked; /* bytes */
        uint64_t bytes;        /* of output, so far */
        uint64_t asked_ns, first_ns,
                last_ns;  /* when it was asked for; its first and its last output */
        const char *mark; /* looked for in the output; NULL: found */
        size_t matched;
        int error;
};
#define LINE_NONE ((struct line){.fd = -1})

/* line_ask asks for a shell, which has come once first_ns is set; line_open waits for that. Of servers that are not ours
 * connecting is asking. line_watch asks for another client's, as a viewer. */
_must_use_ int line_ask(const struct line_place *place, struct line *l);
_must_use_ int line_open(const struct line_place *place, struct line *l);
_must_use_ int line_watch(const struct line_place *place, const char *session, struct line *l);
/* Ends the shell if it is ours, waits for its end, and closes. Nothing of LINE_NONE. */
void line_end(struct line *l);
/* Closes; a server's shell lives on. */
void line_leave(struct line *l);

/* A shell more by the same socket, which nobody is attached to from then on; ret: its session, 48 bytes. */
_must_use_ int line_spare(struct line *l, char *ret);
/* Ends a shell that nobody need look at, by way of any line to its server. */
_must_use_ int line_close(struct line *l, const char *session);

int line_fd(const struct line *l);
_must_use_ int line_type(struct line *l, const void *data, size_t n);
/* Takes what has come, without waiting. */
_must_use_ int line_turn(struct line *l);
/* Waits for anything to come, and takes it. -ETIMEDOUT. */
_must_use_ int line_wait(struct line *l, uint64_t until_ns);
/* Types a command and waits until the mark shows, which the command must not spell. */
_must_use_ int line_run(struct line *l, const char *command, const char *mark);
