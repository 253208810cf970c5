/* Unit tests for src/registry: publish, find, remove, replace, list, limits, and churn by many. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/macros.h"
#include "latch/thread.h"
#include "registry/hash.h"
#include "registry/registry.h"

#define ALIVE 0x11223344u
#define DEAD  0xdeaddeadu

struct thing {
        struct registry_item item;
        char key[16];
        unsigned
                life; /* DEAD once reclaim had it; read through references: they must never see that */
};

static atomic_uint reclaimed;

static void reclaim_thing(struct registry_item *item) {
        struct thing *t = CONTAINER_OF(item, struct thing, item);

        CHECK(t->life == ALIVE);
        t->life = DEAD;
        atomic_fetch_add(&reclaimed, 1);
        free(t);
}

static struct thing *thing_new(struct registry *reg, const char *key) {
        struct thing *t = calloc(1, sizeof *t);

        CHECK(t);
        snprintf(t->key, sizeof t->key, "%s", key);
        t->life = ALIVE;
        registry_item_init(reg, &t->item, t->key, strlen(t->key));
        return t;
}

static struct registry *make_registry(size_t limit) {
        struct registry *reg;

        atomic_store(&reclaimed, 0);
        assert_int_equal(registry_new(limit, reclaim_thing, &reg), 0);
        return reg;
}

static struct thing *find(struct registry *reg, const char *key) {
        struct registry_item *item = registry_find(reg, key, strlen(key));

        return item ? CONTAINER_OF(item, struct thing, item) : NULL;
}

/* In, with no reference left but the registry's. */
static struct thing *add(struct registry *reg, const char *key) {
        struct thing *t = thing_new(reg, key);

        assert_int_equal(registry_add(reg, &t->item), 0);
        registry_item_unref(&t->item);
        return t;
}

static void test_find_gives_what_was_added(void **state) {
        struct registry *reg = make_registry(10);

        (void)state;
        struct thing *a = add(reg, "a"), *ab = add(reg, "ab");
        struct thing *found = find(reg, "ab");
        assert_ptr_equal(found, ab);
        registry_item_unref(&found->item);
        assert_null(find(reg, "b"));
        assert_null(find(reg, ""));
        assert_int_equal(registry_count(reg), 2);
        assert_true(registry_remove(reg, &a->item));
        assert_true(registry_remove(reg, &ab->item));
        assert_int_equal(registry_count(reg), 0);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 2);
}

static void test_look_takes_no_reference(void **state) {
        struct registry *reg = make_registry(10);

        (void)state;
        struct thing *a = add(reg, "a");
        latch_rcu_enter();
        const struct registry_item *item = registry_look(reg, "a", 1);
        assert_null(registry_look(reg, "b", 1));
        latch_rcu_leave();
        assert_ptr_equal(item, &a->item);
        assert_int_equal(atomic_load(&a->item.ref.n), 1);
        assert_true(registry_remove(reg, &a->item));
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 1);
}

static void test_a_reference_outlives_removal(void **state) {
        struct registry *reg = make_registry(10);

        (void)state;
        struct thing *a = add(reg, "a"), *found = find(reg, "a");
        assert_true(registry_remove(reg, &a->item));
        assert_false(registry_remove(reg, &a->item));
        assert_null(find(reg, "a"));
        latch_rcu_barrier();
        assert_int_equal(atomic_load(&reclaimed), 0);
        assert_int_equal(found->life, ALIVE);
        assert_string_equal(found->key, "a");
        registry_item_unref(&found->item);
        latch_rcu_barrier();
        assert_int_equal(atomic_load(&reclaimed), 1);
        registry_free(reg);
}

static void test_refuses_a_key_that_is_in(void **state) {
        struct registry *reg = make_registry(10);
        struct thing *second = thing_new(reg, "a");

        (void)state;
        struct thing *first = add(reg, "a");
        assert_int_equal(registry_add(reg, &second->item), -EEXIST);
        assert_false(registry_remove(reg, &second->item));
        assert_int_equal(registry_count(reg), 1);
        assert_true(registry_remove(reg, &first->item));
        assert_int_equal(registry_add(reg, &second->item), 0);
        assert_true(registry_remove(reg, &second->item));
        registry_item_unref(&second->item);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 2);
}

static void test_refuses_past_the_limit(void **state) {
        struct registry *reg = make_registry(2);
        struct thing *c = thing_new(reg, "c"), *b2 = thing_new(reg, "b");
        struct registry_item *old = NULL;

        (void)state;
        struct thing *a = add(reg, "a");
        add(reg, "b");
        assert_int_equal(registry_add(reg, &c->item), -EUSERS);
        assert_int_equal(registry_replace(reg, &c->item, &old), -EUSERS);
        assert_null(find(reg, "c"));
        assert_int_equal(registry_replace(reg, &b2->item, &old), 0); /* adds none */
        assert_int_equal(registry_count(reg), 2);
        registry_item_unref(old);
        assert_true(registry_remove(reg, &a->item));
        assert_int_equal(registry_add(reg, &c->item), 0);
        assert_true(registry_remove(reg, &c->item));
        assert_true(registry_remove(reg, &b2->item));
        registry_item_unref(&c->item);
        registry_item_unref(&b2->item);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 4);
}

static void test_removal_spares_a_successor(void **state) {
        struct registry *reg = make_registry(10);

        (void)state;
        struct thing *old = thing_new(reg, "k");
        assert_int_equal(registry_add(reg, &old->item), 0);
        uint64_t generation = old->item.generation;
        assert_true(generation > 0);
        assert_true(registry_remove(reg, &old->item));
        struct thing *successor = add(reg, "k");
        assert_int_not_equal(successor->item.generation, generation);

        assert_false(registry_remove(reg, &old->item));
        assert_false(registry_remove_generation(reg, "k", 1, generation));
        assert_false(registry_remove_generation(reg, "x", 1, generation));
        assert_int_equal(registry_count(reg), 1);
        assert_true(registry_remove_generation(reg, "k", 1, successor->item.generation));
        assert_int_equal(registry_count(reg), 0);
        registry_item_unref(&old->item);
        registry_free(reg);
}

static void test_replace_hands_the_old_one_over(void **state) {
        struct registry *reg = make_registry(10);
        struct thing *first = thing_new(reg, "k"), *second = thing_new(reg, "k");
        struct registry_item *old = (struct registry_item *)0x1;

        (void)state;
        assert_int_equal(registry_replace(reg, &first->item, &old), 0);
        assert_null(old);
        registry_item_unref(&first->item);
        assert_int_equal(registry_replace(reg, &second->item, &old), 0);
        assert_ptr_equal(old, &first->item);
        assert_int_equal(first->life, ALIVE);
        assert_false(registry_remove(reg, old));
        registry_item_unref(old);

        struct thing *found = find(reg, "k");
        assert_ptr_equal(found, second);
        registry_item_unref(&found->item);
        assert_true(registry_remove(reg, &second->item));
        registry_item_unref(&second->item);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 2);
}

/* As many as there are buckets: two thirds of them share one. */
static void test_those_that_share_a_bucket(void **state) {
        static struct thing *things[1024];
        struct registry *reg = make_registry(ELEMENTS(things));
        char key[16];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(things); i++) {
                snprintf(key, sizeof key, "%zu", i);
                things[i] = add(reg, key);
        }
        for (size_t i = 0; i < ELEMENTS(things); i += 3)
                assert_true(registry_remove(reg, &things[i]->item));
        for (size_t i = 0; i < ELEMENTS(things); i++) {
                snprintf(key, sizeof key, "%zu", i);
                struct thing *found = find(reg, key);
                assert_ptr_equal(found, i % 3 == 0 ? NULL : things[i]);
                registry_item_unref(found ? &found->item : NULL);
        }
        for (size_t i = 0; i < ELEMENTS(things); i++)
                assert_true(i % 3 == 0 || registry_remove(reg, &things[i]->item));
        assert_int_equal(registry_count(reg), 0);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), ELEMENTS(things));
}

static void test_list_gives_references_to_all(void **state) {
        struct registry *reg = make_registry(100);
        struct registry_item **items;
        unsigned seen[50] = {0};
        char key[16];
        size_t n;

        (void)state;
        assert_int_equal(registry_list(reg, &items, &n), 0);
        assert_int_equal(n, 0);
        registry_list_free(items, n);
        for (int i = 0; i < 50; i++) {
                snprintf(key, sizeof key, "%d", i);
                add(reg, key);
        }
        assert_int_equal(registry_list(reg, &items, &n), 0);
        assert_int_equal(n, 50);
        for (size_t i = 0; i < n; i++)
                assert_true(registry_remove(reg, items[i]));
        latch_rcu_barrier();
        for (size_t i = 0; i < n; i++)
                seen[atoi(CONTAINER_OF(items[i], struct thing, item)->key)]++;
        for (int i = 0; i < 50; i++)
                assert_int_equal(seen[i], 1);
        registry_list_free(items, n);
        registry_free(reg);
        assert_int_equal(atomic_load(&reclaimed), 50);
}

static void test_new_and_list_without_memory(void **state) {
        struct registry *reg = (struct registry *)0x1;
        struct registry_item **items = (struct registry_item **)0x1;
        size_t n = 77;

        (void)state;
        fault_arm(1, 0);
        assert_int_equal(registry_new(10, reclaim_thing, &reg), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_ptr_equal(reg, (void *)0x1);

        reg = make_registry(10);
        fault_arm(1, 0);
        assert_int_equal(registry_list(reg, &items, &n), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_ptr_equal(items, (void *)0x1);
        assert_int_equal(n, 77);
        registry_free(reg);
}

static void test_adding_and_finding_allocate_nothing(void **state) {
        struct registry *reg = make_registry(1000);
        struct thing *things[1000];
        char key[16];

        (void)state;
        for (int i = 0; i < 1000; i++) {
                snprintf(key, sizeof key, "%d", i);
                things[i] = thing_new(reg, key);
        }
        fault_arm(1, 0); /* would strike at the first allocation */
        for (int i = 0; i < 1000; i++)
                assert_int_equal(registry_add(reg, &things[i]->item), 0);
        for (int i = 0; i < 1000; i++)
                assert_ptr_equal(find(reg, things[i]->key), things[i]);
        for (int i = 0; i < 1000; i++)
                assert_true(registry_remove(reg, &things[i]->item));
        assert_false(fault_disarm(NULL));
        for (int i = 0; i < 1000; i++) {
                registry_item_unref(&things[i]->item);
                registry_item_unref(&things[i]->item);
        }
        registry_free(reg);
}

static void test_free_with_a_reference_left_stops_the_program(void **state) {
        int status;

        (void)state;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                struct registry *reg;
                fd_close(STDERR_FILENO);
                signal(SIGABRT, SIG_DFL);
                alarm(20);
                if (registry_new(10, reclaim_thing, &reg) < 0)
                        _exit(1);
                thing_new(reg, "kept");
                registry_free(reg);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- hash ---- */

static void test_hash_is_siphash(void **state) {
        /* Key 00..0f, input 00..0e, as in appendix A of the paper; of an implementation that has its values for
         * SipHash-2-4, with these rounds. */
        unsigned char in[16];
        const struct hash_seed seed = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

        (void)state;
        for (unsigned i = 0; i < sizeof in; i++)
                in[i] = (unsigned char)i;
        assert_true(hash_bytes(&seed, in, 15) == UINT64_C(0xd320d86d2a519956));
        assert_true(hash_bytes(&seed, in, 0) == UINT64_C(0xabac0158050fc4dc));
        assert_true(hash_bytes(&seed, in, 8) == UINT64_C(0x369095118d299a8e));
}

/* ---- churn ---- */

#define CHURNERS  6
#define ROUNDS    6000
#define KEYS      12
#define CHURN_MAX 3 /* fewer than there are threads: the limit is met, too */

static struct registry *shared;
static atomic_uint made, hits;

static void look_at(const struct registry_item *item) {
        const struct thing *t = CONTAINER_OF(item, const struct thing, item);

        CHECK(t->life == ALIVE && t->key[0] == 'k');
        atomic_fetch_add_explicit(&hits, 1, memory_order_relaxed);
}

static void look_up(const char *key) {
        struct registry_item *item = registry_find(shared, key, strlen(key));

        if (item)
                look_at(item);
        registry_item_unref(item);
        latch_rcu_enter();
        const struct registry_item *there = registry_look(shared, key, strlen(key));
        if (there)
                look_at(there);
        latch_rcu_leave();
}

static void look_at_all(void) {
        struct registry_item **items;
        size_t n;

        CHECK(registry_list(shared, &items, &n) == 0);
        for (size_t i = 0; i < n; i++)
                look_at(items[i]);
        registry_list_free(items, n);
}

/* Publishes one of its own by adding or replacing; true if it is in. */
static bool publish(struct thing *t, bool replace) {
        struct registry_item *old = NULL;
        int r = replace ? registry_replace(shared, &t->item, &old) : registry_add(shared, &t->item);

        CHECK(r == 0 || r == -EUSERS || (r == -EEXIST && !replace));
        if (old)
                look_at(old);
        registry_item_unref(old);
        CHECK(registry_count(shared) <= CHURN_MAX);
        return r == 0;
}

static void *churn(void *arg) {
        unsigned random = (unsigned)(uintptr_t)arg;
        char key[16];

        latch_thread_begin("churn");
        for (int i = 0; i < ROUNDS; i++) {
                random = random * 1103515245u + 12345u;
                snprintf(key, sizeof key, "k%u", (random >> 16) % KEYS);
                struct thing *t = thing_new(shared, key);
                atomic_fetch_add(&made, 1);
                if (publish(t, random >> 24 & 1)) {
                        look_up(key);
                        if (i % 64 == 0)
                                look_at_all();
                        /* Another may have replaced it: then it is not ours to remove. */
                        if (random >> 25 & 1)
                                registry_remove(shared, &t->item);
                        else
                                registry_remove_generation(shared, key, strlen(key),
                                                           t->item.generation);
                }
                registry_item_unref(&t->item);
        }
        latch_thread_end();
        return NULL;
}

#define FINDS 100000

static atomic_uint replacements;

/* Until it is told to end. */
static void *replace_on(void *arg) {
        const atomic_bool *over = arg;

        latch_thread_begin("replaces");
        while (!atomic_load(over)) {
                struct registry_item *old = NULL;
                struct thing *t = thing_new(shared, "k");
                CHECK(registry_replace(shared, &t->item, &old) == 0);
                registry_item_unref(old);
                registry_item_unref(&t->item);
                atomic_fetch_add(&replacements, 1);
        }
        latch_thread_end();
        return NULL;
}

static void test_a_key_that_is_replaced_is_always_found(void **state) {
        atomic_bool over = false;
        unsigned lost = 0;
        pthread_t thread;

        (void)state;
        shared = make_registry(2);
        (void)add(shared, "k");
        assert_int_equal(pthread_create(&thread, NULL, replace_on, &over), 0);
        for (int i = 0; i < FINDS || atomic_load(&replacements) < 1000; i++) {
                struct thing *found = find(shared, "k");
                lost += !found;
                registry_item_unref(found ? &found->item : NULL);
        }
        atomic_store(&over, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(lost, 0);
        struct thing *last = find(shared, "k");
        assert_true(registry_remove(shared, &last->item));
        registry_item_unref(&last->item);
        registry_free(shared);
        assert_int_equal(atomic_load(&reclaimed), atomic_load(&replacements) + 1);
}

static void test_churn_by_many(void **state) {
        pthread_t threads[CHURNERS];

        (void)state;
        shared = make_registry(CHURN_MAX);
        for (uintptr_t i = 0; i < CHURNERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
        for (int i = 0; i < CHURNERS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(registry_count(shared), 0);
        registry_free(shared);
        assert_int_equal(atomic_load(&made), CHURNERS * ROUNDS);
        assert_int_equal(atomic_load(&reclaimed), CHURNERS * ROUNDS);
        assert_true(atomic_load(&hits) > 0);
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("tester");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                /* First, while there is no thread of liburcu that a child would lack. */
                cmocka_unit_test(test_free_with_a_reference_left_stops_the_program),
                cmocka_unit_test(test_find_gives_what_was_added),
                cmocka_unit_test(test_look_takes_no_reference),
                cmocka_unit_test(test_a_reference_outlives_removal),
                cmocka_unit_test(test_refuses_a_key_that_is_in),
                cmocka_unit_test(test_refuses_past_the_limit),
                cmocka_unit_test(test_removal_spares_a_successor),
                cmocka_unit_test(test_replace_hands_the_old_one_over),
                cmocka_unit_test(test_those_that_share_a_bucket),
                cmocka_unit_test(test_list_gives_references_to_all),
                cmocka_unit_test(test_new_and_list_without_memory),
                cmocka_unit_test(test_adding_and_finding_allocate_nothing),
                cmocka_unit_test(test_hash_is_siphash),
                cmocka_unit_test(test_a_key_that_is_replaced_is_always_found),
                cmocka_unit_test(test_churn_by_many),
        };

        return cmocka_run_group_tests_name("registry", tests, begin, end);
}
