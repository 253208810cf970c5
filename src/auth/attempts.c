/* The contract is in auth/attempts.h. */
#include "auth/attempts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "auth/gcra.h"
#include "base/net.h"
#include "latch/lock.h"

#define SETS 512u
#define WAYS 8u

struct entry {
        uint64_t key;
        uint64_t tat_ns; /* in the past: forgiven, free */
};

struct attempts {
        const _Atomic unsigned *per_minute;              /* fixed, not ours; its value is live */
        unsigned char secret[crypto_shorthash_KEYBYTES]; /* fixed: nobody can aim at a set */
        struct latch_mutex lock;
        struct entry entries[SETS][WAYS] LATCH_GUARDED_BY(auth_attempts);
};

int attempts_new(const _Atomic unsigned *per_minute, struct attempts **ret) {
        struct attempts *a = calloc(1, sizeof *a);

        if (!a)
                return -ENOMEM;
        a->per_minute = per_minute;
        crypto_shorthash_keygen(a->secret);
        latch_mutex_init(&a->lock, LATCH_CLASS_auth_attempts);
        *ret = a;
        return 0;
}

struct attempts *attempts_free(struct attempts *a) {
        if (!a)
                return NULL;
        latch_mutex_done(&a->lock);
        free(a);
        return NULL;
}

uint64_t attempts_key(const struct attempts *a, enum attempts_kind kind, const char *text) {
        unsigned char hash[crypto_shorthash_BYTES], secret[crypto_shorthash_KEYBYTES];
        char network[ADDRESS_TEXT_MAX];
        uint64_t key;

        if (kind == ATTEMPTS_ADDRESS) {
                address_network(text, network);
                text = network;
        }

        memcpy(secret, a->secret, sizeof secret);
        secret[0] ^= (unsigned char)kind; /* the address "ann" is not the name "ann" */
        crypto_shorthash(hash, (const unsigned char *)text, strlen(text), secret);
        memcpy(&key, hash, sizeof key);
        return key;
}

static struct entry *find(struct attempts *a, uint64_t key) LATCH_MUST_HOLD(auth_attempts) {
        struct entry *set = a->entries[key % SETS];

        for (unsigned i = 0; i < WAYS; i++)
                if (set[i].key == key)
                        return &set[i];
        return NULL;
}

static struct entry *nearest_to_forgiven(struct attempts *a, uint64_t key)
        LATCH_MUST_HOLD(auth_attempts) {
        struct entry *set = a->entries[key % SETS], *least = set;

        for (unsigned i = 1; i < WAYS; i++)
                if (set[i].tat_ns < least->tat_ns)
                        least = &set[i];
        return least;
}

uint64_t attempts_wait_ns(struct attempts *a, uint64_t key, uint64_t now_ns) {
        LATCH_GUARD(auth_attempts, &a->lock);
        const struct entry *e = find(a, key);

        return e ? gcra_wait_ns(e->tat_ns, now_ns, *a->per_minute, 1) : 0;
}

/* The entry of this key, in the place of another's if there is none. */
static struct entry *claim(struct attempts *a, uint64_t key) LATCH_MUST_HOLD(auth_attempts) {
        struct entry *e = find(a, key);

        if (!e) {
                e = nearest_to_forgiven(a, key);
                *e = (struct entry){.key = key};
        }
        return e;
}

void attempts_failed(struct attempts *a, uint64_t key, uint64_t now_ns) {
        LATCH_GUARD(auth_attempts, &a->lock);
        struct entry *e = claim(a, key);

        e->tat_ns = gcra_next(e->tat_ns, now_ns, *a->per_minute, 1);
}

uint64_t attempts_take(struct attempts *a, uint64_t key, uint64_t now_ns, unsigned units) {
        LATCH_GUARD(auth_attempts, &a->lock);
        struct entry *e = claim(a, key);
        unsigned per_minute = *a->per_minute;
        uint64_t wait = gcra_wait_ns(e->tat_ns, now_ns, per_minute, units);

        if (wait == 0)
                e->tat_ns = gcra_next(e->tat_ns, now_ns, per_minute, units);
        return wait;
}
