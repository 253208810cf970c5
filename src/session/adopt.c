/* adopt.c - sessions of an earlier server, found again: by record, by holder, or by both.
 *
 * Main owns each until it is watched. What a holder says after HELLO is heard before that, so a run that ended
 * meanwhile has let its lease go when the first client comes.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "session/found.h"
#include "session/keep.h"
#include "session/kept.h"

#define STRAY_MS   2000u /* for all of them together: only they can say whose they are */
#define DISMISS_MS 250u

/* ---- one session ---- */

static void restore_end(struct session *s, const struct session_end *end, bool recorded) {
        LATCH_GUARD(session, &s->lock);
        s->settling = true;
        s->end = *end;
        s->recorded = recorded;
        session_move_locked(s, SESSION_ENDED);
}

static void end_of_record(const struct store_session *r, struct session_end *ret) {
        *ret = (struct session_end){.code = r->code,
                                    .signal = r->signal,
                                    .wall_ms = r->wall_ms,
                                    .cpu_ms = r->cpu_ms,
                                    .peak_bytes = r->peak_bytes,
                                    .offset = r->end_offset,
                                    .ended_ms = r->ended_ms};
        memcpy(ret->verdict, r->verdict, sizeof ret->verdict);
}

/* It lives, as far as anybody knows: it counts, and its file is being run. */
static int retake(struct session *s) {
        char holder[RANDOM_ID_CHARS + 1];
        struct lease *lease;

        atomic_fetch_add(&s->account->sessions, 1);
        session_count(s);
        if (s->about.kind != SESSION_RUN)
                return 0;
        int r = lease_take(&s->all->leases, s->about.user_id, s->about.path, s->about.id, &lease,
                           holder);
        if (r == -EBUSY) { /* two records of one file: neither is wrong enough to be ended */
                log_event(LOG_WARN, "session.lease", LOG_S("session", s->about.id),
                          LOG_S("holder", holder));
                return 0;
        }
        if (r < 0)
                return r;
        LATCH_WITH(session, &s->lock)
                s->lease = lease;
        return 0;
}

/* Its holder says nothing yet: until it does, or ends, nobody knows more than the record. */
static int wait_for_word(struct session *s) {
        s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* stands in for the holder's */
        if (s->wake_fd < 0)
                return -errno;
        LATCH_GUARD(session, &s->lock);
        s->mute = true;
        return 0;
}

/* What the holder has said behind its HELLO. */
static void hear_rest(struct session *s) {
        struct holder_message m;
        int r;

        while ((r = holder_receive(s->holder_fd, &m)) == 0) {
                r = session_hear(s, &m);
                holder_message_done(&m);
                if (r < 0) {
                        session_lose(s, "its holder says what cannot be");
                        return;
                }
        }
}

/* Not of the holder's making: the start fails, and whoever starts next finds it again. */
static bool is_ours(int r) {
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EAGAIN;
}

static int greet(struct session *s, struct found *f) {
        int r = session_greet(s, f->hello);

        if (is_ours(r))
                return r;
        if (r < 0) {
                session_lose(s, "it is not what its record says");
                return 0;
        }
        LATCH_WITH(session, &s->lock)
                session_move_locked(s, SESSION_RUNNING);
        hear_rest(s);
        return 0;
}

static int adopt_living(struct session *s, struct found *f) {
        int r = retake(s);

        if (r == 0 && f->hello)
                r = greet(s, f);
        else if (r == 0 && f->nonsense)
                session_lose(s, "its holder says what cannot be");
        else if (r == 0)
                r = wait_for_word(s);
        return r;
}

/* Its end is known; the holder is there for those who want to read. */
static int adopt_ended(struct session *s, struct found *f, const struct store_session *record) {
        struct session_end end;
        int r = f->hello ? session_greet(s, f->hello) : f->nonsense ? -EPROTO : 0;

        if (is_ours(r))
                return r;
        end_of_record(record, &end);
        restore_end(s, &end, true);
        if (r < 0 || s->holder_fd < 0)
                session_without_holder(s);
        else if (f->hello)
                session_check_end(s);
        else
                r = wait_for_word(s);
        session_keep_later(s, s->all->deps.config->linger_ms);
        return is_ours(r) ? r : 0;
}

static bool can_be_watched(struct session *s) {
        if (s->wake_fd < 0 || s->holder_fd < 0)
                return false;
        LATCH_GUARD(session, &s->lock);
        return s->state != SESSION_DYING;
}

static bool is_recorded(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        return s->recorded && !s->forget;
}

/* Known from now on, or, with a tombstone, ended. */
static int install(struct session *s, bool tombstone) {
        if (tombstone) {
                LATCH_WITH(session, &s->lock)
                        s->forget = true;
                session_tell(s, HOLD_FORGET);
        }
        int r = tombstone ? 0 : session_publish(s);
        if (r == 0 && can_be_watched(s) && session_watch(s) < 0)
                session_lose(s, "it cannot be watched");
        if (r == 0 && !is_recorded(s))
                session_record_soon(s);
        atomic_store(&s->all->look, true);
        return r;
}

static int adopt(struct sessions *ss, struct found *f, const struct store_session *record) {
        _cleanup_(account_unrefp) struct account *account = NULL;
        _cleanup_(session_unrefp) struct session *s = NULL;
        int r = auth_account(ss->deps.auth, record->user_id, &account);

        if (r == 0)
                r = session_new(ss, account, record, &s);
        if (r < 0)
                return r;
        s->holder_fd = TAKE_FD(f->fd);
        if (record->state == RECORD_ENDED)
                r = adopt_ended(s, f, record);
        else
                r = adopt_living(s, f);
        if (r == 0)
                r = install(s, record->tombstone);
        log_event(r < 0 ? LOG_ERROR : LOG_INFO, "session.adopt", LOG_S("session", s->about.id),
                  LOG_S("user", account->name), LOG_E(r));
        return r;
}

/* ---- holders without a record, records without a holder ---- */

static int record_of_hello(struct sessions *ss, const struct found *f, struct store_session *ret) {
        static const enum session_kind kinds[] = {SESSION_RUN, SESSION_SHELL, SESSION_REPL};
        struct store_user user;

        if (!f->hello || !greet_valid(f->hello) || !str_eq(f->hello->u.hello.id, f->id))
                return -EPROTO;
        const struct hold_hello *h = &f->hello->u.hello;
        int r = store_user_by_name(ss->deps.store, h->user, &user);
        if (r < 0)
                return r;
        memset(ret, 0, sizeof *ret);
        memcpy(ret->id, f->id, sizeof ret->id);
        ret->user_id = user.id;
        ret->kind = kinds[h->kind];
        ret->state = RECORD_RUNNING;
        ret->tty = h->tty;
        ret->started_ms = h->started_ms;
        CHECK(str_copy(ret->path, sizeof ret->path, h->path) == 0);
        const char *name = strrchr(h->path, '/');
        name = name ? name + 1 : h->path;
        if (str_copy(ret->title, sizeof ret->title, name) < 0)
                ret->title[0] = '\0';
        return 0;
}

/* It is nobody's. Its socket is in our folder, where it may not be allowed to remove anything. */
static void dismiss(struct sessions *ss, const struct found *f) {
        if (f->fd < 0)
                return;
        holder_dismiss(f->fd, clock_mono_ns() + DISMISS_MS * UINT64_C(1000000));
        found_unlink(ss->deps.config->data, f->id);
}

static int adopt_without_record(struct sessions *ss, struct found *f, uint64_t until_ns) {
        _cleanup_(freep) struct store_session *record = malloc(sizeof *record);

        if (!record)
                return -ENOMEM;
        if (!f->speaks)
                f->speaks = holder_wait(f->fd, POLLIN, until_ns) == 0;
        int r = found_hear(f);
        if (r == 0)
                r = record_of_hello(ss, f, record);
        if (r == 0)
                return adopt(ss, f, record);
        log_event(LOG_WARN, "session.stray", LOG_S("session", f->id), LOG_E(r));
        if (r != -ENOENT && r != -EPROTO)
                return r;
        dismiss(ss, f);
        return 0;
}

/* The server ended before its holder was made, or just then: nobody was told of it. One that is being made still
 * is ended when it is found; when it is not found either, the record goes. */
static int bury_unborn(struct sessions *ss, const struct store_session *record) {
        struct store_session buried = *record;

        buried.tombstone = true;
        log_event(LOG_INFO, "session.unborn", LOG_S("session", record->id));
        return store_session_put(ss->deps.store, &buried);
}

static int adopt_without_holder(struct sessions *ss, const struct store_session *record) {
        _cleanup_(account_unrefp) struct account *account = NULL;
        _cleanup_(session_unrefp) struct session *s = NULL;
        struct session_end end;
        int r;

        if (record->tombstone)
                return store_session_remove(ss->deps.store, record->id);
        if (record->state == RECORD_STARTING)
                return bury_unborn(ss, record);
        r = auth_account(ss->deps.auth, record->user_id, &account);
        if (r == 0)
                r = session_new(ss, account, record, &s);
        if (r < 0)
                return r;
        end_of_record(record, &end);
        if (record->state != RECORD_ENDED)
                end = (struct session_end){
                        .signal = 9, .verdict = "lost", .ended_ms = clock_real_ms()};
        uint64_t kept = kept_size(ss->deps.config->data, record->id);
        LATCH_WITH(session, &s->lock) {
                s->holder_gone = true;
                s->put_away = kept > 0;
                s->kept_bytes = kept;
        }
        restore_end(s, &end, record->state == RECORD_ENDED);
        r = session_publish(s);
        if (r == 0 && record->state != RECORD_ENDED)
                session_record_soon(s);
        return r;
}

/* ---- all ---- */

static struct found *holder_of(struct found *list, size_t n, const char *id) {
        for (size_t i = 0; i < n; i++)
                if (memcmp(list[i].id, id, RANDOM_ID_CHARS) == 0)
                        return &list[i];
        return NULL;
}

static int adopt_records(struct sessions *ss, struct found *list, size_t n) {
        _cleanup_(freep) struct store_session *records = NULL;
        size_t count;
        int r = store_session_list(ss->deps.store, &records, &count);

        for (size_t i = 0; r == 0 && i < count; i++) {
                struct found *f = holder_of(list, n, records[i].id);
                r = f ? found_hear(f) : 0;
                if (r == 0)
                        r = f ? adopt(ss, f, &records[i]) : adopt_without_holder(ss, &records[i]);
                if (r == -ENOENT) { /* whose user is gone */
                        if (f)
                                dismiss(ss, f);
                        r = store_session_remove(ss->deps.store, records[i].id);
                }
                if (f)
                        found_done(f);
        }
        return r;
}

static bool is_known(void *arg, const char *id) {
        _cleanup_(session_unrefp) struct session *s = sessions_find(arg, NULL, id);

        return s != NULL;
}

static void evict_all(struct sessions *ss) {
        struct registry_item **items;
        size_t n;

        if (registry_list(ss->by_number, &items, &n) < 0)
                return; /* the next end of a session will */
        for (size_t i = 0; i < n; i++) {
                const struct account *account =
                        CONTAINER_OF(items[i], struct session, item)->account;
                bool seen = false;
                for (size_t k = 0; k < i && !seen; k++)
                        seen = CONTAINER_OF(items[k], struct session, item)->account == account;
                if (!seen)
                        sessions_evict(ss, account);
        }
        registry_list_free(items, n);
}

static int adopt_strays(struct sessions *ss, struct found *list, size_t n) {
        uint64_t until = clock_mono_ns() + STRAY_MS * UINT64_C(1000000);
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (list[i].fd < 0)
                        continue;
                r = adopt_without_record(ss, &list[i], until);
                found_done(&list[i]);
        }
        return r;
}

int sessions_adopt(struct sessions *ss, unsigned hello_ms) {
        struct found *list;
        size_t n;

        latch_blocking("sessions_adopt");
        int r = found_look(ss->deps.config->data, hello_ms, &list, &n);
        if (r < 0)
                return r;
        r = adopt_records(ss, list, n);
        if (r == 0)
                r = adopt_strays(ss, list, n);
        found_free(list, n);
        if (r < 0)
                return r;
        evict_all(ss);
        kept_sweep(ss->deps.config->data, is_known, ss);
        sessions_trim_kept(ss);
        return 0;
}
