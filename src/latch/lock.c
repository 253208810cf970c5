/* The contract is in latch/lock.h. */
#include "latch/lock.h"

#include "latch/pct_private.h"
#include "latch/trace_private.h"

void latch_mutex_init(struct latch_mutex *m, enum latch_class class) {
        latch_must_(pthread_mutex_init(&m->mutex, NULL));
        atomic_init(&m->heir, NULL);
        atomic_init(&m->handed, 0);
        latch_track_init(&m->head, class);
}

/* Of what nobody is known to hold. */
static const char *holder_of(struct latch_mutex *m) {
        if (LATCH_GET_(m->heir))
                return "by the heir, which has not taken it up";
        if (!latch_was_off() || LATCH_GET_(m->head.life) != LATCH_ALIVE_)
                return NULL;
        if (pthread_mutex_trylock(&m->mutex) != 0)
                return "by a hold of level 0";
        latch_must_(pthread_mutex_unlock(&m->mutex));
        return NULL;
}

void latch_mutex_done_(struct latch_mutex *m, const struct latch_site *site) {
        if (latch_track_done(&m->head, site, holder_of(m)))
                latch_must_(pthread_mutex_destroy(&m->mutex));
}

bool latch_holds_mutex(const struct latch_mutex *m) {
        const struct latch_thread *owner = LATCH_GET_(m->head.owner);

        return owner == latch_thread_self() || (!owner && latch_was_off());
}

void latch_rwlock_init(struct latch_rwlock *l, enum latch_class class) {
        latch_must_(pthread_rwlock_init(&l->rwlock, NULL));
        latch_track_init(&l->head, class);
}

void latch_rwlock_done_(struct latch_rwlock *l, const struct latch_site *site) {
        if (latch_track_done(&l->head, site, latch_is_read(&l->head) ? "by readers" : NULL))
                latch_must_(pthread_rwlock_destroy(&l->rwlock));
}

/* ---- taking and letting go, where the short way (latch/lock_fast.h) does not lead ---- */

static unsigned flags_of(enum latch_kind kind) {
        return kind == LATCH_READ ? LATCH_HELD_SHARED_ : 0;
}

LATCH_INLINE_ bool take_judged(struct latch_head *h, const struct latch_site *site,
                               enum latch_kind kind) {
        if (!latch_track_want(h, site, kind))
                return false;
        if (latch_pct_is_on())
                latch_pct_step();
        /* It is tried first: so it is known who had to wait, without a clock. */
        if (!latch_had_(latch_kind_try_(h, kind))) {
                latch_wait_begin(h, h->class, site, LATCH_WAITS_LOCK);
                if (latch_pct_is_on())
                        latch_pct_take(h, kind);
                else
                        latch_must_(latch_kind_lock_(h, kind));
                latch_wait_end();
        }
        if (latch_kind_has_heir_(h, kind))
                latch_yield_to_heir_(latch_mutex_of_(h), site);
        latch_push_any(h, site, kind);
        return true;
}

static __attribute__((noinline)) bool take_anyhow(struct latch_head *h,
                                                  const struct latch_site *site,
                                                  enum latch_kind kind) {
        switch (kind) {
        case LATCH_MUTEX: return take_judged(h, site, LATCH_MUTEX);
        case LATCH_READ: return take_judged(h, site, LATCH_READ);
        case LATCH_WRITE: return take_judged(h, site, LATCH_WRITE);
        }
        __builtin_unreachable();
}

/* Plain, at level 2. */
LATCH_INLINE_ bool take_traced(struct latch_thread *t, struct latch_head *h,
                               const struct latch_site *site, enum latch_class class,
                               enum latch_kind kind) {
        if (LATCH_UNLIKELY_(latch_looks_taken_(h, kind)))
                return take_anyhow(h, site, kind);
        (void)latch_push_(t, h, site, class, LATCH_HELD_TRACED_ | flags_of(kind));
        if (LATCH_UNLIKELY_(!latch_is_had_at_once_(h, kind)))
                return latch_take_late_(h, site, kind);
        if (kind != LATCH_READ)
                LATCH_SET_(h->owner, t);
        latch_trace_take(t, h, LATCH_GET_(t->top), kind);
        return true;
}

void latch_judge_class_(const struct latch_head *h, const struct latch_site *site,
                        enum latch_class class) {
        if (LATCH_GET_(h->life) == LATCH_ALIVE_ && h->class != class)
                latch_report(LATCH_OTHER_CLASS, h, site, latch_class_name(class));
}

bool latch_take_long_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind,
                      enum latch_class class) {
        struct latch_thread *t = &latch_self_;

        __asm__("" : "+r"(t)); /* one register, not an address that is made anew each time */
        if (LATCH_UNLIKELY_(latch_level() < LATCH_LEVEL_TRACE || !t->ring ||
                            !latch_is_plain_(t, h, class))) {
                latch_judge_class_(h, site, class);
                return take_anyhow(h, site, kind);
        }
        if (LATCH_LIKELY_(kind == LATCH_MUTEX))
                return take_traced(t, h, site, class, LATCH_MUTEX);
        if (kind == LATCH_READ)
                return take_traced(t, h, site, class, LATCH_READ);
        return take_traced(t, h, site, class, LATCH_WRITE);
}

__attribute__((noinline, cold)) bool latch_take_late_(struct latch_head *h,
                                                      const struct latch_site *site,
                                                      enum latch_kind kind) {
        if (kind == LATCH_MUTEX) /* it was had, and is another's */
                latch_kind_unlock_(h, LATCH_MUTEX);
        latch_unpush(&latch_self_);
        return take_anyhow(h, site, kind);
}

static __attribute__((noinline)) void drop_anyhow(struct latch_head *h,
                                                  const struct latch_site *site,
                                                  enum latch_kind kind) {
        if (!latch_pop_any(h, site, kind))
                return;
        latch_kind_unlock_(h, kind);
        if (latch_pct_is_on())
                latch_pct_released(h, false);
}

LATCH_INLINE_ void drop_traced(struct latch_thread *t, struct latch_held *top, struct latch_head *h,
                               const struct latch_site *site, enum latch_kind kind)
        LATCH_UNCHECKED_ {
        latch_trace_drop(t, h, top, site, kind);
        latch_pop_(t, top, h, site, kind);
        /* What this thread has locked can be unlocked: as the last call it needs no frame. */
        if (kind == LATCH_MUTEX)
                (void)pthread_mutex_unlock(&latch_mutex_of_(h)->mutex);
        else
                (void)pthread_rwlock_unlock(latch_rwlock_of_(h));
}

void latch_drop_long_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        struct latch_thread *t = &latch_self_;

        __asm__("" : "+r"(t));
        struct latch_held *top = LATCH_GET_(t->top);
        if (LATCH_UNLIKELY_(!top || LATCH_GET_(top->lock) !=
                                            ((uintptr_t)h | LATCH_HELD_TRACED_ | flags_of(kind)))) {
                drop_anyhow(h, site, kind);
        } else if (LATCH_LIKELY_(kind == LATCH_MUTEX)) {
                drop_traced(t, top, h, site, LATCH_MUTEX);
        } else if (kind == LATCH_READ) {
                drop_traced(t, top, h, site, LATCH_READ);
        } else {
                drop_traced(t, top, h, site, LATCH_WRITE);
        }
}
