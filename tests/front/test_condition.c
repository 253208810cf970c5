/* Unit tests for src/front/condition.c: RFC 9110, 13, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "front/condition.h"

#define AT     784111777 /* RFC 9110's own example */
#define AT_IMF "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER  "Sun, 06 Nov 1994 08:49:38 GMT"

static void test_dates(void **state) {
        static const struct {
                const char *text;
                int64_t s; /* 0: none */
        } cases[] = {
                {AT_IMF, AT},
                {"Sunday, 06-Nov-94 08:49:37 GMT", AT},
                {"Sun Nov  6 08:49:37 1994", AT},
                {"Sun, 06 Nov 1994 08:49:37", 0},
                {"Sun, 06 Nov 1994 08:49:37 GMT ", 0},
                {"Sun, 06 Nov 1994 08:49:37 CET", 0},
                {"784111777", 0},
                {"", 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int64_t s = 0;

                if (condition_date(cases[i].text, &s) != (cases[i].s != 0) || s != cases[i].s)
                        fail_msg("case %zu", i);
        }
        char text[CONDITION_DATE_MAX];
        condition_date_text(AT, text);
        assert_string_equal(text, AT_IMF);
}

/* What stands there: etag "a" of AT, or nothing. */
static void test_conditions(void **state) {
        static const struct {
                struct conditions c;
                bool nothing;
                enum condition_verdict verdict;
        } cases[] = {
                {{.read = true}, false, CONDITION_HOLDS},
                {{0}, true, CONDITION_HOLDS},
                /* 13.1.1: strong comparison */
                {{.match = "\"a\""}, false, CONDITION_HOLDS},
                {{.match = "\"b\", \"a\""}, false, CONDITION_HOLDS},
                {{.match = "W/\"a\""}, false, CONDITION_FAILS},
                {{.match = "\"b\""}, false, CONDITION_FAILS},
                {{.match = "*"}, false, CONDITION_HOLDS},
                {{.match = "*"}, true, CONDITION_FAILS},
                {{.match = "\"a\""}, true, CONDITION_FAILS},
                {{.match = "\"b\"", .read = true}, false, CONDITION_FAILS},
                /* 13.1.2: weak comparison; 304 for reading, 412 else */
                {{.none = "\"a\"", .read = true}, false, CONDITION_SAME},
                {{.none = "W/\"a\"", .read = true}, false, CONDITION_SAME},
                {{.none = "\"b\"", .read = true}, false, CONDITION_HOLDS},
                {{.none = "*", .read = true}, false, CONDITION_SAME},
                {{.none = "*"}, false, CONDITION_EXISTS},
                {{.none = "*"}, true, CONDITION_HOLDS},
                {{.none = "\"a\""}, false, CONDITION_FAILS},
                {{.none = "\"b\""}, false, CONDITION_HOLDS},
                /* 13.1.3: only for reading, only without If-None-Match, only if it is a date */
                {{.modified_s = AT_IMF, .read = true}, false, CONDITION_SAME},
                {{.modified_s = AFTER, .read = true}, false, CONDITION_SAME},
                {{.modified_s = BEFORE, .read = true}, false, CONDITION_HOLDS},
                {{.modified_s = AT_IMF}, false, CONDITION_HOLDS},
                {{.modified_s = "yesterday", .read = true}, false, CONDITION_HOLDS},
                {{.modified_s = AT_IMF, .none = "\"b\"", .read = true}, false, CONDITION_HOLDS},
                {{.modified_s = BEFORE, .none = "\"a\"", .read = true}, false, CONDITION_SAME},
                /* 13.1.4: only without If-Match */
                {{.unmodified_s = AT_IMF}, false, CONDITION_HOLDS},
                {{.unmodified_s = BEFORE}, false, CONDITION_FAILS},
                {{.unmodified_s = BEFORE, .read = true}, false, CONDITION_FAILS},
                {{.unmodified_s = BEFORE}, true, CONDITION_HOLDS},
                {{.unmodified_s = "soon"}, false, CONDITION_HOLDS},
                {{.unmodified_s = BEFORE, .match = "\"a\""}, false, CONDITION_HOLDS},
                /* 13.2.2: in this order */
                {{.match = "\"b\"", .none = "\"a\"", .read = true}, false, CONDITION_FAILS},
                {{.match = "\"a\"", .none = "\"a\"", .read = true}, false, CONDITION_SAME},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct validators now = {.etag = cases[i].nothing ? NULL : "\"a\"",
                                         .modified_s = AT};

                if (condition_judge(&cases[i].c, &now) != cases[i].verdict)
                        fail_msg("case %zu", i);
        }
}

static void test_if_range(void **state) {
        static const struct {
                const char *text;
                int64_t now_s;
                bool holds;
        } cases[] = {
                {NULL, AT, true},
                {"\"a\"", AT, true},
                {"W/\"a\"", AT, false},
                {"\"b\"", AT, false},
                {AT_IMF, AT + 2, true},
                {AT_IMF, AT + 1, false}, /* it may have changed again within that second */
                {AFTER, AT + 9, false},
                {BEFORE, AT + 9, false},
                {"*", AT + 9, false},
                {"", AT + 9, false},
        };
        struct validators now = {.etag = "\"a\"", .modified_s = AT};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (condition_range(cases[i].text, &now, cases[i].now_s) != cases[i].holds)
                        fail_msg("case %zu", i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dates),
                cmocka_unit_test(test_conditions),
                cmocka_unit_test(test_if_range),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
