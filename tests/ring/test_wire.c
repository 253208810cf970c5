/* Unit tests for ring/wire.h: the head of a binary frame, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ring/wire.h"

static const unsigned char frame[WIRE_HEAD + 1] = {
        5, 0, 0, 0, 4, 3, 2, 1, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 'x'};

static void test_a_head_is_as_the_protocol_has_it(void **state) {
        unsigned char to[WIRE_HEAD];
        struct wire_head h;

        (void)state;
        memset(to, 0xff, sizeof to);
        wire_put(to, (struct wire_head){WIRE_SNAPSHOT, 0x01020304, UINT64_C(0x1122334455667788)});
        assert_memory_equal(to, frame, WIRE_HEAD);
        assert_true(wire_take(frame, sizeof frame, &h));
        assert_int_equal(h.kind, WIRE_SNAPSHOT);
        assert_int_equal(h.channel, 0x01020304);
        assert_true(h.offset == UINT64_C(0x1122334455667788));
}

static void test_what_is_short_or_has_no_zeros_is_none(void **state) {
        struct wire_head h;

        (void)state;
        for (size_t n = 0; n < WIRE_HEAD; n++)
                assert_false(wire_take(frame, n, &h));
        assert_true(wire_take(frame, WIRE_HEAD, &h));
        for (size_t i = 1; i < 4; i++) {
                unsigned char bad[WIRE_HEAD];

                memcpy(bad, frame, sizeof bad);
                bad[i] = 1;
                assert_false(wire_take(bad, sizeof bad, &h));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_head_is_as_the_protocol_has_it),
                cmocka_unit_test(test_what_is_short_or_has_no_zeros_is_none),
        };

        return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
