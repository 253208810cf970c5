/* Unit tests for src/base/str.c: UTF-8 by its table, numbers, copies. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/str.h"

static void test_utf8_well_formed(void **state) {
        static const char *const texts[] = {
                "",
                "plain",
                "\x7f",
                "\xc2\x80",         /* U+0080, the first of two bytes */
                "\xdf\xbf",         /* U+07FF, the last */
                "\xe0\xa0\x80",     /* U+0800, the first of three */
                "\xed\x9f\xbf",     /* U+D7FF, before the surrogates */
                "\xee\x80\x80",     /* U+E000, after them */
                "\xef\xbf\xbf",     /* U+FFFF, the last of three */
                "\xf0\x90\x80\x80", /* U+10000, the first of four */
                "\xf4\x8f\xbf\xbf", /* U+10FFFF, the last */
                "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x90\x8d",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (!utf8_valid(texts[i], strlen(texts[i])))
                        fail_msg("text %zu is well formed", i);
        assert_true(utf8_valid("a\0b", 3)); /* U+0000 is a character as any other */
}

static void test_utf8_ill_formed(void **state) {
        static const char *const texts[] = {
                "\x80",             /* goes on with nothing before */
                "\xbf",             /* the same, the last */
                "\xc0\x80",         /* overlong NUL */
                "\xc1\xbf",         /* overlong U+007F */
                "\xe0\x9f\xbf",     /* overlong U+07FF */
                "\xf0\x8f\xbf\xbf", /* overlong U+FFFF */
                "\xed\xa0\x80",     /* U+D800, the first surrogate */
                "\xed\xbf\xbf",     /* U+DFFF, the last */
                "\xf4\x90\x80\x80", /* U+110000 */
                "\xf5\x80\x80\x80", /* beyond */
                "\xfe",             /* never a byte */
                "\xff",             /* never a byte */
                "\xc3",             /* cut short */
                "\xe2\x82",         /* cut short */
                "\xf0\x9f\x90",     /* cut short */
                "\xc3(",            /* the second byte is another's */
                "\xe2(\xa1",        /* the second */
                "\xe2\x82(",        /* the third */
                "\xf0\x9f\x90(",    /* the fourth */
                "ok\xc3\xa9\xa9",   /* one too many, at the end */
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                if (utf8_valid(texts[i], strlen(texts[i])))
                        fail_msg("text %zu is ill formed", i);
}

/* Every sequence of a code point made by RFC 3629's rule is accepted; its neighbours are judged by it. */
static void test_utf8_every_code_point(void **state) {
        (void)state;
        for (uint32_t c = 0; c <= 0x110fff; c++) {
                char s[4];
                size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
                if (n == 1) {
                        s[0] = (char)c;
                } else {
                        s[0] = (char)((0xf00u >> n & 0xf0u) | c >> (6 * (n - 1)));
                        for (size_t i = 1; i < n; i++)
                                s[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
                }
                bool right = c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
                if (utf8_valid(s, n) != right)
                        fail_msg("U+%04X", c);
        }
}

static void test_numbers(void **state) {
        static const struct {
                const char *text;
                uint64_t min, max;
                int r;
                uint64_t value;
        } cases[] = {
                {"0", 0, 10, 0, 0},
                {"10", 0, 10, 0, 10},
                {"11", 0, 10, -ERANGE, 0},
                {"4", 5, 10, -ERANGE, 0},
                {"007", 0, 10, 0, 7},
                {"18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX},
                {"18446744073709551616", 0, UINT64_MAX, -ERANGE, 0},
                {"99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0},
                {"", 0, 10, -EINVAL, 0},
                {"-1", 0, 10, -EINVAL, 0},
                {"+1", 0, 10, -EINVAL, 0},
                {" 1", 0, 10, -EINVAL, 0},
                {"1 ", 0, 10, -EINVAL, 0},
                {"1x", 0, 10, -EINVAL, 0},
                {"0x1", 0, 10, -EINVAL, 0},
                {"1.0", 0, 10, -EINVAL, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t v = 77;
                int r = str_to_u64(cases[i].text, cases[i].min, cases[i].max, &v);
                if (r != cases[i].r || v != (r == 0 ? cases[i].value : 77))
                        fail_msg("\"%s\": %d, %llu", cases[i].text, r, (unsigned long long)v);
        }
}

static void test_copies_fit_or_are_none(void **state) {
        char to[4] = "old";

        (void)state;
        assert_int_equal(str_copy(to, sizeof to, "abc"), 0);
        assert_string_equal(to, "abc");
        assert_int_equal(str_copy(to, sizeof to, "abcd"), -ENAMETOOLONG);
        assert_string_equal(to, "");
        assert_int_equal(str_copy(to, sizeof to, ""), 0);
}

static void test_comparisons(void **state) {
        (void)state;
        assert_true(str_eq("a", "a"));
        assert_false(str_eq("a", "b"));
        assert_true(str_eq(NULL, NULL));
        assert_false(str_eq("a", NULL));
        assert_false(str_eq(NULL, ""));
        assert_true(str_starts("session.open", "session."));
        assert_true(str_starts("a", ""));
        assert_false(str_starts("ses", "session."));
        assert_true(str_ends("main.py", ".py"));
        assert_true(str_ends("a", ""));
        assert_false(str_ends("y", ".py"));
        assert_false(str_ends("main.pyc", ".py"));
}

static void test_printf_makes_a_string(void **state) {
        _cleanup_(freep) char *s = str_printf("%s-%d", "x", 42);

        (void)state;
        assert_string_equal(s, "x-42");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_utf8_well_formed),
                cmocka_unit_test(test_utf8_ill_formed),
                cmocka_unit_test(test_utf8_every_code_point),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_copies_fit_or_are_none),
                cmocka_unit_test(test_comparisons),
                cmocka_unit_test(test_printf_makes_a_string),
        };

        return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
