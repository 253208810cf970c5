/* witness.c - where each order of two classes was first seen: a report holds an inversion against it. */
#include <string.h>

#include "latch/latch_private.h"

static struct latch_witness seen[LATCH_CLASSES_MAX][LATCH_CLASSES_MAX]; /* [taken][held] */
/* Bits of the classes that were held: who sets the first writes the witness, the second says it is there. */
static _Atomic uint64_t claimed[LATCH_CLASSES_MAX], told[LATCH_CLASSES_MAX];
_Atomic uint64_t latch_settled_[LATCH_CLASSES_MAX];

static void tell(const struct latch_thread *self, const struct latch_held *held,
                 enum latch_class class, const struct latch_site *site) {
        enum latch_class under = latch_held_class(held);
        uint64_t bit = UINT64_C(1) << under;
        struct latch_witness *w = &seen[class][under];

        if (atomic_fetch_or_explicit(&claimed[class], bit, memory_order_relaxed) & bit)
                return;
        *w = (struct latch_witness){
                .tid = self->tid, .held_at = latch_held_site(held), .taken_at = site};
        memcpy(w->thread, self->name, sizeof w->thread);
        /* Pairs with the load in latch_witness_of. */
        atomic_fetch_or_explicit(&told[class], bit, memory_order_release);
}

void latch_witness_note(const struct latch_thread *self, enum latch_class class,
                        const struct latch_site *site) {
        /* After the first time this is all: a load of what nobody writes any more. */
        if (!(latch_held_mask(self) & ~atomic_load_explicit(&claimed[class], memory_order_relaxed)))
                return;
        for (unsigned i = 1; i <= latch_held_count(self); i++)
                tell(self, &self->held[i], class, site);
        atomic_fetch_or_explicit(&latch_settled_[class],
                                 latch_held_mask(self) & latch_order_under(class),
                                 memory_order_relaxed);
}

const struct latch_witness *latch_witness_of(enum latch_class taken, enum latch_class held) {
        uint64_t there = atomic_load_explicit(&told[taken], memory_order_acquire);

        return there >> held & 1 ? &seen[taken][held] : NULL;
}
