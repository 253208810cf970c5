/* administration.c - what whoever runs the server does to a session, whose ever it is. The contract is in
 * session/session.h. */
#include <errno.h>
#include <string.h>

#include "session/ask.h"
#include "session/viewer_private.h"

_Static_assert(SESSION_TYPE_MAX == HOLD_INPUT_MAX, "one message to the holder");

int sessions_over_fd(const struct sessions *ss) {
        return ss->over_fd;
}

bool session_over(struct session *s, struct session_over *ret) {
        LATCH_GUARD(session, &s->lock);
        if (s->state != SESSION_ENDED && s->state != SESSION_LOST)
                return false;
        *ret = (struct session_over){.code = s->end.code, .signal = s->end.signal};
        memcpy(ret->verdict, s->end.verdict, sizeof ret->verdict);
        return true;
}

struct account *session_owner(const struct session *s) {
        return s->account;
}

char session_enter_key(const struct session *s) {
        return s->about.tty ? '\r' : '\n';
}

int session_type(struct session *s, const char *client, uint64_t offset, const char *data, size_t n,
                 uint64_t *ret_offset) {
        struct hold_input m = {.head.type = HOLD_INPUT, .offset = offset};
        int r = session_ready(s);

        CHECK(n <= SESSION_TYPE_MAX);
        if (r < 0)
                return r;
        if (session_is_over(s))
                return -ESRCH;
        viewer_key(s->account, client, m.key);
        LATCH_WITH(session, &s->lock)
                m.tag = ++s->last_tag;
        r = holder_send(s->holder_fd, &m, sizeof m, data, n);
        if (r == 0 ||
            r == -EAGAIN) /* no room: then nothing more was taken, and it is asked again */
                r = session_ask_input(s, m.tag, m.key, ret_offset);
        return r == -EPIPE ? -ESRCH : r;
}
