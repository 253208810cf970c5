/* registry.c - lookups of the server's registry beside a hash table under one pthread_rwlock, of the same hash and load.
 *
 * Both sides read what they find where they find it: in the read section, in the lock. Or (--case referenced) they take
 * a reference there, read behind it, and let it go.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "bench.h"
#include "beside.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "registry/hash.h"
#include "registry/registry.h"

#define ITEMS     4096u
#define OF_THREAD (ITEMS / BESIDE_THREADS)
#define LIMIT     16384u /* as the server has it for users: a bucket each */
#define REST                                                                                       \
        200u /* the server's objects are no smaller, none shares its cache lines with two others */
#define CACHE_LINE    64
#define BATCHES       1001u
#define BATCHES_QUICK 3u
#define LOOKUPS       1000u /* a batch */

struct item { /* of the registry */
        struct registry_item base;
        uint64_t id;
        char rest[REST];
};

struct entry { /* of the other table */
        struct entry *next;
        uint64_t hash;
        struct latch_ref ref;
        uint64_t id;
        char rest[REST];
};

struct table {
        pthread_rwlock_t lock;
        struct hash_seed seed;
        struct entry *buckets[LIMIT];
        struct entry entries[ITEMS];
};

/* Its ids are no other thread's: as it is with requests of different users, no reference count is of both. */
struct reader {
        _Alignas(2 * CACHE_LINE) struct registry *registry;
        struct table *table;
        uint64_t ids[OF_THREAD]; /* in no order that memory has */
        unsigned at;
        uint64_t seen; /* each lookup reads what it found */
};

static const uint64_t *next_id(struct reader *r) {
        r->at = (r->at + 1) % OF_THREAD;
        return &r->ids[r->at];
}

static void look_ours(void *of_thread, unsigned n) {
        struct reader *r = of_thread;

        for (unsigned i = 0; i < n; i++) {
                const uint64_t *id = next_id(r);
                latch_rcu_enter();
                const struct registry_item *base = registry_look(r->registry, id, sizeof *id);
                CHECK(base);
                r->seen += CONTAINER_OF(base, const struct item, base)->id;
                latch_rcu_leave();
        }
}

static void find_ours(void *of_thread, unsigned n) {
        struct reader *r = of_thread;

        for (unsigned i = 0; i < n; i++) {
                struct registry_item *base =
                        registry_find(r->registry, next_id(r), sizeof(uint64_t));
                CHECK(base);
                r->seen += CONTAINER_OF(base, struct item, base)->id;
                registry_item_unref(base);
        }
}

static struct entry *find_locked(struct table *t, const uint64_t *id) {
        uint64_t hash = hash_bytes(&t->seed, id, sizeof *id);
        struct entry *e = t->buckets[hash % LIMIT];

        while (e && (e->hash != hash || memcmp(&e->id, id, sizeof *id) != 0))
                e = e->next;
        return e;
}

static void look_bare(void *of_thread, unsigned n) {
        struct reader *r = of_thread;

        for (unsigned i = 0; i < n; i++) {
                const uint64_t *id = next_id(r);
                (void)pthread_rwlock_rdlock(&r->table->lock);
                const struct entry *e = find_locked(r->table, id);
                CHECK(e != NULL);
                r->seen += e->id;
                (void)pthread_rwlock_unlock(&r->table->lock);
        }
}

static void find_bare(void *of_thread, unsigned n) {
        struct reader *r = of_thread;

        for (unsigned i = 0; i < n; i++) {
                const uint64_t *id = next_id(r);
                (void)pthread_rwlock_rdlock(&r->table->lock);
                struct entry *e = find_locked(r->table, id);
                CHECK(e != NULL);
                latch_ref_get(&e->ref);
                (void)pthread_rwlock_unlock(&r->table->lock);
                r->seen += e->id;
                CHECK(!latch_ref_put(&e->ref)); /* the table has one, too */
        }
}

/* ---- what is looked in ---- */

static void reclaim(struct registry_item *base) {
        free(CONTAINER_OF(base, struct item, base));
}

static int add_ours(struct registry *registry, const uint64_t *id) {
        struct item *item = malloc(sizeof *item);

        if (!item)
                return -ENOMEM;
        item->id = *id;
        registry_item_init(registry, &item->base, &item->id, sizeof *id);
        int r = registry_add(registry, &item->base);
        registry_item_unref(&item->base);
        return r;
}

static void add_bare(struct table *t, const uint64_t *id, size_t i) {
        struct entry *e = &t->entries[i];
        uint64_t hash = hash_bytes(&t->seed, id, sizeof *id);

        *e = (struct entry){.next = t->buckets[hash % LIMIT], .hash = hash};
        latch_ref_init(&e->ref);
        e->id = *id;
        t->buckets[hash % LIMIT] = e;
}

/* The ids of readers are random, and by turns theirs: neighbours in memory are no neighbours in time. */
static int fill(struct reader *readers, struct registry *registry, struct table *table) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < ITEMS; i++) {
                size_t shuffled = i * 1657 % ITEMS; /* odd: each once */
                struct reader *of = &readers[shuffled % BESIDE_THREADS];
                uint64_t *id = &of->ids[shuffled / BESIDE_THREADS];
                random_bytes(id, sizeof *id);
                add_bare(table, id, i);
                r = add_ours(registry, id);
        }
        for (size_t i = 0; i < BESIDE_THREADS; i++) {
                readers[i].registry = registry;
                readers[i].table = table;
        }
        return r;
}

static void empty(const struct reader *readers, struct registry *registry) {
        for (size_t i = 0; i < ITEMS; i++) {
                const uint64_t *id = &readers[i % BESIDE_THREADS].ids[i / BESIDE_THREADS];
                struct registry_item *item = registry_find(registry, id, sizeof *id);
                if (item)
                        registry_remove(registry, item);
                registry_item_unref(item);
        }
}

/* ---- */

struct kind {
        const char *name, *suffix; /* of --case; of what it is called in JSON */
        beside_way ours, bare;
};

static void tell(const struct kind *k, const struct beside *f, unsigned threads, bool json) {
        const double ours = threads * 1e9 / f->ours_ns, bare = threads * 1e9 / f->bare_ns;

        if (json)
                printf("{\"bench\":\"registry\",\"case\":\"registry%s\",\"threads\":%u,"
                       "\"per_second\":%.0f,\"ratio\":%.3f}\n"
                       "{\"bench\":\"registry\",\"case\":\"rwlock%s\",\"threads\":%u,"
                       "\"per_second\":%.0f,\"ratio\":1.000}\n",
                       k->suffix, threads, ours, 1 / f->ratio, k->suffix, threads, bare);
        else
                printf("%s, %u thread%s: %.1f million lookups a second, under a rwlock %.1f, ratio %.2f\n",
                       k->name, threads, threads > 1 ? "s" : "", ours / 1e6, bare / 1e6,
                       1 / f->ratio);
        (void)fflush(stdout);
}

static int measure(const struct kind *k, struct reader *readers, const struct bench_options *o) {
        int r = 0;

        for (unsigned threads = 1; r == 0 && threads <= BESIDE_THREADS; threads++) {
                const struct beside_plan plan = {
                        .threads = threads,
                        .batches = o->quick ? BATCHES_QUICK : BATCHES,
                        .n = LOOKUPS,
                        .ours = k->ours,
                        .bare = k->bare,
                        .of_thread = {&readers[0], &readers[1]},
                };
                struct beside figures;
                r = beside_run(&plan, &figures);
                if (r == 0)
                        tell(k, &figures, threads, o->json);
        }
        return r;
}

/* The first kind, or the one that is asked for. -ENOTSUP: there is no such case. */
static int choose(struct reader *readers, const struct bench_options *o) {
        static const struct kind kinds[] = {
                {"read", "", look_ours, look_bare},
                {"referenced", "_referenced", find_ours, find_bare},
        };

        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (!o->only || strcmp(o->only, kinds[i].name) == 0)
                        return measure(&kinds[i], readers, o);
        return -ENOTSUP;
}

int bench_registry(struct server *none, const struct bench_options *o) {
        static struct table table;
        static struct reader readers[BESIDE_THREADS];
        struct registry *registry;

        (void)none;
        latch_thread_begin("latch-bench");
        CHECK(pthread_rwlock_init(&table.lock, NULL) == 0);
        random_bytes(&table.seed, sizeof table.seed);
        int r = registry_new(LIMIT, reclaim, &registry);
        if (r == 0) {
                r = fill(readers, registry, &table);
                if (r == 0)
                        r = choose(readers, o);
                empty(readers, registry);
                registry_free(registry);
        }
        CHECK(pthread_rwlock_destroy(&table.lock) == 0);
        latch_thread_end();
        if (r < 0)
                fprintf(stderr, "latch-bench: registry: %s\n", strerror(-r));
        return r < 0;
}
