/* Unit tests for src/auth/attempts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/attempts.h"
#include "base/fault.h"

#define SECOND UINT64_C(1000000000)

static _Atomic unsigned one = 1, ten = 10;

static void test_failures_are_counted_and_forgiven(void **state) {
        struct attempts *a;
        uint64_t now = 1000 * SECOND;

        (void)state;
        assert_int_equal(attempts_new(&ten, &a), 0);
        uint64_t key = attempts_key(a, ATTEMPTS_NAME, "ann");
        for (int i = 0; i < 10; i++) {
                assert_int_equal(attempts_wait_ns(a, key, now), 0);
                assert_int_equal(attempts_wait_ns(a, key, now), 0); /* asking costs nothing */
                attempts_failed(a, key, now);
        }
        assert_int_equal(attempts_wait_ns(a, key, now), 6 * SECOND);
        assert_int_equal(attempts_wait_ns(a, key, now + 2 * SECOND), 4 * SECOND);
        assert_int_equal(attempts_wait_ns(a, key, now + 6 * SECOND), 0);
        attempts_failed(a, key, now + 6 * SECOND);
        assert_int_equal(attempts_wait_ns(a, key, now + 6 * SECOND), 6 * SECOND);
        /* Nobody else pays for it. */
        assert_int_equal(attempts_wait_ns(a, attempts_key(a, ATTEMPTS_NAME, "bob"), now), 0);
        assert_int_equal(attempts_wait_ns(a, attempts_key(a, ATTEMPTS_ADDRESS, "ann"), now), 0);
        attempts_free(a);
}

/* A million invented names from one address: it is stopped after ten, and then lets one in six seconds. */
static void test_an_address_that_invents_names_is_stopped(void **state) {
        struct attempts *a;
        uint64_t now = 1000 * SECOND;
        unsigned tried = 0;
        char name[32];

        (void)state;
        assert_int_equal(attempts_new(&ten, &a), 0);
        uint64_t address = attempts_key(a, ATTEMPTS_ADDRESS, "192.0.2.1");
        for (int i = 0; i < 1000000; i++, now += SECOND / 100000) {
                (void)snprintf(name, sizeof name, "invented-%d", i);
                if (attempts_wait_ns(a, address, now) > 0)
                        continue;
                tried++;
                attempts_failed(a, attempts_key(a, ATTEMPTS_NAME, name), now);
                attempts_failed(a, address, now);
        }
        assert_int_equal(tried, 10 + 1); /* it went on for ten seconds */
        attempts_free(a);
}

static void test_a_million_names_take_no_memory(void **state) {
        struct attempts *a;
        char name[32];

        (void)state;
        assert_int_equal(attempts_new(&ten, &a), 0);
        fault_arm(1, 0); /* the first allocation would fail, and tell */
        for (int i = 0; i < 1000000; i++) {
                (void)snprintf(name, sizeof name, "invented-%d", i);
                attempts_failed(a, attempts_key(a, ATTEMPTS_NAME, name), 1000 * SECOND);
        }
        assert_false(fault_disarm(NULL));
        attempts_free(a);
}

static void test_who_is_forgiven_gives_way_first(void **state) {
        struct attempts *a;
        uint64_t now = 1000 * SECOND;
        char name[32];

        (void)state;
        assert_int_equal(attempts_new(&one, &a), 0);
        uint64_t key = attempts_key(a, ATTEMPTS_NAME, "ann");
        for (int i = 0; i < 3; i++)
                attempts_failed(a, key, now); /* three minutes to go */
        for (int i = 0; i < 100000; i++) {
                (void)snprintf(name, sizeof name, "n%d", i);
                attempts_failed(a, attempts_key(a, ATTEMPTS_NAME, name), now); /* one minute each */
        }
        assert_int_equal(attempts_wait_ns(a, key, now), 3 * 60 * SECOND);
        attempts_free(a);
}

static void test_the_rate_may_change_meanwhile(void **state) {
        static _Atomic unsigned rate = 1;
        struct attempts *a;
        uint64_t now = 1000 * SECOND;

        (void)state;
        assert_int_equal(attempts_new(&rate, &a), 0);
        uint64_t key = attempts_key(a, ATTEMPTS_NAME, "ann");
        attempts_failed(a, key, now);
        assert_int_equal(attempts_wait_ns(a, key, now), 60 * SECOND);
        rate = 60;
        assert_int_equal(attempts_wait_ns(a, key, now), SECOND);
        attempts_failed(a, key, now + SECOND);
        assert_int_equal(attempts_wait_ns(a, key, now + SECOND), SECOND);
        attempts_free(a);
}

static void test_requests_of_an_address_are_judged_and_counted(void **state) {
        static const _Atomic unsigned rate = 60;
        struct attempts *a;
        uint64_t now = 1000 * SECOND;

        (void)state;
        assert_int_equal(attempts_new(&rate, &a), 0);
        uint64_t key = attempts_key(a, ATTEMPTS_ADDRESS, "192.0.2.1");
        assert_int_equal(attempts_take(a, key, now, 50), 0);
        assert_int_equal(attempts_take(a, key, now, 11), SECOND);
        assert_int_equal(attempts_take(a, key, now, 10), 0); /* what was refused was not counted */
        assert_int_equal(attempts_take(a, key, now, 1), SECOND);
        assert_int_equal(attempts_take(a, key, now + SECOND, 1), 0);
        assert_int_equal(attempts_take(a, attempts_key(a, ATTEMPTS_ADDRESS, "192.0.2.2"), now, 60),
                         0);
        assert_int_equal(attempts_key(a, ATTEMPTS_ADDRESS, "2001:db8::1"),
                         attempts_key(a, ATTEMPTS_ADDRESS, "2001:db8::2"));
        assert_int_not_equal(attempts_key(a, ATTEMPTS_ADDRESS, "2001:db8::1"),
                             attempts_key(a, ATTEMPTS_ADDRESS, "2001:db8:0:1::1"));
        attempts_free(a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_failures_are_counted_and_forgiven),
                cmocka_unit_test(test_an_address_that_invents_names_is_stopped),
                cmocka_unit_test(test_requests_of_an_address_are_judged_and_counted),
                cmocka_unit_test(test_a_million_names_take_no_memory),
                cmocka_unit_test(test_who_is_forgiven_gives_way_first),
                cmocka_unit_test(test_the_rate_may_change_meanwhile),
        };

        if (sodium_init() < 0)
                return 1;
        return cmocka_run_group_tests_name("attempts", tests, NULL, NULL);
}
