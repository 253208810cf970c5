/* Unit tests for src/base/log.c: a line is one line, whatever is in it. */
#include <errno.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/macros.h"

static char said[8192];
static int real_stderr, log_fd;

/* stderr is a file for the time of a test; said[] has what was written. */
static void listen_begin(void) {
        assert_int_equal(ftruncate(log_fd, 0), 0);
        assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
        assert_int_equal(dup2(log_fd, STDERR_FILENO), STDERR_FILENO);
}

static void listen_end(void) {
        assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
        ssize_t n = pread(log_fd, said, sizeof said - 1, 0);
        assert_true(n >= 0);
        said[n] = '\0';
}

static unsigned lines(void) {
        unsigned n = 0;

        for (const char *p = said; *p; p++)
                n += *p == '\n';
        return n;
}

#define SAY(...)                                                                                   \
        do {                                                                                       \
                listen_begin();                                                                    \
                log_event(__VA_ARGS__);                                                            \
                listen_end();                                                                      \
        } while (0)

static void assert_ends(const char *want) {
        size_t n = strlen(said), k = strlen(want);

        if (n < k || strcmp(said + n - k, want) != 0)
                fail_msg("\"%s\" does not end in \"%s\"", said, want);
}

static void test_a_line_has_time_level_event_and_fields(void **state) {
        regex_t form;

        (void)state;
        SAY(LOG_WARN, "session.open", LOG_S("user", "ann"), LOG_I("n", -42), LOG_S("none", NULL),
            LOG_E(-ENOENT), LOG_E(EBUSY), LOG_E(99999));
        assert_int_equal(regcomp(&form,
                                 "^time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                 "\\.[0-9]{3}Z level=warn event=session.open user=ann n=-42 "
                                 "error=ENOENT error=EBUSY error=unknown\n$",
                                 REG_EXTENDED | REG_NOSUB),
                         0);
        if (regexec(&form, said, 0, NULL, 0) != 0)
                fail_msg("%s", said);
        regfree(&form);
}

static void test_a_value_never_makes_a_second_line(void **state) {
        (void)state;
        SAY(LOG_ERROR, "e", LOG_S("v", "one\ntime=now level=info event=forged user=root"));
        assert_int_equal(lines(), 1);
        assert_ends(" v=\"one\\x0atime=now level=info event=forged user=root\"\n");
        SAY(LOG_ERROR, "e", LOG_S("v", "\r\x1b[2J\x7f\t"));
        assert_int_equal(lines(), 1);
        assert_ends(" v=\"\\x0d\\x1b[2J\\x7f\\x09\"\n");
}

static void test_values_are_quoted_where_they_need_it(void **state) {
        static const struct {
                const char *value, *printed;
        } cases[] = {
                {"plain", "plain"},
                {"", "\"\""},
                {"two words", "\"two words\""},
                {"a=b", "\"a=b\""},
                {"say \"hi\"", "\"say \\\"hi\\\"\""},
                {"back\\slash", "\"back\\\\slash\""},
                {"\xc3\xa9", "\"\\xc3\\xa9\""},
                {"\xff", "\"\\xff\""},
        };
        char want[64];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                SAY(LOG_INFO, "e", LOG_S("v", cases[i].value));
                assert_true(strlen(cases[i].printed) < sizeof want - 8);
                strcpy(want, " v=");
                strcat(strcat(want, cases[i].printed), "\n");
                assert_ends(want);
                assert_int_equal(lines(), 1);
        }
}

static void test_a_line_that_is_too_long_ends_in_dots(void **state) {
        const size_t most = 2043; /* of a whole line, without its end */
        char value[5000];

        (void)state;
        SAY(LOG_INFO, "e", LOG_S("v", "x"));
        size_t head = strlen(said) - 2;
        for (size_t n = most - head - 9; n < most - head + 9; n++) {
                memset(value, 'x', n);
                value[n] = '\0';
                SAY(LOG_INFO, "e", LOG_S("v", value));
                assert_int_equal(lines(), 1);
                bool fits = head + n <= most;
                assert_ends(fits ? "xxx\n" : "xxx...\n");
                assert_int_equal(strlen(said), fits ? head + n + 1 : most + 4);
        }
        memset(value, '\n', sizeof value - 1);
        value[sizeof value - 1] = '\0';
        SAY(LOG_INFO, "e", LOG_S("v", value), LOG_S("after", "it"));
        assert_int_equal(lines(), 1);
        assert_ends("...\n");
}

static void test_below_its_level_nothing_is_said(void **state) {
        (void)state;
        SAY(LOG_DEBUG, "quiet", LOG_I("n", 1));
        assert_string_equal(said, "");
        log_set_level(LOG_ERROR);
        SAY(LOG_WARN, "quiet", LOG_I("n", 1));
        assert_string_equal(said, "");
        SAY(LOG_ERROR, "loud", LOG_I("n", 1));
        assert_int_equal(lines(), 1);
        log_set_level(LOG_DEBUG);
        SAY(LOG_DEBUG, "loud", LOG_I("n", 1));
        assert_int_equal(lines(), 1);
        log_set_level(LOG_INFO);
}

static void test_logging_keeps_errno(void **state) {
        (void)state;
        listen_begin();
        fault_arm(1, EIO);
        errno = EDOM;
        log_event(LOG_INFO, "e", LOG_I("n", 1));
        int kept = errno;
        bool struck = fault_disarm(NULL);
        listen_end();
        assert_int_equal(kept, EDOM);
        assert_true(struck);
}

static int begin(void **state) {
        (void)state;
        real_stderr = dup(STDERR_FILENO);
        log_fd = memfd_create("log", MFD_CLOEXEC);
        return real_stderr < 0 || log_fd < 0;
}

static int end(void **state) {
        (void)state;
        fd_close(log_fd);
        fd_close(real_stderr);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_line_has_time_level_event_and_fields),
                cmocka_unit_test(test_a_value_never_makes_a_second_line),
                cmocka_unit_test(test_values_are_quoted_where_they_need_it),
                cmocka_unit_test(test_a_line_that_is_too_long_ends_in_dots),
                cmocka_unit_test(test_below_its_level_nothing_is_said),
                cmocka_unit_test(test_logging_keeps_errno),
        };

        return cmocka_run_group_tests_name("log", tests, begin, end);
}
