/* Unit tests for src/base/json_depth.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_depth.h"
#include "base/macros.h"

static void test_depth_is_that_of_what_is_open(void **state) {
        static const struct {
                const char *text;
                unsigned depth; /* the least that it fits in */
        } cases[] = {
                {"", 0},
                {"1", 0},
                {"\"[[[\"", 0},
                {"{}", 1},
                {"[[],[],[[]]]", 3},
                {"{\"a\":[{}]}", 3},
                {"{\"\\\"[[[\":1}", 1},
                {"\"\\\\\"[[", 2},
                {"]]]]", 0},
                {"]][[", 2},
                {"[\"", 1},
                {"[\"\\", 1},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                size_t n = strlen(cases[i].text);

                assert_false(json_deeper(cases[i].text, n, cases[i].depth));
                if (cases[i].depth > 0)
                        assert_true(json_deeper(cases[i].text, n, cases[i].depth - 1));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_depth_is_that_of_what_is_open),
        };

        return cmocka_run_group_tests_name("json_depth", tests, NULL, NULL);
}
