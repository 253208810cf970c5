/* Unit tests for src/vt/title.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vt/title.h"

/* In one piece, and byte by byte. */
static void called(const char *written, const char *title) {
        struct title whole = {.n = 0}, pieces = {.n = 0};
        bool changed = false;

        assert_int_equal(title_feed(&whole, written, strlen(written)), title[0] != '\0');
        for (size_t i = 0; i < strlen(written); i++)
                changed |= title_feed(&pieces, written + i, 1);
        assert_int_equal(changed, title[0] != '\0');
        assert_string_equal(whole.text, title);
        assert_string_equal(pieces.text, title);
        assert_true(title_valid(title, strlen(title)));
}

static void test_a_title_is_seen_wherever_it_ends(void **state) {
        (void)state;
        called("text \033]0;work\007 text", "work");
        called("\033]2;work\033\\$ ", "work");
        called("\033]2;work\302\234", "work");
        called("\033\033]0;\342\234\223 \303\251\007", "\342\234\223 \303\251");
        called("\033]0;one\033]2;two\007", "two");
        called("\033[1m\033(B\033P+q\033]0;behind a string\007", "behind a string");
}

static void test_what_is_no_title_is_none(void **state) {
        (void)state;
        called("\033]1;icon\007\033]8;;http://x\007\033]02;no\007\033];\007]0;no\007", "");
        called("\033]0;not finished", "");
        called("\033]0;broken off\030\033]0;too\032", "");
        called("\033]0;no \377 UTF-8\007\033]0;half \342\234\007", "");
}

static void test_controls_are_taken_out_and_the_rest_is_cut(void **state) {
        char long_one[1000] = "\033]0;", wanted[TITLE_BYTES + 1];

        (void)state;
        called("\033]0;a\n\tb\177\302\205c\007", "abc");
        memset(long_one + 4, 'x', 900);
        strcpy(long_one + 4 + 254, "\342\234\223 and more\007"); /* a character across the edge */
        memset(wanted, 'x', 254);
        wanted[254] = '\0';
        called(long_one, wanted);
}

static void test_only_another_one_is_news(void **state) {
        struct title t = {.n = 0};

        (void)state;
        assert_true(title_feed(&t, "\033]0;a\007", 6));
        assert_false(title_feed(&t, "\033]0;a\007", 6));
        assert_true(title_feed(&t, "\033]0;\007", 5));
        assert_string_equal(t.text, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_title_is_seen_wherever_it_ends),
                cmocka_unit_test(test_what_is_no_title_is_none),
                cmocka_unit_test(test_controls_are_taken_out_and_the_rest_is_cut),
                cmocka_unit_test(test_only_another_one_is_news),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
