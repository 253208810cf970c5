/* The contract is in registry/registry.h. */
#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "latch/lock.h"
#include "registry/hash.h"

typedef _Atomic(struct registry_item *) bucket;

struct registry {
        bucket *buckets; /* read in an RCU section, changed under lock */
        size_t mask;     /* fixed for life: how many, less one */
        size_t limit;    /* fixed for life */
        void (*reclaim)(struct registry_item *item);
        struct hash_seed seed; /* fixed for life */
        atomic_size_t count;   /* written under lock, read by any */
        atomic_size_t living;  /* items not yet given to reclaim, in or out */
        struct latch_mutex lock;
        uint64_t last_generation LATCH_GUARDED_BY(registry);
};

struct wanted {
        const void *key;
        size_t n;
        uint64_t hash;
};

static struct wanted wanted(const struct registry *reg, const void *key, size_t n) {
        return (struct wanted){key, n, hash_bytes(&reg->seed, key, n)};
}

static struct wanted wanted_of(const struct registry_item *item) {
        return (struct wanted){item->key, item->key_n, item->hash};
}

static struct registry_item *follow(bucket *link) {
        return atomic_load_explicit(link, memory_order_acquire);
}

/* Who sees an item sees what it is. */
static void publish(bucket *link, struct registry_item *item) {
        atomic_store_explicit(link, item, memory_order_release);
}

static bool is_wanted(const struct registry_item *item, const struct wanted *want) {
        if (item->hash != want->hash || item->key_n != want->n)
                return false;
        if (want->n == sizeof(uint64_t)) /* most are numbers: no call */
                return memcmp(item->key, want->key, sizeof(uint64_t)) == 0;
        return memcmp(item->key, want->key, want->n) == 0;
}

static bucket *bucket_of(struct registry *reg, const struct wanted *want) {
        return &reg->buckets[want->hash & reg->mask];
}

static struct registry_item *lookup(struct registry *reg, const struct wanted *want) LATCH_IN_RCU {
        struct registry_item *item = follow(bucket_of(reg, want));

        while (item && !is_wanted(item, want))
                item = follow(&item->next);
        return item;
}

/* What leads to the item with that key, or the end of its bucket. */
static bucket *link_to(struct registry *reg, const struct wanted *want) LATCH_MUST_HOLD(registry) {
        bucket *link = bucket_of(reg, want);

        for (struct registry_item *item; (item = follow(link)) && !is_wanted(item, want);)
                link = &item->next;
        return link;
}

/* Puts item in place of what has its key: *ret_old is that, with the registry's reference. One store does either: a
 * reader finds the old one or the new one, and never none. */
static int replace_locked(struct registry *reg, const struct wanted *want,
                          struct registry_item *item, struct registry_item **ret_old)
        LATCH_MUST_HOLD(registry) {
        bucket *link = link_to(reg, want);
        struct registry_item *old = follow(link);

        if (!old && atomic_load(&reg->count) >= reg->limit)
                return -EUSERS;
        CHECK(item->home == reg && item->generation == 0); /* in at most once in its life */
        item->generation = ++reg->last_generation;
        latch_ref_get(&item->ref);
        atomic_store_explicit(&item->next, old ? follow(&old->next) : NULL, memory_order_relaxed);
        publish(link, item);
        if (!old)
                atomic_fetch_add(&reg->count, 1);
        *ret_old = old;
        return 0;
}

static int add_locked(struct registry *reg, const struct wanted *want, struct registry_item *item)
        LATCH_MUST_HOLD(registry) {
        struct registry_item *none = NULL;

        return follow(link_to(reg, want)) ? -EEXIST : replace_locked(reg, want, item, &none);
}

int registry_add(struct registry *reg, struct registry_item *item) {
        const struct wanted want = wanted_of(item);
        int r = 0;

        LATCH_WITH(registry, &reg->lock) {
                r = add_locked(reg, &want, item);
        }
        return r;
}

int registry_replace(struct registry *reg, struct registry_item *item,
                     struct registry_item **ret_old) {
        const struct wanted want = wanted_of(item);
        int r = 0;

        LATCH_WITH(registry, &reg->lock) {
                r = replace_locked(reg, &want, item, ret_old);
        }
        return r;
}

const struct registry_item *registry_look(struct registry *reg, const void *key, size_t n) {
        const struct wanted want = wanted(reg, key, n);

        return lookup(reg, &want);
}

struct registry_item *registry_find(struct registry *reg, const void *key, size_t n) {
        const struct wanted want = wanted(reg, key, n);

        struct registry_item *item;

        latch_rcu_enter();
        do /* again, if it was removed and its last reference went while we looked: it may have a successor */
                item = lookup(reg, &want);
        while (item && !latch_ref_get_unless_zero(&item->ref));
        latch_rcu_leave();
        return item;
}

/* Its own next stays: a reader may stand on it. */
static bool withdraw_locked(struct registry *reg, const struct wanted *want,
                            struct registry_item *item) LATCH_MUST_HOLD(registry) {
        bucket *link = link_to(reg, want);

        if (follow(link) != item)
                return false;
        publish(link, follow(&item->next));
        atomic_fetch_sub(&reg->count, 1);
        return true;
}

bool registry_remove(struct registry *reg, struct registry_item *item) {
        const struct wanted want = wanted_of(item);
        bool was_in = false;

        CHECK(item->home == reg);
        LATCH_WITH(registry, &reg->lock) {
                was_in = withdraw_locked(reg, &want, item);
        }
        if (was_in)
                registry_item_unref(item); /* the registry's, let go after the lock */
        return was_in;
}

bool registry_remove_generation(struct registry *reg, const void *key, size_t n,
                                uint64_t generation) {
        const struct wanted want = wanted(reg, key, n);
        struct registry_item *item = NULL;

        LATCH_WITH(registry, &reg->lock) {
                item = follow(link_to(reg, &want));
                if (item && (item->generation != generation || !withdraw_locked(reg, &want, item)))
                        item = NULL;
        }
        registry_item_unref(item);
        return item != NULL;
}

/* References to all, or false: there may be more than room. */
static bool collect(struct registry *reg, struct registry_item **items, size_t room, size_t *ret_n)
        LATCH_IN_RCU {
        size_t n = 0;

        for (size_t i = 0; i <= reg->mask; i++)
                for (struct registry_item *item = follow(&reg->buckets[i]); item;
                     item = follow(&item->next)) {
                        if (!latch_ref_get_unless_zero(&item->ref))
                                continue;
                        items[n++] = item;
                        if (n == room) {
                                *ret_n = n;
                                return false;
                        }
                }
        *ret_n = n;
        return true;
}

int registry_list(struct registry *reg, struct registry_item ***ret, size_t *ret_n) {
        /* A reader without a lock may meet more items than there are at any one time. */
        for (size_t room = registry_count(reg) + 16;; room *= 2) {
                struct registry_item **items = calloc(room, sizeof *items);
                bool all;
                size_t n;

                if (!items)
                        return -ENOMEM;
                latch_rcu_enter();
                all = collect(reg, items, room, &n);
                latch_rcu_leave();
                if (all) {
                        *ret = items;
                        *ret_n = n;
                        return 0;
                }
                registry_list_free(items, n);
        }
}

void registry_list_free(struct registry_item **items, size_t n) {
        for (size_t i = 0; i < n; i++)
                registry_item_unref(items[i]);
        free(items);
}

size_t registry_count(const struct registry *reg) {
        return atomic_load(&reg->count);
}

void registry_item_init(struct registry *reg, struct registry_item *item, const void *key,
                        size_t n) {
        atomic_init(&item->next, NULL);
        latch_ref_init(&item->ref);
        item->home = reg;
        item->key = key;
        item->key_n = (uint32_t)n;
        item->hash = hash_bytes(&reg->seed, key, n);
        item->generation = 0;
        atomic_fetch_add(&reg->living, 1);
}

struct registry_item *registry_item_ref(struct registry_item *item) {
        latch_ref_get(&item->ref);
        return item;
}

static void reclaim_item(struct latch_deferred *d) {
        struct registry_item *item = CONTAINER_OF(d, struct registry_item, reclaim);
        struct registry *reg = item->home;

        reg->reclaim(item);
        atomic_fetch_sub(&reg->living, 1);
}

struct registry_item *registry_item_unref(struct registry_item *item) {
        if (item && latch_ref_put(&item->ref))
                latch_rcu_defer(&item->reclaim, reclaim_item);
        return NULL;
}

static size_t buckets_for(size_t limit) {
        size_t n = 64;

        while (n < limit && n < (size_t)1 << 16)
                n <<= 1;
        return n;
}

int registry_new(size_t limit, void (*reclaim)(struct registry_item *item), struct registry **ret) {
        struct registry *reg = calloc(1, sizeof *reg);
        if (!reg)
                return -ENOMEM;

        /* As many buckets as items may come, up to 65,536, made now: adding never allocates under the lock. */
        size_t buckets = buckets_for(limit);
        reg->buckets = calloc(buckets, sizeof *reg->buckets);
        if (!reg->buckets) {
                free(reg);
                return -ENOMEM;
        }
        reg->mask = buckets - 1;
        reg->limit = limit;
        reg->reclaim = reclaim;
        random_bytes(&reg->seed, sizeof reg->seed);
        atomic_init(&reg->count, 0);
        atomic_init(&reg->living, 0);
        latch_mutex_init(&reg->lock, LATCH_CLASS_registry);

        *ret = reg;
        return 0;
}

struct registry *registry_free(struct registry *reg) {
        if (!reg)
                return NULL;
        latch_rcu_barrier();
        CHECK(atomic_load(&reg->living) == 0); /* somebody still holds a reference */
        CHECK(atomic_load(&reg->count) == 0);
        latch_mutex_done(&reg->lock);
        free(reg->buckets);
        free(reg);
        return NULL;
}
