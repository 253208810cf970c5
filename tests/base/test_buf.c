/* Unit tests for src/base/buf.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fault.h"

static void test_grows_to_the_limit_and_no_further(void **state) {
        struct buf b = BUF_INIT(1000);

        (void)state;
        for (int i = 0; i < 100; i++)
                assert_int_equal(buf_add(&b, "0123456789", 10), 0);
        assert_int_equal(b.n, 1000);
        assert_int_equal(buf_add(&b, "x", 1), -ENOBUFS);
        assert_int_equal(b.n, 1000);
        assert_int_equal(b.data[1000], '\0');
        buf_drop(&b, 995);
        assert_string_equal(b.data, "56789");
        buf_done(&b);
}

static void test_is_as_before_when_memory_ends(void **state) {
        struct buf b = BUF_INIT(100000);

        (void)state;
        assert_int_equal(buf_adds(&b, "kept"), 0);
        fault_arm(1, 0);
        assert_int_equal(buf_reserve(&b, 5000), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_string_equal(b.data, "kept");
        buf_done(&b);
}

static void test_addf_appends(void **state) {
        struct buf b = BUF_INIT(8);

        (void)state;
        assert_int_equal(buf_addf(&b, "%d-%s", 42, "abc"), 0);
        assert_string_equal(b.data, "42-abc");
        assert_int_equal(buf_addf(&b, "%d", 12345), -ENOBUFS);
        assert_string_equal(b.data, "42-abc");
        buf_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_grows_to_the_limit_and_no_further),
                cmocka_unit_test(test_is_as_before_when_memory_ends),
                cmocka_unit_test(test_addf_appends),
        };

        return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
