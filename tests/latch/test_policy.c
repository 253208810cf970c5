/* Unit tests for include/latch/policy.h: what is counted, what is told, what goes on, and what never does. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/macros.h"
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

/* What a violation says goes to said[]. */
static void catch_report(void (*violate)(void), char *said, size_t size) {
        _cleanup_(fd_closep) int file = memfd_create("said", MFD_CLOEXEC);
        _cleanup_(fd_closep) int saved = dup(STDERR_FILENO);

        assert_true(file >= 0 && saved >= 0);
        dup2(file, STDERR_FILENO);
        violate();
        dup2(saved, STDERR_FILENO);
        ssize_t n = pread(file, said, size - 1, 0);
        assert_true(n >= 0);
        said[n] = '\0';
}

static void destroy_forgotten(void) {
        latch_mutex_done(&forgotten);
}

static void test_the_thread_that_forgot_is_gone(void **state) {
        char said[2048];

        (void)state;
        run(forget);
        assert_counted(1);
        catch_report(destroy_forgotten, said, sizeof said);
        assert_string_equal(said, ""); /* it is counted alone */
        latch_set_policy(LATCH_POLICY_REPORT);
        catch_report(destroy_forgotten, said, sizeof said);
        assert_counted(3);
        assert_non_null(strstr(said, "latch: destroyed while held\n"));
        assert_non_null(strstr(said, "owner      (ended)"));
        assert_non_null(strstr(said, "(forget)"));
}

static void upgrade(void) LATCH_UNCHECKED_ {
        LATCH_GUARD_READ(beside, &table);
        LATCH_GUARD_WRITE(beside, &table);
}

static void use_after_done(void) LATCH_UNCHECKED_ {
        latch_mutex_done(&inner);
        LATCH_GUARD(inner, &inner);
}

static void test_some_never_go_on(void **state) {
        static void (*const finals[])(void) = {upgrade, use_after_done};

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
                cmocka_unit_test_setup_teardown(test_some_never_go_on, begin, end),
        };

        unsetenv("LATCH_ORDERS"); /* wrong ones are taken here on purpose */
        return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
