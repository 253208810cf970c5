/* sessions.c - all sessions: made, listed, ended together. The contract is in session/session.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <sodium.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "session/keep.h"

int sessions_new(const struct sessions_deps *deps, struct sessions **ret) {
        struct sessions *ss;
        int r;

        if (sodium_init() < 0)
                return -EIO;
        ss = calloc(1, sizeof *ss);
        if (!ss)
                return -ENOMEM;
        ss->deps = *deps;
        latch_mutex_init(&ss->lock, LATCH_CLASS_session);
        latch_cond_init(&ss->quiet);
        atomic_store(&ss->look_at, UINT64_MAX);
        ss->over_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = ss->over_fd < 0 ? -errno : registry_new(SESSIONS_MAX, session_reclaim, &ss->by_number);
        if (r == 0)
                r = registry_new(SESSIONS_MAX, session_reclaim_name, &ss->by_id);
        if (r == 0)
                r = leases_init(&ss->leases, SESSIONS_MAX);
        if (r < 0) {
                sessions_free(ss);
                return r;
        }
        *ret = ss;
        return 0;
}

/* Known here no more: its holder, its cage and its record live on. */
static void let_go(struct session *s) {
        struct lease *lease = NULL;

        session_unwatch(s);
        session_unpublish(s);
        LATCH_WITH(session, &s->lock)
                lease = TAKE_PTR(s->lease);
        lease_release(&s->all->leases, lease); /* the next server takes it again */
        registry_remove(s->all->by_number, &s->item);
}

static void log_stats(struct sessions *ss) {
        struct sessions_stats st;

        if (!ss->by_number)
                return;
        sessions_stats(ss, &st);
        log_event(LOG_INFO, "sessions.free", LOG_I("started", st.started), LOG_I("ended", st.ended),
                  LOG_I("living", st.living), LOG_I("known", st.known),
                  LOG_I("leases_taken", st.leases_taken),
                  LOG_I("leases_released", st.leases_released));
}

struct sessions *sessions_free(struct sessions *ss) {
        struct registry_item **items = NULL;
        size_t n = 0;

        if (!ss)
                return NULL;
        log_stats(ss);
        if (ss->by_number)
                CHECK(registry_list(ss->by_number, &items, &n) == 0);
        for (size_t i = 0; i < n; i++)
                let_go(CONTAINER_OF(items[i], struct session, item));
        if (items)
                registry_list_free(items, n);
        registry_free(ss->by_id); /* its items refer to those of by_number */
        registry_free(ss->by_number);
        leases_done(&ss->leases);
        fd_close(ss->over_fd);
        latch_cond_done(&ss->quiet);
        latch_mutex_done(&ss->lock);
        free(ss);
        return NULL;
}

static void stop_if_living(struct session *s) {
        LATCH_WITH(session, &s->lock) {
                if (s->state != SESSION_STARTING && s->state != SESSION_RUNNING)
                        return;
        }
        session_tell(s, HOLD_STOP);
}

static int wait_for_ends(struct sessions *ss, uint64_t until_ns) {
        int r = 0;

        LATCH_GUARD(session, &ss->lock);
        while (r == 0 && (ss->living > 0 || ss->jobs > 0))
                r = latch_cond_wait_until(&ss->quiet, &ss->lock, until_ns);
        return ss->living > 0 ? -ETIMEDOUT : 0;
}

/* Its record stays, its holder does not: nothing of ours is to be left running. */
static void dismiss_holder(struct session *s, uint64_t until_ns) {
        int r = session_record_now(s);

        if (r < 0) {
                log_event(LOG_ERROR, "session.record", LOG_S("session", s->about.id), LOG_E(r));
        } else if (session_is_over(s)) {
                if (clock_mono_ns() < until_ns)
                        session_put_away(s, true);
                session_tell(s, HOLD_FORGET);
        }
}

static void await_no_holder(struct session *s, uint64_t until_ns) {
        int r = 0;

        LATCH_GUARD(session, &s->lock);
        while (r == 0 && s->watched && !s->holder_gone)
                r = latch_cond_wait_until(&s->changed, &s->lock, until_ns);
}

int sessions_end_all(struct sessions *ss, unsigned timeout_ms) {
        uint64_t until = clock_mono_ns() + timeout_ms * UINT64_C(1000000);
        struct registry_item **items;
        size_t n;

        latch_blocking("sessions_end_all");
        int r = registry_list(ss->by_number, &items, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                stop_if_living(CONTAINER_OF(items[i], struct session, item));
        r = wait_for_ends(ss, until);
        for (size_t i = 0; i < n; i++)
                dismiss_holder(CONTAINER_OF(items[i], struct session, item), until);
        for (size_t i = 0; r == 0 && i < n; i++)
                await_no_holder(CONTAINER_OF(items[i], struct session, item), until);
        registry_list_free(items, n);
        return r;
}

/* ---- of one account ---- */

int sessions_end_of(struct sessions *ss, const struct account *owner, unsigned timeout_ms) {
        uint64_t until = clock_mono_ns() + timeout_ms * UINT64_C(1000000);
        struct registry_item **items;
        size_t n;

        latch_blocking("sessions_end_of");
        int r = registry_list(ss->by_number, &items, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                struct session *s = CONTAINER_OF(items[i], struct session, item);
                if (s->account->user_id == owner->user_id)
                        stop_if_living(s);
        }
        registry_list_free(items, n);
        LATCH_GUARD(session, &ss->lock);
        while (r == 0 && atomic_load(&owner->sessions) > 0)
                r = latch_cond_wait_until(&ss->quiet, &ss->lock, until);
        return atomic_load(&owner->sessions) > 0 ? -ETIMEDOUT : 0;
}

int sessions_forget_of(struct sessions *ss, const struct account *owner) {
        struct registry_item **items;
        size_t n;

        latch_blocking("sessions_forget_of");
        int r = registry_list(ss->by_number, &items, &n);
        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < n; i++) {
                struct session *s = CONTAINER_OF(items[i], struct session, item);
                if (s->account->user_id == owner->user_id)
                        r = session_is_over(s) ? session_close(s) : -EBUSY;
                if (r == -ENOENT)
                        r = 0; /* it is being closed already */
        }
        registry_list_free(items, n);
        return r;
}

/* ---- list ---- */

static void describe(struct session *s, struct session_info *ret) {
        memcpy(ret->id, s->about.id, sizeof ret->id);
        memcpy(ret->owner, s->account->name, sizeof ret->owner);
        CHECK(str_copy(ret->name, sizeof ret->name, s->about.title) == 0);
        CHECK(str_copy(ret->path, sizeof ret->path, s->about.path) == 0);
        ret->kind = s->about.kind;
        ret->started_ms = s->about.started_ms;
        LATCH_GUARD(session, &s->lock);
        /* Where no program is left, the session is what it was opened as. */
        bool says = s->title[0] && s->state == SESSION_RUNNING;
        CHECK(str_copy(ret->title, sizeof ret->title, says ? s->title : s->about.title) == 0);
        CHECK(str_copy(ret->cwd, sizeof ret->cwd, s->cwd ? s->cwd : "") == 0);
        ret->state = session_state_word(s->state);
        ret->viewers = (unsigned)s->viewer_count;
        ret->cols = s->cols;
        ret->rows = s->rows;
}

static bool is_listed(struct session *s, const struct account *owner) {
        LATCH_GUARD(session, &s->lock);
        return s->published && (!owner || s->account->user_id == owner->user_id);
}

static int by_start(const void *a, const void *b) {
        const struct session_info *x = a, *y = b;

        if (x->started_ms != y->started_ms)
                return x->started_ms < y->started_ms ? -1 : 1;
        return strcmp(x->id, y->id);
}

int sessions_list(struct sessions *ss, const struct account *owner, struct session_info **ret,
                  size_t *ret_n) {
        struct registry_item **items;
        size_t n, k = 0;
        int r = registry_list(ss->by_number, &items, &n);

        if (r < 0)
                return r;
        size_t room = 0;
        for (size_t i = 0; i < n; i++)
                room += is_listed(CONTAINER_OF(items[i], struct session, item), owner);
        struct session_info *list = calloc(room + 1, sizeof *list);
        for (size_t i = 0; list && i < n && k < room; i++) {
                struct session *s = CONTAINER_OF(items[i], struct session, item);
                if (is_listed(s, owner))
                        describe(s, &list[k++]);
        }
        registry_list_free(items, n);
        if (!list)
                return -ENOMEM;
        qsort(list, k, sizeof *list, by_start);
        *ret = list;
        *ret_n = k;
        return 0;
}

void sessions_stats(struct sessions *ss, struct sessions_stats *ret) {
        memset(ret, 0, sizeof *ret);
        ret->started = atomic_load(&ss->started);
        ret->ended = atomic_load(&ss->ended);
        ret->leases_taken = atomic_load(&ss->leases.taken);
        ret->leases_released = atomic_load(&ss->leases.released);
        ret->known = registry_count(ss->by_number);
        LATCH_GUARD(session, &ss->lock);
        ret->living = ss->living;
}
