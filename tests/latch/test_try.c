/* Unit tests for the try and timed forms of include/latch/lock.h: who gets a lock, who does not, and when. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"
#include "latch/latch_private.h"
#include "latch/lock.h"
#include "latch/policy.h"
#include "latch/thread.h"

#define SHORT_NS UINT64_C(30000000)
#define LONG_NS  UINT64_C(20000000000)

static struct latch_mutex outer, inner;
static struct latch_rwlock table;
static int sum LATCH_GUARDED_BY(outer);
static int cells LATCH_GUARDED_BY(beside);

/* What another thread gets, each a bit, while this one holds or does not. */
enum { TRY = 1, UNTIL = 2, TRY_READ = 4, UNTIL_READ = 8, TRY_WRITE = 16, UNTIL_WRITE = 32 };

static unsigned ask_mutex(uint64_t until) {
        unsigned got = 0;

        LATCH_TRY(outer, &outer) {
                sum++;
                got |= TRY;
        }
        else {
                CHECK(!latch_holds_mutex(&outer));
        }
        LATCH_UNTIL(outer, &outer, until) {
                sum++;
                got |= UNTIL;
        }
        return got;
}

static unsigned ask_table(uint64_t until) {
        unsigned got = 0;

        LATCH_TRY_READ(beside, &table)
        got |= cells >= 0 ? TRY_READ : 0u;
        LATCH_UNTIL_READ(beside, &table, until)
        got |= cells >= 0 ? UNTIL_READ : 0u;
        LATCH_TRY_WRITE(beside, &table) {
                cells++;
                got |= TRY_WRITE;
        }
        LATCH_UNTIL_WRITE(beside, &table, until) {
                cells++;
                got |= UNTIL_WRITE;
        }
        return got;
}

static void *ask_all(void *arg) {
        unsigned *got = arg;

        *got = ask_mutex(clock_mono_ns() + SHORT_NS);
        *got |= ask_table(clock_mono_ns() + SHORT_NS);
        CHECK(latch_held_count(latch_thread_self()) == 0);
        return NULL;
}

static unsigned another_gets(void) {
        unsigned got = 0;
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, ask_all, &got), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
        return got;
}

static void test_what_is_free_is_had(void **state) {
        (void)state;
        assert_int_equal(another_gets(),
                         TRY | UNTIL | TRY_READ | UNTIL_READ | TRY_WRITE | UNTIL_WRITE);
        assert_int_equal(another_gets(), /* and was let go */
                         TRY | UNTIL | TRY_READ | UNTIL_READ | TRY_WRITE | UNTIL_WRITE);
}

static void test_what_is_held_is_not_had(void **state) {
        uint64_t begun = clock_mono_ns();

        (void)state;
        LATCH_WITH(outer, &outer)
                LATCH_WITH_WRITE(beside, &table)
                        assert_int_equal(another_gets(), 0);
        assert_true(clock_mono_ns() - begun >= 2 * SHORT_NS); /* the timed ones did wait */
}

static void test_readers_share_and_writers_do_not(void **state) {
        (void)state;
        LATCH_WITH_READ(beside, &table)
                assert_int_equal(another_gets(), TRY | UNTIL | TRY_READ | UNTIL_READ);
        assert_int_equal(latch_held_count(latch_thread_self()), 0);
}

static pthread_barrier_t holds;
static void *hold_a_moment(void *arg) {
        (void)arg;
        LATCH_WITH(outer, &outer) {
                pthread_barrier_wait(&holds);
                pthread_barrier_wait(&holds);
        }
        return NULL;
}

static void test_a_lock_that_comes_free_in_time_is_had(void **state) {
        pthread_t t;
        bool had = false;

        (void)state;
        assert_int_equal(pthread_barrier_init(&holds, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, hold_a_moment, NULL), 0);
        pthread_barrier_wait(&holds);
        LATCH_TRY(outer, &outer)
        had = true;
        assert_false(had);
        pthread_barrier_wait(&holds);
        LATCH_UNTIL(outer, &outer, clock_mono_ns() + LONG_NS)
        had = true;
        assert_true(had);
        assert_int_equal(pthread_join(t, NULL), 0);
        pthread_barrier_destroy(&holds);
}

/* What does not wait is taken in any order, what waits is not. */
static void test_the_order_is_for_those_who_wait(void **state) LATCH_UNCHECKED_ {
        uint64_t before = latch_violations();
        unsigned had = 0;

        (void)state;
        LATCH_WITH(inner, &inner) {
                LATCH_TRY(outer, &outer)
                had++;
        }
        assert_int_equal(had, 1);
        assert_int_equal(latch_violations(), before);
        latch_set_policy(LATCH_POLICY_COUNT);
        LATCH_WITH(inner, &inner)
                LATCH_UNTIL(outer, &outer, clock_mono_ns() + LONG_NS)
        had++;
        latch_set_policy(LATCH_POLICY_ABORT);
        assert_int_equal(had, 2);
        assert_int_equal(latch_violations(), before + 1);
}

static void test_the_class_is_the_locks(void **state) LATCH_UNCHECKED_ {
        uint64_t before = latch_violations();
        unsigned had = 0;

        (void)state;
        latch_set_policy(LATCH_POLICY_COUNT);
        LATCH_TRY(inner, &outer)
        had++;
        assert_int_equal(latch_violations(), before + 1);
        LATCH_UNTIL(inner, &outer, clock_mono_ns() + LONG_NS)
        had++;
        assert_int_equal(latch_violations(), before + 2);
        LATCH_TRY_READ(outer, &table)
        had++;
        LATCH_UNTIL_WRITE(outer, &table, clock_mono_ns() + LONG_NS)
        had++;
        latch_set_policy(LATCH_POLICY_ABORT);
        assert_int_equal(latch_violations(), before + 4);
        assert_int_equal(had, 4);
}

static int begin(void **state) {
        (void)state;
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_rwlock_done(&table);
        latch_mutex_done(&inner);
        latch_mutex_done(&outer);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_free_is_had),
                cmocka_unit_test(test_what_is_held_is_not_had),
                cmocka_unit_test(test_readers_share_and_writers_do_not),
                cmocka_unit_test(test_a_lock_that_comes_free_in_time_is_had),
                cmocka_unit_test(test_the_order_is_for_those_who_wait),
                cmocka_unit_test(test_the_class_is_the_locks),
        };

        unsetenv("LATCH_ORDERS"); /* wrong ones are taken here on purpose */
        return cmocka_run_group_tests_name("try", tests, begin, end);
}
