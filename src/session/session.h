/* session.h - sessions: opening, attaching, driving, ending; the leases on files that are being run.
 *
 * A session belongs to a user; its program lives in a cage held by a holder process, which outlives
 * latchd. What is known here of it: record, ring, viewers, driver, gate. Life: STARTING, RUNNING, ENDED
 * (or LOST), by the table of moves in session_state.c.
 *
 * Threads: open, attach, close, list, stop, signal, resize, drive, detach: workers, on the session's
 *          strand where one is given; input, ack: the connection's own thread. Lock: session inside;
 *          none may be held by the caller.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "base/random.h"
#include "config/config.h"
#include "latch/lock.h"
#include "pool/pool.h"
#include "session/port.h"
#include "session/pump_hooks.h"
#include "session/viewer.h"
#include "spawn/spawn.h"
#include "spawn/spec.h"
#include "store/store.h"

struct sessions;
struct session;

struct sessions_deps { /* all outlive the sessions */
        const struct config *config;
        struct store *store;
        struct auth *auth;
        struct pool *pool;
        struct spawner *spawner;
        struct pump_hooks hooks;
};

_must_use_ int sessions_new(const struct sessions_deps *deps, struct sessions **ret);
/* Lets connections to holders go; they live on. The pool is drained, the pump stopped, ports are closed. */
struct sessions *sessions_free(struct sessions *ss);

/* Finds the holders in DIR/sessions, waits up to hello_ms for the first word of all of them, and for two seconds more
 * where no record says whose one is; takes over records and leases. A recorded session whose holder is later is known,
 * and cannot be attached to (-EAGAIN) until it speaks.
 * Before anything is listened on, the pump running. 0 or -errno of the store. */
_must_use_ int sessions_adopt(struct sessions *ss, unsigned hello_ms) LATCH_BLOCKS;
/* Ends every session and waits until all cages are gone, at most timeout_ms. 0, -ETIMEDOUT. */
_must_use_ int sessions_end_all(struct sessions *ss, unsigned timeout_ms) LATCH_BLOCKS;

/* Tells every program of this account to end (TERM, grace, KILL), and waits until all are gone, at most
 * timeout_ms. More may begin unless the account is shut. 0; -ETIMEDOUT; -ENOMEM. */
_must_use_ int sessions_end_of(struct sessions *ss, const struct account *owner,
                               unsigned timeout_ms) LATCH_BLOCKS;
/* Closes all that this account has, after sessions_end_of. 0; -EBUSY some are not over; -errno of the store. */
_must_use_ int sessions_forget_of(struct sessions *ss, const struct account *owner) LATCH_BLOCKS;

/* ---- what went wrong, for the reply ---- */
struct session_holder { /* who has a seat */
        bool driver;
        unsigned age_s, idle_s;
};
struct session_refusal {
        char code[24];                     /* the wire's, or "": by errno */
        char words[256];                   /* what to tell the user, or "" */
        char session[RANDOM_ID_CHARS + 1]; /* busy: the session that runs the file, else "" */
        unsigned retry_after_ms;           /* 0: waiting does not help */
        size_t holder_count;               /* limit_reached: who holds the seats */
        struct session_holder holders[64];
};

/* ---- open ---- */
struct session_request {
        enum session_kind kind;
        const char *path;     /* of a run's file, on the wire's terms; NULL else */
        const char *language; /* NULL: by the path's name */
        const char *cwd;      /* NULL: the file's folder; home/ */
        const char *title;    /* NULL: made of what is run */
        const char *client;   /* NULL: a fresh key */
        const char *strings;  /* argc arguments, then envc "NAME=value", each with its NUL */
        size_t strings_n;
        unsigned argc, envc;
        bool tty, then_repl;
        unsigned cols, rows; /* 0: 80, 24; cut to what a terminal may have, 1..SESSION_SIZE_MAX */
        struct spawn_limits limits; /* 0: as configured; only downwards. tmp_bytes is not asked */
};
#define SESSION_SIZE_MAX 1000u

struct session_opened {
        char session[RANDOM_ID_CHARS + 1];
        uint32_t channel;
        struct viewer *
                viewer; /* referenced; viewer_activate it behind the reply. NULL: the socket is gone */
};
/* Starts a program and gives the port a channel of it, which drives. Blocks until the cage stands or has
 * failed. 0; -EINVAL; -EBUSY that file is running, or too many runs lately; -EUSERS too many sessions or
 * channels; -errno of workspace, spawner and store. On failure nothing is left, *ret_no says why. */
_must_use_ int session_open(struct sessions *ss, struct port *p, const struct session_request *rq,
                            struct session_opened *ret,
                            struct session_refusal *ret_no) LATCH_BLOCKS;

/* ---- attach, drive, detach ---- */
enum session_role { SESSION_ROLE_ANY, SESSION_ROLE_DRIVER, SESSION_ROLE_VIEWER };
struct session_join {
        bool has_since;
        uint64_t since;
        enum session_role
                role; /* ANY: drives if nobody does, or if the channel that it replaces did */
        unsigned cols, rows; /* 0: not said; counts only for who drives */
        const char *client;  /* NULL: a fresh key */
        bool raw;            /* its input comes by typing.h */
        bool watch;          /* by somebody else, who only looks: never drives; role is VIEWER */
};
struct session_joined {
        uint32_t channel;
        uint64_t offset, head, input_offset;
        bool driver;
        unsigned viewers;      /* there now, this one counted */
        bool snapshot;         /* one goes ahead of the output: viewer_activate */
        struct viewer *viewer; /* as in session_opened */
};
/* 0; -EINVAL since lies beyond the output; -EUSERS no seat (limit_reached, holders) or no channel; -ENOENT
 * it was closed meanwhile; -EAGAIN, -ETIMEDOUT its holder does not answer; -EPIPE the socket is gone. */
_must_use_ int session_attach(struct session *s, struct port *p, const struct session_join *join,
                              struct session_joined *ret,
                              struct session_refusal *ret_no) LATCH_BLOCKS;
/* Whether it has put out that much: then it can be attached to from there. 0; -EINVAL; -ENOENT, -EAGAIN,
 * -ETIMEDOUT as above. */
_must_use_ int session_reaches(struct session *s, uint64_t since);
/* 0: *ret is referenced; viewer_drive_answered it behind the reply. -ENOENT; -EACCES it only looks. */
_must_use_ int session_drive(struct session *s, struct port *p, uint32_t channel,
                             struct viewer **ret);
_must_use_ int session_detach(struct session *s, struct port *p, uint32_t channel); /* 0, -ENOENT */

/* Who is there and is not the owner, for the owner and everybody else there; the first SESSION_WATCHERS_MAX. */
#define SESSION_WATCHERS_MAX 16u
struct session_watcher {
        char name[USER_NAME_MAX + 1]; /* "": whoever runs the server, by latchctl */
        enum role role;
};
size_t session_watchers(struct session *s, struct session_watcher ret[SESSION_WATCHERS_MAX]);

/* ---- control ---- */
/* From who does not drive: changes nothing. The size as it is then. 0; -ENOENT no such channel; -ENODEV no
 * terminal; -EAGAIN, -ETIMEDOUT as above. */
_must_use_ int session_resize(struct session *s, struct port *p, uint32_t channel,
                              const unsigned wanted[2], unsigned ret[2]);
/* name: INT, TERM, ... as on the wire. 0; -EINVAL no such name; -ESRCH it has ended. */
_must_use_ int session_signal(struct session *s, const char *name);
_must_use_ int session_stop(struct session *s); /* 0, also if it has ended; -EAGAIN; -ENOENT */
/* Ends it if it lives, and waits a moment for that; nobody finds it any more. 0, -errno of the store,
 * -EAGAIN. */
_must_use_ int session_close(struct session *s);

/* ---- list ---- */
#define SESSION_CWD_MAX 1024u /* bytes; a longer one is not said */
struct session_info {
        char id[RANDOM_ID_CHARS + 1];
        char owner[USER_NAME_MAX + 1];
        enum session_kind kind;
        const char *state;                      /* starting, running, ended */
        char title[257], name[257], path[4097]; /* name: as it was opened */
        char cwd[SESSION_CWD_MAX + 1]; /* where its program is, or was at last; "": not said */
        uint64_t started_ms;           /* real time */
        unsigned viewers, cols, rows;
};
/* Those of this account, or of everybody (NULL); the oldest first. 0, -ENOMEM; free(*ret). */
_must_use_ int sessions_list(struct sessions *ss, const struct account *owner,
                             struct session_info **ret, size_t *ret_n);

struct sessions_stats {
        uint64_t started, ended; /* cages, ever (adopted ones counted) */
        uint64_t leases_taken, leases_released;
        size_t known, living;
};
void sessions_stats(struct sessions *ss, struct sessions_stats *ret);

/* ---- administration: of anybody's session ---- */
/* Readable, and never read, from the moment that some session has ended: watch it edge-triggered. */
int sessions_over_fd(const struct sessions *ss);
struct session_over {
        int code, signal; /* signal 0: it exited with code */
        char verdict[16];
};
/* True: it has ended, like this. */
bool session_over(struct session *s, struct session_over *ret);
/* Types n bytes, at most SESSION_TYPE_MAX, whoever drives. client and offset as in latch.v1: what is sent again
 * is taken once; *ret_offset how much of this client's is taken now. 0; -ESRCH it has ended; -EAGAIN,
 * -ETIMEDOUT its holder does not answer; -ENOENT. */
#define SESSION_TYPE_MAX 32768u
_must_use_ int session_type(struct session *s, const char *client, uint64_t offset,
                            const char *data, size_t n, uint64_t *ret_offset);
/* "\r" where it has a terminal, else "\n". */
char session_enter_key(const struct session *s);

struct account *session_owner(const struct session *s); /* the session's */

/* A session of this account: a reference, or NULL: another's is as good as none. account NULL: anybody's, for
 * administration. */
_must_use_ struct session *sessions_find(struct sessions *ss, const struct account *owner,
                                         const char *id);
struct session *session_ref(struct session *s);
struct session *session_unref(struct session *s);
DEFINE_CLEANUP(struct session, session_unref)
struct pool_strand *session_strand(struct session *s);

/* Input from the wire, on the connection's thread; never blocks. Refusals go out as notifications. A
 * channel that is not there (any more) is silently passed over. */
void sessions_input(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset,
                    const void *data, size_t n);
/* An acknowledgement. False: beyond what was sent, or going back: the caller ignores it. */
bool sessions_ack(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset);
