/* Unit tests for src/auth/gcra.h and account_take_run. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/auth.h"
#include "auth/gcra.h"
#include "base/clock.h"

#define SECOND UINT64_C(1000000000)

static void test_a_burst_then_one_by_one(void **state) {
        static const unsigned rates[] = {1, 7, 10, 64, 1000, 100000};

        (void)state;
        for (size_t k = 0; k < ELEMENTS(rates); k++) {
                unsigned n = rates[k];
                uint64_t step = 60 * SECOND / n, now = 12345 * SECOND;
                _Atomic uint64_t tat = 0;
                for (unsigned i = 0; i < n; i++)
                        assert_int_equal(gcra_take_shared(&tat, now, n, 1), 0);
                assert_int_equal(gcra_take_shared(&tat, now, n, 1), step);
                assert_int_equal(gcra_take_shared(&tat, now + step - 1, n, 1), 1);
                for (unsigned i = 1; i <= 3; i++) {
                        assert_int_equal(gcra_take_shared(&tat, now + step * i, n, 1), 0);
                        assert_int_not_equal(gcra_take_shared(&tat, now + step * i, n, 1), 0);
                }
                /* After a quiet minute and more: the whole burst again, and no more than that. */
                now += 3600 * SECOND;
                for (unsigned i = 0; i < n; i++)
                        assert_int_equal(gcra_take_shared(&tat, now, n, 1), 0);
                assert_int_not_equal(gcra_take_shared(&tat, now, n, 1), 0);
        }
}

/* Units of an event are that many events at once. */
static void test_what_weighs_more_takes_more(void **state) {
        uint64_t step = 60 * SECOND / 100, now = 12345 * SECOND;
        _Atomic uint64_t tat = 0;

        (void)state;
        assert_int_equal(gcra_take_shared(&tat, now, 100, 60), 0);
        assert_int_equal(gcra_take_shared(&tat, now, 100, 60), 20 * step);
        assert_int_equal(gcra_take_shared(&tat, now, 100, 40), 0);
        assert_int_equal(gcra_take_shared(&tat, now, 100, 1), step);
        assert_int_equal(gcra_take_shared(&tat, now, 100, 100), 100 * step);
        assert_int_equal(gcra_take_shared(&tat, now + 100 * step, 100, 100), 0);
}

enum { THREADS = 8, TRIES = 20000 };

struct racer {
        pthread_t thread;
        pthread_barrier_t *start;
        _Atomic uint64_t *tat;
        uint64_t now;
        unsigned per_minute, taken;
};

static void *race(void *arg) {
        struct racer *r = arg;

        pthread_barrier_wait(r->start);
        for (int i = 0; i < TRIES; i++)
                r->taken += gcra_take_shared(r->tat, r->now, r->per_minute, 1) == 0;
        return NULL;
}

static unsigned race_all(_Atomic uint64_t *tat, uint64_t now, unsigned per_minute) {
        struct racer racers[THREADS];
        pthread_barrier_t start;
        unsigned taken = 0;

        assert_int_equal(pthread_barrier_init(&start, NULL, THREADS), 0);
        for (int i = 0; i < THREADS; i++) {
                racers[i] = (struct racer){
                        .start = &start, .tat = tat, .now = now, .per_minute = per_minute};
                assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
                assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
                taken += racers[i].taken;
        }
        pthread_barrier_destroy(&start);
        return taken;
}

static void test_is_exact_when_many_take_at_once(void **state) {
        _Atomic uint64_t tat = 0;
        uint64_t now = 100 * SECOND, step = 60 * SECOND / 5000;

        (void)state;
        assert_int_equal(race_all(&tat, now, 5000), 5000);
        assert_int_equal(race_all(&tat, now, 5000), 0);
        assert_int_equal(race_all(&tat, now + 17 * step, 5000), 17);
}

static void test_an_account_takes_its_runs(void **state) {
        struct account a = {0};
        unsigned retry_ms = 0;
        uint64_t before = clock_mono_ns();

        (void)state;
        for (int i = 0; i < 64; i++)
                assert_true(account_take_run(&a, 64, &retry_ms));
        assert_int_equal(retry_ms, 0);
        bool more = account_take_run(&a, 64, &retry_ms);
        if (clock_mono_ns() - before < 60 * SECOND / 64) { /* else one has come back meanwhile */
                assert_false(more);
                assert_in_range(retry_ms, 1, 60000 / 64 + 1);
        }
}

static void test_requests_and_runs_are_counted_apart(void **state) {
        struct account a = {0};
        unsigned retry_ms = 0;

        (void)state;
        for (int i = 0; i < 6; i++)
                assert_true(account_take_request(&a, 600, 100, &retry_ms));
        assert_false(account_take_request(&a, 600, 100, &retry_ms));
        assert_in_range(retry_ms, 1, 10001);
        assert_true(account_take_run(&a, 64, &retry_ms));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_burst_then_one_by_one),
                cmocka_unit_test(test_what_weighs_more_takes_more),
                cmocka_unit_test(test_is_exact_when_many_take_at_once),
                cmocka_unit_test(test_an_account_takes_its_runs),
                cmocka_unit_test(test_requests_and_runs_are_counted_apart),
        };

        return cmocka_run_group_tests_name("gcra", tests, NULL, NULL);
}
