/* viewer_private.h - a viewer from inside: its cursor, its window, and what it has yet to tell.
 *
 * Notices (input taken or refused, who drives, sizes, gaps) are not queued: a viewer remembers what it
 * told last, and viewer_take says what differs, ahead of output. So a channel's texts and bytes have one
 * order, the pump's, and a channel that is not read costs no memory.
 *
 * Threads: each field says how it is shared. Lock: session (the session's).
 */
#pragma once

#include "base/buf.h"
#include "session/session_private.h"
#include "session/viewer.h"

#define VIEWER_GAPS_MAX 8u

enum viewer_leave {
        VIEWER_DETACHES, /* wants to: opens the gate */
        VIEWER_VANISHES, /* its socket is gone: the gate is held for driver_grace */
        VIEWER_REPLACED, /* its key attached again: the successor has the seat */
        VIEWER_FINISHED, /* it has told the exit */
};

struct viewer_gap {
        uint64_t from, to;
};

struct viewer {
        struct latch_ref ref;
        struct session *session;     /* fixed, referenced */
        struct port *port;           /* fixed, referenced */
        uint32_t channel;            /* fixed once the port knows it */
        uint64_t tag;                /* fixed: finds it again among the session's */
        uint8_t key[HOLD_KEY_BYTES]; /* fixed: whose input this is */
        uint64_t attached_ns;        /* fixed */
        bool raw;                    /* fixed: its input is typing.h's, which hears of it */
        bool watch;                  /* fixed: somebody else's, who never drives */
        struct buf snapshot;         /* of the thread that attaches it, until it is active */
        struct kept *kept;           /* fixed: its output comes from there; NULL: from the ring */
        _Atomic uint64_t stalled_since_ns;

        bool active LATCH_GUARDED_BY(session);  /* its reply is queued: it may be heard */
        bool gone LATCH_GUARDED_BY(session);    /* left: never heard again */
        bool waiting LATCH_GUARDED_BY(session); /* at the head, to be woken when it moves */
        uint64_t cursor LATCH_GUARDED_BY(session);
        uint64_t acked LATCH_GUARDED_BY(session);
        struct viewer_gap gaps[VIEWER_GAPS_MAX] LATCH_GUARDED_BY(
                session); /* between acked and cursor, in order */
        size_t gap_count LATCH_GUARDED_BY(session);
        bool gap_untold LATCH_GUARDED_BY(session);    /* the last of gaps */
        uint64_t active_ns LATCH_GUARDED_BY(session); /* last acknowledgement or input */

        bool ack_untold LATCH_GUARDED_BY(session);
        bool refusal_untold LATCH_GUARDED_BY(session);
        bool starved LATCH_GUARDED_BY(session);        /* the way to the holder had no room */
        uint64_t ack_offset LATCH_GUARDED_BY(session); /* at first what was taken before it came */
        uint64_t refusal_offset LATCH_GUARDED_BY(session);
        const char *refusal_code LATCH_GUARDED_BY(session);
        uint64_t driver_told LATCH_GUARDED_BY(session);
        bool drive_unanswered LATCH_GUARDED_BY(session); /* who drives is not told yet */
        uint64_t size_told LATCH_GUARDED_BY(session);
        uint64_t viewers_told LATCH_GUARDED_BY(session);
        uint64_t expiry_told LATCH_GUARDED_BY(session);
};

/* A viewer of s on a port: not in the port, not in the session. key NULL: a fresh one. -ENOMEM. */
_must_use_ int viewer_new(struct session *s, struct port *port, const uint8_t *key,
                          struct viewer **ret);
/* The key of (user, what the client calls itself). */
void viewer_key(const struct account *account, const char *client, uint8_t ret[HOLD_KEY_BYTES]);

/* ---- seats: who is in a session (seats.c); all of these under the session's lock ---- */
void viewer_sit_locked(struct viewer *v)
        LATCH_MUST_HOLD(session); /* there is room; takes a reference */
/* Not in any more; the reference is the caller's. False: was not in. */
bool viewer_rise_locked(struct viewer *v) LATCH_MUST_HOLD(session);
struct viewer *viewer_by_key_locked(struct session *s, const uint8_t key[HOLD_KEY_BYTES])
        LATCH_MUST_HOLD(session);
struct viewer *viewer_by_tag_locked(struct session *s, uint64_t tag) LATCH_MUST_HOLD(session);
/* Who drives from now on, or NULL; the gate is set by the caller. The one who asked hears it in the reply. */
void viewer_drives_locked(struct session *s, struct viewer *v, const char *why)
        LATCH_MUST_HOLD(session);
/* The gate for this driver: what it has taken. True: the holder is to be told. */
bool viewer_gate_locked(struct viewer *v) LATCH_MUST_HOLD(session);

/* Skips from its cursor to `to`. False: too many gaps are not acknowledged; wait. */
_must_use_ bool viewer_skip_locked(struct viewer *v, uint64_t to) LATCH_MUST_HOLD(session);

/* Bytes sent and not acknowledged: what lies in gaps was never sent. */
uint64_t viewer_in_flight_locked(const struct viewer *v) LATCH_MUST_HOLD(session);
/* An acknowledgement. False: not between the last one and the cursor. */
bool viewer_ack(struct viewer *v, uint64_t offset);

/* Leaves session and port. */
void viewer_leave(struct viewer *v, enum viewer_leave how);
/* Input above what was taken: told with the lowest offset, and the code that says most. */
void viewer_refuse(struct viewer *v, uint64_t offset, const char *code);
/* The way to its holder had no room for its input: an acknowledgement is told once there is some. */
void viewer_starves(struct viewer *v);

/* ---- control.c: input ---- */
/* NULL: what it types may be sent. Else the refusal's code. */
const char *viewer_may_type(struct viewer *v);
/* At most HOLD_INPUT_MAX bytes to the holder, never waiting. 0; -EAGAIN, -ENOBUFS, -ENOMEM no room now;
 * -errno: nobody hears it. */
_must_use_ int viewer_type(const struct viewer *v, uint64_t offset, const char *data, size_t n);

/* ---- those to be woken: gathered under the lock, woken without it ---- */
struct crowd {
        struct viewer *viewers[SESSION_VIEWERS_MAX]; /* referenced */
        size_t n;
};
/* All who are to be heard; or only those who wait behind `head`. They wait no more. */
void crowd_all_locked(struct session *s, struct crowd *c) LATCH_MUST_HOLD(session);
void crowd_waiting_locked(struct session *s, struct crowd *c, uint64_t head)
        LATCH_MUST_HOLD(session);
void crowd_wake(struct crowd *c); /* and lets them go */

/* ---- port.c ---- */
/* Gives it a number and a place. 0; -EUSERS no room; -EPIPE the socket is gone. */
_must_use_ int port_add(struct port *p, struct viewer *v);
void port_remove(struct port *p, struct viewer *v);                    /* also if it is not there */
_must_use_ struct viewer *port_find(struct port *p, uint32_t channel); /* a reference, or NULL */
_must_use_ bool port_has_room(struct port *p);

/* ---- notice.c: the texts of a channel ---- */
struct notice {
        enum {
                NOTICE_NONE,
                NOTICE_INPUT_ACK,
                NOTICE_REFUSED,
                NOTICE_DRIVER,
                NOTICE_RESIZED,
                NOTICE_VIEWERS,
                NOTICE_EXPIRING,
                NOTICE_GAP,
                NOTICE_EXIT
        } what;
        uint64_t a, b;   /* offset; from, to; cols, rows; count; whether it drives */
        const char *why; /* a word of ours */
        struct session_end end;
};
/* What this viewer has to tell next; told with this. */
void notice_next_locked(struct viewer *v, struct notice *ret) LATCH_MUST_HOLD(session);
/* JSON into buf; its length. */
size_t notice_text(const struct viewer *v, const struct notice *n, char *buf, size_t cap);
