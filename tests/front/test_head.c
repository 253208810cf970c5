/* Unit tests for src/front/head.c: a request's bytes have one reading, whatever the pieces they come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "front/head.h"

#define GOOD "GET /a?b HTTP/1.1\r\nHost: x\r\nX-Y:\r\n\r\n"

/* 0: whole, after all its bytes and not before; 1: it needs more; else the status. */
static int verdict(const char *bytes, size_t n, size_t piece) {
        struct head h = {0};
        struct refusal r = {0};

        for (size_t at = piece;; at += piece) {
                size_t have = MIN(at, n);

                switch (head_judge(&h, bytes, have, &r)) {
                case HEAD_WHOLE: return 0;
                case HEAD_BAD:
                        assert_non_null(r.code);
                        assert_non_null(r.message);
                        return r.status;
                default: break;
                }
                assert_int_equal(h.n, have);
                if (have == n)
                        return 1;
        }
}

static int of(const char *text) {
        int at_once = verdict(text, strlen(text), strlen(text));

        assert_int_equal(verdict(text, strlen(text), 1), at_once);
        assert_int_equal(verdict(text, strlen(text), 3), at_once);
        return at_once;
}

static void test_what_is_whole(void **state) {
        struct head h = {0};
        struct refusal r;

        (void)state;
        assert_int_equal(of(GOOD), 0);
        assert_int_equal(of("PUT / HTTP/2.0\r\nA!#$%&'*+-.^_`|~9: \x80\xff \r\n\r\n"), 0);
        assert_int_equal(of("X / HTTP/1.1\r\n\r\n"), 0);
        assert_int_equal(head_judge(&h, GOOD "more", strlen(GOOD "more"), &r), HEAD_WHOLE);
        assert_int_equal(h.n, strlen(GOOD));
        for (size_t n = 0; n < strlen(GOOD); n++)
                assert_int_equal(verdict(GOOD, n, n ? n : 1), 1);
}

static void test_what_has_two_readings(void **state) {
        static const char *const cases[] = {
                "G(T / HTTP/1.1\r\n\r\n",
                "\x16\x03\x01",
                "GETGETGETGETGETGET / HTTP/1.1\r\n\r\n",
                "GET  / HTTP/1.1\r\n\r\n",
                "GET /  HTTP/1.1\r\n\r\n",
                "GET\t/ HTTP/1.1\r\n\r\n",
                "GET http://x/ HTTP/1.1\r\n\r\n",
                "OPTIONS * HTTP/1.1\r\n\r\n",
                "GET /#a HTTP/1.1\r\n\r\n",
                "GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
                "GET /\x7f HTTP/1.1\r\n\r\n",
                "GET /\r\n\r\n",
                "GET / http/1.1\r\n\r\n",
                "GET / HTTP/1.10\r\n\r\n",
                "GET / HTTP/x.1\r\n\r\n",
                "GET / HTTP/1.1 \r\n\r\n",
                "GET / HTTP/1.1\n\n",
                "GET / HTTP/1.1\rX",
                "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n",
                "GET / HTTP/1.1\r\n A: b\r\n\r\n",
                "GET / HTTP/1.1\r\nA : b\r\n\r\n",
                "GET / HTTP/1.1\r\nA\t: b\r\n\r\n",
                "GET / HTTP/1.1\r\n: b\r\n\r\n",
                "GET / HTTP/1.1\r\nA\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\tc\r\n\r\n",
                "GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
                "GET / HTTP/1.1\r\nA: b\r\n\rX",
                "GET / HTTP/1.1\r\nA: b\r\n\n",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (of(cases[i]) != 400)
                        fail_msg("passes: %s", cases[i]);
        assert_int_equal(verdict("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 23, 23), 400);
        assert_int_equal(verdict("\0", 1, 1), 400);
        assert_int_equal(of("\r\n" GOOD), 400);
        assert_int_equal(of(" " GOOD), 400);
}

static void test_limits(void **state) {
        static char big[HEAD_BYTES_MAX + 1] = "GET / HTTP/1.1\r\n";
        size_t n = strlen(big), last;

        (void)state;
        for (unsigned i = 0; i < HEAD_HEADERS_MAX; i++)
                n += (size_t)snprintf(big + n, sizeof big - n, "A: b\r\n");
        snprintf(big + n, sizeof big - n, "\r\n");
        assert_int_equal(of(big), 0);
        snprintf(big + n, sizeof big - n, "A: b\r\n\r\n");
        assert_int_equal(of(big), 431);
        last = (size_t)snprintf(big, sizeof big, "GET / HTTP/1.1\r\nA: ");
        memset(big + last, 'x', HEAD_BYTES_MAX - last);
        assert_int_equal(verdict(big, HEAD_BYTES_MAX - 1, 1000), 1);
        assert_int_equal(verdict(big, HEAD_BYTES_MAX, 1000), 431);
        memcpy(big + HEAD_BYTES_MAX - 4, "\r\n\r\n", 4);
        assert_int_equal(verdict(big, HEAD_BYTES_MAX, 1000), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_whole),
                cmocka_unit_test(test_what_has_two_readings),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
