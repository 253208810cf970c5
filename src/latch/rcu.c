/* The contract is in latch/rcu.h. */
/* Read sections are inline: functions of less than ten lines each, which liburcu's licence lets be. Not where
 * ThreadSanitizer would look into them: their plain words are no race (LATCH_ORDER_BEFORE). */
#if !defined(__SANITIZE_THREAD__)
#define _LGPL_SOURCE /* NOLINT(bugprone-reserved-identifier) */
#endif
#include "latch/rcu.h"

#include "latch/latch_private.h"

struct latch_rcu latch_rcu;

/* liburcu waits for registered threads alone: a read section of another protects nothing. It registers its own, which
 * runs callbacks, and lets it leave. */
static void must_have_begun(void) {
        const struct latch_thread *self = latch_thread_self();

        if (!self->in_rcu && !self->in_callback)
                latch_report(LATCH_NOT_BEGUN, NULL, NULL, NULL);
}

void latch_rcu_enter(void) LATCH_UNCHECKED_ {
        must_have_begun();
        rcu_read_lock();
}

void latch_rcu_leave(void) LATCH_UNCHECKED_ {
        LATCH_ORDER_BEFORE(&latch_rcu);
        rcu_read_unlock();
}

static void run_deferred(struct rcu_head *rcu) {
        struct latch_deferred *d = caa_container_of(rcu, struct latch_deferred, rcu);

        struct latch_thread *self = latch_thread_self();

        self->in_callback = true;
        LATCH_ORDER_AFTER(&latch_rcu);
        LATCH_ORDER_AFTER(d);
        d->fn(d);
        self->in_callback = false;
        latch_judge_held(self, LATCH_CALLBACK_WHILE_HOLDING, NULL, NULL);
        if (rcu_read_ongoing())
                latch_report(LATCH_END_IN_SECTION, NULL, NULL, "an RCU callback");
}

void latch_rcu_defer(struct latch_deferred *d, void (*fn)(struct latch_deferred *d)) {
        must_have_begun();
        d->fn = fn;
        LATCH_ORDER_BEFORE(d);
        call_rcu(&d->rcu, run_deferred);
}

static void judge_wait(const char *what, const struct latch_site *site) {
        if (rcu_read_ongoing())
                latch_report(LATCH_WAIT_IN_SECTION, NULL, site, what);
        latch_blocking_(what, site);
}

void latch_rcu_wait_(const struct latch_site *site) {
        judge_wait("an RCU wait", site);
        synchronize_rcu();
        LATCH_ORDER_AFTER(&latch_rcu);
}

void latch_rcu_barrier_(const struct latch_site *site) {
        judge_wait("an RCU barrier", site);
        rcu_barrier();
}
