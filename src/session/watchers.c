/* watchers.c - who is in a session and is not its owner. The contract is in session/session.h. */
#include <string.h>

#include "session/port.h"
#include "session/viewer_private.h"

static bool is_others(const struct session *s, const struct viewer *v) {
        const struct identity *i = v->port->identity;

        return i->visit || i->account != s->account;
}

size_t session_watchers(struct session *s, struct session_watcher ret[SESSION_WATCHERS_MAX]) {
        size_t n = 0;

        LATCH_GUARD(session, &s->lock);
        for (size_t i = 0; i < s->viewer_count && n < SESSION_WATCHERS_MAX; i++) {
                const struct identity *who = s->viewers[i]->port->identity;
                struct session_watcher *w = &ret[n];

                if (!is_others(s, s->viewers[i]))
                        continue;
                w->name[0] = '\0';
                w->role = ROLE_ADMIN;
                if (!who->visit) {
                        memcpy(w->name, who->account->name, sizeof w->name);
                        w->role = atomic_load(&who->account->role);
                }
                n++;
        }
        return n;
}
