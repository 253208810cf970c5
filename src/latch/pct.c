/* The contract is in latch/pct.h.
 *
 * All that is shared is under one lock of its own. A thread that is not to go on waits on one condition, which is told
 * of whatever may let it.
 */
#include "latch/pct.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "latch/pct_private.h"

#define STEPS_BY_DEFAULT 100
#define DEPTH_BY_DEFAULT 2

enum state {
        OUT,     /* it has not come yet */
        RUNS,    /* it can run: it does, or it waits for its turn */
        BLOCKED, /* for `on` */
        AWAY,    /* it will come back to a step one day */
};

struct pct_thread {
        struct latch_thread *self;
        enum state state;
        bool at_step;                /* it waits for its turn */
        bool soon;                   /* what it waits for is about to be released */
        const struct latch_head *on; /* a mutex or rwlock */
        uint64_t priority;
        struct pct_thread *next;
};

atomic_bool latch_pct_on_;
static _Thread_local struct pct_thread mine;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct latch_cond
        moved; /* made at the start; pthread's alone: the lock is no lock of ours */
static struct pct_thread *first;
static struct latch_pct_figures figures;
static uint64_t arrivals; /* at steps: whether anybody still moves */
static struct {
        uint64_t seed, steps;
        unsigned depth;
        uint64_t change_at[LATCH_PCT_DEPTH_MAX]; /* the step of each change; [0] is none */
} plan;

static void take(void) {
        latch_must_(pthread_mutex_lock(&lock));
}

static void let_go(void) {
        latch_must_(pthread_mutex_unlock(&lock));
}

static void tell_locked(void) {
        latch_cond_broadcast(&moved);
}

/* ---- what the seed says ---- */

/* The finalizer of SplitMix64 (Steele, Lea, Flood: OOPSLA 2014). */
static uint64_t mix(uint64_t x) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

/* Above every changed one. */
static uint64_t priority_of(const char *name, uint64_t which) {
        uint64_t x = mix(plan.seed) + which;

        for (size_t i = 0; i < 16 && name[i]; i++)
                x = mix(x ^ (unsigned char)name[i]);
        return mix(x) | UINT64_C(1) << 63;
}

static uint64_t which_of_that_name_locked(const char *name) {
        uint64_t n = 0;

        for (const struct pct_thread *t = first; t; t = t->next)
                n += strncmp(t->self->name, name, sizeof t->self->name) == 0;
        return n;
}

/* ---- turns ---- */

static void come_locked(void) {
        if (mine.state == OUT) {
                mine.self = latch_thread_self();
                mine.priority =
                        priority_of(mine.self->name, which_of_that_name_locked(mine.self->name));
                mine.next = first;
                first = &mine;
                figures.threads++;
        }
        mine.state = RUNS;
}

static bool is_above(const struct pct_thread *t) {
        return t->state == RUNS && t->priority > mine.priority;
}

static bool is_my_turn_locked(void) {
        for (const struct pct_thread *t = first; t; t = t->next)
                if (is_above(t))
                        return false;
        return true;
}

/* Those that keep this thread waiting and are at no step. */
static void give_up_waiting_locked(void) {
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();

        for (struct pct_thread *t = first; t; t = t->next)
                if (is_above(t) && !t->at_step) {
                        t->state = AWAY;
                        if (figures.impatient++ == 0)
                                fprintf(stderr,
                                        "latch: pct: %s came to no step in %d ms: others go on\n",
                                        t->self->name, LATCH_PCT_PATIENCE_MS);
                }
        tell_locked();
}

/* False: nobody has come to a step for as long as anybody is waited for. No point of cancellation: a take is none. */
static bool wait_locked(void) {
        const struct timespec until =
                latch_timespec(latch_now_ns() + UINT64_C(1000000) * LATCH_PCT_PATIENCE_MS);
        uint64_t before = arrivals;
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();

        int r = pthread_cond_timedwait(&moved.cond, &lock, &until);
        return latch_had_(r) || arrivals != before;
}

static void await_turn_locked(void) {
        arrivals++;
        mine.at_step = true;
        tell_locked();
        while (!is_my_turn_locked())
                if (!wait_locked())
                        give_up_waiting_locked();
        mine.at_step = false;
}

void latch_pct_step(void) {
        take();
        come_locked();
        await_turn_locked();
        figures.steps++;
        for (unsigned i = 1; i < plan.depth; i++)
                if (figures.steps == plan.change_at[i]) {
                        mine.priority = i;
                        figures.changes++;
                        await_turn_locked();
                }
        let_go();
}

/* ---- who waits for whom ---- */

static const struct pct_thread *owner_locked(const struct latch_head *h) {
        const struct latch_thread *owner = LATCH_GET_(h->owner);
        const struct pct_thread *t = first;

        while (t && t->self != owner)
                t = t->next;
        return t;
}

/* Whether the owner of what this thread waits for waits for an owner, and so on, that waits for this thread. Who
 * waits last sees them all: each has been here since it took what it has. */
static bool is_circle_locked(void) {
        const struct pct_thread *t = &mine;

        for (uint64_t i = 0; i < figures.threads; i++) {
                t = t->state == BLOCKED && !t->soon && t->on ? owner_locked(t->on) : NULL;
                if (!t || t == &mine)
                        break;
        }
        return t == &mine;
}

static void print_circle_locked(void) {
        _cleanup_(latch_cancel_back) _unused_ int cancel = latch_cancel_off();
        const struct pct_thread *t = &mine;

        fprintf(stderr, "latch: pct: a deadlock, again by LATCH_PCT=%llu,%llu,%u\n",
                (unsigned long long)plan.seed, (unsigned long long)plan.steps, plan.depth);
        do {
                const struct latch_site *at = LATCH_GET_(t->self->waits_at);
                fprintf(stderr, "  %-10s waits at %s:%d (%s) for %s at %p, which %s has\n",
                        t->self->name, at->file, at->line, at->func, latch_class_name(t->on->class),
                        (const void *)t->on, owner_locked(t->on)->self->name);
                t = owner_locked(t->on);
        } while (t != &mine);
        fflush(stderr);
}

/* Whether h may be free; false: nobody who is waited for can let it go, or none says so. */
static bool await_release_locked(const struct latch_head *h) {
        mine.state = BLOCKED;
        mine.on = h;
        mine.soon = false;
        arrivals++;
        tell_locked();
        if (is_circle_locked() && figures.deadlocks++ == 0)
                print_circle_locked();
        while (mine.state == BLOCKED)
                if (!wait_locked())
                        return false;
        return true;
}

/* Until it is this thread's turn, and the lock was free a moment before. */
static void wait_for(struct latch_head *h, enum latch_kind kind) {
        take();
        bool is_free = await_release_locked(h) && !mine.soon;
        let_go();
        if (!is_free) {
                latch_must_(latch_kind_lock_(h, kind));
                latch_kind_unlock_(h, kind);
        }
        take();
        mine.on = NULL;
        mine.state = RUNS;
        await_turn_locked();
        let_go();
}

void latch_pct_take(struct latch_head *h, enum latch_kind kind) {
        do
                wait_for(h, kind);
        while (!latch_had_(latch_kind_try_(h, kind)));
}

void latch_pct_released(const struct latch_head *h, bool soon) {
        take();
        for (struct pct_thread *t = first; t; t = t->next)
                if (t->state == BLOCKED && t->on == h) {
                        t->state = RUNS;
                        t->soon = soon;
                }
        tell_locked();
        let_go();
        if (!soon)
                latch_pct_step();
}

void latch_pct_away(void) {
        take();
        if (mine.state != OUT)
                mine.state = AWAY;
        tell_locked();
        let_go();
}

void latch_pct_back(void) {
        take();
        come_locked();
        await_turn_locked();
        let_go();
}

/* ---- a thread, and the program ---- */

void latch_pct_begin(void) {
        take();
        come_locked();
        let_go();
}

void latch_pct_end(void) {
        take();
        for (struct pct_thread **at = &first; *at; at = &(*at)->next)
                if (*at == &mine) {
                        *at = mine.next;
                        break;
                }
        mine.state = OUT;
        tell_locked();
        let_go();
}

/* Of a fork that came while others were anywhere in here. */
void latch_pct_in_child(void) {
        latch_must_(pthread_mutex_init(&lock, NULL));
        first = mine.state == OUT ? NULL : &mine;
        mine.next = NULL;
}

/* False: it was started before. */
static bool start_locked(uint64_t seed, uint64_t steps, unsigned depth) {
        if (LATCH_GET_(latch_pct_on_))
                return false;
        latch_cond_init(&moved);
        plan.seed = seed;
        plan.steps = steps;
        plan.depth = depth;
        for (unsigned i = 1; i < depth; i++)
                plan.change_at[i] = 1 + mix(mix(seed) + i) % steps;
        LATCH_SET_(latch_pct_on_, true);
        return true;
}

int latch_pct_start(uint64_t seed, uint64_t steps, unsigned depth) {
        if (steps == 0 || depth == 0 || depth > LATCH_PCT_DEPTH_MAX)
                return -EINVAL;
        take();
        bool begun = start_locked(seed, steps, depth);
        let_go();
        return begun ? 0 : -EALREADY;
}

void latch_pct_from_environment(void) {
        const char *text = secure_getenv("LATCH_PCT");
        unsigned long long seed = 0, steps = STEPS_BY_DEFAULT;
        unsigned depth = DEPTH_BY_DEFAULT;
        char more;

        if (!text)
                return;
        int n = sscanf(text, "%llu,%llu,%u%c", &seed, &steps, &depth, &more);
        if (n < 1 || n > 3 || latch_pct_start(seed, steps, depth) == -EINVAL)
                fprintf(stderr,
                        "latch: LATCH_PCT is \"%s\": write seed[,steps[,depth]], depth at most %d\n",
                        text, LATCH_PCT_DEPTH_MAX);
}

void latch_pct_figures(struct latch_pct_figures *ret) {
        take();
        *ret = figures;
        let_go();
}
