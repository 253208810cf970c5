/* Unit tests for include/latch/figures.h: what is counted, timed, and told by place. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "latch/figures.h"
#include "latch/latch_private.h"
#include "latch/lock.h"

#define MS UINT64_C(1000000)

static struct latch_mutex outer, inner;
static struct latch_rwlock table;

static struct latch_class_figures figures(enum latch_class class) {
        struct latch_class_figures f;

        latch_figures(class, &f);
        return f;
}

static uint64_t sum_of(const struct latch_histogram *h) {
        uint64_t n = 0;

        for (unsigned i = 0; i < LATCH_BUCKETS; i++)
                n += h->bucket[i];
        return n;
}

/* ---- buckets ---- */

static void test_buckets_meet(void **state) {
        (void)state;
        for (unsigned i = 1; i < LATCH_BUCKETS; i++)
                assert_true(latch_bucket_end_ns(i) > latch_bucket_end_ns(i - 1));
        assert_int_equal(latch_bucket_end_ns(0), 1);
        assert_int_equal(latch_bucket_end_ns(4), 5);
        assert_int_equal(latch_bucket_end_ns(8), 10);
        assert_true(latch_bucket_end_ns(LATCH_BUCKETS - 1) > UINT64_C(1000000000) * 1000);
}

static void test_quantiles(void **state) {
        struct latch_histogram h = {.count = 100, .max_ns = 1000};

        (void)state;
        assert_int_equal(latch_quantile_ns(&(struct latch_histogram){0}, 0.5), 0);
        h.bucket[10] = 50;
        h.bucket[20] = 49;
        h.bucket[36] = 1;
        assert_int_equal(latch_quantile_ns(&h, 0.5), latch_bucket_end_ns(10));
        assert_int_equal(latch_quantile_ns(&h, 0.99), latch_bucket_end_ns(20));
        assert_int_equal(latch_quantile_ns(&h, 1), 1000); /* no more than the longest */
}

/* ---- counts ---- */

#define TAKES 20000
static void *take_often(void *arg) {
        (void)arg;
        for (unsigned i = 0; i < TAKES; i++)
                LATCH_WITH_READ(beside, &table)
                        (void)0;
        return NULL;
}

/* Also of threads that have ended; samples stand for all but the last few of each thread. */
static void test_every_take_is_counted(void **state) {
        struct latch_class_figures before = figures(LATCH_CLASS_beside), after;
        pthread_t t[2];

        (void)state;
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&t[i], NULL, take_often, NULL), 0);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_join(t[i], NULL), 0);
        LATCH_WITH_WRITE(beside, &table)
                after = figures(LATCH_CLASS_beside);
        assert_int_equal(after.taken - before.taken, 2 * TAKES + 1);
        after = figures(LATCH_CLASS_beside);
        uint64_t timed = after.hold.count - before.hold.count;
        assert_true(timed >= 2 * TAKES && timed < 2 * TAKES + 2 * 1024);
        assert_int_equal(after.hold.count, sum_of(&after.hold));
        assert_true(latch_quantile_ns(&after.hold, 0.5) < 100 * MS);
}

static atomic_uint ended;
static void *take_and_end(void *arg) {
        (void)take_often(arg);
        atomic_fetch_add(&ended, 1);
        return NULL;
}

/* Neither a sample that begins nor a thread that ends makes it more than it is. */
static void test_counts_only_grow(void **state) {
        uint64_t last = figures(LATCH_CLASS_beside).taken, first = last;
        pthread_t t[8];

        (void)state;
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(pthread_create(&t[i], NULL, take_and_end, NULL), 0);
        while (atomic_load(&ended) < 8) {
                uint64_t now = figures(LATCH_CLASS_beside).taken;
                assert_true(now >= last && now - first <= 8 * (TAKES + 1));
                last = now;
        }
        for (unsigned i = 0; i < 8; i++)
                assert_int_equal(pthread_join(t[i], NULL), 0);
        assert_int_equal(figures(LATCH_CLASS_beside).taken - first, 8 * TAKES);
}

/* Who is about to have it counts already, and is not taken back when it has to wait after all. */
static void test_who_waits_is_not_taken_back(void **state) {
        (void)state;
        for (unsigned i = 0; i < 20; i++)
                LATCH_WITH(inner, &inner)
                        (void)0;
        uint64_t before = figures(LATCH_CLASS_inner).taken;
        latch_push_(latch_thread_self(), &inner.head, LATCH_HERE_(), LATCH_CLASS_inner, 0);
        assert_int_equal(figures(LATCH_CLASS_inner).taken, before + 1);
        latch_unpush(latch_thread_self());
        assert_int_equal(figures(LATCH_CLASS_inner).taken, before + 1);
        LATCH_WITH(inner, &inner)
                assert_int_equal(figures(LATCH_CLASS_inner).taken, before + 1);
}

/* ---- waits and holds, by place ---- */

static const struct latch_place *place_at(const struct latch_place *places, size_t n, int line) {
        for (size_t i = 0; i < n; i++)
                if (places[i].site->line == line && strstr(places[i].site->file, "test_figures.c"))
                        return &places[i];
        fail_msg("no place at line %d", line);
        return NULL;
}

static int wait_line, hold_line;
static atomic_bool asks;
static void *wait_for_outer(void *arg) {
        (void)arg;
        atomic_store(&asks, true);
        LATCH_WITH(outer, &outer)
                wait_line = __LINE__ - 1;
        return NULL;
}

static void hold_outer_a_while(uint64_t ns) {
        pthread_t t;

        LATCH_WITH(outer, &outer) {
                hold_line = __LINE__ - 1;
                assert_int_equal(pthread_create(&t, NULL, wait_for_outer, NULL), 0);
                while (!atomic_load(&asks))
                        sched_yield();
                uint64_t end = clock_mono_ns() + ns;
                while (clock_mono_ns() < end)
                        sched_yield();
        }
        assert_int_equal(pthread_join(t, NULL), 0);
}

static void test_a_wait_is_told_where_it_was(void **state) {
        static struct latch_place places[LATCH_PLACES_MAX];
        struct latch_class_figures f;

        (void)state;
        hold_outer_a_while(30 * MS);
        f = figures(LATCH_CLASS_outer);
        assert_int_equal(f.contended, 1);
        assert_int_equal(f.wait.count, 1);
        assert_int_equal(sum_of(&f.wait), 1);
        assert_true(f.wait.max_ns >= 10 * MS && f.wait.sum_ns == f.wait.max_ns);
        assert_true(f.hold.max_ns >= 30 * MS);
        size_t n = latch_places(places, LATCH_PLACES_MAX);
        const struct latch_place *waited = place_at(places, n, wait_line);
        assert_int_equal(waited->contended, 1);
        assert_int_equal(waited->wait_ns, f.wait.sum_ns);
        assert_int_equal(waited->class, LATCH_CLASS_outer);
        const struct latch_place *held = place_at(places, n, hold_line);
        assert_int_equal(held->contended, 0);
        assert_int_equal(held->longest_hold_ns, f.hold.max_ns);
        assert_int_equal(latch_places(places, 1), 1);
        assert_int_equal(latch_places_lost(), 0);
}

static void test_off_counts_nothing(void **state) {
        struct latch_class_figures before = figures(LATCH_CLASS_inner);

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
        LATCH_WITH(inner, &inner)
                (void)0;
        assert_int_equal(latch_set_level(LATCH_LEVEL_CHECK), 0);
        assert_int_equal(figures(LATCH_CLASS_inner).taken, before.taken);
        LATCH_WITH(inner, &inner)
                (void)0;
        assert_int_equal(figures(LATCH_CLASS_inner).taken, before.taken + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_buckets_meet),
                cmocka_unit_test(test_quantiles),
                cmocka_unit_test(test_a_wait_is_told_where_it_was),
                cmocka_unit_test(test_every_take_is_counted),
                cmocka_unit_test(test_counts_only_grow),
                cmocka_unit_test(test_who_waits_is_not_taken_back),
                cmocka_unit_test(test_off_counts_nothing),
        };

        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
