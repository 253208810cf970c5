/* Unit tests for src/vt: what a terminal's picture holds. That xterm.js draws it as it should is for
 * tests/e2e/66_screen.test.mjs; here each thing is looked at by itself. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fault.h"
#include "vt/vt.h"

static char picture[1 << 20];

static struct vt *make(unsigned cols, unsigned rows) {
        struct vt *vt = NULL;

        assert_int_equal(vt_new(cols, rows, &vt), 0);
        return vt;
}

static void feed(struct vt *vt, const char *bytes) {
        vt_feed(vt, bytes, strlen(bytes));
}

static const char *picture_of(const struct vt *vt) {
        struct buf b = BUF_INIT(sizeof picture - 1);

        assert_int_equal(vt_snapshot(vt, &b), 0);
        memcpy(picture, b.data, b.n + 1);
        buf_done(&b);
        return picture;
}

/* Of a screen of 20 times 3 that was fed this. */
static const char *drawn(const char *bytes) {
        struct vt *vt = make(20, 3);

        feed(vt, bytes);
        (void)picture_of(vt);
        vt_free(vt);
        return picture;
}

#define PLAIN "\033[0m" /* the pen, last */

static void test_text_and_cursor(void **state) {
        (void)state;
        assert_string_equal(drawn(""), "\r\n\r\n\033[1;1H" PLAIN);
        assert_string_equal(drawn("a\r\n b"), "a\r\n b\r\n\033[2;3H" PLAIN);
        assert_string_equal(drawn("a\033[3Cb"), "a\033[3Cb\r\n\r\n\033[1;6H" PLAIN);
        assert_string_equal(drawn("e\314\201 \344\270\255."),
                            "e\314\201 \344\270\255.\r\n\r\n\033[1;6H" PLAIN);
}

static void test_what_scrolled_off_is_above(void **state) {
        (void)state;
        assert_string_equal(drawn("1\r\n2\r\n3\r\n4\r\n5"), "1\r\n2\r\n3\r\n4\r\n5\033[3;2H" PLAIN);
        assert_string_equal(drawn("1\r\n2\r\n3\r\n4\033[3J"), "2\r\n3\r\n4\033[3;2H" PLAIN);
        /* deleted lines, and those of the other screen, are gone */
        assert_string_equal(drawn("1\r\n2\033[H\033[M"), "2\r\n\r\n\033[1;1H" PLAIN);
}

static void test_what_is_kept_above_has_a_limit(void **state) {
        struct vt *vt = make(20, 3);
        char text[32];
        unsigned lines = 0;

        (void)state;
        for (unsigned i = 0; i < 5000; i++) {
                snprintf(text, sizeof text, "line %u\r\n", i);
                feed(vt, text);
        }
        for (const char *p = picture_of(vt); (p = strchr(p, '\n')); p++)
                lines++;
        assert_int_equal(lines, VT_HISTORY_LINES + 2);
        assert_memory_equal(picture, "line 3998\r\n", 11);
        vt_free(vt);
}

/* At once, where what leaves no trace is passed over, and byte by byte, where all of it is read. */
static void test_a_flood_leaves_the_same_picture(void **state) {
        static char flood[200000], want[sizeof picture];
        static const char *const lines[] = {"line %d\r\n",
                                            "%d and a line that wraps it is so long\r\n",
                                            "%d\n\r\n", "%d without end "};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                struct vt *once = make(20, 3), *often = make(20, 3), *some = make(20, 3);
                size_t n = 0;

                for (int k = 0; n + 100 < sizeof flood; k++)
                        n += (size_t)snprintf(flood + n, sizeof flood - n, lines[i], k);
                feed(once, "\033[31mbefore");
                feed(often, "\033[31mbefore");
                feed(some, "\033[31mbefore");
                vt_feed(once, flood, n);
                for (size_t k = 0; k < n; k++)
                        vt_feed(often, flood + k, 1);
                for (size_t k = 0; k < n;) {
                        size_t done = vt_feed_some(some, flood + k, n - k, 1000);
                        assert_true(done > 0 && done <= n - k);
                        k += done;
                }
                memcpy(want, picture_of(often), sizeof want);
                assert_string_equal(picture_of(once), want);
                assert_string_equal(picture_of(some), want);
                vt_free(once);
                vt_free(often);
                vt_free(some);
        }
}

static void test_a_line_that_wrapped_wraps(void **state) {
        (void)state;
        assert_string_equal(drawn("01234567890123456789abc"),
                            "01234567890123456789abc\r\n\033[2;4H" PLAIN);
        /* behind the last column: by its glyph, once more */
        assert_string_equal(drawn("01234567890123456789"),
                            "01234567890123456789\r\n\r\n\033[1;20H\033[0m9" PLAIN);
        /* by a blank, where that was erased: it is in the row of whoever draws this, so it is in ours */
        assert_string_equal(drawn("01234567890123456789\033[2J"),
                            "\033[19C \r\n\r\n\033[1;20H\033[0m " PLAIN);
}

static void test_pen_and_colours(void **state) {
        (void)state;
        assert_string_equal(drawn("\033[1;4;31mx\033[m\033[38;5;200;48;2;1;2;3my"),
                            "\033[0;1;4;31mx\033[0;38;5;200;48;2;1;2;3my\033[m\r\n\r\n\033[1;3H"
                            "\033[0;38;5;200;48;2;1;2;3m");
        assert_string_equal(drawn("\033[4:3;38:2::1:2:3;53mx\033[0m"),
                            "\033[0;53;4:3;38;2;1;2;3mx\033[m\r\n\r\n\033[1;2H" PLAIN);
        /* what is erased has the background */
        assert_string_equal(drawn("\033[44m\033[K\033[m"),
                            "\033[0;44m\033[20X\033[m\r\n\r\n\033[1;1H" PLAIN);
}

static void test_both_screens(void **state) {
        (void)state;
        assert_string_equal(drawn("main\033[?1049h\033[Halt"),
                            "main\r\n\r\n\033[1;5H\033[0m\0337\033[m\033(B\033)B\017"
                            "\033[?1047h\033[Halt\r\n\r\n\033[1;4H" PLAIN);
        assert_string_equal(drawn("main\033[?1049h\033[Halt\033[?1049l"),
                            "main\r\n\r\n\033[1;5H\033[0m\0337\033[m\033(B\033)B\017"
                            "\033[1;5H" PLAIN);
}

static void test_modes_and_title(void **state) {
        static const char *const modes[] = {
                "\033[?1h",    "\033=",       "\033[4h",   "\033[20h",    "\033[?7l",
                "\033[?25l",   "\033[?5h",    "\033[?45h", "\033[?1004h", "\033[?2004h",
                "\033[?1003h", "\033[?1006h", "\033[4 q",  "\033]2;t\007"};
        char want[128];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(modes); i++) {
                snprintf(want, sizeof want, "\r\n\r\n\033[1;1H%s" PLAIN, modes[i]);
                assert_string_equal(drawn(modes[i]), want);
        }
        assert_string_equal(drawn("\033[2;3r\033[?6h\033[2;5H"),
                            "\r\n\r\n\033[2;3r\033[?6h\033[2;5H" PLAIN);
        assert_string_equal(drawn("\033[5G\033H\033[1G"),
                            "\r\n\r\n\033[3g\033[1G\033H\033[5G\033H\033[9G\033H\033[17G\033H"
                            "\033[1;1H" PLAIN);
        assert_string_equal(drawn("\033(0q"), "\342\224\200\r\n\r\n\033[1;2H" PLAIN "\033(0");
        /* all of it ends with a reset */
        assert_string_equal(drawn("x\033[?1h\033[31m\033[2;3r\033[?1049h\033c"),
                            "\r\n\r\n\033[1;1H" PLAIN);
}

static void test_what_was_begun_goes_on(void **state) {
        struct vt *vt = make(20, 3);

        (void)state;
        feed(vt, "\033[3");
        assert_string_equal(picture_of(vt), "\r\n\r\n\033[1;1H" PLAIN "\033[3");
        feed(vt, "1mx\344\270");
        assert_string_equal(picture_of(vt), "\033[0;31mx\033[m\r\n\r\n\033[1;2H\033[0;31m\344\270");
        feed(vt, "\255\033]2;ti");
        assert_string_equal(picture_of(vt), "\033[0;31mx\344\270\255\033[m\r\n\r\n\033[1;4H"
                                            "\033[0;31m\033]2;ti");
        vt_free(vt);
}

static void test_queries_are_no_part_of_it(void **state) {
        (void)state;
        assert_string_equal(drawn("\033[c\033[>c\033[=c\033[5n\033[6n\033[?6n\033[?1$p\033[14t\033Z"
                                  "\033P$qm\033\\\033]10;?\007\033]4;1;?\007\033[x\005"),
                            "\r\n\r\n\033[1;1H" PLAIN);
        /* nor of a title */
        assert_string_equal(drawn("\033]2;a\302\233cb\007"),
                            "\r\n\r\n\033[1;1H\033]2;acb\007" PLAIN);
}

static void test_another_size(void **state) {
        struct vt *vt = make(20, 3);

        (void)state;
        feed(vt, "1\r\n2\r\n3");
        assert_int_equal(vt_resize(vt, 20, 2), 0); /* the cursor stays, the first line goes up */
        assert_string_equal(picture_of(vt), "1\r\n2\r\n3\033[2;2H" PLAIN);
        assert_int_equal(vt_resize(vt, 5, 4), 0);
        feed(vt, "456789");
        assert_string_equal(picture_of(vt), "1\r\n2\r\n3456789\r\n\033[3;3H" PLAIN);
        vt_free(vt);
}

static void test_each_screen_has_its_region_and_tabs(void **state) {
        const char *other;

        (void)state;
        other = strstr(drawn("\033[2;3r\033[3G\033H\033[?47h"), "\033[?1047h");
        assert_non_null(other);
        assert_null(strstr(other, "\033[2;3r"));
        assert_null(strstr(other, "\033H"));
        assert_true(strstr(picture, "\033[2;3r") < other &&
                    strstr(picture, "\033[3G\033H") < other);
        assert_null(strstr(drawn("\033[?47h\033[2;3r\033[3g\033[?47l"), "\033[2;3r"));
        assert_null(strstr(picture, "\033[3g"));
        /* and works by it again: the region scrolls, the first line stays */
        assert_non_null(
                strstr(drawn("1\033[2;3r\033[?47h\033[?47l\033[3;1H3\r\n4"), "1\r\n3\r\n4"));
        /* a glyph in the last column wraps on either screen */
        assert_non_null(strstr(drawn("\033[2;3r\033[1;20Hx\033[?47hy"), "\033[H\r\ny"));
}

static void test_what_was_saved_goes_with_its_row(void **state) {
        (void)state;
        assert_non_null(strstr(drawn("\r\n\r\n\0337\r\n\0338x"), "\r\n\r\nx\r\n\033[2;1H"));
        assert_non_null(strstr(drawn("\0337\r\n\r\n\r\n\r\n\0338x"), "\r\n\r\nx\r\n\r\n\033[1;1H"));
}

static void test_outside_the_region(void **state) {
        (void)state;
        assert_non_null(strstr(drawn("\033[1;2r\033[3;1Habc\033[3;1H\033[P"), "\r\n\r\nbc\033["));
        assert_non_null(
                strstr(drawn("\033[1;2r\033[3;1Habc\033[3;1H\033[@"), "\r\n\r\n\033[1Cabc\033["));
        /* below it nothing scrolls: what wraps begins the same line again */
        assert_non_null(strstr(drawn("\033[1;2r\033[3;1Hqqqqqqqqqqqqqqqqqqq\344\270\255"),
                               "\r\n\r\n\344\270\255qqqqqqqqqqqqqqqqq \033["));
}

static void test_without_memory_it_is_as_before(void **state) {
        struct vt *vt = make(20, 3);
        struct vt *none = NULL;

        (void)state;
        feed(vt, "text");
        for (unsigned i = 1; i <= 9; i++) {
                fault_arm(i, 0);
                assert_int_equal(vt_resize(vt, 30, 4), -ENOMEM);
                assert_true(fault_disarm(NULL));
                assert_string_equal(picture_of(vt), "text\r\n\r\n\033[1;5H" PLAIN);
                fault_arm(i, 0);
                assert_int_equal(vt_new(20, 3, &none), -ENOMEM);
                assert_true(fault_disarm(NULL));
        }
        assert_null(none);
        vt_free(vt);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_text_and_cursor),
                cmocka_unit_test(test_what_scrolled_off_is_above),
                cmocka_unit_test(test_what_is_kept_above_has_a_limit),
                cmocka_unit_test(test_a_flood_leaves_the_same_picture),
                cmocka_unit_test(test_a_line_that_wrapped_wraps),
                cmocka_unit_test(test_pen_and_colours),
                cmocka_unit_test(test_both_screens),
                cmocka_unit_test(test_modes_and_title),
                cmocka_unit_test(test_what_was_begun_goes_on),
                cmocka_unit_test(test_queries_are_no_part_of_it),
                cmocka_unit_test(test_another_size),
                cmocka_unit_test(test_each_screen_has_its_region_and_tabs),
                cmocka_unit_test(test_what_was_saved_goes_with_its_row),
                cmocka_unit_test(test_outside_the_region),
                cmocka_unit_test(test_without_memory_it_is_as_before),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
