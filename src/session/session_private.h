/* session_private.h - a session from inside: what the files of this room share.
 *
 * A session has two owners in turn: the worker that opens it (or main, which adopts it), until its
 * descriptors are given to the pump; from then on only the pump reads from its holder. So nobody
 * else settles it while it is watched.
 *
 * Threads: each field says how it is shared. Lock: session.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/auth.h"
#include "hold/hold_proto.h"
#include "latch/lock.h"
#include "pool/pool.h"
#include "registry/registry.h"
#include "ring/ring.h"
#include "session/holder.h"
#include "session/lease.h"
#include "session/session.h"
#include "store/store.h"

#define SESSIONS_MAX        16384u /* known at once, ended ones counted */
#define SESSION_VIEWERS_MAX 64u    /* the most that the configuration allows */
#define SESSION_WAIT_MS     2000u  /* for a holder's answer */
#define SESSION_START_MS    10000u /* for a holder to say STARTED or FAILED */

enum session_state {
        SESSION_STARTING,
        SESSION_RUNNING,
        SESSION_DYING,
        SESSION_ENDED,
        SESSION_LOST,
        SESSION_STATES,
};
bool session_state_may(enum session_state from, enum session_state to);
const char *session_state_word(enum session_state state);

/* How it ended. */
struct session_end {
        int code, signal; /* signal 0: exited with code */
        char verdict[16];
        uint64_t wall_ms, cpu_ms, peak_bytes;
        uint64_t offset; /* all output lies below it */
        uint64_t ended_ms;
};

struct session_about { /* of its record, what never changes */
        char id[RANDOM_ID_CHARS + 1];
        int64_t user_id;
        enum session_kind kind;
        bool tty;
        const char *path, *title; /* they lie behind the session */
        uint64_t started_ms;
};

struct session {
        struct registry_item item; /* by number */
        struct registry_item name; /* by id, from publish on; has a reference to the session */
        struct sessions *all;      /* fixed */
        uint64_t number;           /* fixed, never reused */
        struct account *account;   /* fixed, referenced */
        struct pool_strand strand;
        struct session_about about; /* fixed */
        bool counted;               /* fixed: one of account->sessions */

        /* Fixed once it can be attached to (session_ready); before, of the thread that opens it, or of the
         * pump, while it is mute. The ring goes when it was put away and nobody sits: by the pump, under the lock. */
        struct ring_reader *ring; /* NULL: found without a holder, or put away */
        int holder_fd, wake_fd;

        struct latch_mutex lock;
        struct latch_cond changed; /* state, sizes, answers */
        enum session_state state LATCH_GUARDED_BY(session);
        struct session_end end LATCH_GUARDED_BY(session); /* in ENDED, LOST */
        struct lease *lease LATCH_GUARDED_BY(session);
        int init_fd LATCH_GUARDED_BY(
                session); /* pidfd of the cage's init, or -1; closed with the session */
        bool settling LATCH_GUARDED_BY(session); /* somebody moves it to ENDED or LOST */
        bool watched LATCH_GUARDED_BY(session);  /* the pump has its descriptors */
        /* To the pump, or from it, by a thread that is at it: the descriptors stay as they are until it is done. */
        bool moving LATCH_GUARDED_BY(session);
        bool mute LATCH_GUARDED_BY(session); /* adopted without a word from its holder */
        bool holder_gone LATCH_GUARDED_BY(session);
        bool draws LATCH_GUARDED_BY(session);    /* its holder has a screen to show */
        bool ring_bad LATCH_GUARDED_BY(session); /* what is not sent yet will never be */
        bool forget LATCH_GUARDED_BY(session);   /* closed: to be dropped once it ended */
        bool dropped LATCH_GUARDED_BY(session);  /* being dropped, or gone: nobody attaches */
        bool gone LATCH_GUARDED_BY(session);     /* dropped: it is not published or watched again */
        bool published LATCH_GUARDED_BY(session);
        bool recorded LATCH_GUARDED_BY(session);    /* its end stands in the store */
        uint64_t keep_ns LATCH_GUARDED_BY(session); /* ended, to be put away then; 0: not */
        bool put_away LATCH_GUARDED_BY(session);    /* what is kept of it is in a file, if at all */
        bool keeping LATCH_GUARDED_BY(session);     /* somebody does */
        bool keep_failed LATCH_GUARDED_BY(session); /* and was told */
        uint64_t kept_bytes LATCH_GUARDED_BY(session); /* of that file; 0: there is none */
        uint64_t last_head LATCH_GUARDED_BY(session);  /* the highest that was seen */
        unsigned owed LATCH_GUARDED_BY(
                session); /* bits 1 << enum hold_type that found no room; GATE: the seat */

        char title[TITLE_BYTES + 1] LATCH_GUARDED_BY(session); /* as its program says, or "" */
        char *cwd LATCH_GUARDED_BY(session); /* where that is, or was at last; NULL: elsewhere */
        uint16_t cols LATCH_GUARDED_BY(session);
        uint16_t rows LATCH_GUARDED_BY(session);
        uint64_t sized LATCH_GUARDED_BY(session);   /* how many HOLD_RESIZED came */
        uint64_t resizer LATCH_GUARDED_BY(session); /* tag of who asked last, and why */
        const char *resize_why LATCH_GUARDED_BY(session);
        struct session_query *queries LATCH_GUARDED_BY(session);

        struct viewer *viewers[SESSION_VIEWERS_MAX] LATCH_GUARDED_BY(session); /* referenced */
        size_t viewer_count LATCH_GUARDED_BY(session);
        size_t reserved LATCH_GUARDED_BY(session);       /* seats of those who are being attached */
        struct viewer *driver LATCH_GUARDED_BY(session); /* one of viewers, or NULL */
        uint64_t last_tag LATCH_GUARDED_BY(session);
        /* Counts of changes: a viewer that has told fewer has a notice to give. */
        uint64_t driver_changes LATCH_GUARDED_BY(session);
        uint64_t size_changes LATCH_GUARDED_BY(session);
        uint64_t viewer_changes LATCH_GUARDED_BY(session);
        uint64_t expires_ns LATCH_GUARDED_BY(
                session); /* unused, it ends then (monotonic); 0: it does not */
        uint64_t expiry_changes LATCH_GUARDED_BY(session);
        const char *driver_why LATCH_GUARDED_BY(session);
        const char *size_why LATCH_GUARDED_BY(session);
        const char *viewer_why LATCH_GUARDED_BY(session);

        struct pool_job job; /* writes its record; of the pool while job_queued */
        bool job_queued LATCH_GUARDED_BY(session);
        bool job_wanted LATCH_GUARDED_BY(session);
        uint64_t job_after_ns LATCH_GUARDED_BY(session); /* not before: the store has failed */
};

struct sessions {
        struct sessions_deps deps; /* fixed */
        struct registry *by_number;
        struct registry *by_id;
        struct leases leases;
        _Atomic uint64_t last_number;
        _Atomic uint64_t started, ended; /* cages, ever */
        atomic_bool look;                /* some session has something for sessions_tick */
        _Atomic uint64_t look_at;        /* or has then (monotonic ns) */
        int over_fd;                     /* fixed: eventfd, written when one has ended */
        struct latch_mutex lock;
        struct latch_cond quiet;                 /* living or jobs came down */
        size_t living LATCH_GUARDED_BY(session); /* not ENDED, not LOST */
        size_t jobs LATCH_GUARDED_BY(session);   /* records being written */
};

/* ---- session.c: the object ---- */
void session_reclaim(struct registry_item *item);      /* of by_number */
void session_reclaim_name(struct registry_item *item); /* of by_id */
/* Of this account, not published, not watched, STARTING, by number already: nobody knows it yet. */
_must_use_ int session_new(struct sessions *ss, struct account *account,
                           const struct store_session *about, struct session **ret);
/* What never changes, as a record; the rest of it is 0. */
void session_describe(const struct session *s, struct store_session *ret);
/* From now on it is found by id. 0, -EUSERS. */
_must_use_ int session_publish(struct session *s);
/* Found no more by id; the pump and those who have a reference know it still. */
void session_unpublish(struct session *s);
_must_use_ struct session *session_by_number(struct sessions *ss, uint64_t number);
/* Nobody heard of it, nothing was taken: unknown again. */
void session_discard(struct session *s);
bool session_is_over(struct session *s); /* ENDED or LOST */
/* No output lies behind end.offset, whatever clients say that they have seen. */
bool session_end_known_locked(const struct session *s) LATCH_MUST_HOLD(session);
/* Counts it among the living; a place among the account's sessions was taken for it. */
void session_count(struct session *s);
/* Waits until it is no longer STARTING, at most SESSION_START_MS. 0; -ENOENT it was closed or never
 * started; -ETIMEDOUT; -EAGAIN: its holder says nothing. */
_must_use_ int session_ready(struct session *s) LATCH_BLOCKS;

/* ---- session_state.c ---- */
void session_move_locked(struct session *s, enum session_state to) LATCH_MUST_HOLD(session);

/* ---- session_end.c: the end, and what became of it ---- */
/* The one place that lets a lease go: the session's cage is gone. Once; later calls do nothing. */
void session_settle(struct session *s, enum session_state to, const struct session_end *end);
/* No exit will be told (the holder is gone, or says what cannot be): the cage is killed, and settled as lost
 * as soon as it is gone. */
void session_lose(struct session *s, const char *why);
/* Its ring says what cannot be: lost, if it lives; what is not sent yet becomes a gap. */
void session_ring_bad(struct session *s);
/* Ended, and its holder is not what it should be: that one goes, what it kept is gone. */
void session_without_holder(struct session *s);
/* Asks again whether a cage that is being killed is gone, and all of it settled. False: not yet. */
bool session_lost_now(struct session *s);
/* Reads what a dying session's holder still says, where the pump does not. True: the holder is gone. */
bool session_drain_dying(struct session *s);
/* Waits until its cage is gone, or the time is. */
void session_wait_cage(struct session *s, uint64_t until_ns);
/* Writes its record as it is now; or drops it, if it is to be forgotten and has ended. On its strand, or
 * where no strand runs any more. 0, -errno of the store. */
_must_use_ int session_record_now(struct session *s);
/* The same, by a job on its strand. */
void session_record_soon(struct session *s);
/* Its record says from now on that it is to be forgotten: a server that starts ends its holder, if there
 * is one. 0, -errno of the store. */
_must_use_ int session_bury(struct session *s);
/* Ended or never begun: its record and its holder go, nobody finds it. 0, or -errno of the store: as before. */
_must_use_ int session_drop(struct session *s);
/* Those beyond the newest ended_kept of this account are dropped. */
void sessions_evict(struct sessions *ss, const struct account *account);
/* ---- greet.c: what a holder says first ---- */
enum spawn_kind session_spawn_kind(enum session_kind kind);
/* It is a HELLO, and well-formed: enough to make a record of, where there is none. */
bool greet_valid(const struct holder_message *m);
/* HELLO, checked against what is known; on success ring, wake_fd and size are the session's (m's fds are
 * taken). 0, -EPROTO, -errno. */
_must_use_ int session_greet(struct session *s, struct holder_message *m);
/* The record of an end is believed before a ring that ends elsewhere. */
void session_check_end(struct session *s);

/* ---- events.c ---- */
void sessions_look_at(struct sessions *ss, uint64_t ns); /* sessions_tick does, then or sooner */
/* One message of its holder. 0, -EPROTO: it lies. */
int session_hear(struct session *s, struct holder_message *m);
/* STARTED: its pidfd is the session's, if it is one of a cage's init. One whose process is gone already says
 * nothing: then there is none, as there is none where it cannot be asked. 0, -EPROTO. */
int session_hear_started(struct session *s, struct holder_message *m);
_must_use_ int session_watch(struct session *s); /* 0, -errno */
void session_unwatch(struct session *s);

/* ---- told.c: what its holder tells of the program. 0, -EPROTO ---- */
int session_hear_title(struct session *s, const struct hold_title *m);
int session_hear_cwd(struct session *s, const struct hold_cwd *m);

/* ---- said.c: what is said to its holder ---- */
/* STOP or FORGET, as holder_tell; what finds no room is owed and sent by sessions_tick. */
void session_tell(struct session *s, enum hold_type type);
/* GATE or GRACE, whichever is true of the driver's seat when the last of all who say so has said it; owed as above.
 * After each change of the seat, and whenever the holder waits for the gate that was set. */
void session_tell_seat(struct session *s);
/* As holder_tell, waits up to a second for room. 0, -EAGAIN, -EPIPE, -errno. */
_must_use_ int session_say(struct session *s, const void *message, size_t n);
_must_use_ int session_say_type(struct session *s, enum hold_type type);
/* Sends what found no room, submits what the pool had no room for, looks whether what is being killed is
 * gone. False: not all of it is done. */
bool session_look_after(struct session *s);
