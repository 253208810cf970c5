/* The contract is in latch/figures.h. What is written here is shared, but only by waits and by samples. */
#include "latch/figures.h"

#include "latch/pct_private.h"

struct histogram {
        _Atomic uint64_t count, sum_ns, max_ns, bucket[LATCH_BUCKETS];
};

static struct {
        struct histogram wait, hold;
        uint64_t taken_by_ended, taken_told; /* under the list's lock */
} classes[LATCH_CLASSES_MAX];

static struct place {
        _Atomic(const struct latch_site *) site;
        _Atomic enum latch_class class;
        _Atomic uint64_t contended, wait_ns, longest_wait_ns, longest_hold_ns;
} places[LATCH_PLACES_MAX];
static _Atomic uint64_t lost;

static void add(_Atomic uint64_t *to, uint64_t n) {
        atomic_fetch_add_explicit(to, n, memory_order_relaxed);
}

static void raise(_Atomic uint64_t *to, uint64_t n) {
        uint64_t seen = LATCH_GET_(*to);

        while (seen < n && !atomic_compare_exchange_weak_explicit(
                                   to, &seen, n, memory_order_relaxed, memory_order_relaxed))
                ;
}

static unsigned bucket_of(uint64_t ns) {
        if (ns < 4)
                return (unsigned)ns;
        unsigned octave = 63 - (unsigned)__builtin_clzll(ns);
        unsigned i = (octave - 1) * 4 + (unsigned)(ns >> (octave - 2) & 3);
        return i < LATCH_BUCKETS ? i : LATCH_BUCKETS - 1;
}

uint64_t latch_bucket_end_ns(unsigned i) {
        if (i < 4)
                return i + 1;
        return (uint64_t)(4 + i % 4 + 1) << (i / 4 - 1);
}

static void count_in(struct histogram *h, uint64_t ns, unsigned weight) {
        add(&h->count, weight);
        add(&h->sum_ns, ns * weight);
        raise(&h->max_ns, ns);
        add(&h->bucket[bucket_of(ns)], weight);
}

/* NULL: the table is full. Open addressing; an entry is never taken out. */
static struct place *place_of(const struct latch_site *site, enum latch_class class) {
        uint64_t at = (uintptr_t)site * UINT64_C(0x9e3779b97f4a7c15) >> 32;

        for (unsigned i = 0; i < LATCH_PLACES_MAX; i++, at++) {
                struct place *p = &places[at % LATCH_PLACES_MAX];
                const struct latch_site *there = LATCH_GET_(p->site);

                if (!there && atomic_compare_exchange_strong(&p->site, &there, site))
                        there = site;
                if (there == site) {
                        LATCH_SET_(p->class, class);
                        return p;
                }
        }
        add(&lost, 1);
        return NULL;
}

void latch_note_wait(enum latch_class class, const struct latch_site *site, uint64_t ns) {
        struct place *p = site ? place_of(site, class) : NULL;

        count_in(&classes[class].wait, ns, 1);
        if (!p)
                return;
        add(&p->contended, 1);
        add(&p->wait_ns, ns);
        raise(&p->longest_wait_ns, ns);
}

/* The first ones each for itself: most threads take few. So does each hold that is scheduled. */
static unsigned takes_to_stand_for(uint64_t taken) {
        if (latch_pct_is_on())
                return 1;
        return taken < 16 ? 1 : taken < 1024 ? 16 : taken < 65536 ? 256 : 1024;
}

void latch_time_next_hold(struct latch_thread *t, enum latch_class class) {
        struct latch_held *held = LATCH_GET_(t->top) + 1;
        uint64_t taken = LATCH_GET_(t->taken[class]);

        held->weight = takes_to_stand_for(taken);
        LATCH_SET_(held->since_ns, latch_now_ns());
        LATCH_SET_(t->untimed[class], (uint16_t)held->weight); /* one of which is to be pushed */
        /* Pairs with taken_by: who sees it sees that these are to come. */
        atomic_store_explicit(&t->taken[class], taken + held->weight, memory_order_release);
}

void latch_note_hold(const struct latch_held *held, uint64_t now_ns) {
        uint64_t ns = now_ns - LATCH_GET_(held->since_ns);
        struct place *p = place_of(latch_held_site(held), latch_held_class(held));

        count_in(&classes[latch_held_class(held)].hold, ns, held->weight);
        if (p)
                raise(&p->longest_hold_ns, ns);
}

/* Never too many, but for a moment too few: those that are to come are told before what they are part of. */
static uint64_t taken_by(struct latch_thread *t, unsigned class) {
        uint64_t taken = atomic_load_explicit(&t->taken[class], memory_order_acquire);
        uint64_t untimed = LATCH_GET_(t->untimed[class]);

        return taken > untimed ? taken - untimed : 0;
}

/* Its words begin anew: it may take locks once more. */
void latch_figures_of_ended(struct latch_thread *t) {
        for (unsigned i = 0; i < latch_table.count; i++) {
                classes[i].taken_by_ended += taken_by(t, i);
                LATCH_SET_(t->taken[i], 0);
                LATCH_SET_(t->untimed[i], 0);
        }
}

struct sum {
        unsigned class;
        uint64_t taken;
};

static void add_taken(struct latch_thread *t, void *arg) {
        struct sum *s = arg;

        s->taken += taken_by(t, s->class);
}

static void read_histogram(struct histogram *h, struct latch_histogram *ret) {
        ret->count = LATCH_GET_(h->count);
        ret->sum_ns = LATCH_GET_(h->sum_ns);
        ret->max_ns = LATCH_GET_(h->max_ns);
        for (unsigned i = 0; i < LATCH_BUCKETS; i++)
                ret->bucket[i] = LATCH_GET_(h->bucket[i]);
}

/* Not less than what was told before: that is true still. */
static uint64_t taken_in_all(enum latch_class class) {
        struct sum s = {class, 0};

        latch_threads_lock();
        latch_threads_each_locked(add_taken, &s);
        s.taken += classes[class].taken_by_ended;
        if (classes[class].taken_told < s.taken)
                classes[class].taken_told = s.taken;
        s.taken = classes[class].taken_told;
        latch_threads_unlock();
        return s.taken;
}

void latch_figures(enum latch_class class, struct latch_class_figures *ret) {
        ret->taken = taken_in_all(class);
        read_histogram(&classes[class].wait, &ret->wait);
        read_histogram(&classes[class].hold, &ret->hold);
        ret->contended = ret->wait.count;
}

uint64_t latch_quantile_ns(const struct latch_histogram *h, double q) {
        uint64_t all = 0, below = 0;

        for (unsigned i = 0; i < LATCH_BUCKETS; i++)
                all += h->bucket[i];
        for (unsigned i = 0; i < LATCH_BUCKETS; i++) {
                below += h->bucket[i];
                if (below > 0 && (double)below >= q * (double)all) {
                        uint64_t end = latch_bucket_end_ns(i);
                        return end < h->max_ns ? end : h->max_ns;
                }
        }
        return 0;
}

size_t latch_places(struct latch_place *ret, size_t most) {
        size_t n = 0;

        for (unsigned i = 0; i < LATCH_PLACES_MAX && n < most; i++) {
                struct place *p = &places[i];
                const struct latch_site *site = LATCH_GET_(p->site);

                if (site)
                        ret[n++] = (struct latch_place){site,
                                                        LATCH_GET_(p->class),
                                                        LATCH_GET_(p->contended),
                                                        LATCH_GET_(p->wait_ns),
                                                        LATCH_GET_(p->longest_wait_ns),
                                                        LATCH_GET_(p->longest_hold_ns)};
        }
        return n;
}

uint64_t latch_places_lost(void) {
        return LATCH_GET_(lost);
}
