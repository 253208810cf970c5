/* seats.c - the viewers of a session: who sits, who drives, what each has acknowledged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"
#include "ring/wire.h"
#include "session/kept.h"
#include "session/port.h"
#include "session/viewer_private.h"

/* ---- the object ---- */

void viewer_key(const struct account *account, const char *client, uint8_t ret[HOLD_KEY_BYTES]) {
        crypto_generichash_state state;

        CHECK(crypto_generichash_init(&state, NULL, 0, HOLD_KEY_BYTES) == 0);
        crypto_generichash_update(&state, (const unsigned char *)&account->user_id,
                                  sizeof account->user_id);
        crypto_generichash_update(&state, (const unsigned char *)client, strlen(client));
        CHECK(crypto_generichash_final(&state, ret, HOLD_KEY_BYTES) == 0);
}

int viewer_new(struct session *s, struct port *port, const uint8_t *key, struct viewer **ret) {
        struct viewer *v = calloc(1, sizeof *v);

        if (!v)
                return -ENOMEM;
        latch_ref_init(&v->ref);
        v->snapshot = BUF_INIT(HOLD_SNAPSHOT_MAX);
        v->session = session_ref(s);
        v->port = port->ops->ref(port);
        if (key)
                memcpy(v->key, key, sizeof v->key);
        else
                random_bytes(v->key, sizeof v->key);
        v->attached_ns = clock_mono_ns();
        LATCH_WITH(session, &s->lock) {
                v->tag = ++s->last_tag;
                v->active_ns = v->attached_ns;
        }
        *ret = v;
        return 0;
}

struct viewer *viewer_ref(struct viewer *v) {
        latch_ref_get(&v->ref);
        return v;
}

struct viewer *viewer_unref(struct viewer *v) {
        if (v && latch_ref_put(&v->ref)) {
                buf_done(&v->snapshot);
                kept_free(v->kept);
                session_unref(v->session);
                v->port->ops->unref(v->port);
                free(v);
        }
        return NULL;
}

uint64_t viewer_stalled_since(const struct viewer *v) {
        return atomic_load_explicit(&v->stalled_since_ns, memory_order_relaxed);
}

static void send_snapshot(struct viewer *v) {
        uint64_t offset = 0;

        if (v->snapshot.n == 0)
                return;
        LATCH_WITH(session, &v->session->lock)
                offset = v->acked;
        v->port->ops->send_data(v->port,
                                &(struct viewer_out){.what = VIEWER_DATA,
                                                     .kind = WIRE_SNAPSHOT,
                                                     .channel = v->channel,
                                                     .offset = offset,
                                                     .n = v->snapshot.n},
                                v->snapshot.data);
        buf_done(&v->snapshot);
}

void viewer_activate(struct viewer *v) {
        send_snapshot(v);
        LATCH_WITH(session, &v->session->lock)
                v->active = true;
        v->port->ops->wake(v->port);
}

/* ---- seats ---- */

/* What changed so far it hears in its reply. */
static void told_locked(struct viewer *v) LATCH_MUST_HOLD(session) {
        v->driver_told = v->session->driver_changes;
        v->size_told = v->session->size_changes;
        v->viewers_told = v->session->viewer_changes;
        v->expiry_told = v->session->expiry_changes;
        if (v->session->expires_ns != 0 && v->session->state == SESSION_RUNNING)
                v->expiry_told--; /* but for that */
}

void viewer_sit_locked(struct viewer *v) {
        struct session *s = v->session;

        CHECK(s->viewer_count < SESSION_VIEWERS_MAX);
        s->viewers[s->viewer_count++] = viewer_ref(v);
        told_locked(v);
}

bool viewer_rise_locked(struct viewer *v) {
        struct session *s = v->session;

        v->gone = true;
        v->waiting = false;
        for (size_t i = 0; i < s->viewer_count; i++) {
                if (s->viewers[i] != v)
                        continue;
                s->viewers[i] = s->viewers[--s->viewer_count];
                s->viewers[s->viewer_count] = NULL;
                return true;
        }
        return false;
}

struct viewer *viewer_by_key_locked(struct session *s, const uint8_t key[HOLD_KEY_BYTES]) {
        for (size_t i = 0; i < s->viewer_count; i++)
                if (memcmp(s->viewers[i]->key, key, HOLD_KEY_BYTES) == 0)
                        return s->viewers[i];
        return NULL;
}

struct viewer *viewer_by_tag_locked(struct session *s, uint64_t tag) {
        for (size_t i = 0; i < s->viewer_count; i++)
                if (s->viewers[i]->tag == tag)
                        return s->viewers[i];
        return NULL;
}

void viewer_drives_locked(struct session *s, struct viewer *v, const char *why) {
        if (s->driver == v)
                return;
        s->driver = v;
        s->driver_changes++;
        s->driver_why = why;
        if (v)
                v->driver_told = s->driver_changes;
}

/* ---- acknowledgements ---- */

uint64_t viewer_in_flight_locked(const struct viewer *v) {
        uint64_t n = v->cursor - v->acked;

        for (size_t i = 0; i < v->gap_count; i++)
                if (v->gaps[i].to > v->acked)
                        n -= v->gaps[i].to - MAX(v->gaps[i].from, v->acked);
        return n;
}

bool viewer_skip_locked(struct viewer *v, uint64_t to) {
        CHECK(to > v->cursor);
        if (v->gap_count == VIEWER_GAPS_MAX)
                return false;
        v->gaps[v->gap_count++] = (struct viewer_gap){v->cursor, to};
        v->gap_untold = true;
        v->cursor = to;
        return true;
}

static void drop_gaps_locked(struct viewer *v) LATCH_MUST_HOLD(session) {
        size_t n = 0;

        while (n < v->gap_count && v->gaps[n].to <= v->acked)
                n++;
        v->gap_count -= n;
        memmove(v->gaps, v->gaps + n, v->gap_count * sizeof *v->gaps);
}

/* What lies below a gap is gone from the ring, whether it was acknowledged or not: holding the program back
 * for it would be in vain, and for ever if the client waits for more before it acknowledges. */
bool viewer_gate_locked(struct viewer *v) {
        uint64_t gate = v->gap_count > 0 ? MAX(v->acked, v->gaps[v->gap_count - 1].to) : v->acked;

        return v->session->ring && ring_reader_set_gate(v->session->ring, gate);
}

bool viewer_ack(struct viewer *v, uint64_t offset) {
        struct session *s = v->session;
        bool gate = false, wake = false;

        LATCH_WITH(session, &s->lock) {
                if (v->gone || !v->active || offset < v->acked || offset > v->cursor)
                        return false;
                v->acked = offset;
                v->active_ns = clock_mono_ns();
                if (!v->gap_untold)
                        drop_gaps_locked(v);
                if (s->driver == v)
                        gate = viewer_gate_locked(v);
                wake = atomic_exchange_explicit(&v->stalled_since_ns, 0, memory_order_relaxed) != 0;
        }
        if (gate)
                session_tell_seat(s);
        if (wake)
                v->port->ops->wake(v->port);
        return true;
}

/* ---- leaving ---- */

static const char *const leave_words[] = {
        [VIEWER_DETACHES] = "detach",
        [VIEWER_VANISHES] = "gone",
        [VIEWER_REPLACED] = "replaced",
};

/* The driver's seat is empty: what becomes of the gate. True: the holder is to be told. */
static bool empty_seat_locked(struct session *s, enum viewer_leave how) LATCH_MUST_HOLD(session) {
        if (how == VIEWER_FINISHED) {
                s->driver = NULL; /* all will hear the exit; who drives is no news */
                return false;
        }
        viewer_drives_locked(s, NULL, leave_words[how]);
        if (!s->ring || s->state != SESSION_RUNNING)
                return false;
        return how == VIEWER_VANISHES || ring_reader_set_gate(s->ring, RING_NO_DRIVER);
}

void viewer_leave(struct viewer *v, enum viewer_leave how) {
        struct session *s = v->session;
        struct crowd c = {.n = 0};
        bool sat = false, tell = false;

        LATCH_WITH(session, &s->lock) {
                sat = viewer_rise_locked(v);
                if (s->driver == v)
                        tell = empty_seat_locked(s, how);
                if (sat && how != VIEWER_FINISHED) {
                        s->viewer_changes++;
                        s->viewer_why = leave_words[how];
                        crowd_all_locked(s, &c);
                }
        }
        port_remove(v->port, v);
        if (tell)
                session_tell_seat(s);
        crowd_wake(&c);
        if (sat)
                viewer_unref(v);
}

/* ---- drive, detach ---- */

int session_drive(struct session *s, struct port *p, uint32_t channel, struct viewer **ret) {
        _cleanup_(viewer_unrefp) struct viewer *v = port_find(p, channel);
        struct crowd c = {.n = 0};

        if (!v || v->session != s)
                return -ENOENT;
        if (v->watch)
                return -EACCES;
        LATCH_WITH(session, &s->lock) {
                if (v->gone)
                        return -ENOENT;
                viewer_drives_locked(s, v, "drive");
                v->drive_unanswered = true;
                viewer_gate_locked(v);
                crowd_all_locked(s, &c);
        }
        session_tell_seat(s);
        crowd_wake(&c);
        *ret = TAKE_PTR(v);
        return 0;
}

void viewer_drive_answered(struct viewer *v) {
        LATCH_WITH(session, &v->session->lock)
                v->drive_unanswered = false;
        v->port->ops->wake(v->port);
}

int session_detach(struct session *s, struct port *p, uint32_t channel) {
        _cleanup_(viewer_unrefp) struct viewer *v = port_find(p, channel);

        if (!v || v->session != s)
                return -ENOENT;
        viewer_leave(v, VIEWER_DETACHES);
        return 0;
}

/* ---- refused input ---- */

/* An end is for good. Whoever hears `full` waits for room, and a hole that is not told would not be mended. */
static bool says_more(const char *code, const char *than) {
        return !str_eq(than, "ended") && !(str_eq(than, "hole") && str_eq(code, "full"));
}

void viewer_refuse(struct viewer *v, uint64_t offset, const char *code) {
        LATCH_WITH(session, &v->session->lock) {
                if (!v->refusal_untold || offset < v->refusal_offset)
                        v->refusal_offset = offset;
                if (!v->refusal_untold || says_more(code, v->refusal_code))
                        v->refusal_code = code;
                v->refusal_untold = true;
        }
        v->port->ops->wake(v->port);
}

/* ---- those to be woken ---- */

void crowd_all_locked(struct session *s, struct crowd *c) {
        c->n = 0;
        for (size_t i = 0; i < s->viewer_count; i++) {
                s->viewers[i]->waiting = false;
                c->viewers[c->n++] = viewer_ref(s->viewers[i]);
        }
}

void crowd_waiting_locked(struct session *s, struct crowd *c, uint64_t head) {
        c->n = 0;
        for (size_t i = 0; i < s->viewer_count; i++) {
                if (!s->viewers[i]->waiting || s->viewers[i]->cursor >= head)
                        continue;
                s->viewers[i]->waiting = false;
                c->viewers[c->n++] = viewer_ref(s->viewers[i]);
        }
}

void crowd_wake(struct crowd *c) {
        for (size_t i = 0; i < c->n; i++) {
                c->viewers[i]->port->ops->wake(c->viewers[i]->port);
                viewer_unref(c->viewers[i]);
        }
        c->n = 0;
}
