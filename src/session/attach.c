/* attach.c - coming to a session.
 *
 * Where replay begins. `since` that is kept: there, and the bytes are the same. `since` that is gone, or none:
 * a terminal's holder is asked for a snapshot of its screen, and the channel begins where that ends. Otherwise, and for
 * holders that draw none, it begins at `since` (or 0), and the first thing it hears is a gap to what is kept; so the
 * reply's offset, the gap and the frames stand end to end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "session/ask.h"
#include "session/keep.h"
#include "session/kept.h"
#include "session/port.h"
#include "session/viewer_private.h"

#define SNAPSHOT_TRIES 3

/* What attach has in hand. */
struct joining {
        struct session *s;
        struct viewer *v;
        const struct session_join *join;
        struct session_joined *ret;
        struct viewer *old; /* the channel that is replaced */
        uint64_t since;     /* where its output begins */
        bool gate, resize;  /* the holder is to be told */
};

/* ---- a seat, before anything is allocated ---- */

static void list_holders_locked(struct session *s, struct session_refusal *no)
        LATCH_MUST_HOLD(session) {
        uint64_t now = clock_mono_ns();

        /* Who is just being attached has a seat, and neither drives nor has been there for long. */
        no->holder_count = MIN(s->viewer_count + s->reserved, ELEMENTS(no->holders));
        for (size_t i = s->viewer_count; i < no->holder_count; i++)
                no->holders[i] = (struct session_holder){.driver = false};
        for (size_t i = 0; i < s->viewer_count; i++) {
                const struct viewer *v = s->viewers[i];
                no->holders[i] = (struct session_holder){
                        .driver = s->driver == v,
                        .age_s = (unsigned)((now - v->attached_ns) / UINT64_C(1000000000)),
                        .idle_s = (unsigned)((now - v->active_ns) / UINT64_C(1000000000)),
                };
        }
}

static int reserve(struct session *s, const uint8_t *key, struct session_refusal *no) {
        unsigned most = s->all->deps.config->viewers_per_session;

        LATCH_WITH(session, &s->lock) {
                if (s->dropped || s->forget)
                        return -ENOENT;
                bool replaces = key && viewer_by_key_locked(s, key);
                if (replaces || s->viewer_count + s->reserved < MIN(most, SESSION_VIEWERS_MAX)) {
                        s->reserved++;
                        return 0;
                }
                list_holders_locked(s, no);
        }
        snprintf(no->code, sizeof no->code, "limit_reached");
        snprintf(no->words, sizeof no->words, "too many connections for this session");
        return -EUSERS;
}

static void unreserve(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        s->reserved--;
}

/* ---- taking the seat ---- */

/* Where output begins that is kept, for who is served from `k` if there is one, and where it ends now. */
static int bounds_locked(struct session *s, const struct kept *k, uint64_t since,
                         uint64_t *ret_tail, uint64_t *ret_head) LATCH_MUST_HOLD(session) {
        bool eof;

        if (k) {
                *ret_tail = k->tail;
                *ret_head = k->head;
                return 0;
        }
        if (s->ring && !s->ring_bad) {
                int r = ring_reader_bounds(s->ring, ret_tail, ret_head, &eof);
                if (r == 0)
                        s->last_head = *ret_head;
                return r;
        }
        *ret_head = MAX(s->end.offset, session_end_known_locked(s) ? s->last_head : since);
        *ret_tail = *ret_head;
        return 0;
}

int session_reaches(struct session *s, uint64_t since) {
        uint64_t tail, head;
        int r = session_ready(s);

        if (r < 0)
                return r;
        LATCH_GUARD(session, &s->lock);
        r = bounds_locked(s, NULL, since, &tail, &head);
        return r == 0 && since > head ? -EINVAL : r;
}

static bool shall_drive_locked(const struct joining *j) LATCH_MUST_HOLD(session) {
        const struct session *s = j->s;

        if (j->join->role != SESSION_ROLE_ANY)
                return j->join->role == SESSION_ROLE_DRIVER;
        return !s->driver || s->driver == j->old;
}

static void drive_locked(struct joining *j) LATCH_MUST_HOLD(session) {
        struct session *s = j->s;
        bool was_old = j->old && s->driver == j->old;

        if (shall_drive_locked(j)) {
                viewer_drives_locked(s, j->v, was_old ? "replaced" : "attach");
                viewer_gate_locked(j->v);
                j->gate = true; /* told in any case: it ends the grace */
        } else if (was_old) {   /* its key wants only to look: as if it had detached */
                viewer_drives_locked(s, NULL, "detach");
                j->gate = s->ring && ring_reader_set_gate(s->ring, RING_NO_DRIVER);
        }
}

/* The size is known to a client that gave it; one that gave another is to hear what it is. */
static void size_locked(struct joining *j) LATCH_MUST_HOLD(session) {
        struct session *s = j->s;
        bool other = j->join->cols > 0 && j->join->rows > 0 &&
                     (j->join->cols != s->cols || j->join->rows != s->rows);

        if (!s->about.tty || !other || s->state != SESSION_RUNNING)
                return;
        if (s->driver == j->v) {
                s->resizer = j->v->tag;
                s->resize_why = "attach";
                j->resize = true;
        } else {
                j->v->size_told = s->size_changes - 1;
        }
}

/* 0, and it sits, where the older channel of its key sat: with that one's tag, so that answers to input
 * that was sent before find it. -EPIPE its socket went meanwhile; -EINVAL. */
static int sit_locked(struct joining *j, struct crowd *c) LATCH_MUST_HOLD(session) {
        struct session *s = j->s;
        uint64_t since = j->since;
        uint64_t tail, head;
        int r = bounds_locked(s, j->v->kept, since, &tail, &head);

        if (r < 0)
                return r;
        if (j->v->gone)
                return -EPIPE;
        if (since > head)
                return -EINVAL;
        j->v->cursor = j->v->acked = since;
        if (since < tail)
                CHECK(viewer_skip_locked(j->v, tail));
        j->old = viewer_by_key_locked(s, j->v->key);
        drive_locked(j);
        if (j->old) {
                j->v->tag = j->old->tag;
                CHECK(viewer_rise_locked(j->old)); /* the seat's reference is ours now */
        } else {
                s->viewer_changes++;
                s->viewer_why = "attach";
        }
        crowd_all_locked(s, c);
        s->reserved--; /* in one step: others who come at the same time count it once */
        viewer_sit_locked(j->v);
        size_locked(j);
        *j->ret = (struct session_joined){.channel = j->v->channel,
                                          .offset = since,
                                          .head = head,
                                          .driver = s->driver == j->v,
                                          .viewers = (unsigned)s->viewer_count,
                                          .snapshot = j->v->snapshot.n > 0};
        return 0;
}

/* The last it hears: somebody with its key sits in its place. */
static void dismiss(struct viewer *old) {
        const struct notice n = {.what = NOTICE_DRIVER, .a = 0, .why = "replaced"};
        char text[512];

        port_remove(old->port, old);
        old->port->ops->send_text(old->port, text, notice_text(old, &n, text, sizeof text));
        viewer_unref(old);
}

static void resize_for(struct session *s, const struct session_join *join) {
        struct hold_resize m = {.head.type = HOLD_RESIZE,
                                .cols = (uint16_t)MIN(join->cols, SESSION_SIZE_MAX),
                                .rows = (uint16_t)MIN(join->rows, SESSION_SIZE_MAX)};
        int r = session_say(s, &m, sizeof m);

        if (r < 0 && r != -EPIPE)
                log_event(LOG_WARN, "session.resize", LOG_S("session", s->about.id), LOG_E(r));
}

static int sit(struct joining *j) {
        struct crowd c = {.n = 0};
        int r = port_add(j->v->port, j->v);

        if (r < 0)
                return r;
        LATCH_WITH(session, &j->s->lock)
                r = sit_locked(j, &c);
        crowd_wake(&c);
        if (r < 0) {
                port_remove(j->v->port, j->v);
                return r;
        }
        if (j->gate)
                session_tell_seat(j->s);
        if (j->old)
                dismiss(j->old);
        if (j->resize)
                resize_for(j->s, j->join);
        return 0;
}

static int say_why(struct session_refusal *no, int r, const struct session_join *join) {
        if (r == -EINVAL)
                snprintf(no->words, sizeof no->words,
                         "\"since\" is %llu, and the session has not put out that much",
                         (unsigned long long)join->since);
        if (r == -EUSERS && !no->code[0]) {
                snprintf(no->code, sizeof no->code, "limit_reached");
                snprintf(no->words, sizeof no->words, "this connection has %d channels: close some",
                         PORT_CHANNELS_MAX);
        }
        return r;
}

/* ---- a snapshot, where the bytes are gone ---- */

/* Whether output from `since` on is not there as it was. */
static bool is_gone(struct session *s, bool has_since, uint64_t since) {
        uint64_t tail, head;

        LATCH_GUARD(session, &s->lock);
        if (!s->draws || s->holder_gone || !s->ring || s->ring_bad)
                return false;
        if (bounds_locked(s, NULL, since, &tail, &head) < 0 || since > head)
                return false;
        return !has_since || since < tail;
}

static bool has_put_out(struct session *s, uint64_t offset) {
        uint64_t tail, head;

        LATCH_GUARD(session, &s->lock);
        return bounds_locked(s, NULL, offset, &tail, &head) == 0 && offset <= head;
}

/* The channel's output begins behind the picture. */
static int picture_once(struct joining *j) {
        uint64_t offset;

        buf_clear(&j->v->snapshot);
        int r = session_ask_snapshot(j->s, j->v->tag, &j->v->snapshot, &offset);
        if (r == 0 && !has_put_out(j->s, offset))
                r = -EPROTO;
        if (r == 0)
                j->since = offset;
        return r;
}

/* What is left of a session that was put away. A file that is broken is none, and costs no more than that. */
static int load(struct joining *j) {
        struct session *s = j->s;
        uint64_t end = 0;

        LATCH_WITH(session, &s->lock) {
                if (s->kept_bytes == 0)
                        return 0;
                end = s->end.offset;
        }
        int r = kept_load(s->all->deps.config->data, s->about.id, end, &j->v->kept);
        if (r == 0)
                return 0;
        log_event(LOG_ERROR, "session.kept", LOG_S("session", s->about.id), LOG_E(r));
        if (r == -ENOENT || r == -EPROTO)
                session_forget_kept(s);
        return r == -ENOMEM || r == -EMFILE || r == -ENFILE ? r : 0;
}

static int kept_picture(struct joining *j) {
        const struct kept *k = j->v->kept;

        if (k->picture_n == 0 || (j->join->has_since && j->since >= k->tail))
                return 0;
        j->since = k->head;
        return buf_add(&j->v->snapshot, k->picture, k->picture_n);
}

/* Under a flood the output behind a snapshot may be gone before it is here: then a newer one. What remains gone is
 * told as a gap; all of it, where there is no picture. */
static int picture(struct joining *j) {
        uint64_t since = j->since;
        int r = load(j);

        if (r < 0 || j->v->kept)
                return r < 0 ? r : kept_picture(j);
        for (int i = 0; r == 0 && i < SNAPSHOT_TRIES; i++) {
                if (!is_gone(j->s, j->join->has_since || i > 0, j->since))
                        return 0;
                r = picture_once(j);
        }
        if (r == 0)
                return 0;
        buf_clear(&j->v->snapshot);
        j->since = since;
        log_event(LOG_WARN, "session.snapshot", LOG_S("session", j->s->about.id), LOG_E(r));
        return r == -ENOMEM ? r : 0;
}

static int enter(struct session *s, struct port *p, const struct session_join *join,
                 struct session_joined *ret, const uint8_t *key) {
        _cleanup_(viewer_unrefp) struct viewer *v = NULL;
        uint64_t input = 0;
        int r = viewer_new(s, p, key, &v);

        if (r == 0) {
                v->raw = join->raw;
                v->watch = join->watch;
        }
        if (r == 0 && key)
                r = session_ask_input(s, v->tag, v->key, &input);
        if (r < 0 && v && session_is_over(s))
                r = 0; /* no input is taken any more; what was matters to nobody */
        if (r == 0) {
                LATCH_WITH(session, &s->lock)
                        v->ack_offset = input;
        }
        struct joining j = {.s = s, .v = v, .join = join, .ret = ret};
        j.since = join->has_since ? join->since : 0;
        if (r == 0)
                r = picture(&j);
        if (r == 0)
                r = sit(&j);
        if (r < 0)
                return r;
        ret->input_offset = input;
        ret->viewer = TAKE_PTR(v);
        return 0;
}

int session_attach(struct session *s, struct port *p, const struct session_join *request,
                   struct session_joined *ret, struct session_refusal *ret_no) {
        uint8_t key[HOLD_KEY_BYTES];
        int r;

        latch_blocking("session_attach");
        memset(ret_no, 0, sizeof *ret_no);
        r = session_ready(s);
        if (r < 0)
                return r;
        if (request->client)
                viewer_key(p->identity->account, request->client, key);
        r = reserve(s, request->client ? key : NULL, ret_no);
        if (r < 0)
                return r;
        r = enter(s, p, request, ret, request->client ? key : NULL);
        if (r < 0)
                unreserve(s);
        return say_why(ret_no, r, request);
}
