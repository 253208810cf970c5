/* Unit tests for src/front/forwarded.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "front/forwarded.h"

static const char *address(const char *trusted, const char *peer, const char *const *headers) {
        static char to[ADDRESS_TEXT_MAX];
        struct mg_request_info ri = {0};
        struct ipv4_nets nets;

        assert_int_equal(ipv4_nets_parse(trusted, &nets), 0);
        snprintf(ri.remote_addr, sizeof ri.remote_addr, "%s", peer);
        for (; *headers; headers++) {
                ri.http_headers[ri.num_headers].name = "x-forwarded-FOR";
                ri.http_headers[ri.num_headers++].value = *headers;
                ri.http_headers[ri.num_headers].name = "Forwarded";
                ri.http_headers[ri.num_headers++].value = "for=9.9.9.9";
        }
        forwarded_address(&ri, &nets, to);
        return to;
}

#define IS(want, trusted, peer, ...)                                                               \
        assert_string_equal(address(trusted, peer, (const char *const[]){__VA_ARGS__, NULL}), want)

static void test_a_stranger_is_not_believed(void **state) {
        (void)state;
        IS("10.0.0.9", "", "10.0.0.9", "1.2.3.4");
        IS("10.0.0.9", "10.0.0.1", "10.0.0.9", "1.2.3.4");
        IS("10.0.0.1", "10.0.0.1", "10.0.0.1", NULL);
}

static void test_the_last_that_is_no_proxy_counts(void **state) {
        (void)state;
        IS("1.2.3.4", "10.0.0.1", "10.0.0.1", "1.2.3.4");
        IS("1.2.3.4", "10.0.0.1", "10.0.0.1", "6.6.6.6, 1.2.3.4");
        IS("1.2.3.4", "10.0.0.0/24", "10.0.0.1", "6.6.6.6,\t1.2.3.4 ,10.0.0.2");
        IS("1.2.3.4", "10.0.0.0/24", "10.0.0.1", "6.6.6.6", "1.2.3.4", "10.0.0.2,10.0.0.3");
        IS("2001:db8::7", "10.0.0.1", "10.0.0.1", "1.2.3.4, 2001:DB8::7");
        /* What the client made up left of it does not matter, whatever it is. */
        IS("1.2.3.4", "10.0.0.1", "10.0.0.1", ",,\"<script>, 1.2.3.4");
}

static void test_a_proxy_may_ask_itself(void **state) {
        (void)state;
        IS("10.0.0.2", "10.0.0.0/24", "10.0.0.1", "10.0.0.2, 10.0.0.3");
}

static void test_what_is_broken_is_not_believed(void **state) {
        static const char *const broken[] = {
                "",        ",",     "1.2.3.4,",        "1.2.3.4:80",       "unknown",
                "[::1]",   "1.2.3", "1.2.3.4 5.6.7.8", "1.2.3.4;10.0.0.2", "1.2.3.4,,10.0.0.2",
                "01.2.3.4"};
        char many[1024] = "1.2.3.4";

        (void)state;
        for (size_t i = 0; i < ELEMENTS(broken); i++)
                IS("10.0.0.1", "10.0.0.0/24", "10.0.0.1", broken[i]);
        for (int i = 1; i < FORWARDED_MAX; i++)
                strcat(many, ",10.0.0.7");
        IS("1.2.3.4", "10.0.0.0/24", "10.0.0.1", many);
        strcat(many, ",10.0.0.7");
        IS("10.0.0.1", "10.0.0.0/24", "10.0.0.1", many);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_stranger_is_not_believed),
                cmocka_unit_test(test_the_last_that_is_no_proxy_counts),
                cmocka_unit_test(test_a_proxy_may_ask_itself),
                cmocka_unit_test(test_what_is_broken_is_not_believed),
        };

        return cmocka_run_group_tests_name("forwarded", tests, NULL, NULL);
}
