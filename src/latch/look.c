/* The contract is in look_private.h. Nothing is allocated: where a program hangs, malloc may be what it hangs in. */
#include "latch/look_private.h"

#include <string.h>

static void copy_holds(const struct latch_thread *t, struct latch_look_thread *to) {
        to->count = latch_held_count(t);
        for (unsigned i = 0; i < to->count; i++) {
                const struct latch_held *held = &t->held[i + 1];
                uintptr_t lock = LATCH_GET_(held->lock);
                enum latch_class class = latch_held_class(held);

                to->holds[i] = (struct latch_look_hold){
                        .lock = (const void *)(lock & ~(uintptr_t)LATCH_HELD_FLAGS_),
                        .site = latch_held_site(held),
                        .class = class,
                        .shared = lock & LATCH_HELD_SHARED_,
                        .since_ns = lock & LATCH_HELD_TIMED_ ? LATCH_GET_(held->since_ns) : 0,
                        .number = LATCH_GET_(t->taken[class]) - LATCH_GET_(t->untimed[class]),
                };
        }
}

static void copy_thread(struct latch_thread *t, void *arg) {
        struct latch_look *look = arg;
        enum latch_waiting waits = atomic_load_explicit(&t->waits, memory_order_acquire);
        struct latch_look_thread *to = &look->of[look->count];

        look->threads++;
        if (latch_held_count(t) == 0 && (waits == LATCH_WAITS_NOT || waits == LATCH_WAITS_COND))
                return;
        if (look->count == LATCH_LOOK_MAX) {
                look->more++;
                return;
        }
        look->count++;
        *to = (struct latch_look_thread){
                .id = t,
                .tid = t->tid,
                .waits = waits,
                .waits_for = LATCH_GET_(t->waits_for),
                .waits_at = LATCH_GET_(t->waits_at),
                .waits_class = LATCH_GET_(t->waits_class),
                .waits_since_ns = LATCH_GET_(t->waits_since_ns),
        };
        memcpy(to->name, t->name, sizeof to->name);
        copy_holds(t, to);
        /* It may have got what it waited for meanwhile: then it waits no more, for all that is said of it. That it has it
         * was seen in `top`, which is released behind `waits`. */
        if (LATCH_GET_(t->waits) != waits || LATCH_GET_(t->waits_since_ns) != to->waits_since_ns)
                to->waits = LATCH_WAITS_NOT;
}

void latch_look(struct latch_look *ret) {
        ret->threads = ret->count = ret->more = 0;
        latch_threads_lock();
        latch_threads_each_locked(copy_thread, ret);
        latch_handed_locked(ret->handed);
        latch_threads_unlock();
}

static bool holds(const struct latch_look_thread *t, const void *lock) {
        for (unsigned i = 0; i < t->count; i++)
                if (t->holds[i].lock == lock)
                        return true;
        return false;
}

bool latch_look_is_heir(const struct latch_look *look, unsigned i, const void *lock) {
        for (unsigned j = 0; j < LATCH_HANDED_MAX; j++)
                if (look->handed[j].lock == lock && look->handed[j].heir == look->of[i].id)
                        return true;
        return false;
}

int latch_look_holder(const struct latch_look *look, unsigned i, unsigned from) {
        const struct latch_look_thread *t = &look->of[i];

        if (t->waits != LATCH_WAITS_LOCK && t->waits != LATCH_WAITS_UNTIL)
                return -1;
        for (unsigned j = from; j < look->count; j++)
                if (holds(&look->of[j], t->waits_for) || latch_look_is_heir(look, j, t->waits_for))
                        return (int)j;
        return -1;
}

/* A wait that ends in time closes no circle. */
static int next_of(const struct latch_look *look, unsigned i, unsigned from) {
        return look->of[i].waits == LATCH_WAITS_LOCK ? latch_look_holder(look, i, from) : -1;
}

/* Depth first (CLRS 20.3): a thread on the path that is met again closes a circle. */
unsigned latch_look_circle(const struct latch_look *look, unsigned path[LATCH_LOOK_MAX]) {
        static const unsigned NONE = ~0u;
        unsigned next[LATCH_LOOK_MAX];             /* the holder to look at next, by thread */
        unsigned place[LATCH_LOOK_MAX], depth = 0; /* on the path */
        bool done[LATCH_LOOK_MAX] = {false};

        for (unsigned i = 0; i < look->count; i++)
                place[i] = NONE, next[i] = 0;
        for (unsigned first = 0; first < look->count; first++) {
                if (done[first])
                        continue;
                place[first] = 0, path[0] = first, depth = 1;
                while (depth > 0) {
                        unsigned at = path[depth - 1];
                        int to = next_of(look, at, next[at]);

                        if (to < 0) {
                                done[at] = true, place[at] = NONE, depth--;
                                continue;
                        }
                        next[at] = (unsigned)to + 1;
                        if (place[to] != NONE) {
                                memmove(path, path + place[to], (depth - place[to]) * sizeof *path);
                                return depth - place[to];
                        }
                        if (!done[to])
                                place[to] = depth, path[depth++] = (unsigned)to;
                }
        }
        return 0;
}
