/* session.c - the object: made, found, referenced, freed. The contract is in session/session.h. */
#include "session/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "session/session_private.h"

int session_new(struct sessions *ss, struct account *account, const struct store_session *about,
                struct session **ret) {
        size_t path_n = strlen(about->path) + 1, title_n = strlen(about->title) + 1;
        struct session *s = calloc(1, sizeof *s + path_n + title_n);
        int r;

        if (!s)
                return -ENOMEM;
        s->all = ss;
        s->number = atomic_fetch_add(&ss->last_number, 1) + 1;
        s->account = account_ref(account);
        s->about = (struct session_about){
                .user_id = about->user_id,
                .kind = about->kind,
                .tty = about->tty,
                .path = memcpy(s + 1, about->path, path_n),
                .title = memcpy((char *)(s + 1) + path_n, about->title, title_n),
                .started_ms = about->started_ms,
        };
        memcpy(s->about.id, about->id, sizeof s->about.id);
        s->holder_fd = s->wake_fd = -1;
        pool_strand_init(&s->strand);
        latch_mutex_init(&s->lock, LATCH_CLASS_session);
        latch_cond_init(&s->changed);
        LATCH_WITH(session, &s->lock)
                s->init_fd = -1;
        registry_item_init(ss->by_number, &s->item, &s->number, sizeof s->number);

        r = registry_add(ss->by_number, &s->item);
        if (r < 0) {
                session_unref(s);
                return r;
        }
        *ret = s;
        return 0;
}

void session_describe(const struct session *s, struct store_session *ret) {
        *ret = (struct store_session){
                .user_id = s->about.user_id,
                .kind = s->about.kind,
                .tty = s->about.tty,
                .started_ms = s->about.started_ms,
        };
        memcpy(ret->id, s->about.id, sizeof ret->id);
        CHECK(str_copy(ret->path, sizeof ret->path, s->about.path) == 0);
        CHECK(str_copy(ret->title, sizeof ret->title, s->about.title) == 0);
}

/* The last reference is gone, and with it all viewers and jobs. */
void session_reclaim(struct registry_item *item) {
        struct session *s = CONTAINER_OF(item, struct session, item);
        int init_fd = -1;
        char *cwd = NULL;

        LATCH_WITH(session, &s->lock) {
                CHECK(s->viewer_count == 0 && !s->lease && !s->watched && !s->job_queued);
                init_fd = s->init_fd;
                cwd = s->cwd;
        }
        free(cwd);
        ring_reader_free(s->ring);
        fd_close(s->holder_fd);
        fd_close(s->wake_fd);
        fd_close(init_fd);
        account_unref(s->account);
        latch_cond_done(&s->changed);
        latch_mutex_done(&s->lock);
        free(s);
}

void session_reclaim_name(struct registry_item *item) {
        session_unref(CONTAINER_OF(item, struct session, name));
}

struct session *session_ref(struct session *s) {
        registry_item_ref(&s->item);
        return s;
}

struct session *session_unref(struct session *s) {
        if (s)
                registry_item_unref(&s->item);
        return NULL;
}

struct pool_strand *session_strand(struct session *s) {
        return &s->strand;
}

int session_publish(struct session *s) {
        session_ref(s);
        registry_item_init(s->all->by_id, &s->name, s->about.id, RANDOM_ID_CHARS);
        int r = registry_add(s->all->by_id, &s->name);
        if (r == 0) {
                bool gone = false;

                LATCH_WITH(session, &s->lock) {
                        gone = s->gone;
                        s->published = !gone;
                }
                if (gone)
                        CHECK(registry_remove(s->all->by_id, &s->name));
        }
        registry_item_unref(&s->name);
        return r;
}

void session_unpublish(struct session *s) {
        bool was = false;

        LATCH_WITH(session, &s->lock) {
                was = s->published;
                s->published = false;
        }
        if (was)
                CHECK(registry_remove(s->all->by_id, &s->name));
}

struct session *session_by_number(struct sessions *ss, uint64_t number) {
        struct registry_item *item = registry_find(ss->by_number, &number, sizeof number);

        return item ? CONTAINER_OF(item, struct session, item) : NULL;
}

/* What is looked at in a read section has a reference to its session until that is over (session_reclaim_name). */
struct session *sessions_find(struct sessions *ss, const struct account *owner, const char *id) {
        size_t n = strlen(id);
        struct session *s = NULL;

        if (n != RANDOM_ID_CHARS)
                return NULL;
        latch_rcu_enter();
        const struct registry_item *item = registry_look(ss->by_id, id, n);
        if (item)
                s = (struct session *)CONTAINER_OF(item, struct session, name);
        if (s && owner && s->account->user_id != owner->user_id)
                s = NULL;
        if (s)
                session_ref(s);
        latch_rcu_leave();
        return s;
}

void session_discard(struct session *s) {
        CHECK(registry_remove(s->all->by_number, &s->item));
}

bool session_is_over(struct session *s) {
        LATCH_GUARD(session, &s->lock);
        return s->state == SESSION_ENDED || s->state == SESSION_LOST;
}

bool session_end_known_locked(const struct session *s) {
        return s->ring || s->put_away;
}

void session_count(struct session *s) {
        s->counted = true;
        LATCH_WITH(session, &s->all->lock)
                s->all->living++;
}

int session_ready(struct session *s) {
        uint64_t until = clock_mono_ns() + SESSION_START_MS * UINT64_C(1000000);

        latch_blocking("session_ready");
        LATCH_GUARD(session, &s->lock);
        while (s->state == SESSION_STARTING && !s->mute && !s->dropped)
                if (latch_cond_wait_until(&s->changed, &s->lock, until) == -ETIMEDOUT)
                        return -ETIMEDOUT;
        if (s->dropped || s->forget)
                return -ENOENT;
        return s->state == SESSION_STARTING || (s->state == SESSION_ENDED && s->mute) ? -EAGAIN : 0;
}
