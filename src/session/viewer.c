/* viewer.c - what comes next for a channel: its notices, its bytes, its exit. The contract is in
 * session/viewer.h. */
#include "session/viewer.h"

#include <string.h>

#include "base/clock.h"
#include "config/config.h"
#include "session/kept.h"
#include "session/viewer_private.h"

/* An honest holder is asked twice at most; one that says now this, now that, is left until it wakes us. */
#define LOOKS_MAX 8

enum step { STEP_NOTHING, STEP_NOTICE, STEP_COPY, STEP_AGAIN, STEP_BAD };

struct plan {
        enum step step;
        struct notice notice;
        uint64_t from; /* STEP_COPY */
        size_t n;
        struct crowd behind; /* others who wait for what is there already */
};

/* Where the output that can be sent ends, and whether none will follow. -EPROTO: the ring is bad. */
static int reach_locked(struct viewer *v, uint64_t *ret_end, bool *ret_final)
        LATCH_MUST_HOLD(session) {
        struct session *s = v->session;
        uint64_t tail, head;
        bool eof;

        *ret_final = s->state == SESSION_ENDED || s->state == SESSION_LOST;
        if (*ret_final) {
                /* Without a holder nobody knows where output ended: a client may have seen more. */
                *ret_end = session_end_known_locked(s) ? s->end.offset
                                                       : MAX(s->end.offset, v->cursor);
                return 0;
        }
        if (s->ring_bad || !s->ring) {
                *ret_end = v->cursor; /* until it is settled */
                return 0;
        }
        int r = ring_reader_bounds(s->ring, &tail, &head, &eof);
        if (r < 0)
                return r;
        s->last_head = head;
        *ret_end = head;
        return 0;
}

static void stall_locked(struct viewer *v) LATCH_MUST_HOLD(session) {
        if (viewer_stalled_since(v) == 0)
                atomic_store_explicit(&v->stalled_since_ns, clock_mono_ns(), memory_order_relaxed);
}

/* There are bytes up to end. */
static enum step bytes_locked(struct viewer *v, uint64_t end, struct plan *p)
        LATCH_MUST_HOLD(session) {
        const struct session *s = v->session;
        uint64_t window = s->all->deps.config->window_bytes;
        uint64_t used = viewer_in_flight_locked(v);

        if (!v->kept && (s->ring_bad || !s->ring)) {
                if (viewer_skip_locked(v, end))
                        return STEP_AGAIN;
                stall_locked(v);
                return STEP_NOTHING;
        }
        if (used >= window) {
                stall_locked(v);
                return STEP_NOTHING;
        }
        p->from = v->cursor;
        p->n = MIN(window - used, end - v->cursor);
        return STEP_COPY;
}

static enum step wait_locked(struct viewer *v, struct plan *p) LATCH_MUST_HOLD(session) {
        struct session *s = v->session;

        v->waiting = true;
        if (!s->ring || s->ring_bad || s->state != SESSION_RUNNING)
                return STEP_NOTHING; /* the end will wake it */
        /* There is one place to be woken at, and it is now ours: those who wait further back may have lost
         * their wake-up to this, and there is something for them. */
        crowd_waiting_locked(s, &p->behind, v->cursor);
        if (!ring_reader_arm(s->ring, v->cursor))
                return STEP_NOTHING;
        v->waiting = false;
        return STEP_AGAIN;
}

static enum step exit_locked(struct viewer *v, uint64_t end, struct plan *p)
        LATCH_MUST_HOLD(session) {
        p->notice = (struct notice){.what = NOTICE_EXIT, .end = v->session->end};
        p->notice.end.offset = end;
        v->active = false; /* then nothing */
        return STEP_NOTICE;
}

static enum step plan_locked(struct viewer *v, struct plan *p) LATCH_MUST_HOLD(session) {
        uint64_t end;
        bool final;

        if (!v->active || v->gone)
                return STEP_NOTHING;
        notice_next_locked(v, &p->notice);
        if (p->notice.what != NOTICE_NONE)
                return STEP_NOTICE;
        if (reach_locked(v, &end, &final) < 0)
                return STEP_BAD;
        if (v->cursor < end)
                return bytes_locked(v, end, p);
        atomic_store_explicit(&v->stalled_since_ns, 0, memory_order_relaxed);
        return final ? exit_locked(v, end, p) : wait_locked(v, p);
}

/* The ring has moved on: what lies between is gone. */
static enum step skip(struct viewer *v, uint64_t tail) {
        bool gate = false;

        LATCH_WITH(session, &v->session->lock) {
                if (v->gone || tail <= v->cursor)
                        return STEP_AGAIN;
                if (!viewer_skip_locked(v, tail)) {
                        stall_locked(v);
                        return STEP_NOTHING;
                }
                if (v->session->driver == v)
                        gate = viewer_gate_locked(v);
        }
        if (gate)
                session_tell_seat(v->session);
        return STEP_AGAIN;
}

static enum step copy(struct viewer *v, const struct plan *p, void *buf, struct viewer_out *ret) {
        enum ring_kind kind;
        uint64_t tail;
        ssize_t n = v->kept ? kept_read(v->kept, p->from, buf, p->n, &kind, &tail)
                            : ring_read(v->session->ring, p->from, buf, p->n, &kind, &tail);

        if (n == -ESTALE)
                return skip(v, tail);
        if (n < 0)
                return STEP_BAD;
        if (n == 0)
                return STEP_AGAIN;
        LATCH_WITH(session, &v->session->lock) {
                if (v->gone)
                        return STEP_NOTHING;
                v->cursor = p->from + (uint64_t)n;
        }
        atomic_store_explicit(&v->stalled_since_ns, 0, memory_order_relaxed);
        *ret = (struct viewer_out){.what = VIEWER_DATA,
                                   .kind = (uint8_t)kind,
                                   .channel = v->channel,
                                   .offset = p->from,
                                   .n = (size_t)n};
        return STEP_COPY;
}

static void tell(struct viewer *v, const struct notice *n, void *buf, size_t cap,
                 struct viewer_out *ret) {
        *ret = (struct viewer_out){.what = VIEWER_TEXT, .channel = v->channel};
        ret->n = notice_text(v, n, buf, cap);
        if (n->what == NOTICE_GAP) {
                ret->offset = n->a;
                ret->gap_to = n->b;
        }
        ret->exit = n->what == NOTICE_EXIT;
        if (ret->exit)
                viewer_leave(v, VIEWER_FINISHED);
}

int viewer_take(struct viewer *v, void *buf, size_t cap, struct viewer_out *ret) {
        struct session *s = v->session;

        CHECK(cap >= VIEWER_BUFFER_MIN);
        *ret = (struct viewer_out){.what = VIEWER_NOTHING};
        for (int looks = 0; looks < LOOKS_MAX; looks++) {
                struct plan p = {.step = STEP_NOTHING};

                LATCH_WITH(session, &s->lock)
                        p.step = plan_locked(v, &p);
                crowd_wake(&p.behind);
                if (p.step == STEP_COPY) {
                        p.n = MIN(p.n, cap);
                        p.step = copy(v, &p, buf, ret);
                } else if (p.step == STEP_NOTICE) {
                        tell(v, &p.notice, buf, cap, ret);
                }
                if (p.step == STEP_BAD)
                        session_ring_bad(s);
                else if (p.step != STEP_AGAIN)
                        return 0;
        }
        /* Not left without a wake-up, whoever is to blame. */
        v->port->ops->wake(v->port);
        return 0;
}
