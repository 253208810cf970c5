/* track.c - who holds what, where it is not plain: what is judged before a lock is taken, and what lies deeper than the
 * top of a thread's stack when it is let go. */
#include <urcu.h>

#include "latch/pct_private.h"
#include "latch/trace_private.h"

void latch_track_init(struct latch_head *h, enum latch_class class) {
        h->class = class;
        h->generation = 0;
        atomic_init(&h->owner, NULL);
        atomic_init(&h->let_go_at, NULL);
        atomic_init(&h->left_at, NULL);
        atomic_init(&h->life, LATCH_ALIVE_);
        (void)latch_order_under(class); /* the table is judged before the first lock is taken */
}

static bool is_alive(const struct latch_head *h) {
        return LATCH_GET_(h->life) == LATCH_ALIVE_;
}

bool latch_track_done(struct latch_head *h, const struct latch_site *site, const char *held_by) {
        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "destroyed before init or a second time");
        if (LATCH_GET_(h->owner))
                held_by = "";
        if (held_by) {
                latch_report(LATCH_DESTROY_WHILE_HELD, h, site, held_by[0] ? held_by : NULL);
                return false;
        }
        LATCH_SET_(h->life, LATCH_DEAD_);
        return true;
}

struct latch_held *latch_find_held(struct latch_thread *t, const struct latch_head *h) {
        for (unsigned i = latch_held_count(t); i > 0; i--)
                if (latch_held_lock(&t->held[i]) == h)
                        return &t->held[i];
        return NULL;
}

/* One that this thread has is wanted again. */
static enum latch_violation second_time(const struct latch_held *held, enum latch_kind kind) {
        if (!latch_held_shared(held))
                return LATCH_RECURSION;
        return kind == LATCH_READ ? LATCH_READ_TWICE : LATCH_UPGRADE;
}

bool latch_track_try(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        struct latch_thread *self = latch_thread_self();
        const struct latch_held *held;

        if (self->handlers > 0)
                latch_report(LATCH_IN_HANDLER, h, site, NULL);
        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "taken before init or after done");
        if (latch_held_count(self) == 0) {
                if (latch_level() >= LATCH_LEVEL_TRACE)
                        latch_trace_begin(self);
                else if (!self->short_to)
                        latch_open_short_way(self); /* shut for a ring, before level 2 ended */
                return true;
        }
        held = latch_find_held(self, h);
        if (held)
                latch_report(second_time(held, kind), h, site, NULL);
        else if (latch_held_count(self) == LATCH_HELD_MAX)
                latch_report(LATCH_TOO_MANY, h, site, NULL);
        return !held;
}

/* Others of its class are held. */
static void judge_twin(struct latch_thread *self, const struct latch_head *h,
                       const struct latch_site *site) {
        if (!latch_order_by_address(h->class)) {
                latch_report(LATCH_SAME_CLASS, h, site, NULL);
                return;
        }
        for (unsigned i = 1; i <= latch_held_count(self); i++)
                if (latch_held_class(&self->held[i]) == h->class &&
                    (uintptr_t)latch_held_lock(&self->held[i]) > (uintptr_t)h) {
                        latch_report(LATCH_BY_ADDRESS_DOWN, h, site, NULL);
                        return;
                }
}

bool latch_track_want(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        struct latch_thread *self = latch_thread_self();
        bool may = latch_track_try(h, site, kind);
        uint64_t mask = latch_held_mask(self), others = mask & ~LATCH_BIT_(h->class);

        if (mask == 0 || !may)
                return may;
        if (mask != others)
                judge_twin(self, h, site);
        if (others & ~latch_order_under(h->class))
                latch_report(LATCH_INVERSION, h, site, NULL);
        latch_witness_note(self, h->class, site);
        return true;
}

/* Whether any thread has it on its stack. */
struct search {
        const struct latch_head *lock;
        bool found;
};

static void look(struct latch_thread *t, void *arg) {
        struct search *s = arg;
        unsigned n = latch_held_count(t);

        for (unsigned i = 1; i <= n; i++)
                s->found |= latch_held_lock(&t->held[i]) == s->lock;
}

bool latch_is_read(const struct latch_head *h) {
        struct search s = {h, false};

        latch_threads_each(look, &s);
        return s.found;
}

/* Not on our stack: another holds it, or nobody does any more. */
static void report_foreign(const struct latch_head *h, const struct latch_site *site,
                           enum latch_kind kind) {
        if (!is_alive(h))
                latch_report(LATCH_NOT_ALIVE, h, site, "let go before init or after done");
        bool held = LATCH_GET_(h->owner) || (kind == LATCH_READ && latch_is_read(h));
        latch_report(held ? LATCH_RELEASE_BY_ANOTHER : LATCH_DOUBLE_RELEASE, h, site, NULL);
}

/* One that may lie in the middle. */
static void take_out(struct latch_thread *t, struct latch_held *held) {
        struct latch_held *top = LATCH_GET_(t->top);

        for (struct latch_held *h = held; h < top; h++) {
                LATCH_SET_(h->lock, LATCH_GET_(h[1].lock));
                LATCH_SET_(h->place, LATCH_GET_(h[1].place));
                LATCH_SET_(h->since_ns, LATCH_GET_(h[1].since_ns));
                h->weight = h[1].weight;
                h->mask = h[-1].mask | LATCH_BIT_(latch_held_class(h));
        }
        LATCH_SET_(t->top, top - 1);
}

bool latch_pop_any(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        struct latch_thread *t = latch_thread_self();
        struct latch_held *held = latch_find_held(t, h);
        uintptr_t flags = held ? LATCH_GET_(held->lock) & LATCH_HELD_FLAGS_ : 0;
        uint64_t now = 0;

        if (!held || latch_held_shared(held) != (kind == LATCH_READ)) {
                report_foreign(h, site, kind);
                return false;
        }
        if (flags & LATCH_HELD_TIMED_)
                latch_note_hold(held, now = latch_now_ns());
        if (flags & LATCH_HELD_TRACED_) {
                if (now)
                        latch_trace_time(t->ring, now);
                latch_trace_drop(t, h, held, site, kind);
        }
        take_out(t, held);
        if (kind != LATCH_READ) {
                LATCH_SET_(h->let_go_at, site);
                LATCH_SET_(h->owner, NULL);
        }
        return true;
}

void latch_push_any(struct latch_head *h, const struct latch_site *site, enum latch_kind kind) {
        struct latch_thread *t = &latch_self_;
        bool timed = LATCH_GET_(t->untimed[h->class]) == 0;
        bool traced = latch_level() >= LATCH_LEVEL_TRACE && latch_trace_has_ring(t);

        if (timed) /* before it is seen: its time belongs to it */
                latch_time_next_hold(t, h->class);
        struct latch_held *held = latch_push_(t, h, site, h->class,
                                              (kind == LATCH_READ ? LATCH_HELD_SHARED_ : 0) |
                                                      (timed ? LATCH_HELD_TIMED_ : 0) |
                                                      (traced ? LATCH_HELD_TRACED_ : 0));

        if (kind != LATCH_READ)
                LATCH_SET_(h->owner, t);
        if (traced) {
                if (timed)
                        latch_trace_time(t->ring, LATCH_GET_(held->since_ns));
                latch_trace_take(t, h, held, kind);
        }
}

void latch_unpush(struct latch_thread *t) {
        struct latch_held *held = LATCH_GET_(t->top);
        enum latch_class class = latch_held_class(held);

        LATCH_SET_(t->untimed[class], (uint16_t)(LATCH_GET_(t->untimed[class]) + 1));
        LATCH_SET_(t->top, held - 1);
}

void latch_wait_begin(const void *what, enum latch_class class, const struct latch_site *site,
                      enum latch_waiting how) {
        struct latch_thread *t = latch_thread_self();
        uint64_t now = latch_now_ns();

        LATCH_SET_(t->waits_for, what);
        LATCH_SET_(t->waits_class, class);
        LATCH_SET_(t->waits_at, site);
        LATCH_SET_(t->waits_since_ns, now);
        /* Who sees that it waits sees for what. */
        atomic_store_explicit(&t->waits, how, memory_order_release);
        if (t->ring && latch_level() >= LATCH_LEVEL_TRACE)
                latch_trace_wait(t, what, class, site, how, now);
        if (how != LATCH_WAITS_LOCK && latch_pct_is_on())
                latch_pct_away();
}

void latch_wait_end(void) {
        struct latch_thread *t = latch_thread_self();
        enum latch_waiting how = LATCH_GET_(t->waits);

        if ((how == LATCH_WAITS_LOCK || how == LATCH_WAITS_UNTIL) &&
            LATCH_GET_(t->waits_at)) /* not of level 0 */
                latch_note_wait(LATCH_GET_(t->waits_class), LATCH_GET_(t->waits_at),
                                latch_now_ns() - LATCH_GET_(t->waits_since_ns));
        LATCH_SET_(t->waits, LATCH_WAITS_NOT);
        if (latch_pct_is_on())
                latch_pct_back();
}

void latch_judge_held(const struct latch_thread *t, enum latch_violation what,
                      const struct latch_site *site, const char *detail) {
        unsigned n = latch_held_count(t);

        if (n > 0)
                latch_report(what, latch_held_lock(&t->held[n]), site, detail);
}

void latch_judge_rcu(const struct latch_thread *self, const struct latch_site *site,
                     const char *what) {
        if (self->in_callback)
                latch_report(LATCH_BLOCKING_IN_CALLBACK, NULL, site, what);
        if (self->in_rcu && rcu_read_ongoing())
                latch_report(LATCH_BLOCKING_IN_SECTION, NULL, site, what);
}

void latch_blocking_(const char *what, const struct latch_site *site) {
        struct latch_thread *self = latch_thread_self();

        latch_judge_held(self, LATCH_BLOCKING_WHILE_HOLDING, site, what);
        latch_judge_rcu(self, site, what);
        if (latch_pct_is_on())
                latch_pct_away();
}
