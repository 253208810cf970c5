/* Unit tests for src/front/entity.c and file_type.c: conditions, ranges, encodings, kinds of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "front/entity.h"
#include "front/file_type.h"

static void test_etags_in_lists(void **state) {
        static const struct {
                const char *list;
                bool listed;
        } cases[] = {
                {"\"a\"", true},
                {"W/\"a\"", true},
                {"\"b\", \"a\"", true},
                {"\"b\",W/\"a\" ,\"c\"", true},
                {"*", true},
                {"\"b\", *", false}, /* no list may hold one */
                {"\"b,\", \"a\"", true},
                {" ,\t\"a\",", true},
                {"b, \"a\"", false},
                {"\"ab\"", false},
                {"a", false},
                {"\"A\"", false},
                {"", false},
                {NULL, false},
                {"\"a\"x", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (entity_listed(cases[i].list, "\"a\"", false) != cases[i].listed)
                        fail_msg("case %zu", i);
}

static void test_encodings(void **state) {
        static const struct {
                const char *list;
                bool taken;
        } cases[] = {
                {NULL, true},          {"gzip", true},         {"br, GZIP", true},
                {"gzip;q=0.5", true},  {"gzip; q=1", true},    {"*", true},
                {"br, *;q=0.1", true}, {"gzip;q=0.001", true}, {"", false},
                {"br", false},         {"gzip;q=0", false},    {"gzip; q=0.000", false},
                {"xgzip", false},      {"*;q=0", false},       {"*, gzip;q=0", false},
                {"identity", false},   {"gzip;q=0, *", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (entity_accepts(cases[i].list, "gzip") != cases[i].taken)
                        fail_msg("case %zu", i);
}

static void test_ranges(void **state) {
        static const struct {
                const char *range;
                uint64_t size;
                enum entity_range what;
                uint64_t from, n;
        } cases[] = {
                {"bytes=0-0", 10, ENTITY_PART, 0, 1},
                {"bytes=0-9", 10, ENTITY_PART, 0, 10},
                {"bytes=3-99999", 10, ENTITY_PART, 3, 7},
                {"bytes=9-", 10, ENTITY_PART, 9, 1},
                {"bytes=10-", 10, ENTITY_NONE, 0, 0},
                {"bytes=0-", 0, ENTITY_NONE, 0, 0},
                {"bytes=-1", 10, ENTITY_PART, 9, 1},
                {"bytes=-10", 10, ENTITY_PART, 0, 10},
                {"bytes=-11", 10, ENTITY_PART, 0, 10},
                {"bytes=-0", 10, ENTITY_NONE, 0, 0},
                {"bytes=-5", 0, ENTITY_NONE, 0, 0},
                {"Bytes=1-2", 10, ENTITY_PART, 1, 2},
                {"bytes=2-1", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=-", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=a-b", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=1-2,4-5", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=1-2x", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=99999999999999999999-", 10, ENTITY_WHOLE, 0, 0},
                {"bytes=0-99999999999999999999", 10, ENTITY_WHOLE, 0, 0},
                {"lines=1-2", 10, ENTITY_WHOLE, 0, 0},
                {NULL, 10, ENTITY_WHOLE, 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t from = 0, n = 0;

                if (entity_range(cases[i].range, cases[i].size, &from, &n) != cases[i].what)
                        fail_msg("case %zu", i);
                if (cases[i].what == ENTITY_PART) {
                        assert_int_equal(from, cases[i].from);
                        assert_int_equal(n, cases[i].n);
                }
        }
}

static void test_only_images_and_plain_text_are_shown(void **state) {
        static const struct {
                const char *name, *type;
                bool shown;
        } cases[] = {
                {"a.png", "image/png", true},
                {"A.JPG", "image/jpeg", true},
                {"a.py", "text/plain; charset=utf-8", true},
                {"a.html", "text/html", false},
                {"a.svg", "image/svg+xml", false},
                {"a.js", "text/javascript", false},
                {"a.xml", "application/xml", false},
                {"a", "application/octet-stream", false},
                {"a.", "application/octet-stream", false},
                {"png", "application/octet-stream", false},
                {"a.png.exe", "application/octet-stream", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_string_equal(file_type(cases[i].name), cases[i].type);
                assert_int_equal(file_type_shown(cases[i].name), cases[i].shown);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_etags_in_lists),
                cmocka_unit_test(test_encodings),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_only_images_and_plain_text_are_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
