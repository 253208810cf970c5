/* session_state.c - the life of a session: its states, and the moves that are allowed. */
#include "session/session_private.h"

#define TO(state) (1u << (state))

static const struct {
        const char *word; /* on the wire */
        unsigned next;    /* a bit for each state that may follow */
} states[SESSION_STATES] = {
        /* The holder is asked for, or found again and has not said what it is. */
        [SESSION_STARTING] = {"starting",
                              TO(SESSION_RUNNING) | TO(SESSION_DYING) | TO(SESSION_ENDED)},
        [SESSION_RUNNING] = {"running", TO(SESSION_DYING) | TO(SESSION_ENDED)},
        /* No exit will be told; the cage may not be gone yet. */
        [SESSION_DYING] = {"running", TO(SESSION_LOST)},
        [SESSION_ENDED] = {"ended", 0},
        [SESSION_LOST] = {"ended", 0},
};

bool session_state_may(enum session_state from, enum session_state to) {
        return (states[from].next & TO(to)) != 0;
}

const char *session_state_word(enum session_state state) {
        return states[state].word;
}

void session_move_locked(struct session *s, enum session_state to) {
        CHECK(session_state_may(s->state, to));
        s->state = to;
        latch_cond_broadcast(&s->changed);
}
