/* What tools say is taken apart whatever pieces it comes in; what is no such output is refused; all is bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "search/search_private.h"

#define S(text) text, sizeof(text) - 1

static struct search_result result;

/* In pieces of this size. */
static int feed(enum search_tool tool, const struct search_request *rq, const char *data, size_t n,
                size_t piece) {
        struct search_parse p;
        int r = 0;

        search_result_done(&result);
        result = (struct search_result){0};
        search_parse_begin(&p, tool, rq, &result);
        for (size_t at = 0; r == 0 && at < n; at += piece)
                r = search_parse_feed(&p, data + at, MIN(piece, n - at));
        search_parse_done(&p);
        return r;
}

static const struct search_request by_text = {.text = "b", .max = 100};
static const struct search_request by_name = {.name = "b", .max = 100};

static void test_pieces_do_not_matter(void **state) {
        static const char rg[] =
                "{\"type\":\"begin\",\"data\":{\"path\":{\"text\":\"home/a\"}}}\n"
                "{\"type\":\"match\",\"data\":{\"path\":{\"text\":\"home/a\"},\"lines\":{\"text\":\"a b\\r\\n\"},"
                "\"line_number\":7,\"submatches\":[{\"start\":2,\"end\":3}]}}\n";
        static const char grep[] = "home/a\nb\0"
                                   "12:x:b\nhome/c\0"
                                   "1:b\n";
        static const char find[] = "fhome/b\0dhome/a\nb\0";

        (void)state;
        for (size_t piece = 1; piece < 200; piece++) {
                assert_int_equal(feed(SEARCH_RG, &by_text, S(rg), piece), 0);
                assert_int_equal(result.n, 1);
                assert_string_equal(result.matches[0].path, "home/a");
                assert_string_equal(result.matches[0].text, "a b");
                assert_int_equal(result.matches[0].line, 7);
                assert_int_equal(result.matches[0].column, 3);
                assert_int_equal(feed(SEARCH_GREP, &by_text, S(grep), piece), 0);
                assert_int_equal(result.n, 2);
                assert_string_equal(result.matches[0].path, "home/a\nb");
                assert_string_equal(result.matches[0].text, "x:b");
                assert_int_equal(result.matches[0].line, 12);
                assert_int_equal(result.matches[0].column, 3);
                assert_int_equal(feed(SEARCH_FIND, &by_name, S(find), piece), 0);
                assert_int_equal(result.n, 2);
                assert_int_equal(result.matches[1].type, 'd');
                assert_string_equal(result.matches[1].path, "home/a\nb");
        }
}

static void test_nonsense_is_refused(void **state) {
        (void)state;
        assert_int_equal(feed(SEARCH_RG, &by_text, S("no json\n"), 99), -EPROTO);
        assert_int_equal(feed(SEARCH_RG, &by_text, S("{\"type\":\"match\"}\n"), 99), -EPROTO);
        assert_int_equal(feed(SEARCH_RG, &by_text, S("{\"type\":\"match\",\"type\":\"x\"}\n"), 99),
                         -EPROTO);
        assert_int_equal(feed(SEARCH_GREP, &by_text, S("a\0x:b\n"), 99), -EPROTO);
        assert_int_equal(feed(SEARCH_GREP, &by_text,
                              S("a\0"
                                "0:b\n"),
                              99),
                         -EPROTO);
        assert_int_equal(feed(SEARCH_GREP, &by_text,
                              S("a\0"
                                "12345678901234567890123456:b\n"),
                              99),
                         -EPROTO);
        assert_int_equal(feed(SEARCH_FIND, &by_name, S("f\0"), 99), -EPROTO);
}

/* A path that is none of the wire's is left out, and said. */
static void test_paths_that_lead_elsewhere_are_left_out(void **state) {
        (void)state;
        assert_int_equal(
                feed(SEARCH_FIND, &by_name, S("f/etc/passwd\0f../x\0fhome/\xff\0fhome/ok\0"), 99),
                0);
        assert_int_equal(result.n, 2);
        assert_string_equal(result.matches[0].path, "home/\\xFF");
        assert_true(result.truncated);
}

static void test_it_is_bounded(void **state) {
        const struct search_request two = {.name = "b", .max = 2};
        size_t n = 3 * SEARCH_LINE_MAX;
        char *big = malloc(n);

        (void)state;
        assert_int_equal(feed(SEARCH_FIND, &two, S("fa\0fb\0fc\0"), 99), -EDQUOT);
        assert_int_equal(result.n, 2);
        assert_true(result.truncated);
        memset(big, 'x', n);
        memcpy(big,
               "a\0"
               "1:",
               4);
        memcpy(big + n - 7,
               "\nc\0"
               "2:b\n",
               7);
        assert_int_equal(feed(SEARCH_GREP, &by_text, big, n, 4096), 0);
        assert_int_equal(result.n, 1); /* the line that is too long is passed over */
        assert_string_equal(result.matches[0].path, "c");
        assert_true(result.truncated);
        free(big);
}

static void test_text_is_utf8_whatever_it_was(void **state) {
        static const struct {
                const char *from;
                size_t n, max;
                const char *to;
        } rows[] = {
                {S("caf\xc3\xa9"), 99, "caf\xc3\xa9"},
                {S("caf\xe9!"), 99, "caf\xef\xbf\xbd!"},
                {S("a\0b"), 99,
                 "a\xef\xbf\xbd"
                 "b"},
                {S("\xe2\x82\xac\xe2\x82\xac"), 5, "\xe2\x82\xac"},
                {S("\xe2\x82"), 99, "\xef\xbf\xbd\xef\xbf\xbd"},
                {S(""), 99, ""},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char *clean = search_clean(rows[i].from, rows[i].n, rows[i].max);
                assert_string_equal(clean, rows[i].to);
                free(clean);
        }
}

/* Behind -e and "--" nothing is an option, and nothing is joined to anything. */
static void test_words_stay_words(void **state) {
        const struct search_request rq = {.path = "home/--pre", .text = "--pre=x", .max = 1};
        struct buf b = BUF_INIT(4096);
        char words[256];
        uint32_t n = 0, seen = 0;
        const char *last = NULL, *before = NULL;

        (void)state;
        assert_int_equal(search_argv(&rq, SEARCH_RG, "/usr/bin/rg", &b, &n, words), 0);
        for (const char *w = b.data; w < b.data + b.n; w += strlen(w) + 1, seen++) {
                if (before && strcmp(before, "-e") == 0)
                        assert_string_equal(w, "--pre=x");
                before = last = w;
        }
        assert_int_equal(seen, n);
        assert_string_equal(last, "home/--pre");
        buf_done(&b);
}

static int end(void **state) {
        (void)state;
        search_result_done(&result);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pieces_do_not_matter),
                cmocka_unit_test(test_nonsense_is_refused),
                cmocka_unit_test(test_paths_that_lead_elsewhere_are_left_out),
                cmocka_unit_test(test_it_is_bounded),
                cmocka_unit_test(test_text_is_utf8_whatever_it_was),
                cmocka_unit_test(test_words_stay_words),
        };

        return cmocka_run_group_tests(tests, NULL, end);
}
