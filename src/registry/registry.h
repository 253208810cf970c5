/* registry.h - id to object: lock-free readers, referenced results. Every handler table and every table
 * of living objects is one.
 *
 * Threads: those that called latch_thread_begin; new and free: one, when nobody else is in.
 * Lock:    registry, taken inside by add, remove and replace for a few instructions. No lock of the
 *          same class may be held by the caller.
 * RCU:     find and list take no lock. What they return is referenced, so it outlives both the read
 *          section (theirs, closed on return) and removal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "latch/rcu.h"

struct registry;

/* Embed one in each object. The object is freed by the registry's reclaim function, after the last
 * reference and a grace period. */
struct registry_item {
        struct latch_ref ref; /* 1 at init, the caller's; the registry has one while it is in */
        struct latch_deferred reclaim;
        struct registry *home; /* fixed for life; must outlive the item */
        uint64_t generation;   /* given by add: never the same twice in a registry */
        /* A cache line behind ref, in one line with the key of most: who passes it on the way to a neighbour does not
         * wait for those who count. */
        char apart_[16];
        _Atomic(struct registry_item *)
                next;    /* of its bucket; still whole after removal, for who stands on it */
        uint64_t hash;   /* fixed for life: the key's */
        const void *key; /* fixed for life, the object's memory */
        uint32_t key_n;
};

/* limit: most items at once. reclaim frees the object that embeds the item; it runs on liburcu's
 * thread, after the grace period, under no lock, and may not block. 0, -ENOMEM. */
_must_use_ int registry_new(size_t limit, void (*reclaim)(struct registry_item *item),
                            struct registry **ret);
/* Must be empty, and every reference gone (CHECK); waits for reclaim. Returns NULL. */
struct registry *registry_free(struct registry *reg);

/* key points into the object and is never changed. The reference is the caller's. */
void registry_item_init(struct registry *reg, struct registry_item *item, const void *key,
                        size_t n);

/* Publish. 0, -EEXIST if the key is in, -EUSERS at the limit. The registry takes its own reference.
 * An item is in at most once in its life (CHECK). */
_must_use_ int registry_add(struct registry *reg, struct registry_item *item);

/* Publish in place of what has this key, if anything: then *ret_old is referenced, else NULL.
 * 0, -EUSERS at the limit. */
_must_use_ int registry_replace(struct registry *reg, struct registry_item *item,
                                struct registry_item **ret_old);

/* What has this key, or NULL: good until the read section is left, and never taken out of it (find gives what is). No
 * word is written: readers of one item do not slow each other down. */
_must_use_ const struct registry_item *registry_look(struct registry *reg, const void *key,
                                                     size_t n) LATCH_IN_RCU;

/* A new reference, or NULL if there is no such key. */
_must_use_ struct registry_item *registry_find(struct registry *reg, const void *key, size_t n);

/* Unpublish this very item, never a successor with the same key. False if it was not in any more. */
bool registry_remove(struct registry *reg, struct registry_item *item);

/* The same by key and generation, for those who hold no reference. */
bool registry_remove_generation(struct registry *reg, const void *key, size_t n,
                                uint64_t generation);

/* References to all items there now, in no order; of those that come, go or are replaced meanwhile, some. 0, -ENOMEM. */
_must_use_ int registry_list(struct registry *reg, struct registry_item ***ret, size_t *ret_n);
void registry_list_free(struct registry_item **items, size_t n); /* lets the references go, too */

size_t registry_count(const struct registry *reg);

struct registry_item *registry_item_ref(struct registry_item *item);
struct registry_item *registry_item_unref(
        struct registry_item *item); /* NULL is fine; returns NULL */
