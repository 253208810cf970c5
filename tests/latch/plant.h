/* plant.h - a violation that is planted in a child process, and its report, which is read from the child's stderr. A test
 * includes it once, has a make_locks() for what the child begins with, and ends in plant_main. */
#pragma once

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "latch/thread.h"

#define CHILD_DEADLINE_S 20
#define REPORT_MAX       8192
#define TESTS_MAX        64

/* Where the child stood: lines, read by the parent. */
static int *line;
#define MARK(i)       line[i] = __LINE__
#define MARK_ABOVE(i) line[i] = __LINE__ - 1

#define PLANTED(f) #f, f
/* Reports are matched line by line: {L0} is the line of MARK(0). */
struct violation {
        const char *name;
        void (*plant)(void);
        const char *report[10];
};

static void make_locks(void); /* in the child */

/* The violation runs in a child; what it says goes to report[]. How the child ended. */
static int run_planted(const struct violation *v, char report[REPORT_MAX]) {
        _cleanup_(fd_closep) int in = -1;
        int fds[2], status;

        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                alarm(CHILD_DEADLINE_S);
                dup2(fds[1], STDERR_FILENO);
                signal(SIGABRT, SIG_DFL); /* cmocka would take it for its own */
                latch_thread_begin("culprit");
                make_locks();
                v->plant();
                _exit(0);
        }
        fd_close(fds[1]);
        in = fds[0];
        ssize_t n = fd_read_full(in, report, REPORT_MAX - 1);
        assert_true(n >= 0);
        report[n] = '\0';
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return status;
}

/* "at {L0} x" with the place of MARK(0) in it. */
static void fill_in(const char *pattern, char *to, size_t size) {
        const char *mark = strstr(pattern, "{L");

        if (mark)
                snprintf(to, size, "%.*s%s:%d%s", (int)(mark - pattern), pattern, __BASE_FILE__,
                         line[mark[2] - '0'], mark + 4);
        else
                snprintf(to, size, "%s", pattern);
}

static void test_is_reported(void **state) {
        const struct violation *v = *state;
        char report[REPORT_MAX], want[256];

        int status = run_planted(v, report);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
                fail_msg("%s: not stopped (status %x):\n%s", v->name, (unsigned)status, report);
        for (size_t i = 0; i < ELEMENTS(v->report) && v->report[i]; i++) {
                fill_in(v->report[i], want, sizeof want);
                if (!strstr(report, want))
                        fail_msg("%s: no \"%s\" in:\n%s", v->name, want, report);
        }
}

/* Runs the tests that hold, then each violation. */
_unused_ static int plant_main(const char *name, const struct CMUnitTest *hold, size_t hold_n,
                               const struct violation *violations, size_t n) {
        struct CMUnitTest tests[TESTS_MAX] = {0};

        CHECK(hold_n + n <= TESTS_MAX);
        line = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(line != MAP_FAILED);
        memcpy(tests, hold, hold_n * sizeof *hold);
        for (size_t i = 0; i < n; i++)
                tests[hold_n + i] =
                        (struct CMUnitTest){.name = violations[i].name,
                                            .test_func = test_is_reported,
                                            .initial_state = (void *)(uintptr_t)&violations[i]};
        return _cmocka_run_group_tests(name, tests, hold_n + n, NULL, NULL);
}
