/* The contract is in latch/lease.h.
 *
 * `word` alone decides. What stands beside it is written by who has the lease, so by one thread at a time: about the take
 * behind it, about the end before it, for behind the end the lease may be gone. tests/model/lease.pml has the proof.
 */
#include "latch/lease.h"

#include <stdio.h>
#include <string.h>

#include "latch/latch_private.h"

#define HELD UINT64_C(1)

static _Atomic uint64_t generations = 1; /* drawn so far, of all leases; 0 is none */

/* Whoever saw a generation in a word draws a greater one. */
static uint64_t draw(void) {
        return atomic_fetch_add_explicit(&generations, 1, memory_order_relaxed);
}

/* ---- words that others read while they are written ---- */

/* Release and acquire on each word: who sees a new word sees that the generation before it is gone. */
static void put_text(_Atomic uint64_t *to, size_t size, const char *text) {
        uint64_t words[LATCH_LEASE_OWNER_MAX / 8] = {0};

        if (text)
                memcpy(words, text, strnlen(text, size - 1));
        for (size_t i = 0; i < size / 8; i++)
                atomic_store_explicit(&to[i], words[i], memory_order_release);
}

static void get_text(const _Atomic uint64_t *from, size_t size, char *to) {
        for (size_t i = 0; i < size / 8; i++) {
                uint64_t word = atomic_load_explicit(&from[i], memory_order_acquire);
                memcpy(to + i * 8, &word, 8);
        }
}

/* Without its generation, which write_note's caller adds when all of it is there. */
static void write_note(struct latch_lease_note *n, const struct latch_site *site) {
        const struct latch_thread *self = latch_thread_self();

        atomic_store_explicit(&n->generation, 0, memory_order_relaxed);
        atomic_store_explicit(&n->at_ns, latch_now_ns(), memory_order_release);
        atomic_store_explicit(&n->site, site, memory_order_release);
        atomic_store_explicit(&n->tid, self->tid, memory_order_release);
        put_text(n->thread, sizeof n->thread, self->name);
}

/* The note as it was of this generation; false: it is of another. owner may be NULL. */
static bool read_note(const struct latch_lease_note *n, uint64_t generation,
                      const _Atomic uint64_t *owner, struct latch_lease_holder *ret) {
        if (atomic_load_explicit(&n->generation, memory_order_acquire) != generation)
                return false;
        ret->generation = generation;
        ret->since_ns = atomic_load_explicit(&n->at_ns, memory_order_acquire);
        ret->taken_at = atomic_load_explicit(&n->site, memory_order_acquire);
        ret->tid = atomic_load_explicit(&n->tid, memory_order_acquire);
        get_text(n->thread, sizeof ret->thread, ret->thread);
        if (owner)
                get_text(owner, sizeof ret->owner, ret->owner);
        return atomic_load_explicit(&n->generation, memory_order_relaxed) == generation;
}

bool latch_lease_look(const struct latch_lease *l, struct latch_lease_holder *ret) {
        uint64_t word = atomic_load_explicit(&l->word, memory_order_acquire), before;

        do {
                struct latch_lease_holder holder = {.generation = word >> 1};
                if (!(word & HELD) || word == HELD)
                        return false;
                if (!read_note(&l->taken, word >> 1, l->owner, &holder))
                        holder = (struct latch_lease_holder){.generation = word >> 1};
                *ret = holder;
                before = word;
                word = atomic_load_explicit(&l->word, memory_order_acquire);
        } while (ret->tid == 0 && word != before);
        return true;
}

/* ---- reports ---- */

static unsigned long long ms_since(uint64_t ns) {
        return (latch_now_ns() - ns) / 1000000;
}

static void print_holder(const struct latch_lease *l) {
        struct latch_lease_holder h;

        if (!latch_lease_look(l, &h)) {
                fprintf(stderr, "  %-10s none\n", "holder");
        } else if (h.tid == 0) {
                fprintf(stderr, "  %-10s generation %llu, this very moment\n", "holder",
                        (unsigned long long)h.generation);
        } else {
                fprintf(stderr, "  %-10s %s (tid %d)%s%s, generation %llu, for %llu ms\n", "holder",
                        h.thread, (int)h.tid, h.owner[0] ? " for " : "", h.owner,
                        (unsigned long long)h.generation, ms_since(h.since_ns));
                latch_print_site("taken at", h.taken_at);
        }
}

/* Where the hold of a token ended. */
static void print_end(const struct latch_lease *l, uint64_t generation) {
        struct latch_lease_holder end;

        for (unsigned i = 0; i < LATCH_LEASE_ENDS; i++)
                if (read_note(&l->ends[i], generation, NULL, &end)) {
                        fprintf(stderr, "  %-10s %llu ms ago by %s (tid %d) at %s:%d (%s)\n",
                                "ended", ms_since(end.since_ns), end.thread, (int)end.tid,
                                end.taken_at->file, end.taken_at->line, end.taken_at->func);
                        return;
                }
        fprintf(stderr, "  %-10s it is not known any more where\n", "ended");
}

static void print_lease(const void *about) {
        const struct latch_token *t = about;
        unsigned life = atomic_load_explicit(&t->lease->life, memory_order_relaxed);

        if (life != LATCH_ALIVE_ && life != LATCH_DEAD_) {
                fprintf(stderr, "  %-10s unknown at %p, never made\n", "lease", (void *)t->lease);
                return; /* the rest of it is anything */
        }
        fprintf(stderr, "  %-10s %s at %p\n", "lease", t->lease->name, (void *)t->lease);
        if (t->generation != 0)
                fprintf(stderr, "  %-10s generation %llu\n", "token",
                        (unsigned long long)t->generation);
        if (life == LATCH_DEAD_)
                return;
        if (t->generation != 0)
                print_end(t->lease, t->generation);
        print_holder(t->lease);
}

static void must_live(struct latch_token about, const struct latch_site *site, const char *used) {
        if (atomic_load_explicit(&about.lease->life, memory_order_relaxed) != LATCH_ALIVE_)
                latch_report_about(LATCH_LEASE_NOT_ALIVE, site, used, print_lease, &about);
}

static void report_stale(struct latch_token t, const struct latch_site *site, const char *how) {
        uint64_t word = atomic_load_explicit(&t.lease->word, memory_order_relaxed);

        latch_report_about(word == t.generation << 1 ? LATCH_LEASE_TWICE : LATCH_LEASE_STALE, site,
                           how, print_lease, &t);
}

/* ---- a life ---- */

void latch_lease_init(struct latch_lease *l, const char *name) {
        memset(l, 0, sizeof *l);
        l->name = name;
        atomic_init(&l->life, LATCH_ALIVE_);
}

/* Takes it for good, with no generation: nobody else does from now on. */
void latch_lease_done_(struct latch_lease *l, const struct latch_site *site) {
        struct latch_token about = {l, 0};
        uint64_t word = atomic_load_explicit(&l->word, memory_order_relaxed);

        must_live(about, site, "destroyed before init or a second time");
        if (word & HELD ||
            !atomic_compare_exchange_strong_explicit(&l->word, &word, HELD, memory_order_acquire,
                                                     memory_order_relaxed))
                latch_report_about(LATCH_LEASE_HELD, site, NULL, print_lease, &about);
        else
                atomic_store_explicit(&l->life, LATCH_DEAD_, memory_order_relaxed);
}

/* The lease is the caller's, who says so. */
static struct latch_token begin_hold(struct latch_lease *l, uint64_t generation, const char *owner,
                                     const struct latch_site *site) {
        write_note(&l->taken, site);
        put_text(l->owner, sizeof l->owner, owner);
        atomic_store_explicit(&l->taken.generation, generation, memory_order_release);
        return (struct latch_token){l, generation};
}

struct latch_token latch_lease_take_(struct latch_lease *l, const char *owner,
                                     const struct latch_site *site) {
        uint64_t generation, word;

        must_live((struct latch_token){l, 0}, site, "taken before init or after done");
        word = atomic_load_explicit(&l->word, memory_order_acquire);
        do {
                if (word & HELD)
                        return LATCH_NO_TOKEN;
                generation = draw();
        } while (!atomic_compare_exchange_strong_explicit(&l->word, &word, generation << 1 | HELD,
                                                          memory_order_acquire,
                                                          memory_order_acquire));
        return begin_hold(l, generation, owner, site);
}

/* From the token's hold to `next`, with a note of the end; false: it is not the token's hold. Two who end one hold
 * at one moment may both write the note: who comes too late takes it away again, for it may be a mixture. */
static bool end_hold(struct latch_token t, uint64_t next, const struct latch_site *site) {
        struct latch_lease *l = t.lease;
        uint64_t word = t.generation << 1 | HELD, noted = t.generation;

        if (atomic_load_explicit(&l->word, memory_order_relaxed) != word)
                return false;
        unsigned ended = atomic_load_explicit(&l->ended, memory_order_relaxed);
        struct latch_lease_note *end = &l->ends[ended % LATCH_LEASE_ENDS];
        write_note(end, site);
        atomic_store_explicit(&end->generation, t.generation, memory_order_release);
        atomic_store_explicit(&l->ended, ended + 1, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&l->word, &word, next, memory_order_acq_rel,
                                                    memory_order_relaxed))
                return true;
        (void)atomic_compare_exchange_strong(&end->generation, &noted, 0);
        return false;
}

void latch_lease_release_(struct latch_token t, const struct latch_site *site) {
        if (!t.lease)
                return;
        must_live(t, site, "let go before init or after done");
        if (!end_hold(t, t.generation << 1, site))
                report_stale(t, site, NULL);
}

struct latch_token latch_lease_transfer_(struct latch_token t, const char *owner,
                                         const struct latch_site *site) {
        uint64_t generation;

        if (!t.lease)
                return t;
        must_live(t, site, "handed on before init or after done");
        generation = draw();
        if (end_hold(t, generation << 1 | HELD, site))
                return begin_hold(t.lease, generation, owner, site);
        report_stale(t, site, "in a transfer");
        return LATCH_NO_TOKEN;
}
