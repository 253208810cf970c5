/* cond.c - conditions: the contract is in latch/lock.h. */
#include <errno.h>

#include "base/macros.h"
#include "latch/pct_private.h"

void latch_cond_init(struct latch_cond *c) {
        pthread_condattr_t attr;

        latch_must_(pthread_condattr_init(&attr));
        latch_must_(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
        latch_must_(pthread_cond_init(&c->cond, &attr));
        latch_must_(pthread_condattr_destroy(&attr));
}

void latch_cond_done(struct latch_cond *c) {
        latch_must_(pthread_cond_destroy(&c->cond));
}

/* A wait ends with m held however it ends: also when the thread is cancelled in it. */
struct wait {
        struct latch_mutex *m;
        const struct latch_site *site;
        bool tracked; /* the hold that it interrupts */
};

static struct wait before_wait(const struct latch_cond *c, struct latch_mutex *m,
                               const struct latch_site *site) {
        struct latch_thread *self = latch_thread_self();
        bool tracked = latch_find_held(self, &m->head) != NULL;

        for (unsigned i = 1; i <= latch_held_count(self); i++)
                if (latch_held_lock(&self->held[i]) != &m->head) {
                        latch_report(LATCH_WAIT_WHILE_HOLDING, latch_held_lock(&self->held[i]),
                                     site, NULL);
                        break;
                }
        latch_judge_rcu(self, site, "a condition");
        if (!latch_holds_mutex(m))
                latch_report(LATCH_WAIT_WITHOUT, &m->head, site, NULL);
        if (tracked) {
                (void)latch_pop_any(&m->head, site, LATCH_MUTEX);
                if (latch_pct_is_on())
                        latch_pct_released(&m->head, true);
                latch_wait_begin(c, m->head.class, site, LATCH_WAITS_COND);
        }
        return (struct wait){m, site, tracked};
}

static void after_wait(const struct wait *w) {
        if (w->tracked)
                latch_wait_end();
        if (LATCH_UNLIKELY_(LATCH_GET_(w->m->heir) != NULL))
                latch_yield_to_heir_(w->m, w->site);
        if (w->tracked)
                latch_push_any(&w->m->head, w->site, LATCH_MUTEX);
}

void latch_cond_wait_(struct latch_cond *c, struct latch_mutex *m, const struct latch_site *site) {
        _cleanup_(after_wait) _unused_ const struct wait wait = before_wait(c, m, site);

        latch_must_(pthread_cond_wait(&c->cond, &m->mutex));
}

int latch_cond_wait_until_(struct latch_cond *c, struct latch_mutex *m, uint64_t mono_ns,
                           const struct latch_site *site) {
        const struct timespec until = latch_timespec(mono_ns);
        _cleanup_(after_wait) _unused_ const struct wait wait = before_wait(c, m, site);

        int r = pthread_cond_timedwait(&c->cond, &m->mutex, &until);
        latch_must_(r == ETIMEDOUT ? 0 : r);
        return -r;
}

void latch_cond_signal(struct latch_cond *c) {
        latch_must_(pthread_cond_signal(&c->cond));
}

void latch_cond_broadcast(struct latch_cond *c) {
        latch_must_(pthread_cond_broadcast(&c->cond));
}
