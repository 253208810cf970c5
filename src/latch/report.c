/* report.c - what a violation looks like on stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "latch/latch_private.h"
#include "latch/policy.h"

static _Atomic enum latch_policy policy;
static _Atomic uint64_t violations;

static const char *const titles[] = {
        [LATCH_DOUBLE_RELEASE] = "double release",
        [LATCH_RELEASE_BY_ANOTHER] = "release by another thread",
        [LATCH_RECURSION] = "recursion: this thread holds this lock already",
        [LATCH_READ_TWICE] =
                "read lock taken twice: a writer that waits in between stops both for ever",
        [LATCH_UPGRADE] = "upgrade: this thread reads under the lock that it wants to write under",
        [LATCH_INVERSION] = "inversion: the table does not allow this order",
        [LATCH_SAME_CLASS] = "two locks of one class at once",
        [LATCH_OTHER_CLASS] = "a lock of another class than its guard names",
        [LATCH_BY_ADDRESS_DOWN] = "two locks of one class, the one at the higher address first",
        [LATCH_DEADLOCK] = "deadlock: threads wait for each other",
        [LATCH_DESTROY_WHILE_HELD] = "destroyed while held",
        [LATCH_NOT_ALIVE] = "not a living lock",
        [LATCH_END_WHILE_HOLDING] = "thread ends while it holds a lock",
        [LATCH_END_WHILE_HEIR] =
                "thread ends before it has taken up a lock that was handed over to it",
        [LATCH_END_IN_SECTION] = "an RCU read section is left open at the end",
        [LATCH_WAIT_WHILE_HOLDING] = "waits on a condition while it holds another lock",
        [LATCH_WAIT_WITHOUT] = "waits on a condition without holding its lock",
        [LATCH_BLOCKING_WHILE_HOLDING] = "a call that may block while a lock is held",
        [LATCH_FORK_WHILE_HOLDING] = "fork while a lock is held",
        [LATCH_CALLBACK_WHILE_HOLDING] = "an RCU callback ends while it holds a lock",
        [LATCH_BLOCKING_IN_CALLBACK] = "a call that may block in an RCU callback",
        [LATCH_BLOCKING_IN_SECTION] = "a call that may block in an RCU read section",
        [LATCH_WAIT_IN_SECTION] = "a wait for RCU inside a read section, for itself",
        [LATCH_IN_HANDLER] = "a lock taken in a signal handler",
        [LATCH_TOO_MANY] = "too many locks held at once",
        [LATCH_NOT_BEGUN] = "RCU used by a thread that did not call latch_thread_begin",
        [LATCH_LEASE_TWICE] = "lease released twice",
        [LATCH_LEASE_STALE] = "lease released with a stale generation",
        [LATCH_LEASE_HELD] = "lease destroyed while held",
        [LATCH_LEASE_NOT_ALIVE] = "not a living lease",
        [LATCH_HAND_OVER_WITHOUT] = "hands over a lock that it does not hold",
        [LATCH_HANDED_TWICE] = "hands over a lock that has an heir already",
        [LATCH_HANDED_NOT_TAKEN_UP] =
                "takes a lock that was handed over to it: take it up with LATCH_GUARD_HANDED",
        [LATCH_ALLOCATES] = "memory is allocated under a lock of a class that forbids it",
        [LATCH_FREED_HELD] = "memory is freed with a lock in it that is held",
        [LATCH_FREED_ALIVE] = "memory is freed with a lock in it that was not destroyed",
};

void latch_print_site(const char *what, const struct latch_site *site) {
        if (site)
                fprintf(stderr, "  %-10s %s:%d (%s)\n", what, site->file, site->line, site->func);
}

/* Who owns a lock, while it lives: its words are read in the list of the living alone. */
struct owner {
        const struct latch_thread *of;
        const struct latch_head *lock;
        char name[16];
        pid_t tid;
        const struct latch_site *taken_at;
};

static void look_at(struct latch_thread *t, void *arg) {
        struct owner *o = arg;

        if (t != o->of)
                return;
        memcpy(o->name, t->name, sizeof o->name);
        o->tid = t->tid;
        struct latch_held *held = latch_find_held(t, o->lock);
        o->taken_at = held ? latch_held_site(held) : NULL;
}

static void find_owner(struct owner *o) {
        memcpy(o->name, latch_ended.name, sizeof o->name);
        o->taken_at = LATCH_GET_(o->lock->left_at);
        latch_threads_each(look_at, o);
}

void latch_print_lock(const struct latch_head *lock) {
        unsigned life = atomic_load_explicit(&lock->life, memory_order_relaxed);

        if (life != LATCH_ALIVE_ && life != LATCH_DEAD_) {
                fprintf(stderr, "  %-10s unknown at %p, never made\n", "class", (const void *)lock);
                return; /* the rest of it is anything */
        }
        struct owner owner = {.of = LATCH_GET_(lock->owner), .lock = lock};

        fprintf(stderr, "  %-10s %s at %p\n", "class", latch_class_name(lock->class),
                (const void *)lock);
        if (owner.of) {
                find_owner(&owner);
                fprintf(stderr, "  %-10s %s (tid %d)\n", "owner", owner.name, (int)owner.tid);
                latch_print_site("taken at", owner.taken_at);
        } else {
                fprintf(stderr, "  %-10s none\n", "owner");
                latch_print_site("let go at",
                                 atomic_load_explicit(&lock->let_go_at, memory_order_relaxed));
        }
}

static void print_held(const struct latch_thread *self) {
        for (unsigned i = 1; i <= latch_held_count(self); i++) {
                const struct latch_held *h = &self->held[i];
                const struct latch_site *site = latch_held_site(h);

                fprintf(stderr, "  %-10s %s%s at %p, taken at %s:%d (%s)\n", i == 1 ? "held" : "",
                        latch_class_name(latch_held_class(h)),
                        latch_held_shared(h) ? " (read)" : "", (void *)latch_held_lock(h),
                        site->file, site->line, site->func);
        }
}

/* What stands against the order in which this thread takes `lock`. */
static void print_order(const struct latch_thread *self, const struct latch_head *lock) {
        uint64_t wrong = latch_held_mask(self) & ~LATCH_BIT_(lock->class) &
                         ~latch_order_under(lock->class);
        enum latch_class held = (enum latch_class)__builtin_ctzll(wrong);
        const struct latch_witness *w = latch_witness_of(held, lock->class);
        const char *ours = latch_class_name(lock->class), *other = latch_class_name(held);

        if (w) {
                fprintf(stderr, "  %-10s %s (tid %d) took %s at %s:%d (%s)\n", "before", w->thread,
                        (int)w->tid, other, w->taken_at->file, w->taken_at->line,
                        w->taken_at->func);
                fprintf(stderr, "  %-10s while it held %s, taken at %s:%d (%s)\n", "", ours,
                        w->held_at->file, w->held_at->line, w->held_at->func);
        }
        if (latch_order_under(held) >> lock->class & 1)
                fprintf(stderr, "  %-10s %s may be taken under %s\n", "table", other, ours);
        else
                fprintf(stderr, "  %-10s no order of %s and %s\n", "table", ours, other);
}

/* Nothing could be relied on after it, or the thread would only hang. */
static bool is_final(enum latch_violation what) {
        switch (what) {
        case LATCH_UPGRADE:
        case LATCH_END_WHILE_HEIR:
        case LATCH_END_IN_SECTION:
        case LATCH_DEADLOCK:
        case LATCH_NOT_ALIVE:
        case LATCH_WAIT_WITHOUT:
        case LATCH_BLOCKING_IN_CALLBACK:
        case LATCH_WAIT_IN_SECTION:
        case LATCH_IN_HANDLER:
        case LATCH_TOO_MANY:
        case LATCH_LEASE_NOT_ALIVE:
        case LATCH_HAND_OVER_WITHOUT:
        case LATCH_HANDED_TWICE:
        case LATCH_NOT_BEGUN: return true;
        default: return false;
        }
}

/* Counts it. False: nothing is to be said. */
static bool begin(enum latch_violation what, const struct latch_thread *self,
                  const struct latch_site *site, const char *detail) {
        atomic_fetch_add_explicit(&violations, 1, memory_order_relaxed);
        if (atomic_load(&policy) == LATCH_POLICY_COUNT && !is_final(what))
                return false;
        flockfile(stderr);
        fprintf(stderr, "latch: %s%s%s\n", titles[what], detail ? ": " : "", detail ? detail : "");
        fprintf(stderr, "  %-10s %s (tid %d)\n", "thread", self->name, (int)self->tid);
        latch_print_site("at", site);
        return true;
}

static void end(enum latch_violation what) {
        fflush(stderr);
        funlockfile(stderr);
        if (atomic_load(&policy) == LATCH_POLICY_ABORT || is_final(what))
                abort();
}

void latch_report(enum latch_violation what, const struct latch_head *lock,
                  const struct latch_site *site, const char *detail) {
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();
        const struct latch_thread *self = latch_thread_self();

        if (!begin(what, self, site, detail))
                return;
        if (lock)
                latch_print_lock(lock);
        print_held(self);
        if (what == LATCH_INVERSION)
                print_order(self, lock);
        end(what);
}

void latch_report_about(enum latch_violation what, const struct latch_site *site,
                        const char *detail, void (*print)(const void *thing), const void *thing) {
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();
        const struct latch_thread *self = latch_thread_self();

        if (!begin(what, self, site, detail))
                return;
        print(thing);
        print_held(self);
        end(what);
}

void latch_set_policy(enum latch_policy wanted) {
        atomic_store(&policy, wanted);
}

uint64_t latch_violations(void) {
        return atomic_load_explicit(&violations, memory_order_relaxed);
}
