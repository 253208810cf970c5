/* The contract is in latch/lock.h. */
#include "latch/lock.h"

#include <errno.h>
#include <time.h>

#include "base/macros.h"
#include "latch/latch_private.h"

/* A failure of pthread here is a broken promise of ours: there is nothing to go on with. */
static void must(int r) {
        if (r != 0)
                __builtin_trap();
}

void latch_mutex_init(struct latch_mutex *m, enum latch_class class) {
        must(pthread_mutex_init(&m->mutex, NULL));
        latch_track_init(&m->head, class);
}

void latch_mutex_done_(struct latch_mutex *m, const struct latch_site *site) {
        if (latch_track_done(&m->head, site, 0))
                must(pthread_mutex_destroy(&m->mutex));
}

bool latch_mutex_take_(struct latch_mutex *m, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_want(&m->head, site, LATCH_EXCLUSIVE))
                return false;
        must(pthread_mutex_lock(&m->mutex));
        latch_track_take(&m->head, site, LATCH_EXCLUSIVE);
        return true;
}

void latch_mutex_drop_(struct latch_mutex *m, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (latch_track_drop(&m->head, site, LATCH_EXCLUSIVE))
                must(pthread_mutex_unlock(&m->mutex));
}

bool latch_holds_mutex(const struct latch_mutex *m) {
        return atomic_load_explicit(&m->head.owner, memory_order_relaxed) == latch_thread_self();
}

void latch_rwlock_init(struct latch_rwlock *l, enum latch_class class) {
        must(pthread_rwlock_init(&l->rwlock, NULL));
        atomic_init(&l->readers, 0);
        latch_track_init(&l->head, class);
}

void latch_rwlock_done_(struct latch_rwlock *l, const struct latch_site *site) {
        if (latch_track_done(&l->head, site, atomic_load(&l->readers)))
                must(pthread_rwlock_destroy(&l->rwlock));
}

bool latch_read_take_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_want(&l->head, site, LATCH_SHARED))
                return false;
        must(pthread_rwlock_rdlock(&l->rwlock));
        latch_track_reader(l, site);
        return true;
}

void latch_read_drop_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_drop(&l->head, site, LATCH_SHARED))
                return;
        atomic_fetch_sub_explicit(&l->readers, 1, memory_order_relaxed);
        must(pthread_rwlock_unlock(&l->rwlock));
}

bool latch_write_take_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (!latch_track_want(&l->head, site, LATCH_EXCLUSIVE))
                return false;
        must(pthread_rwlock_wrlock(&l->rwlock));
        latch_track_take(&l->head, site, LATCH_EXCLUSIVE);
        return true;
}

void latch_write_drop_(struct latch_rwlock *l, const struct latch_site *site) LATCH_UNCHECKED_ {
        if (latch_track_drop(&l->head, site, LATCH_EXCLUSIVE))
                must(pthread_rwlock_unlock(&l->rwlock));
}

void latch_cond_init(struct latch_cond *c) {
        pthread_condattr_t attr;

        must(pthread_condattr_init(&attr));
        must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
        must(pthread_cond_init(&c->cond, &attr));
        must(pthread_condattr_destroy(&attr));
}

void latch_cond_done(struct latch_cond *c) {
        must(pthread_cond_destroy(&c->cond));
}

static void before_wait(struct latch_mutex *m, const struct latch_site *site) {
        struct latch_thread *self = latch_thread_self();

        for (unsigned i = 0; i < self->held_count; i++)
                if (self->held[i].lock != &m->head) {
                        latch_report(LATCH_WAIT_WHILE_HOLDING, self->held[i].lock, site, NULL);
                        break;
                }
        if (!latch_holds_mutex(m))
                latch_report(LATCH_WAIT_WITHOUT, &m->head, site, NULL);
        (void)latch_track_drop(&m->head, site, LATCH_EXCLUSIVE);
}

/* A wait ends with m held however it ends: also when the thread is cancelled in it. */
struct wait {
        struct latch_mutex *m;
        const struct latch_site *site;
};

static void after_wait(const struct wait *w) {
        latch_track_take(&w->m->head, w->site, LATCH_EXCLUSIVE);
}

void latch_cond_wait_(struct latch_cond *c, struct latch_mutex *m, const struct latch_site *site) {
        before_wait(m, site);
        _cleanup_(after_wait) _unused_ const struct wait wait = {m, site};
        must(pthread_cond_wait(&c->cond, &m->mutex));
}

int latch_cond_wait_until_(struct latch_cond *c, struct latch_mutex *m, uint64_t mono_ns,
                           const struct latch_site *site) {
        const struct timespec until = latch_timespec(mono_ns);

        before_wait(m, site);
        _cleanup_(after_wait) _unused_ const struct wait wait = {m, site};
        int r = pthread_cond_timedwait(&c->cond, &m->mutex, &until);
        must(r == ETIMEDOUT ? 0 : r);
        return -r;
}

void latch_cond_signal(struct latch_cond *c) {
        must(pthread_cond_signal(&c->cond));
}

void latch_cond_broadcast(struct latch_cond *c) {
        must(pthread_cond_broadcast(&c->cond));
}
