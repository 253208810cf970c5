/* control.c - what is asked of a session that lives: input, size, signals, its end. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "session/port.h"
#include "session/viewer_private.h"

#define CLOSE_MS 100u

/* ---- input, on the connection's thread ---- */

const char *viewer_may_type(struct viewer *v) {
        struct session *s = v->session;

        LATCH_GUARD(session, &s->lock);
        if (s->state == SESSION_STARTING)
                return "full";
        if (s->state != SESSION_RUNNING)
                return "ended";
        if (v->gone || s->driver != v)
                return "not_driver";
        v->active_ns = clock_mono_ns();
        return NULL;
}

int viewer_type(const struct viewer *v, uint64_t offset, const char *data, size_t n) {
        struct hold_input m = {.head.type = HOLD_INPUT, .tag = v->tag, .offset = offset};

        memcpy(m.key, v->key, sizeof m.key);
        return holder_send(v->session->holder_fd, &m, sizeof m, data, n);
}

static void refuse(struct viewer *v, uint64_t offset, int error) {
        bool full = error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM;

        viewer_refuse(v, offset, full ? "full" : "ended");
        if (full)
                viewer_starves(v);
}

static void send_input(struct viewer *v, uint64_t offset, const char *data, size_t n) {
        do {
                size_t piece = MIN(n, HOLD_INPUT_MAX);
                int r = viewer_type(v, offset, data, piece);
                if (r < 0) {
                        refuse(v, offset, r);
                        return;
                }
                offset += piece;
                data += piece;
                n -= piece;
        } while (n > 0);
}

void sessions_input(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset,
                    const void *data, size_t n) {
        _cleanup_(viewer_unrefp) struct viewer *v = port_find(p, channel);
        const char *code;

        (void)ss;
        if (!v)
                return;
        /* What would go round is a hole in any case: its holder says so, and where input goes on. JSON's
         * readers have no number for such an offset. */
        n = MIN(n, UINT64_MAX - offset);
        code = viewer_may_type(v);
        if (code)
                viewer_refuse(v, MIN(offset, (uint64_t)INT64_MAX), code);
        else
                send_input(v, offset, data, n);
}

bool sessions_ack(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset) {
        _cleanup_(viewer_unrefp) struct viewer *v = port_find(p, channel);

        (void)ss;
        return v && viewer_ack(v, offset);
}

/* ---- size ---- */

/* 1: the holder is to be asked; 0: the size stays as it is. */
static int judge_resize(struct viewer *v, const unsigned wanted[2], uint64_t *ret_sized) {
        struct session *s = v->session;

        LATCH_GUARD(session, &s->lock);
        *ret_sized = s->sized;
        if (s->state != SESSION_RUNNING || s->driver != v ||
            (s->cols == wanted[0] && s->rows == wanted[1]))
                return 0;
        s->resizer = v->tag;
        s->resize_why = "resize";
        return 1;
}

static int await_size(struct session *s, uint64_t sized, unsigned ret[2]) {
        uint64_t until = clock_mono_ns() + SESSION_WAIT_MS * UINT64_C(1000000);
        int r = 0;

        LATCH_GUARD(session, &s->lock);
        while (r == 0 && s->sized == sized && s->state == SESSION_RUNNING)
                r = latch_cond_wait_until(&s->changed, &s->lock, until);
        ret[0] = s->cols;
        ret[1] = s->rows;
        return r;
}

int session_resize(struct session *s, struct port *p, uint32_t channel, const unsigned wanted[2],
                   unsigned ret[2]) {
        const unsigned cut[2] = {MIN(MAX(wanted[0], 1u), SESSION_SIZE_MAX),
                                 MIN(MAX(wanted[1], 1u), SESSION_SIZE_MAX)};
        struct hold_resize m = {
                .head.type = HOLD_RESIZE, .cols = (uint16_t)cut[0], .rows = (uint16_t)cut[1]};
        _cleanup_(viewer_unrefp) struct viewer *v = port_find(p, channel);
        uint64_t sized;

        if (!v || v->session != s)
                return -ENOENT;
        if (!s->about.tty)
                return -ENODEV;
        if (judge_resize(v, cut, &sized) == 1) {
                int r = session_say(s, &m, sizeof m);
                if (r < 0 && r != -EPIPE)
                        return r;
                return await_size(s, sized, ret);
        }
        LATCH_WITH(session, &s->lock) {
                ret[0] = s->cols;
                ret[1] = s->rows;
        }
        return 0;
}

/* ---- signals, stop, close ---- */

static const struct {
        const char *name;
        int number;
} signals[] = {
        {"INT", SIGINT},   {"TERM", SIGTERM}, {"KILL", SIGKILL},
        {"HUP", SIGHUP},   {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},
        {"USR2", SIGUSR2}, {"TSTP", SIGTSTP}, {"CONT", SIGCONT},
};

static int signal_number(const char *name) {
        for (size_t i = 0; i < ELEMENTS(signals); i++)
                if (str_eq(signals[i].name, name))
                        return signals[i].number;
        return 0;
}

int session_signal(struct session *s, const char *name) {
        struct hold_signal m = {.head.type = HOLD_SIGNAL, .signal = (uint32_t)signal_number(name)};

        if (m.signal == 0)
                return -EINVAL;
        int r = session_ready(s);
        if (r < 0)
                return r;
        if (session_is_over(s))
                return -ESRCH;
        r = session_say(s, &m, sizeof m);
        return r == -EPIPE ? -ESRCH : r;
}

int session_stop(struct session *s) {
        int r = session_ready(s);

        if (r < 0 || session_is_over(s))
                return r;
        r = session_say_type(s, HOLD_STOP);
        return r == -EPIPE ? 0 : r; /* its holder is gone: then so is its cage, soon */
}

/* Most programs end on TERM within a few milliseconds: then whoever closed may go on as if at once. The
 * others' grace is not waited for, a worker is not for that. */
static void await_end(struct session *s) {
        uint64_t until = clock_mono_ns() + CLOSE_MS * UINT64_C(1000000);
        int r = 0;

        LATCH_GUARD(session, &s->lock);
        while (r == 0 && s->state != SESSION_ENDED && s->state != SESSION_LOST)
                r = latch_cond_wait_until(&s->changed, &s->lock, until);
}

int session_close(struct session *s) {
        bool over = false;
        int r = session_ready(s);

        if (r < 0 && r != -EAGAIN) /* a mute holder's session may be closed */
                return r;
        r = session_is_over(s) ? 0 : session_bury(s);
        if (r < 0)
                return r;
        LATCH_WITH(session, &s->lock) {
                s->forget = true;
                over = s->state == SESSION_ENDED || s->state == SESSION_LOST;
        }
        if (over)
                return session_drop(s);
        session_unpublish(s);
        session_tell(s, HOLD_STOP);
        await_end(s);
        return 0;
}
