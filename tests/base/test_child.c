/* Unit tests for src/base/child.h. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/child.h"

static int status_of(pid_t pid) {
        int status = -1;

        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int end_with(void *arg) {
        return *(const int *)arg;
}

static void test_it_ends_with_what_is_returned(void **state) {
        int code = 42;

        (void)state;
        assert_int_equal(status_of(child_start(end_with, &code)), 42);
        code = 43; /* and again, on the same stack */
        assert_int_equal(status_of(child_start(end_with, &code)), 43);
}

static int execute(void *arg) {
        const char *argv[] = {"sh", "-c", arg, NULL};
        char *env[] = {NULL};

        execve("/bin/sh", (char **)(uintptr_t)argv, env);
        return 127;
}

static void test_it_executes_a_program_and_we_go_on(void **state) {
        char command[] = "exit 7";

        (void)state;
        assert_int_equal(status_of(child_start(execute, command)), 7);
}

static int close_it(void *arg) {
        const int *fd = arg;

        return close(*fd) < 0 || chdir("/") < 0;
}

static void test_its_descriptors_and_folder_are_its_own(void **state) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        char before[4096], after[4096];

        (void)state;
        assert_true(fd >= 0);
        assert_non_null(getcwd(before, sizeof before));
        assert_int_equal(status_of(child_start(close_it, &fd)), 0);
        assert_true(fcntl(fd, F_GETFD) >= 0);
        assert_non_null(getcwd(after, sizeof after));
        assert_string_equal(before, after);
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_ends_with_what_is_returned),
                cmocka_unit_test(test_it_executes_a_program_and_we_go_on),
                cmocka_unit_test(test_its_descriptors_and_folder_are_its_own),
        };

        return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
