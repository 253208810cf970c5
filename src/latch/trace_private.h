/* trace_private.h - a thread's ring, and how a hold's two steps are written into it: inline, as lock_fast.h is. */
#pragma once

#include "latch/latch_private.h"

#define LATCH_RING_SMALL 256
#define LATCH_RING_LARGE 2048

/* Three words: what is not there is not stored. `lock` has the step in its low bits, `place` the class in its high
 * ones; a step that is timed comes after one that says the time, in `generation`. */
struct latch_stored_event {
        _Atomic uint64_t lock, place, generation;
};

enum latch_stored {
        LATCH_STORED_TAKE,
        LATCH_STORED_TAKE_SHARED,
        LATCH_STORED_DROP,
        LATCH_STORED_DROP_SHARED,
        LATCH_STORED_WAIT,
        LATCH_STORED_COND_WAIT,
        LATCH_STORED_HEIR_WAIT,
        LATCH_STORED_TIME,
};

struct latch_ring {
        _Atomic uint64_t written; /* ever, by this thread */
        uint64_t room;            /* a power of two */
        uint64_t full_at; /* written: then its thread is to get a larger one; UINT64_MAX of those */
        uint64_t
                kept_from; /* how many of these are not here, for they were overwritten in a smaller one */
        const struct latch_thread *of; /* NULL: it has ended, this was its name: */
        char thread[16];
        pid_t tid;
        struct latch_ring *next, *next_ended;
        struct latch_stored_event events[];
};

/* Of a hold that is timed. */
void latch_trace_time(struct latch_ring *r, uint64_t ns);

static inline bool latch_ring_is_full(const struct latch_ring *r) {
        return LATCH_GET_(r->written) >= r->full_at;
}

/* Words are released each, to pair with read_event: who sees one sees in `written` that what was there before is gone. */
LATCH_INLINE_ struct latch_stored_event *latch_trace_next(struct latch_ring *r, uint64_t written,
                                                          uint64_t lock, uint64_t place) {
        struct latch_stored_event *e = &r->events[written & (r->room - 1)];

        atomic_store_explicit(&e->lock, lock, memory_order_release);
        atomic_store_explicit(&e->place, place, memory_order_release);
        return e;
}

LATCH_INLINE_ void latch_trace_write(struct latch_ring *r, uint64_t lock, uint64_t place,
                                     uint64_t generation) {
        uint64_t written = LATCH_GET_(r->written);
        struct latch_stored_event *e = latch_trace_next(r, written, lock, place);

        atomic_store_explicit(&e->generation, generation, memory_order_release);
        atomic_store_explicit(&r->written, written + 1, memory_order_release);
}

/* It has just been taken. */
LATCH_INLINE_ void latch_trace_take(struct latch_thread *t, struct latch_head *h,
                                    const struct latch_held *held, enum latch_kind kind) {
        struct latch_ring *r = t->ring;

        if (kind != LATCH_READ)
                h->generation++;
        latch_trace_write(
                r,
                (uintptr_t)h | (kind == LATCH_READ ? LATCH_STORED_TAKE_SHARED : LATCH_STORED_TAKE),
                LATCH_GET_(held->place), h->generation);
        if (LATCH_UNLIKELY_(latch_ring_is_full(r)))
                t->short_to = NULL; /* once it holds nothing, the long way finds it a larger one */
}

/* It is about to be let go. The take's generation stands with the take. */
LATCH_INLINE_ void latch_trace_drop(struct latch_thread *t, struct latch_head *h,
                                    const struct latch_held *held, const struct latch_site *site,
                                    enum latch_kind kind) {
        uintptr_t class = LATCH_GET_(held->place) >> LATCH_PLACE_CLASS_ << LATCH_PLACE_CLASS_;
        uint64_t written = LATCH_GET_(t->ring->written);

        (void)latch_trace_next(
                t->ring, written,
                (uintptr_t)h | (kind == LATCH_READ ? LATCH_STORED_DROP_SHARED : LATCH_STORED_DROP),
                (uintptr_t)site | class);
        atomic_store_explicit(&t->ring->written, written + 1, memory_order_release);
}
