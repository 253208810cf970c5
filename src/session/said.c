/* said.c - what is said to a holder: at once, or as soon as there is room. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "session/keep.h"
#include "session/port.h"
#include "session/viewer_private.h"

#define SAY_MS 1000u

/* What is owed of the seat is not a word: it is what is true by then. */
#define OWED_SEAT HOLD_GATE

static bool no_room(int r) {
        return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM;
}

static void tell_or_owe(struct session *s, enum hold_type type, enum hold_type owed) {
        int r = s->holder_fd < 0 ? -EPIPE : holder_tell(s->holder_fd, type);
        if (!no_room(r))
                return; /* sent, or there is nobody: the pump will hear of that */
        LATCH_WITH(session, &s->lock)
                s->owed |= 1u << owed;
        atomic_store(&s->all->look, true);
}

void session_tell(struct session *s, enum hold_type type) {
        tell_or_owe(s, type, type);
}

/* Somebody drives, or nobody needs to: the gate counts. Else who drove is waited for. */
static enum hold_type seat_word(struct session *s, uint64_t *ret_changes) {
        LATCH_GUARD(session, &s->lock);
        *ret_changes = s->driver_changes;
        if (s->driver || !s->ring || ring_reader_gate(s->ring) == RING_NO_DRIVER)
                return HOLD_GATE;
        return HOLD_GRACE;
}

/* The lock is not held while it is said, so others may say something older or newer meanwhile. Each looks again
 * behind its own word: whoever's is the last to arrive has seen that it is still true. */
void session_tell_seat(struct session *s) {
        uint64_t told, changes;
        enum hold_type word = seat_word(s, &changes);

        do {
                told = changes;
                tell_or_owe(s, word, OWED_SEAT);
                word = seat_word(s, &changes);
        } while (changes != told);
}

int session_say(struct session *s, const void *message, size_t n) {
        uint64_t until = clock_mono_ns() + SAY_MS * UINT64_C(1000000);

        for (;;) {
                int r = s->holder_fd < 0 ? -EPIPE : holder_send(s->holder_fd, message, n, NULL, 0);
                if (r != -EAGAIN)
                        return r;
                if (holder_wait(s->holder_fd, POLLOUT, until) < 0)
                        return -EAGAIN;
        }
}

int session_say_type(struct session *s, enum hold_type type) {
        return session_say(s, &(struct hold_head){.type = type}, sizeof(struct hold_head));
}

/* False: there is still no room. */
static bool pay(struct session *s) {
        unsigned owed = 0;

        LATCH_WITH(session, &s->lock) {
                owed = s->owed;
                s->owed = 0;
        }
        if (owed & (1u << HOLD_STOP))
                session_tell(s, HOLD_STOP);
        if (owed & (1u << HOLD_FORGET))
                session_tell(s, HOLD_FORGET);
        if (owed & (1u << OWED_SEAT))
                session_tell_seat(s);
        LATCH_GUARD(session, &s->lock);
        return s->owed == 0;
}

void viewer_starves(struct viewer *v) {
        LATCH_WITH(session, &v->session->lock)
                v->starved = true;
        atomic_store(&v->session->all->look, true);
}

static bool somebody_starves(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        for (size_t i = 0; i < s->viewer_count; i++)
                if (s->viewers[i]->starved)
                        return true;
        return false;
}

/* Who was refused for want of room may send again. False: there is none yet. */
static bool feed(struct session *s) {
        struct crowd c = {.n = 0};

        if (!somebody_starves(s))
                return true;
        if (holder_wait(s->holder_fd, POLLOUT, 0) < 0)
                return false;
        LATCH_WITH(session, &s->lock) {
                for (size_t i = 0; i < s->viewer_count; i++) {
                        struct viewer *v = s->viewers[i];
                        if (v->starved)
                                v->ack_untold = true;
                        v->starved = false;
                }
                crowd_all_locked(s, &c);
        }
        crowd_wake(&c);
        return true;
}

/* False: it is not submitted yet. */
static bool submit_record(struct session *s) {
        LATCH_WITH(session, &s->lock) {
                if (!s->job_wanted || s->job_queued)
                        return true;
                if (clock_mono_ns() < s->job_after_ns)
                        return false;
        }
        session_record_soon(s);
        LATCH_GUARD(session, &s->lock);
        return s->job_queued || !s->job_wanted;
}

bool session_look_after(struct session *s) {
        bool done = pay(s);

        done = feed(s) && done;
        (void)session_drain_dying(s);
        done = session_lost_now(s) && done;
        session_see_to_keep(s);
        done = session_release_ring(s) && done;
        return submit_record(s) && done;
}
