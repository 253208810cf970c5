/* track.c - who holds what: the held stack of each thread and the owner word of each lock. */
#include <string.h>

#include "base/macros.h"
#include "latch/latch_private.h"

void latch_track_init(struct latch_head *h, enum latch_class class) {
        h->class = class;
        atomic_init(&h->owner, NULL);
        atomic_init(&h->taken_at, NULL);
        atomic_init(&h->let_go_at, NULL);
        atomic_init(&h->life, LATCH_ALIVE_);
        (void)latch_order_under(class); /* the table is judged before the first lock is taken */
}

static bool is_alive(const struct latch_head *h) {
        return atomic_load_explicit(&h->life, memory_order_relaxed) == LATCH_ALIVE_;
}

bool latch_track_done(struct latch_head *h, const struct latch_site *site, unsigned readers) {
        bool owned = atomic_load_explicit(&h->owner, memory_order_relaxed) != NULL;

        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "destroyed before init or a second time");
        if (owned || readers > 0) {
                latch_report(LATCH_DESTROY_WHILE_HELD, h, site, owned ? NULL : "by readers");
                return false;
        }
        atomic_store_explicit(&h->life, LATCH_DEAD_, memory_order_relaxed);
        return true;
}

static struct latch_held *find_held(struct latch_thread *self, const struct latch_head *h) {
        for (unsigned i = self->held_count; i-- > 0;)
                if (self->held[i].lock == h)
                        return &self->held[i];
        return NULL;
}

/* One that this thread has is wanted again. */
static enum latch_violation second_time(const struct latch_held *held, enum latch_mode mode) {
        if (held->mode == LATCH_EXCLUSIVE)
                return LATCH_RECURSION;
        return mode == LATCH_SHARED ? LATCH_READ_TWICE : LATCH_UPGRADE;
}

bool latch_track_try(struct latch_head *h, const struct latch_site *site, enum latch_mode mode) {
        struct latch_thread *self = latch_thread_self();
        const struct latch_held *held;

        if (self->handlers > 0)
                latch_report(LATCH_IN_HANDLER, h, site, NULL);
        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "taken before init or after done");
        if (self->held_mask == 0)
                return true;
        held = find_held(self, h);
        if (held)
                latch_report(second_time(held, mode), h, site, NULL);
        else if (self->held_count == LATCH_HELD_MAX)
                latch_report(LATCH_TOO_MANY, h, site, NULL);
        return !held;
}

bool latch_track_want(struct latch_head *h, const struct latch_site *site, enum latch_mode mode) {
        struct latch_thread *self = latch_thread_self();
        bool may = latch_track_try(h, site, mode);

        if (self->held_mask == 0 || !may)
                return may;
        if (self->held_mask & UINT64_C(1) << h->class)
                latch_report(LATCH_SAME_CLASS, h, site, NULL);
        else if (self->held_mask & ~latch_order_under(h->class))
                latch_report(LATCH_INVERSION, h, site, NULL);
        latch_witness_note(self, h->class, site);
        return true;
}

void latch_track_take(struct latch_head *h, const struct latch_site *site, enum latch_mode mode) {
        struct latch_thread *self = latch_thread_self();

        self->held[self->held_count++] = (struct latch_held){h, site, mode};
        self->held_mask |= UINT64_C(1) << h->class;
        if (mode == LATCH_EXCLUSIVE) {
                atomic_store_explicit(&h->owner, self, memory_order_relaxed);
                atomic_store_explicit(&h->taken_at, site, memory_order_relaxed);
        }
}

void latch_track_reader(struct latch_rwlock *l, const struct latch_site *site) {
        atomic_fetch_add_explicit(&l->readers, 1, memory_order_relaxed);
        latch_track_take(&l->head, site, LATCH_SHARED);
}

/* Whether anybody holds it; only a rwlock is held shared. */
static bool is_held(struct latch_head *h, enum latch_mode mode) {
        if (atomic_load_explicit(&h->owner, memory_order_relaxed))
                return true;
        return mode == LATCH_SHARED &&
               atomic_load(&CONTAINER_OF(h, struct latch_rwlock, head)->readers) > 0;
}

/* Not on our stack: another holds it, or nobody does any more. */
static void report_foreign(struct latch_head *h, const struct latch_site *site,
                           enum latch_mode mode) {
        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "let go before init or after done");
        latch_report(is_held(h, mode) ? LATCH_RELEASE_BY_ANOTHER : LATCH_DOUBLE_RELEASE, h, site,
                     NULL);
}

/* Of what is held: where the policy lets it, two of one class may be. */
static uint64_t mask_of_held(const struct latch_thread *self) {
        uint64_t mask = 0;

        for (unsigned i = 0; i < self->held_count; i++)
                mask |= UINT64_C(1) << self->held[i].lock->class;
        return mask;
}

bool latch_track_drop(struct latch_head *h, const struct latch_site *site, enum latch_mode mode) {
        struct latch_thread *self = latch_thread_self();
        struct latch_held *held = find_held(self, h);

        if (!held || held->mode != mode) {
                report_foreign(h, site, mode);
                return false;
        }
        size_t above = (size_t)(&self->held[self->held_count] - (held + 1));
        memmove(held, held + 1, above * sizeof *held);
        self->held_count--;
        self->held_mask = mask_of_held(self);
        if (mode == LATCH_EXCLUSIVE) {
                /* Before the unlock: after it the word would be the next owner's to write. */
                atomic_store_explicit(&h->let_go_at, site, memory_order_relaxed);
                atomic_store_explicit(&h->owner, NULL, memory_order_relaxed);
        }
        return true;
}

void latch_judge_held(const struct latch_thread *t, enum latch_violation what,
                      const struct latch_site *site, const char *detail) {
        if (t->held_count > 0)
                latch_report(what, t->held[t->held_count - 1].lock, site, detail);
}

void latch_blocking_(const char *what, const struct latch_site *site) {
        struct latch_thread *self = latch_thread_self();

        latch_judge_held(self, LATCH_BLOCKING_WHILE_HOLDING, site, what);
        if (self->in_callback)
                latch_report(LATCH_BLOCKING_IN_CALLBACK, NULL, site, what);
}
