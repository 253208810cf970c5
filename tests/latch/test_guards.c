/* Unit tests for include/latch/lock.h: guards let go however a scope ends; readers share; waiting. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macros.h"
#include "latch/latch_private.h"
#include "latch/lock.h"
#include "latch/orders.h"
#include "latch/thread.h"

#define SECOND_NS UINT64_C(1000000000)

static struct latch_mutex outer, inner;
static struct latch_rwlock table;
static struct latch_cond cond;
static bool waiting LATCH_GUARDED_BY(inner);

static void *take_once(void *arg) {
        struct latch_mutex *m = arg;

        if (m == &outer)
                LATCH_WITH(outer, m)
                        CHECK(latch_holds_mutex(m));
        else
                LATCH_WITH(inner, m)
                        CHECK(latch_holds_mutex(m));
        return NULL;
}

static void run(void *(*fn)(void *), void *arg) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
}

/* Nobody holds it, by the tracker's word and by a thread that takes it. */
static void assert_free(struct latch_mutex *m) {
        assert_int_equal(latch_held_count(latch_thread_self()), 0);
        assert_int_equal(latch_held_mask(latch_thread_self()), 0);
        assert_false(latch_holds_mutex(m));
        run(take_once, m);
}

static int leave_by_return(void) {
        LATCH_GUARD(outer, &outer);
        LATCH_WITH(inner, &inner) {
                CHECK(latch_holds_mutex(&outer) && latch_holds_mutex(&inner));
                return 7;
        }
        return 0;
}

static void test_return_lets_go(void **state) {
        (void)state;
        assert_int_equal(leave_by_return(), 7);
        assert_free(&inner);
        assert_free(&outer);
}

static void test_break_leaves_the_block_alone(void **state) {
        int turns = 0;

        (void)state;
        for (; turns < 3; turns++) {
                LATCH_WITH(outer, &outer) {
                        if (turns >= 0)
                                break; /* of the block, not of the loop */
                        turns = 100;
                }
                assert_free(&outer);
        }
        assert_int_equal(turns, 3);
}

static void test_goto_lets_go(void **state) {
        (void)state;
        LATCH_WITH(outer, &outer) {
                LATCH_WITH(inner, &inner) {
                        goto out;
                }
                fail();
        }
        fail();
out:
        assert_free(&outer);
        assert_free(&inner);
}

/* The analysis takes the guard of an inner scope for one of the whole function. */
static void test_scope_end_lets_go(void **state) LATCH_UNCHECKED_ {
        (void)state;
        {
                LATCH_GUARD(outer, &outer);
                assert_true(latch_holds_mutex(&outer));
        }
        assert_free(&outer);
        LATCH_WITH(outer, &outer)
                assert_true(latch_holds_mutex(&outer));
        assert_free(&outer);
}

static void *exit_inside(void *arg) {
        (void)arg;
        LATCH_GUARD(outer, &outer);
        LATCH_WITH(inner, &inner) {
                pthread_exit(NULL);
        }
        return NULL;
}

static void test_thread_exit_lets_go(void **state) {
        (void)state;
        run(exit_inside, NULL);
        assert_free(&outer);
        assert_free(&inner);
}

static void *wait_inside(void *arg) {
        (void)arg;
        LATCH_WITH_READ(beside, &table)
                pthread_testcancel();
        LATCH_WITH(inner, &inner) {
                waiting = true;
                for (;;)
                        latch_cond_wait(&cond, &inner); /* where it is cancelled */
        }
        return NULL;
}

static bool is_waiting(void) {
        LATCH_GUARD(inner, &inner); /* free again: the other has let it go to wait */
        return waiting;
}

static void test_cancellation_lets_go(void **state) {
        uint64_t until = clock_mono_ns() + 20 * SECOND_NS;
        void *result = NULL;
        pthread_t t;

        (void)state;
        assert_int_equal(pthread_create(&t, NULL, wait_inside, NULL), 0);
        while (!is_waiting() && clock_mono_ns() < until)
                sched_yield();
        assert_int_equal(pthread_cancel(t), 0);
        assert_int_equal(pthread_join(t, &result), 0);
        assert_true(result == PTHREAD_CANCELED);
        assert_free(&inner);
}

/* ---- readers and writers ---- */

static pthread_barrier_t meeting;
static int written LATCH_GUARDED_BY(beside);

static void *read_together(void *arg) {
        (void)arg;
        LATCH_GUARD_READ(beside, &table);
        pthread_barrier_wait(&meeting); /* passes only if both hold it at once */
        return NULL;
}

static void test_readers_share(void **state) {
        pthread_t a, b;

        (void)state;
        assert_int_equal(pthread_barrier_init(&meeting, NULL, 2), 0);
        assert_int_equal(pthread_create(&a, NULL, read_together, NULL), 0);
        assert_int_equal(pthread_create(&b, NULL, read_together, NULL), 0);
        assert_int_equal(pthread_join(a, NULL), 0);
        assert_int_equal(pthread_join(b, NULL), 0);
        pthread_barrier_destroy(&meeting);
        assert_int_equal(latch_held_count(latch_thread_self()), 0);
}

#define WRITERS 4
#define WRITES  5000
static void write_once(void) LATCH_NEVER_UNDER(beside) {
        LATCH_GUARD_WRITE(beside, &table);
        written++;
}

static void *write_many(void *arg) {
        (void)arg;
        for (int i = 0; i < WRITES; i++) {
                write_once();
                LATCH_WITH_READ(beside, &table)
                        CHECK(written > 0);
        }
        return NULL;
}

static void test_writers_are_alone(void **state) {
        pthread_t t[WRITERS];

        (void)state;
        LATCH_WITH_WRITE(beside, &table)
                written = 0;
        for (int i = 0; i < WRITERS; i++)
                assert_int_equal(pthread_create(&t[i], NULL, write_many, NULL), 0);
        for (int i = 0; i < WRITERS; i++)
                assert_int_equal(pthread_join(t[i], NULL), 0);
        LATCH_WITH_READ(beside, &table)
                assert_int_equal(written, WRITERS * WRITES);
        assert_null(atomic_load(&table.head.owner));
}

/* ---- conditions ---- */

static bool raised LATCH_GUARDED_BY(inner);

static void test_a_wait_ends_at_its_deadline(void **state) {
        uint64_t start = clock_mono_ns(), until = start + SECOND_NS / 20;
        int r = 0;

        (void)state;
        LATCH_WITH(inner, &inner) {
                raised = false;
                while (!raised && r == 0)
                        r = latch_cond_wait_until(&cond, &inner, until);
                assert_true(latch_holds_mutex(&inner));
        }
        assert_int_equal(r, -ETIMEDOUT);
        assert_true(clock_mono_ns() >= until);
        assert_free(&inner);
}

static void *raise_it(void *arg) {
        (void)arg;
        LATCH_WITH(inner, &inner)
                raised = true;
        latch_cond_broadcast(&cond);
        return NULL;
}

static void test_a_wait_ends_when_woken(void **state) {
        uint64_t until = clock_mono_ns() + 20 * SECOND_NS;
        pthread_t t;
        int r = 0;

        (void)state;
        LATCH_WITH(inner, &inner)
                raised = false;
        assert_int_equal(pthread_create(&t, NULL, raise_it, NULL), 0);
        LATCH_WITH(inner, &inner) {
                while (!raised && r == 0)
                        r = latch_cond_wait_until(&cond, &inner, until);
        }
        assert_int_equal(r, 0);
        assert_int_equal(pthread_join(t, NULL), 0);
        assert_free(&inner);
}

/* ---- what the table says ---- */

/* Each order that the table declares, between neighbours and further. */
static void test_declared_orders_are_taken(void **state) LATCH_UNCHECKED_ {
        static struct latch_mutex middle, twin, tower[LATCH_HELD_MAX + 1];

        (void)state;
        latch_mutex_init(&middle, LATCH_CLASS_middle);
        latch_mutex_init(&twin, LATCH_CLASS_twin);
        LATCH_WITH(outer, &outer)
                LATCH_WITH(twin, &twin)
                        assert_true(latch_holds_mutex(&twin));
        LATCH_WITH(outer, &outer)
                LATCH_WITH(middle, &middle) {
                        LATCH_WITH(inner, &inner)
                                assert_int_equal(latch_held_count(latch_thread_self()), 3);
                        LATCH_WITH_READ(beside, &table)
                                assert_int_equal(latch_held_count(latch_thread_self()), 3);
                }
        for (unsigned i = 0; i <= LATCH_HELD_MAX; i++)
                latch_mutex_init(&tower[i], LATCH_CLASS_t1 + i);
        for (unsigned first = 0; first < 2; first++) {
                for (unsigned i = 0; i < LATCH_HELD_MAX; i++)
                        latch_take_long_(&tower[first + i].head, LATCH_HERE_(), LATCH_MUTEX,
                                         tower[first + i].head.class);
                for (unsigned i = 0; i < LATCH_HELD_MAX; i++)
                        latch_drop_long_(&tower[first + i].head, LATCH_HERE_(), LATCH_MUTEX);
        }
        for (unsigned i = 0; i <= LATCH_HELD_MAX; i++)
                latch_mutex_done(&tower[i]);
        latch_mutex_done(&twin);
        latch_mutex_done(&middle);
        assert_free(&outer);
}

static void test_the_table_and_what_was_seen_are_told(void **state) {
        static char said[1 << 16];
        _cleanup_(fd_closep) int fd = memfd_create("orders", MFD_CLOEXEC);

        (void)state;
        assert_int_equal(leave_by_return(), 7);
        assert_int_equal(latch_orders_write(fd), 0);
        ssize_t n = pread(fd, said, sizeof said - 1, 0);
        assert_true(n > 0);
        assert_int_equal(strncmp(said, "table nested_classes.h test_guards ", 35), 0);
        assert_non_null(strstr(said, "\nclass inner\nclass beside\n"));
        assert_non_null(strstr(said, "\norder beside outer\norder beside middle\n"));
        assert_null(strstr(said, "\norder inner outer\n")); /* it follows */
        assert_non_null(strstr(said, "\nno_malloc lean\n"));
        assert_null(strstr(said, "\nno_malloc inner\n"));
        assert_non_null(strstr(said, "\nseen inner outer tests/latch/test_guards.c:"));
        assert_non_null(strstr(said, " (leave_by_return), by tester\n"));
        assert_null(strstr(said, "\nseen outer inner"));
        assert_int_equal(latch_orders_write(-1), -EBADF);
}

static void test_names_and_numbers(void **state) {
        (void)state;
        assert_string_equal(latch_class_name(LATCH_CLASS_inner), "inner");
        assert_string_equal(latch_class_name(LATCH_CLASS_COUNT), "unknown");
        assert_string_equal(latch_thread_self()->name, "tester");
        assert_int_equal(latch_thread_self()->tid, gettid());
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("tester");
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        latch_cond_init(&cond);
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_cond_done(&cond);
        latch_rwlock_done(&table);
        latch_mutex_done(&inner);
        latch_mutex_done(&outer);
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_return_lets_go),
                cmocka_unit_test(test_break_leaves_the_block_alone),
                cmocka_unit_test(test_goto_lets_go),
                cmocka_unit_test(test_scope_end_lets_go),
                cmocka_unit_test(test_thread_exit_lets_go),
                cmocka_unit_test(test_cancellation_lets_go),
                cmocka_unit_test(test_readers_share),
                cmocka_unit_test(test_writers_are_alone),
                cmocka_unit_test(test_a_wait_ends_at_its_deadline),
                cmocka_unit_test(test_a_wait_ends_when_woken),
                cmocka_unit_test(test_names_and_numbers),
                cmocka_unit_test(test_declared_orders_are_taken),
                cmocka_unit_test(test_the_table_and_what_was_seen_are_told),
        };

        return cmocka_run_group_tests_name("guards", tests, begin, end);
}
