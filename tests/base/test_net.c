/* Unit tests for src/base/net.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/net.h"

static struct ipv4_nets parsed(const char *text) {
        struct ipv4_nets nets;

        if (ipv4_nets_parse(text, &nets) < 0)
                fail_msg("%s is a list", text);
        return nets;
}

static void test_lists_of_networks(void **state) {
        struct ipv4_nets nets = parsed("10.0.0.1, 10.1.0.0/16 ,192.168.7.128/25");

        (void)state;
        assert_int_equal(nets.n, 3);
        assert_true(ipv4_nets_have(&nets, "10.0.0.1"));
        assert_false(ipv4_nets_have(&nets, "10.0.0.2"));
        assert_true(ipv4_nets_have(&nets, "10.1.255.255"));
        assert_false(ipv4_nets_have(&nets, "10.2.0.0"));
        assert_true(ipv4_nets_have(&nets, "192.168.7.128"));
        assert_false(ipv4_nets_have(&nets, "192.168.7.127"));
        assert_false(ipv4_nets_have(&nets, "::1"));
        assert_false(ipv4_nets_have(&nets, ""));
        nets = parsed("0.0.0.0/0");
        assert_true(ipv4_nets_have(&nets, "255.255.255.255"));
        nets = parsed("");
        assert_int_equal(nets.n, 0);
        assert_false(ipv4_nets_have(&nets, "0.0.0.0"));
}

static void test_what_is_no_list(void **state) {
        static const char *const bad[] = {" ",
                                          ",",
                                          "10.0.0.1,",
                                          ",10.0.0.1",
                                          "10.0.0.1,,10.0.0.2",
                                          "10.0.0.1 10.0.0.2",
                                          "10.0.0",
                                          "10.0.0.256",
                                          "10.0.0.1/",
                                          "10.0.0.1/33",
                                          "10.0.0.0/016",
                                          "10.0.0.1/24",
                                          "10.0.0.0/-1",
                                          "localhost",
                                          "::1"};
        struct ipv4_nets nets;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (ipv4_nets_parse(bad[i], &nets) != -EINVAL)
                        fail_msg("\"%s\" passed", bad[i]);
        char many[256] = "1.1.1.1";
        for (int i = 1; i < IPV4_NETS_MAX; i++)
                strcat(many, ",1.1.1.1");
        assert_int_equal(ipv4_nets_parse(many, &nets), 0);
        strcat(many, ",1.1.1.1");
        assert_int_equal(ipv4_nets_parse(many, &nets), -EINVAL);
}

static void test_addresses_have_one_form(void **state) {
        static const struct {
                const char *text, *form; /* NULL: it is none */
        } all[] = {
                {"127.0.0.1", "127.0.0.1"},
                {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
                {"::1", "::1"},
                {"::ffff:192.0.2.1", "192.0.2.1"},
                {"::FFFF:c000:201", "192.0.2.1"},
                {"::192.0.2.1", "::192.0.2.1"},
                {"127.0.0.01", NULL},
                {"127.1", NULL},
                {"127.0.0.1:80", NULL},
                {"[::1]", NULL},
                {"unknown", NULL},
                {"", NULL},
                {" 127.0.0.1", NULL},
                {"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", NULL},
        };
        char to[ADDRESS_TEXT_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                int r = address_parse(all[i].text, strlen(all[i].text), to);
                assert_int_equal(r, all[i].form ? 0 : -EINVAL);
                if (r == 0)
                        assert_string_equal(to, all[i].form);
        }
        assert_int_equal(address_parse("1.2.3.4\0x", 9, to), -EINVAL);
}

static void test_of_ipv6_the_network_counts(void **state) {
        static const char *const all[][2] = {
                {"192.0.2.1", "192.0.2.1"},
                {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
                {"2001:db8:1:2::", "2001:db8:1:2::"},
                {"2001:db8:1:3::6", "2001:db8:1:3::"},
                {"::1", "::"},
                {"none", "none"},
                {"", ""},
        };
        char to[ADDRESS_TEXT_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                address_network(all[i][0], to);
                assert_string_equal(to, all[i][1]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lists_of_networks),
                cmocka_unit_test(test_what_is_no_list),
                cmocka_unit_test(test_addresses_have_one_form),
                cmocka_unit_test(test_of_ipv6_the_network_counts),
        };

        return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}
