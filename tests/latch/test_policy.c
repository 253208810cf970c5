/* Unit tests for include/latch/policy.h: what is counted, what is told, what goes on, and what never does. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "catch.h"
#include "latch/latch_private.h"
#include "latch/lock.h"
#include "latch/policy.h"
#include "latch/thread.h"

static struct latch_mutex outer, other_outer, inner, forgotten;
static struct latch_rwlock table;
static uint64_t before;

static void assert_counted(uint64_t n) {
        assert_int_equal(latch_violations() - before, n);
}

static void run(void *(*fn)(void *)) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, fn, NULL), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
}

static void *take_outer(void *arg) {
        (void)arg;
        LATCH_GUARD(outer, &outer);
        return NULL;
}

static void assert_all_free(void) {
        assert_int_equal(latch_held_count(latch_thread_self()), 0);
        assert_int_equal(latch_held_mask(latch_thread_self()), 0);
        run(take_outer);
}

static void test_a_second_take_is_the_first(void **state) LATCH_UNCHECKED_ {
        (void)state;
        LATCH_WITH(outer, &outer) {
                LATCH_WITH(outer, &outer)
                        assert_true(latch_holds_mutex(&outer));
                assert_true(latch_holds_mutex(&outer));
                assert_counted(1);
        }
        LATCH_WITH_READ(beside, &table)
                LATCH_WITH_READ(beside, &table)
                        assert_int_equal(latch_held_count(latch_thread_self()), 1);
        LATCH_WITH_WRITE(beside, &table)
                LATCH_WITH_READ(beside, &table)
                        assert_int_equal(latch_held_count(latch_thread_self()), 1);
        assert_counted(3);
        assert_all_free();
}

static void *let_go_of_outer(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_drop_long_(&outer.head, LATCH_HERE_(), LATCH_MUTEX);
        return NULL;
}

static void test_what_another_holds_stays_held(void **state) LATCH_UNCHECKED_ {
        (void)state;
        LATCH_WITH(outer, &outer) {
                run(let_go_of_outer);
                assert_counted(1);
                assert_true(latch_holds_mutex(&outer));
        }
        run(let_go_of_outer); /* nobody has it */
        assert_counted(2);
        assert_all_free();
}

static void test_a_wrong_order_is_taken(void **state) LATCH_UNCHECKED_ {
        (void)state;
        LATCH_WITH(inner, &inner) {
                LATCH_WITH(outer, &outer)
                        assert_true(latch_holds_mutex(&outer));
                assert_counted(1);
        }
        LATCH_WITH(outer, &outer) {
                LATCH_WITH(outer, &other_outer)
                        assert_counted(2);
                /* One of the class is still held. */
                assert_true(latch_held_mask(latch_thread_self()) & UINT64_C(1)
                                                                           << LATCH_CLASS_outer);
        }
        assert_all_free();
}

static void test_what_is_held_is_not_destroyed(void **state) LATCH_UNCHECKED_ {
        (void)state;
        LATCH_WITH(outer, &outer)
                latch_mutex_done(&outer);
        LATCH_WITH_READ(beside, &table)
                latch_rwlock_done(&table);
        assert_counted(2);
        LATCH_WITH_WRITE(beside, &table)
                assert_counted(2); /* both are still alive */
        assert_all_free();
}

static void *forget(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_take_long_(&forgotten.head, LATCH_HERE_(), LATCH_MUTEX, forgotten.head.class);
        return NULL;
}

static void destroy_forgotten(void) {
        latch_mutex_done(&forgotten);
}

static void test_the_thread_that_forgot_is_gone(void **state) {
        char said[2048];

        (void)state;
        run(forget);
        assert_counted(1);
        catch_stderr(destroy_forgotten, said, sizeof said);
        assert_string_equal(said, ""); /* it is counted alone */
        latch_set_policy(LATCH_POLICY_REPORT);
        catch_stderr(destroy_forgotten, said, sizeof said);
        assert_counted(3);
        assert_non_null(strstr(said, "latch: destroyed while held\n"));
        assert_non_null(strstr(said, "owner      (ended)"));
        assert_non_null(strstr(said, "(forget)"));
}

/* A report is no point of cancellation: who is cancelled in it would leave stderr locked. */
static atomic_bool went_on;
static void *recur_though_cancelled(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        assert_int_equal(pthread_cancel(pthread_self()), 0);
        LATCH_GUARD(outer, &outer);
        LATCH_GUARD(outer, &outer);
        atomic_store(&went_on, true);
        pthread_testcancel();
        return NULL;
}

static void recur_in_a_thread(void) {
        alarm(20); /* what is locked for ever hangs */
        run(recur_though_cancelled);
        assert_int_equal(ftrylockfile(stderr), 0);
        funlockfile(stderr);
        alarm(0);
}

static void test_a_report_is_made_whole(void **state) {
        char said[2048];

        (void)state;
        latch_set_policy(LATCH_POLICY_REPORT);
        catch_stderr(recur_in_a_thread, said, sizeof said);
        assert_true(atomic_load(&went_on));
        assert_counted(1);
        assert_non_null(strstr(said, "latch: recursion: "));
        assert_non_null(strstr(said, "  held       outer at 0x"));
        assert_all_free();
}

static void upgrade(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        LATCH_GUARD_WRITE(beside, &table);
}

static void use_after_done(void) LATCH_UNCHECKED_ {
        latch_mutex_done(&inner);
        LATCH_GUARD(inner, &inner);
}

static void take_in_handler(int number) {
        LATCH_SIGNAL_HANDLER();
        LATCH_GUARD(inner, &inner);
        (void)number;
}

static void use_in_handler(void) {
        const struct sigaction action = {.sa_handler = take_in_handler};

        sigaction(SIGUSR1, &action, NULL);
        raise(SIGUSR1);
}

static void test_some_never_go_on(void **state) {
        static void (*const finals[])(void) = {upgrade, use_after_done, use_in_handler};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(finals); i++) {
                int status;
                pid_t pid = fork();

                assert_true(pid >= 0);
                if (pid == 0) {
                        alarm(20);
                        signal(SIGABRT, SIG_DFL);
                        finals[i]();
                        _exit(0);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
}

static int begin(void **state) {
        (void)state;
        latch_set_policy(LATCH_POLICY_COUNT);
        before = latch_violations();
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&other_outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_mutex_init(&forgotten, LATCH_CLASS_middle);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_set_policy(LATCH_POLICY_ABORT);
        latch_rwlock_done(&table);
        latch_mutex_done(&inner);
        latch_mutex_done(&other_outer);
        latch_mutex_done(&outer);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_second_take_is_the_first, begin, end),
                cmocka_unit_test_setup_teardown(test_what_another_holds_stays_held, begin, end),
                cmocka_unit_test_setup_teardown(test_a_wrong_order_is_taken, begin, end),
                cmocka_unit_test_setup_teardown(test_what_is_held_is_not_destroyed, begin, end),
                cmocka_unit_test_setup_teardown(test_the_thread_that_forgot_is_gone, begin, end),
                cmocka_unit_test_setup_teardown(test_a_report_is_made_whole, begin, end),
                cmocka_unit_test_setup_teardown(test_some_never_go_on, begin, end),
        };

        unsetenv("LATCH_ORDERS"); /* wrong ones are taken here on purpose */
        return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
