/* greet.c - what a holder says of itself, checked against what is known: HELLO. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "session/descriptor.h"
#include "session/session_private.h"

static bool ends(const char *s, size_t size) {
        return memchr(s, '\0', size) != NULL;
}

static bool well_formed(const struct hold_hello *h) {
        static const char zero[sizeof h->zero];

        return h->version >= HOLD_VERSION_MIN && h->version <= HOLD_VERSION &&
               ends(h->id, sizeof h->id) && ends(h->user, sizeof h->user) &&
               ends(h->path, sizeof h->path) && memcmp(h->zero, zero, sizeof zero) == 0 &&
               h->kind <= SPAWN_REPL && h->tty <= 1 && (!h->tty || (h->cols > 0 && h->rows > 0));
}

/* Enough to make a record of, where there is none. */
bool greet_valid(const struct holder_message *m) {
        return m->u.head.type == HOLD_HELLO && well_formed(&m->u.hello) &&
               strlen(m->u.hello.id) == RANDOM_ID_CHARS;
}

static bool is_of(const struct session *s, const struct hold_hello *h) {
        return str_eq(h->id, s->about.id) && str_eq(h->user, s->account->name) &&
               h->kind == (uint8_t)session_spawn_kind(s->about.kind) && h->tty == s->about.tty &&
               str_eq(h->path, s->about.path);
}

enum spawn_kind session_spawn_kind(enum session_kind kind) {
        switch (kind) {
        case SESSION_RUN: return SPAWN_RUN;
        case SESSION_SHELL: return SPAWN_SHELL;
        case SESSION_REPL: return SPAWN_REPL;
        }
        CHECK(!"a kind of session");
        return SPAWN_RUN;
}

int session_greet(struct session *s, struct holder_message *m) {
        const struct hold_hello *h = &m->u.hello;
        struct ring_reader *ring = NULL;

        if (h->head.type != HOLD_HELLO || !well_formed(h) || !is_of(s, h))
                return -EPROTO;
        CHECK(!s->ring && s->wake_fd < 0);
        int r = descriptor_is_eventfd(m->fds[2]);
        if (r < 0)
                return r;
        r = ring_reader_open(m->fds[0], m->fds[1], s->about.id, &ring);
        if (r < 0)
                return r;
        s->wake_fd = m->fds[2];
        m->fds[2] = -1;
        LATCH_WITH(session, &s->lock) {
                s->ring = ring; /* of an adopted one, that records may be written of already */
                s->cols = h->cols;
                s->rows = h->rows;
                s->draws = h->tty && h->version >= HOLD_SNAPSHOTS;
        }
        return 0;
}

void session_check_end(struct session *s) {
        uint64_t tail, head;
        bool eof;

        LATCH_GUARD(session, &s->lock);
        if (ring_reader_bounds(s->ring, &tail, &head, &eof) < 0 || !eof || head != s->end.offset)
                s->ring_bad = true;
}
