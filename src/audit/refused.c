/* The contract is in audit/refused.h. */
#include "audit/refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/str.h"
#include "registry/hash.h"

#define SLOTS (2u * AUDIT_REFUSED_MAX) /* half of them are always free, so a search ends soon */

_Static_assert((SLOTS & (SLOTS - 1)) == 0 && SLOTS > AUDIT_REFUSED_MAX, "a mask, and a free slot");

struct refused {
        struct hash_seed seed; /* fixed */
        size_t whats;          /* fixed */
        size_t n;
        uint64_t events;
        uint16_t slots[SLOTS];          /* 0 free, else one more than the place in entries */
        struct refused_entry entries[]; /* AUDIT_REFUSED_MAX, then those of "others" */
};

int refused_new(size_t whats, struct refused **ret) {
        struct refused *t =
                calloc(1, sizeof *t + (AUDIT_REFUSED_MAX + whats) * sizeof(struct refused_entry));

        if (!t)
                return -ENOMEM;
        random_bytes(&t->seed, sizeof t->seed);
        t->whats = whats;
        *ret = t;
        return 0;
}

struct refused *refused_free(struct refused *t) {
        free(t);
        return NULL;
}

static bool same(const struct refused_entry *a, const struct refused_entry *b) {
        return a->what == b->what && str_eq(a->address, b->address);
}

/* The entry that e belongs to; a new one has count 0. */
static struct refused_entry *place(struct refused *t, const struct refused_entry *e) {
        uint64_t h = hash_bytes(&t->seed, e->address, strlen(e->address)) + e->what;
        size_t i = h & (SLOTS - 1);

        for (; t->slots[i]; i = (i + 1) & (SLOTS - 1))
                if (same(&t->entries[t->slots[i] - 1], e))
                        return &t->entries[t->slots[i] - 1];
        if (t->n == AUDIT_REFUSED_MAX)
                return &t->entries[AUDIT_REFUSED_MAX + e->what];
        t->slots[i] = (uint16_t)++t->n;
        return &t->entries[t->n - 1];
}

static void become_several(char *now, const char *other) {
        if (!str_eq(now, other))
                memcpy(now, "*", 2);
}

void refused_add(struct refused *t, const struct refused_entry *e) {
        CHECK(e->what < t->whats);
        struct refused_entry *to = place(t, e);

        t->events++;
        if (to->count++ > 0) {
                become_several(to->user, e->user);
                become_several(to->object, e->object);
                return;
        }
        bool other = to >= &t->entries[AUDIT_REFUSED_MAX];
        *to = *e;
        to->count = 1;
        if (other)
                memcpy(to->address, "others", sizeof "others");
}

const struct refused_entry *refused_at(const struct refused *t, size_t i) {
        if (i < t->n)
                return &t->entries[i];
        for (size_t w = 0, k = t->n; w < t->whats; w++) {
                const struct refused_entry *e = &t->entries[AUDIT_REFUSED_MAX + w];
                if (e->count > 0 && k++ == i)
                        return e;
        }
        return NULL;
}

uint64_t refused_events(const struct refused *t) {
        return t->events;
}

void refused_clear(struct refused *t) {
        memset(t->slots, 0, sizeof t->slots);
        for (size_t w = 0; w < t->whats; w++)
                t->entries[AUDIT_REFUSED_MAX + w].count = 0;
        for (size_t i = 0; i < t->n; i++)
                t->entries[i].count = 0;
        t->n = 0;
        t->events = 0;
}
