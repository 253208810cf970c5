/* Unit tests for src/base/base64.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/fault.h"

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
};

static void test_the_rfcs_vectors(void **state) {
        (void)state;
        for (size_t i = 0; i < ELEMENTS(vectors); i++) {
                char text[32], *data;
                size_t n;
                base64_encode(vectors[i][0], strlen(vectors[i][0]), text);
                assert_string_equal(text, vectors[i][1]);
                assert_int_equal(base64_decode(text, strlen(text), &data, &n), 0);
                assert_int_equal(n, strlen(vectors[i][0]));
                assert_string_equal(data, vectors[i][0]);
                free(data);
        }
}

static void test_all_bytes_at_all_lengths_come_back(void **state) {
        unsigned char in[300];
        char text[BASE64_CHARS(sizeof in) + 1], *out;
        size_t n;

        (void)state;
        for (size_t i = 0; i < sizeof in; i++)
                in[i] = (unsigned char)(i * 167 + 13);
        for (size_t len = 0; len <= sizeof in; len++) {
                base64_encode(in, len, text);
                assert_int_equal(strlen(text), BASE64_CHARS(len));
                assert_int_equal(base64_decode(text, strlen(text), &out, &n), 0);
                assert_int_equal(n, len);
                assert_memory_equal(out, in, len);
                free(out);
        }
}

static void test_what_is_not_base64_is_refused(void **state) {
        static const char *const bad[] = {
                "Z",    "Zg",   "Zg=",  "Zg==Zg==", "====",     "=Zg=",    "Z===", "Zm9v\n",
                "Zm 9", "Zm-_", "Zh==", "Zm9=",     "Zm9v====", "Z\x80==", "A=A="};
        char *out = NULL;
        size_t n;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &out, &n), -EINVAL);
        assert_int_equal(base64_decode("Zg\0=", 4, &out, &n), -EINVAL);
        fault_arm(1, 0);
        assert_int_equal(base64_decode("Zg==", 4, &out, &n), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_null(out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_rfcs_vectors),
                cmocka_unit_test(test_all_bytes_at_all_lengths_come_back),
                cmocka_unit_test(test_what_is_not_base64_is_refused),
        };

        return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
