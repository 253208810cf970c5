/* open.c - from a request to a program that runs, and back again where a step fails.
 *
 * What was taken is let go in one way: by settling the session. One that has no cage is settled at once;
 * one that may have one is told to forget it, and settled when that is seen to be gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "session/opening.h"
#include "session/port.h"
#include "session/viewer_private.h"

#define CLOSING_RETRY_MS 200u

/* ---- what is taken: a place among the user's sessions, a run, the lease ---- */

/* Of a run that is being closed nobody is told but that it takes a moment. */
static int busy(struct opening *o, const char *holder) {
        _cleanup_(session_unrefp) struct session *s =
                sessions_find(o->ss, o->port->identity->account, holder);

        snprintf(o->no->session, sizeof o->no->session, "%s", holder);
        if (s)
                return refuse(o->no, -EBUSY, "busy",
                              "this file is running already: stop that run, or wait for its end");
        o->no->retry_after_ms = CLOSING_RETRY_MS;
        return refuse(o->no, -EBUSY, "busy", "a run of this file is just ending: try again");
}

static int take_place(struct opening *o) {
        struct account *account = o->port->identity->account;
        unsigned most = o->ss->deps.config->sessions_per_user;
        unsigned n = atomic_load(&account->sessions);

        while (n < most)
                if (atomic_compare_exchange_weak(&account->sessions, &n, n + 1))
                        return 0;
        return refuse(o->no, -EUSERS, "limit_reached",
                      "you have %u sessions, and more are not allowed: close one", most);
}

/* A look at the lease comes first: to be told that a file is busy costs no run. */
static int take_run(struct opening *o) {
        struct account *account = o->port->identity->account;
        unsigned per_minute = o->ss->deps.config->runs_per_minute;
        char holder[RANDOM_ID_CHARS + 1];

        if (o->rq->kind != SESSION_RUN)
                return 0;
        if (lease_held(&o->ss->leases, account->user_id, o->spec->path, holder))
                return busy(o, holder);
        if (account_take_run(account, per_minute, &o->no->retry_after_ms))
                return 0;
        return refuse(o->no, -EBUSY, "rate_limited",
                      "you may start %u runs a minute: wait a little", per_minute);
}

static int take_lease(struct opening *o, struct session *s) {
        char holder[RANDOM_ID_CHARS + 1];
        struct lease *lease;

        if (o->rq->kind != SESSION_RUN)
                return 0;
        int r = lease_take(&o->ss->leases, s->about.user_id, s->about.path, s->about.id, &lease,
                           holder);
        if (r == -EBUSY)
                return busy(o, holder);
        if (r < 0)
                return r;
        LATCH_WITH(session, &s->lock)
                s->lease = lease;
        return 0;
}

/* For the log: which of the leases ever taken it has; 0: none. */
static uint64_t lease_number(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        return s->lease ? lease_generation(s->lease) : 0;
}

static const char *last_part(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* As much of it as there is room for, and whole characters. */
static void copy_title(char *to, size_t size, const char *from) {
        size_t n = strnlen(from, size - 1);

        while (n > 0 && !utf8_valid(from, n))
                n--;
        memcpy(to, from, n);
        to[n] = '\0';
}

static void describe(const struct opening *o, struct store_session *ret) {
        const char *made = o->rq->kind == SESSION_RUN     ? last_part(o->spec->path)
                           : o->rq->kind == SESSION_SHELL ? "shell"
                                                          : o->spec->language;

        memset(ret, 0, sizeof *ret);
        CHECK(str_copy(ret->id, sizeof ret->id, o->spec->id) == 0);
        CHECK(str_copy(ret->path, sizeof ret->path, o->spec->path) == 0);
        copy_title(ret->title, sizeof ret->title, o->rq->title ? o->rq->title : made);
        ret->user_id = o->port->identity->account->user_id;
        ret->kind = o->rq->kind;
        ret->state = RECORD_STARTING;
        ret->tty = o->spec->tty;
        ret->started_ms = clock_real_ms();
}

/* ---- its start ---- */

static int seal_script(struct opening *o) {
        _cleanup_(freep) char *text = NULL;
        size_t n;

        if (o->rq->kind != SESSION_RUN)
                return 0;
        int r = fd_read_file(o->file_fd, o->ss->deps.config->file_bytes, &text, &n);
        if (r == 0)
                r = fd_sealed("latch-script", text, n, &o->script_fd);
        return r;
}

static int next_message(struct session *s, uint64_t until, struct holder_message *ret) {
        int r;

        while ((r = holder_receive(s->holder_fd, ret)) == -EAGAIN) {
                r = holder_wait(s->holder_fd, POLLIN, until);
                if (r < 0)
                        return r;
        }
        return r;
}

static int await_hello(struct session *s, uint64_t until) {
        struct holder_message m;
        int r = next_message(s, until, &m);

        if (r < 0)
                return r;
        r = session_greet(s, &m);
        holder_message_done(&m);
        return r;
}

/* STARTED; or FAILED, and then there is no cage. */
static int await_started(struct opening *o, struct session *s, uint64_t until) {
        struct holder_message m;
        int r = next_message(s, until, &m);

        if (r < 0)
                return r;
        if (m.u.head.type == HOLD_STARTED) {
                r = session_hear_started(s, &m);
        } else if (m.u.head.type == HOLD_FAILED && m.u.failed.error > 0 &&
                   m.u.failed.error < 4096) {
                struct session_end end = {.code = -1, .verdict = "lost"};
                r = refuse(o->no, -m.u.failed.error, "unavailable",
                           "the program could not be started: %.59s: %s", m.u.failed.stage,
                           strerror(m.u.failed.error));
                LATCH_WITH(session, &s->lock)
                        s->forget = true; /* ahead of the job that writes its record */
                session_settle(s, SESSION_ENDED, &end);
        } else {
                r = -EPROTO;
        }
        holder_message_done(&m);
        return r;
}

static int start(struct opening *o, struct session *s) {
        uint64_t until = clock_mono_ns() + SESSION_START_MS * UINT64_C(1000000);
        struct store_session record;
        int r;

        session_describe(s, &record);
        r = store_session_announce(o->ss->deps.store, &record);
        if (r == 0)
                r = seal_script(o);
        if (r == 0)
                r = spawner_session(o->ss->deps.spawner, o->spec, o->rq->strings, o->script_fd,
                                    &s->holder_fd);
        if (r == 0)
                r = fd_set_cloexec(s->holder_fd, true);
        if (r == 0)
                r = await_hello(s, until);
        if (r == 0)
                r = await_started(o, s, until);
        return r;
}

/* ---- undone ---- */

static void wait_until_gone(struct session *s) {
        uint64_t until = clock_mono_ns() + SESSION_WAIT_MS * UINT64_C(1000000);

        while (!session_drain_dying(s) && clock_mono_ns() < until)
                holder_wait(s->holder_fd, POLLIN, until);
        while (!session_lost_now(s) && clock_mono_ns() < until)
                session_wait_cage(s, until);
}

/* The program may be there: it is told to go, and what was taken is let go when it is gone; at the latest
 * sessions_tick sees that. */
static void undo(struct session *s, int error) {
        const struct session_end none = {.code = -1, .verdict = "lost"};

        LATCH_WITH(session, &s->lock)
                s->forget = true;
        if (s->holder_fd < 0) {
                session_settle(s, SESSION_ENDED, &none);
        } else {
                session_lose(s, "it could not be started");
                wait_until_gone(s);
        }
        if (!session_is_over(s))
                return;
        int r = session_drop(s);
        if (r == 0 && error == -ETIMEDOUT && s->holder_fd < 0)
                r = session_bury(
                        s); /* the spawner may still make it: then it is ended when it is found */
        if (r < 0)          /* the job that writes records tries again */
                log_event(LOG_ERROR, "session.undo", LOG_S("session", s->about.id), LOG_E(r));
}

/* ---- the whole ---- */

/* The opener takes its seat as the session begins to run: nobody attaches before. */
static bool begin(struct session *s, struct viewer *v) {
        bool seated = false;

        LATCH_WITH(session, &s->lock) {
                session_move_locked(s, SESSION_RUNNING);
                if (v && !v->gone) {
                        viewer_sit_locked(v);
                        viewer_drives_locked(s, v, "open");
                        seated = true;
                }
        }
        return seated;
}

/* A socket that is gone does not undo a request: the session is there, and nobody drives. */
static int seat_opener(struct opening *o, struct session *s, struct viewer *v) {
        int r = port_add(o->port, v);

        if (r == -EUSERS)
                return refuse(o->no, r, "limit_reached",
                              "this connection has %d channels: close some", PORT_CHANNELS_MAX);
        if (!begin(s, r == 0 ? v : NULL))
                session_tell_seat(s);
        return 0;
}

static int go(struct opening *o, struct session *s, struct viewer *v) {
        int r = take_lease(o, s);

        if (r == 0)
                r = session_publish(s);
        if (r == 0)
                r = start(o, s);
        if (r == 0)
                r = seat_opener(o, s, v);
        if (r == 0)
                r = session_watch(s);
        /* Who shuts an account does that first and stops what it finds second: one of us sees the other. */
        if (r == 0 && atomic_load(&s->account->shut))
                r = refuse(o->no, -EACCES, "forbidden", "this account is shut");
        return r;
}

static int make(struct opening *o, struct session **ret, struct viewer **ret_viewer) {
        _cleanup_(freep) struct store_session *about = malloc(sizeof *about);
        struct account *account = o->port->identity->account;
        _cleanup_(session_unrefp) struct session *s = NULL;
        uint8_t key[HOLD_KEY_BYTES];

        if (!about)
                return -ENOMEM;
        describe(o, about);
        int r = session_new(o->ss, account, about, &s);
        if (r < 0)
                return r;
        LATCH_WITH(session, &s->lock) {
                s->cols = o->spec->cols;
                s->rows = o->spec->rows;
        }
        if (o->rq->client)
                viewer_key(account, o->rq->client, key);
        r = viewer_new(s, o->port, o->rq->client ? key : NULL, ret_viewer);
        if (r < 0) {
                session_discard(s);
                return r;
        }
        *ret = TAKE_PTR(s);
        return 0;
}

static int carry_out(struct opening *o, struct session_opened *ret) {
        _cleanup_(session_unrefp) struct session *s = NULL;
        _cleanup_(viewer_unrefp) struct viewer *v = NULL;
        int r = take_place(o);

        if (r < 0)
                return r;
        r = take_run(o);
        if (r == 0)
                r = make(o, &s, &v);
        if (r < 0) {
                atomic_fetch_sub(&o->port->identity->account->sessions, 1);
                return r;
        }
        session_count(s);
        r = go(o, s, v);
        if (r < 0) {
                viewer_leave(v, VIEWER_DETACHES);
                undo(s, r);
                return r;
        }
        session_record_soon(s);
        log_event(LOG_INFO, "session.open", LOG_S("session", s->about.id),
                  LOG_S("user", s->account->name), LOG_S("path", s->about.path),
                  LOG_S("language", o->spec->language), LOG_I("lease", lease_number(s)));
        memcpy(ret->session, s->about.id, sizeof ret->session);
        ret->channel = v->channel;
        ret->viewer = TAKE_PTR(v);
        return 0;
}

int session_open(struct sessions *ss, struct port *p, const struct session_request *rq,
                 struct session_opened *ret, struct session_refusal *ret_no) {
        _cleanup_(freep) struct spawn_spec *spec = calloc(1, sizeof *spec);
        struct opening o = {.ss = ss,
                            .port = p,
                            .rq = rq,
                            .no = ret_no,
                            .spec = spec,
                            .file_fd = -1,
                            .script_fd = -1};
        int r = spec ? 0 : -ENOMEM;

        latch_blocking("session_open");
        memset(ret_no, 0, sizeof *ret_no);
        if (r == 0 && !port_has_room(p))
                r = refuse(ret_no, -EUSERS, "limit_reached",
                           "this connection has %d channels: close some", PORT_CHANNELS_MAX);
        if (r == 0)
                r = opening_judge(&o);
        if (r == 0)
                r = carry_out(&o, ret);
        fd_close(o.file_fd);
        fd_close(o.script_fd);
        return r;
}
