/* The contract is in registry/registry.h. */
#include "registry/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "latch/lock.h"
#include "registry/hash.h"

struct registry {
        struct cds_lfht *table; /* read in an RCU section, changed under lock */
        size_t limit;           /* fixed for life */
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
};

static unsigned long hash_of(const struct registry *reg, const void *key, size_t n) {
        return (unsigned long)hash_bytes(&reg->seed, key, n);
}

static struct registry_item *item_of(struct cds_lfht_node *node) {
        struct registry_item *item = CONTAINER_OF(node, struct registry_item, node);

        LATCH_ORDER_AFTER(item); /* pairs with the one before it was published */
        return item;
}

static int match_key(struct cds_lfht_node *node, const void *arg) {
        const struct registry_item *item = item_of(node);
        const struct wanted *want = arg;

        return item->key_n == want->n && memcmp(item->key, want->key, want->n) == 0;
}

static struct registry_item *lookup(struct registry *reg, unsigned long hash,
                                    const struct wanted *want) LATCH_IN_RCU {
        struct cds_lfht_iter it;

        cds_lfht_lookup(reg->table, hash, match_key, want, &it);
        struct cds_lfht_node *node = cds_lfht_iter_get_node(&it);
        return node ? item_of(node) : NULL;
}

static void publish_prepare(struct registry *reg, struct registry_item *item)
        LATCH_MUST_HOLD(registry) {
        CHECK(item->home == reg && item->generation == 0); /* in at most once in its life */
        item->generation = ++reg->last_generation;
        latch_ref_get(&item->ref);
        LATCH_ORDER_BEFORE(item);
}

/* Puts item in place of what has its key: *ret_old is that, with the registry's reference. */
static int replace_locked(struct registry *reg, unsigned long hash, struct registry_item *item,
                          struct registry_item **ret_old) LATCH_MUST_HOLD(registry) LATCH_IN_RCU {
        const struct wanted want = {item->key, item->key_n};
        struct registry_item *old = lookup(reg, hash, &want);

        if (!old && atomic_load(&reg->count) >= reg->limit)
                return -EUSERS;
        publish_prepare(reg, item);
        if (old)
                CHECK(cds_lfht_add_replace(reg->table, hash, match_key, &want, &item->node) ==
                      &old->node);
        else
                cds_lfht_add(reg->table, hash, &item->node);
        if (!old)
                atomic_fetch_add(&reg->count, 1);
        *ret_old = old;
        return 0;
}

static int add_locked(struct registry *reg, unsigned long hash, struct registry_item *item)
        LATCH_MUST_HOLD(registry) LATCH_IN_RCU {
        struct registry_item *none = NULL;

        if (lookup(reg, hash, &(struct wanted){item->key, item->key_n}))
                return -EEXIST;
        return replace_locked(reg, hash, item, &none);
}

int registry_add(struct registry *reg, struct registry_item *item) {
        unsigned long hash = hash_of(reg, item->key, item->key_n);
        int r = 0;

        LATCH_WITH(registry, &reg->lock) {
                latch_rcu_enter();
                r = add_locked(reg, hash, item);
                latch_rcu_leave();
        }
        return r;
}

int registry_replace(struct registry *reg, struct registry_item *item,
                     struct registry_item **ret_old) {
        unsigned long hash = hash_of(reg, item->key, item->key_n);
        int r = 0;

        LATCH_WITH(registry, &reg->lock) {
                latch_rcu_enter();
                r = replace_locked(reg, hash, item, ret_old);
                latch_rcu_leave();
        }
        return r;
}

const struct registry_item *registry_look(struct registry *reg, const void *key, size_t n) {
        const struct wanted want = {key, n};

        return lookup(reg, hash_of(reg, key, n), &want);
}

struct registry_item *registry_find(struct registry *reg, const void *key, size_t n) {
        const struct wanted want = {key, n};
        unsigned long hash = hash_of(reg, key, n);

        latch_rcu_enter();
        struct registry_item *item = lookup(reg, hash, &want);
        if (item && !latch_ref_get_unless_zero(&item->ref))
                item = NULL; /* removed, and its last reference went, while we looked */
        latch_rcu_leave();
        return item;
}

static bool withdraw_locked(struct registry *reg, struct registry_item *item)
        LATCH_MUST_HOLD(registry) LATCH_IN_RCU {
        if (item->generation == 0 || cds_lfht_del(reg->table, &item->node) != 0)
                return false;
        atomic_fetch_sub(&reg->count, 1);
        return true;
}

bool registry_remove(struct registry *reg, struct registry_item *item) {
        bool was_in = false;

        CHECK(item->home == reg);
        LATCH_WITH(registry, &reg->lock) {
                latch_rcu_enter();
                was_in = withdraw_locked(reg, item);
                latch_rcu_leave();
        }
        if (was_in)
                registry_item_unref(item); /* the registry's, let go after the lock */
        return was_in;
}

bool registry_remove_generation(struct registry *reg, const void *key, size_t n,
                                uint64_t generation) {
        const struct wanted want = {key, n};
        unsigned long hash = hash_of(reg, key, n);
        struct registry_item *item = NULL;

        LATCH_WITH(registry, &reg->lock) {
                latch_rcu_enter();
                item = lookup(reg, hash, &want);
                if (item && (item->generation != generation || !withdraw_locked(reg, item)))
                        item = NULL;
                latch_rcu_leave();
        }
        registry_item_unref(item);
        return item != NULL;
}

/* References to all, or false if there are more than room. */
static bool collect(struct registry *reg, struct registry_item **items, size_t room,
                    size_t *ret_n) {
        struct cds_lfht_iter it;
        struct cds_lfht_node *node;
        size_t n = 0;

        latch_rcu_enter();
        cds_lfht_for_each(reg->table, &it, node) {
                struct registry_item *item = item_of(node);
                if (!latch_ref_get_unless_zero(&item->ref))
                        continue;
                if (n == room) {
                        registry_item_unref(item);
                        break;
                }
                items[n++] = item;
        }
        latch_rcu_leave();
        *ret_n = n;
        return node == NULL;
}

int registry_list(struct registry *reg, struct registry_item ***ret, size_t *ret_n) {
        /* A reader without a lock may meet more items than there are at any one time. */
        for (size_t room = registry_count(reg) + 16;; room *= 2) {
                struct registry_item **items = calloc(room, sizeof *items);
                size_t n;

                if (!items)
                        return -ENOMEM;
                if (collect(reg, items, room, &n)) {
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
        cds_lfht_node_init(&item->node);
        latch_ref_init(&item->ref);
        item->home = reg;
        item->key = key;
        item->key_n = (uint32_t)n;
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

static unsigned long buckets_for(size_t limit) {
        unsigned long n = 64;

        while (n < limit && n < 1UL << 16)
                n <<= 1;
        return n;
}

int registry_new(size_t limit, void (*reclaim)(struct registry_item *item), struct registry **ret) {
        struct registry *reg = calloc(1, sizeof *reg);
        if (!reg)
                return -ENOMEM;

        /* As many buckets as items may come, made now: adding never allocates under the lock. */
        unsigned long buckets = buckets_for(limit);
        reg->table = cds_lfht_new(buckets, buckets, buckets, 0, NULL);
        if (!reg->table) {
                free(reg);
                return -ENOMEM;
        }
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
        CHECK(cds_lfht_destroy(reg->table, NULL) == 0);
        latch_mutex_done(&reg->lock);
        free(reg);
        return NULL;
}
