/* Unit tests for src/base/fault.c, the countdown that other tests lean on, and for CHECK. */
#include <errno.h>
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

#include "base/fault.h"
#include "base/fd.h"
#include "base/macros.h"

static void test_the_nth_call_fails_and_only_that(void **state) {
        const char *call = NULL;

        (void)state;
        fault_arm(3, 0);
        void *a = malloc(8), *b = calloc(1, 8), *c = strdup("text"), *d = malloc(8);
        assert_true(fault_disarm(&call));
        assert_true(a && b && d);
        assert_null(c);
        assert_string_equal(call, "strdup");
        free(a);
        free(b);
        free(d);
}

static void test_the_errno_is_the_one_asked_for(void **state) {
        const char *call = NULL;

        (void)state;
        fault_arm(1, ENOSPC);
        ssize_t n = write(STDERR_FILENO, "x", 1);
        int error = errno;
        assert_true(fault_disarm(&call));
        assert_int_equal(n, -1);
        assert_int_equal(error, ENOSPC);
        assert_string_equal(call, "write");

        fault_arm(1, EAGAIN);
        pid_t pid = fork();
        assert_true(fault_disarm(&call));
        assert_int_equal(pid, -1);
        assert_string_equal(call, "fork");
}

static void test_disarmed_it_never_strikes(void **state) {
        (void)state;
        fault_arm(1, 0);
        assert_false(fault_disarm(NULL));
        void *p = malloc(8);
        assert_non_null(p);
        free(p);
        assert_false(fault_disarm(NULL));
}

static void *allocate(void *arg) {
        void **p = arg;

        *p = malloc(8);
        return NULL;
}

static void test_another_thread_is_spared(void **state) {
        pthread_t t;
        void *theirs = NULL;

        (void)state;
        assert_int_equal(pthread_create(&t, NULL, allocate, &theirs), 0);
        fault_arm(1, 0);
        pthread_join(t, NULL);
        void *mine = malloc(8);
        assert_true(fault_disarm(NULL));
        assert_non_null(theirs);
        assert_null(mine);
        free(theirs);
}

static void test_a_broken_promise_stops_the_program_and_says_where(void **state) {
        char said[512] = "";
        int fds[2], status, wet = 0;

        (void)state;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                dup2(fds[1], STDERR_FILENO);
                signal(SIGABRT, SIG_DFL);
                CHECK(wet == 1);
                _exit(0);
        }
        int line = __LINE__ - 3;
        fd_close(fds[1]);
        assert_true(fd_read_full(fds[0], said, sizeof said - 1) > 0);
        fd_close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        char want[128];
        snprintf(want, sizeof want, "%s:%d: %s: CHECK failed: wet == 1\n", __FILE__, line,
                 __func__);
        assert_string_equal(said, want);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_nth_call_fails_and_only_that),
                cmocka_unit_test(test_the_errno_is_the_one_asked_for),
                cmocka_unit_test(test_disarmed_it_never_strikes),
                cmocka_unit_test(test_another_thread_is_spared),
                cmocka_unit_test(test_a_broken_promise_stops_the_program_and_says_where),
        };

        return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
