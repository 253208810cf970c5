/* typing.c - see typing.h. */
#include "session/typing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/config.h"
#include "session/viewer_private.h"

struct typing {
        struct viewer *viewer; /* referenced */
        struct buf kept;       /* what is not acknowledged */
        uint64_t from;         /* where its first byte stands in the input of this key */
        uint64_t said;         /* below it all was sent to the holder */
};

int typing_new(struct viewer *v, struct typing **ret) {
        struct typing *t = calloc(1, sizeof *t);

        if (!t)
                return -ENOMEM;
        t->viewer = viewer_ref(v);
        t->kept = BUF_INIT(v->session->all->deps.config->input_bytes);
        *ret = t;
        return 0;
}

struct typing *typing_free(struct typing *t) {
        if (!t)
                return NULL;
        viewer_unref(t->viewer);
        buf_done(&t->kept);
        free(t);
        return NULL;
}

/* What was not sent, nobody will read. */
static void forget_unsaid(struct typing *t) {
        t->kept.n = (size_t)(t->said - t->from);
}

/* Nothing more will be taken. */
static void forget_all(struct typing *t) {
        t->from = t->said;
        t->kept.n = 0;
}

/* What was said of it since. */
static void hear(struct typing *t) {
        struct viewer *v = t->viewer;
        uint64_t acked = 0, refused = UINT64_MAX;
        bool over = false;

        LATCH_WITH(session, &v->session->lock) {
                acked = v->ack_offset;
                if (v->refusal_untold) {
                        refused = v->refusal_offset;
                        over = str_eq(v->refusal_code, "ended");
                }
                v->ack_untold = v->refusal_untold = false;
        }
        if (acked > t->from) {
                size_t n = (size_t)MIN(acked - t->from, (uint64_t)t->kept.n);
                buf_drop(&t->kept, n);
                t->from += n;
                t->said = MAX(t->said, t->from);
        }
        if (refused < t->said)
                t->said = MAX(refused, t->from);
        if (over)
                forget_all(t);
}

/* False: it may not type, or not any more. */
static bool may_type(struct typing *t) {
        const char *no = viewer_may_type(t->viewer);

        if (!no || str_eq(no, "full"))
                return true;
        if (str_eq(no, "ended"))
                forget_all(t);
        else
                forget_unsaid(t);
        return false;
}

/* Sends what is not sent. What the way to the holder has no room for is sent another time. */
static void say(struct typing *t) {
        while (t->said < t->from + t->kept.n) {
                size_t at = (size_t)(t->said - t->from),
                       piece = MIN(t->kept.n - at, HOLD_INPUT_MAX);
                int r = viewer_type(t->viewer, t->said, t->kept.data + at, piece);

                if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM)
                        return;
                if (r < 0)
                        forget_all(t);
                else
                        t->said += piece;
        }
}

void typing_again(struct typing *t) {
        hear(t);
        if (may_type(t))
                say(t);
}

size_t typing_add(struct typing *t, const void *data, size_t n) {
        hear(t);
        if (!may_type(t))
                return n;
        n = MIN(n, t->kept.limit - t->kept.n);
        if (buf_add(&t->kept, data, n) < 0)
                n = 0;
        say(t);
        return n;
}

bool typing_wait(struct typing *t, uint64_t until_ns) {
        struct session *s = t->viewer->session;
        uint64_t was = t->from;

        LATCH_WITH(session, &s->lock) {
                int r = 0;

                while (r == 0 && t->viewer->ack_offset <= was &&
                       (s->state == SESSION_RUNNING || s->state == SESSION_STARTING))
                        r = latch_cond_wait_until(&s->changed, &s->lock, until_ns);
        }
        typing_again(t);
        return t->from > was;
}
