/* said.c - what is said to a holder: at once, or as soon as there is room. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "session/session_private.h"

#define SAY_MS 1000u

/* In this order: a gate that is set ends the grace, so the grace that is still owed is the newer word. */
static const enum hold_type owable[] = {HOLD_STOP, HOLD_FORGET, HOLD_GATE, HOLD_GRACE};

static bool no_room(int r) {
        return r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM;
}

void session_tell(struct session *s, enum hold_type type) {
        if (type == HOLD_GATE) {
                LATCH_WITH(session, &s->lock)
                        s->owed &= ~(1u << HOLD_GRACE);
        }
        int r = s->holder_fd < 0 ? -EPIPE : holder_tell(s->holder_fd, type);
        if (!no_room(r))
                return; /* sent, or there is nobody: the pump will hear of that */
        LATCH_WITH(session, &s->lock)
                s->owed |= 1u << type;
        atomic_store(&s->all->look, true);
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
        for (size_t i = 0; i < ELEMENTS(owable); i++)
                if (owed & (1u << owable[i]))
                        session_tell(s, owable[i]);
        LATCH_GUARD(session, &s->lock);
        return s->owed == 0;
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

        (void)session_drain_dying(s);
        done = session_lost_now(s) && done;
        return submit_record(s) && done;
}
