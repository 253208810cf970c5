/* Unit tests for src/base/random.c and clock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/random.h"

#define IDS 20000

static void test_ids_are_of_their_alphabet_and_fair(void **state) {
        unsigned seen[256] = {0};
        char id[RANDOM_ID_CHARS + 1], before[RANDOM_ID_CHARS + 1] = "";

        (void)state;
        for (int i = 0; i < IDS; i++) {
                random_id(id);
                assert_int_equal(strlen(id), RANDOM_ID_CHARS);
                assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789"),
                                 RANDOM_ID_CHARS);
                assert_string_not_equal(id, before);
                memcpy(before, id, sizeof id);
                for (const char *p = id; *p; p++)
                        seen[(unsigned char)*p]++;
        }
        /* 14,444 of each, with a deviation of 118: eight of them away is not chance. Without the rejection
         * of bytes from 252 on, a to d would come 16,250 times. */
        for (const char *p = "abcdefghijklmnopqrstuvwxyz0123456789"; *p; p++)
                assert_in_range(seen[(unsigned char)*p], 14444 - 950, 14444 + 950);
}

static void test_bytes_fill_all_and_no_more(void **state) {
        unsigned char b[1000], ones[1000] = {0};

        (void)state;
        for (int round = 0; round < 64; round++) {
                memset(b, 0xa5, sizeof b);
                random_bytes(b + 1, sizeof b - 2);
                assert_int_equal(b[0], 0xa5);
                assert_int_equal(b[sizeof b - 1], 0xa5);
                for (size_t i = 0; i < sizeof b; i++)
                        ones[i] |= b[i] != 0xa5;
        }
        for (size_t i = 1; i < sizeof b - 1; i++)
                assert_true(ones[i]);
}

static void test_clocks_agree_with_their_units(void **state) {
        (void)state;
        uint64_t ns = clock_mono_ns(), ms = clock_mono_ms(), later = clock_mono_ns();

        assert_true(ns / 1000000 <= ms && ms <= later / 1000000);
        uint64_t before = (uint64_t)time(NULL), real = clock_real_ms(),
                 after = (uint64_t)time(NULL);
        assert_in_range(real / 1000 + 1, before, after + 2); /* time(2) may lag by a tick */
}

static void same_date(int64_t seconds) {
        time_t t = (time_t)seconds;
        struct clock_date d;
        struct tm tm;

        clock_date(seconds, &d);
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(d.year, tm.tm_year + 1900);
        assert_int_equal(d.month, tm.tm_mon + 1);
        assert_int_equal(d.day, tm.tm_mday);
        assert_int_equal(d.hour, tm.tm_hour);
        assert_int_equal(d.minute, tm.tm_min);
        assert_int_equal(d.second, tm.tm_sec);
        assert_int_equal(d.weekday, tm.tm_wday);
}

/* Each day of 1900 to 2500, its first and its last second. */
static void test_dates_are_those_of_the_c_library(void **state) {
        (void)state;
        for (int64_t day = -70 * 366; day < 530 * 366; day++) {
                same_date(day * 86400);
                same_date(day * 86400 + 86399);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids_are_of_their_alphabet_and_fair),
                cmocka_unit_test(test_bytes_fill_all_and_no_more),
                cmocka_unit_test(test_clocks_agree_with_their_units),
                cmocka_unit_test(test_dates_are_those_of_the_c_library),
        };

        return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
