/* events.c - what the pump brings: output, messages of holders, the clock. The contract is in
 * session/pump_hooks.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "session/ask.h"
#include "session/descriptor.h"
#include "session/keep.h"
#include "session/port.h"
#include "session/viewer_private.h"

#define MESSAGES_A_TURN 64
#define EXPIRES_MAX_MS  60000u

/* ---- the pump's watch ---- */

static void end_move(struct session *s, bool watched) {
        LATCH_GUARD(session, &s->lock);
        s->moving = false;
        s->watched = watched;
        latch_cond_broadcast(&s->changed);
}

static bool begin_watch(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        CHECK(!s->moving && !s->watched); /* by its owner, or by the pump: there is no second */
        s->moving = !s->gone;
        return s->moving;
}

int session_watch(struct session *s) {
        const struct pump_hooks *hooks = &s->all->deps.hooks;

        if (!begin_watch(s))
                return 0; /* session_drop found nothing to take back */
        int r = hooks->watch(hooks->context, s->number, s->wake_fd, s->holder_fd);
        end_move(s, r == 0);
        return r;
}

/* Waits for others who are at it: the pump may hear of a session before who gave it to the pump has said so, and a
 * caller may be about to close its descriptors. */
static bool begin_unwatch(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        while (s->moving)
                latch_cond_wait(&s->changed, &s->lock);
        s->moving = s->watched;
        return s->moving;
}

void session_unwatch(struct session *s) {
        const struct pump_hooks *hooks = &s->all->deps.hooks;

        if (!begin_unwatch(s))
                return;
        hooks->unwatch(hooks->context, s->number, s->wake_fd, s->holder_fd);
        end_move(s, false);
}

/* ---- output ---- */

void sessions_on_output(struct sessions *ss, uint64_t number) {
        _cleanup_(session_unrefp) struct session *s = session_by_number(ss, number);
        struct crowd c = {.n = 0};

        if (!s)
                return;
        LATCH_WITH(session, &s->lock)
                crowd_waiting_locked(s, &c, UINT64_MAX);
        crowd_wake(&c);
}

/* ---- messages of a holder ---- */

int session_hear_started(struct session *s, struct holder_message *m) {
        int r = descriptor_is_cage_init(m->fds[0]);

        if (r == -EPROTO)
                return r;
        LATCH_GUARD(session, &s->lock);
        if (s->init_fd >= 0)
                return -EPROTO;
        if (r == 0)
                s->init_fd = TAKE_FD(m->fds[0]);
        return 0;
}

static int hear_failed(struct session *s, const struct hold_failed *f) {
        struct session_end end = {.code = -1, .verdict = "lost", .ended_ms = clock_real_ms()};

        if (f->error <= 0 || f->error > 4095 || !memchr(f->stage, '\0', sizeof f->stage))
                return -EPROTO;
        log_event(LOG_WARN, "session.failed", LOG_S("session", s->about.id),
                  LOG_S("stage", f->stage), LOG_E(f->error));
        session_settle(s, SESSION_ENDED, &end);
        return 0;
}

static int hear_input(struct session *s, const struct hold_mark *m, bool refused) {
        static const char *const codes[] = {
                [HOLD_REFUSED_FULL] = "full",
                [HOLD_REFUSED_HOLE] = "hole",
                [HOLD_REFUSED_ENDED] = "ended",
        };
        struct viewer *v = NULL;

        if (refused && (m->code < HOLD_REFUSED_FULL || m->code > HOLD_REFUSED_ENDED))
                return -EPROTO;
        LATCH_WITH(session, &s->lock) {
                v = viewer_by_tag_locked(s, m->tag);
                if (v)
                        viewer_ref(v);
                if (v && !refused && m->offset >= v->ack_offset) {
                        v->ack_offset = m->offset;
                        v->ack_untold = true;
                        if (v->raw)
                                latch_cond_broadcast(&s->changed);
                }
        }
        if (v && refused)
                viewer_refuse(v, m->offset, codes[m->code]);
        else if (v && !v->raw)
                v->port->ops->wake(v->port);
        viewer_unref(v);
        return 0;
}

/* Who asked may wait no more: then nobody takes the answer. */
static int hear_answer(struct session *s, enum hold_type asked, struct holder_message *m) {
        LATCH_GUARD(session, &s->lock);
        for (struct session_query *q = s->queries; q; q = q->next) {
                if (q->type != asked || q->tag != m->u.mark.tag || q->done)
                        continue;
                q->offset = m->u.mark.offset;
                q->fd = TAKE_FD(m->fds[0]);
                q->error = m->u.head.type == HOLD_NO_SNAPSHOT ? -ENODATA : 0;
                q->done = true;
                break;
        }
        latch_cond_broadcast(&s->changed);
        return 0;
}

static int hear_expires(struct session *s, const struct hold_mark *m) {
        struct crowd c = {.n = 0};

        if (m->offset > EXPIRES_MAX_MS || m->code != 0)
                return -EPROTO;
        LATCH_WITH(session, &s->lock) {
                s->expires_ns = m->offset ? clock_mono_ns() + m->offset * UINT64_C(1000000) : 0;
                s->expiry_changes++;
                crowd_all_locked(s, &c);
        }
        crowd_wake(&c);
        return 0;
}

static int hear_resized(struct session *s, const struct hold_resize *m) {
        struct crowd c = {.n = 0};

        if (!s->about.tty || m->cols == 0 || m->rows == 0 || m->zero != 0)
                return -EPROTO;
        LATCH_WITH(session, &s->lock) {
                bool other = s->cols != m->cols || s->rows != m->rows;
                struct viewer *asked = viewer_by_tag_locked(s, s->resizer);
                s->cols = m->cols;
                s->rows = m->rows;
                s->sized++;
                latch_cond_broadcast(&s->changed);
                if (other) {
                        s->size_changes++;
                        s->size_why = s->resize_why ? s->resize_why : "resize";
                        crowd_all_locked(s, &c);
                }
                if (other && asked)
                        asked->size_told = s->size_changes;
        }
        crowd_wake(&c);
        return 0;
}

static const char *const verdicts[] = {
        [HOLD_EXITED] = "exited",   [HOLD_STOPPED] = "stopped",     [HOLD_KILLED] = "killed",
        [HOLD_TIMEOUT] = "timeout", [HOLD_IDLE] = "idle",           [HOLD_CPU] = "cpu",
        [HOLD_MEMORY] = "memory",   [HOLD_PROCESSES] = "processes", [HOLD_OUTPUT] = "output",
        [HOLD_DISK] = "disk",
};

/* An exit is believed if it comes behind the ring's end, and says where that is. */
static int check_exit(struct session *s, const struct hold_exit *e) {
        uint64_t tail, head;
        bool eof;

        if (e->verdict >= ELEMENTS(verdicts) || e->zero != 0 || e->signal < 0 || e->signal > 64)
                return -EPROTO;
        LATCH_GUARD(session, &s->lock);
        if (s->ring_bad || ring_reader_bounds(s->ring, &tail, &head, &eof) < 0)
                return -EPROTO;
        s->last_head = head;
        return eof && head == e->offset ? 0 : -EPROTO;
}

static int hear_exit(struct session *s, const struct hold_exit *e) {
        struct session_end end = {.code = e->signal ? 0 : e->code,
                                  .signal = e->signal,
                                  .wall_ms = e->wall_ms,
                                  .cpu_ms = e->cpu_ms,
                                  .peak_bytes = e->peak_bytes,
                                  .offset = e->offset,
                                  .ended_ms = clock_real_ms()};
        int r = check_exit(s, e);

        if (r < 0)
                return r;
        CHECK(str_copy(end.verdict, sizeof end.verdict, verdicts[e->verdict]) == 0);
        session_settle(s, SESSION_ENDED, &end);
        log_event(LOG_INFO, "session.end", LOG_S("session", s->about.id),
                  LOG_S("user", s->account->name), LOG_S("verdict", end.verdict),
                  LOG_I("code", end.code), LOG_I("signal", end.signal),
                  LOG_I("wall_ms", end.wall_ms));
        return 0;
}

/* A holder that was found again and said nothing then says HELLO now. */
static int hear_late_hello(struct session *s, struct holder_message *m, bool ended) {
        session_unwatch(s);
        s->wake_fd = fd_close(s->wake_fd); /* stood in for the holder's */
        int r = session_greet(s, m);
        if (r < 0 && ended)
                session_without_holder(s);
        if (r < 0)
                return r;
        if (ended)
                session_check_end(s);
        LATCH_WITH(session, &s->lock) {
                s->mute = false;
                if (!ended)
                        session_move_locked(s, SESSION_RUNNING);
        }
        if (ended)
                session_keep_later(s, s->all->deps.config->linger_ms);
        return session_watch(s);
}

static bool is_mute(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        return s->mute;
}

static enum session_state state_of(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        return s->state;
}

/* What may come while it runs. */
static int hear_running(struct session *s, struct holder_message *m) {
        switch (m->u.head.type) {
        case HOLD_STARTED: return session_hear_started(s, m);
        case HOLD_FAILED: return hear_failed(s, &m->u.failed);
        case HOLD_INPUT_ACK: return hear_input(s, &m->u.mark, false);
        case HOLD_INPUT_REFUSED: return hear_input(s, &m->u.mark, true);
        case HOLD_INPUT_AT: return hear_answer(s, HOLD_QUERY_INPUT, m);
        case HOLD_SNAPSHOT:
        case HOLD_NO_SNAPSHOT: return hear_answer(s, HOLD_ASK_SNAPSHOT, m);
        case HOLD_RESIZED: return hear_resized(s, &m->u.resize);
        case HOLD_EXPIRES: return hear_expires(s, &m->u.mark);
        case HOLD_TITLE: return session_hear_title(s, &m->u.title);
        case HOLD_CWD: return session_hear_cwd(s, &m->u.cwd);
        case HOLD_EXIT: return hear_exit(s, &m->u.exit);
        default: return -EPROTO;
        }
}

/* After the end: answers, and what a holder repeats on a new connection. */
static int hear_ended(struct session *s, struct holder_message *m) {
        switch (m->u.head.type) {
        case HOLD_HELLO: return is_mute(s) ? hear_late_hello(s, m, true) : -EPROTO;
        case HOLD_STARTED: return session_hear_started(s, m);
        case HOLD_INPUT_ACK: return hear_input(s, &m->u.mark, false);
        case HOLD_INPUT_REFUSED: return hear_input(s, &m->u.mark, true);
        case HOLD_INPUT_AT: return hear_answer(s, HOLD_QUERY_INPUT, m);
        case HOLD_SNAPSHOT:
        case HOLD_NO_SNAPSHOT: return hear_answer(s, HOLD_ASK_SNAPSHOT, m);
        case HOLD_RESIZED:
        case HOLD_EXPIRES:
        case HOLD_TITLE:
        case HOLD_CWD:
        case HOLD_FAILED:
        case HOLD_EXIT: return 0;
        default: return -EPROTO;
        }
}

/* It is being killed, so it is not believed any more; that its cage ended is. */
static void hear_dying(struct session *s, struct holder_message *m) {
        if (m->u.head.type == HOLD_STARTED)
                (void)session_hear_started(s, m);
        if (m->u.head.type != HOLD_EXIT && m->u.head.type != HOLD_FAILED)
                return;
        LATCH_WITH(session, &s->lock)
                s->holder_gone = true;
        if (!session_lost_now(s))
                atomic_store(&s->all->look, true);
}

int session_hear(struct session *s, struct holder_message *m) {
        switch (state_of(s)) {
        case SESSION_STARTING:
                return m->u.head.type == HOLD_HELLO ? hear_late_hello(s, m, false) : -EPROTO;
        case SESSION_RUNNING: return hear_running(s, m);
        case SESSION_DYING: hear_dying(s, m); return 0;
        case SESSION_ENDED:
        case SESSION_LOST: return hear_ended(s, m);
        default: CHECK(!"a state"); return 0;
        }
}

/* Its connection has ended, and so has the holder. */
static void hang_up(struct session *s) {
        bool recorded = false;

        session_unwatch(s);
        LATCH_WITH(session, &s->lock) {
                s->holder_gone = true;
                recorded = s->recorded;
                if (recorded)
                        s->mute = false; /* nothing is kept any more */
                latch_cond_broadcast(&s->changed);
        }
        if (recorded)
                session_record_soon(s); /* its socket may be there still */
        session_lose(s, "its holder is gone");
        if (!session_lost_now(s))
                atomic_store(&s->all->look, true);
}

void sessions_on_holder(struct sessions *ss, uint64_t number) {
        _cleanup_(session_unrefp) struct session *s = session_by_number(ss, number);

        for (int i = 0; s && i < MESSAGES_A_TURN; i++) {
                struct holder_message m;
                int r = holder_receive(s->holder_fd, &m);
                if (r == -EAGAIN || r == -ENOMEM || r == -ENOBUFS || r == -EMFILE)
                        return;
                if (r == -EPIPE) {
                        hang_up(s);
                        return;
                }
                bool alone = r == 0 && m.u.head.type == HOLD_INPUT_ACK;
                if (r == 0) {
                        r = session_hear(s, &m);
                        holder_message_done(&m);
                }
                if (r < 0)
                        session_lose(s, "its holder says what cannot be");
                if (alone) { /* as a key's is, nearly always; and what follows wakes us again */
                        sessions_on_output(ss, number);
                        return;
                }
        }
}

/* ---- the clock ---- */

void sessions_look_at(struct sessions *ss, uint64_t ns) {
        uint64_t at = atomic_load(&ss->look_at);

        while (ns < at && !atomic_compare_exchange_weak(&ss->look_at, &at, ns))
                ;
}

void sessions_tick(struct sessions *ss, uint64_t now_ns) {
        struct registry_item **items;
        size_t n;

        if (!atomic_exchange(&ss->look, false) && now_ns < atomic_load(&ss->look_at))
                return;
        atomic_store(&ss->look_at, UINT64_MAX); /* who is later says so again */
        if (registry_list(ss->by_number, &items, &n) < 0) {
                atomic_store(&ss->look, true);
                return;
        }
        for (size_t i = 0; i < n; i++)
                if (!session_look_after(CONTAINER_OF(items[i], struct session, item)))
                        atomic_store(&ss->look, true);
        registry_list_free(items, n);
}
