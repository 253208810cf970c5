/* Unit tests for src/session/lease.c and the table of moves in session_state.c. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "latch/thread.h"
#include "session/lease.h"
#include "session/session_private.h"

static struct leases leases;

static int set_up(void **state) {
        (void)state;
        latch_thread_begin("test");
        return leases_init(&leases, 1000);
}

static int tear_down(void **state) {
        (void)state;
        leases_done(&leases);
        latch_thread_end();
        return 0;
}

static void test_one_run_of_a_file_for_each_user(void **state) {
        struct lease *a, *b, *c;
        char holder[RANDOM_ID_CHARS + 1];

        (void)state;
        assert_false(lease_held(&leases, 1, "home/a.py", holder));
        assert_int_equal(lease_take(&leases, 1, "home/a.py", "first", &a, holder), 0);
        assert_int_equal(lease_take(&leases, 1, "home/a.py", "second", &b, holder), -EBUSY);
        assert_string_equal(holder, "first");
        assert_true(lease_held(&leases, 1, "home/a.py", holder));
        assert_int_equal(lease_take(&leases, 2, "home/a.py", "other user", &b, holder), 0);
        assert_int_equal(lease_take(&leases, 1, "home/a.pyc", "other file", &c, holder), 0);
        lease_release(&leases, a);
        assert_int_equal(lease_take(&leases, 1, "home/a.py", "third", &a, holder), 0);
        assert_true(lease_generation(a) > lease_generation(c));
        lease_release(&leases, a);
        lease_release(&leases, b);
        lease_release(&leases, c);
        assert_null(lease_release(&leases, NULL));
        assert_int_equal(leases.taken, 4);
        assert_int_equal(leases.released, 4);
}

static void test_no_memory_takes_nothing(void **state) {
        struct lease *a;
        char holder[RANDOM_ID_CHARS + 1];

        (void)state;
        fault_arm(1, 0);
        assert_int_equal(lease_take(&leases, 1, "a", "x", &a, holder), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_false(lease_held(&leases, 1, "a", holder));
        assert_int_equal(leases.taken, 0);
}

static atomic_int inside, entered;

static void *grab(void *unused) {
        char holder[RANDOM_ID_CHARS + 1];

        latch_thread_begin("grab");
        for (int i = 0; i < 3000; i++) {
                struct lease *l;
                int r = lease_take(&leases, 7, "home/one.py", "x", &l, holder);
                if (r == -EBUSY)
                        continue;
                CHECK(r == 0);
                CHECK(atomic_fetch_add(&inside, 1) == 0);
                atomic_fetch_add(&entered, 1);
                atomic_fetch_sub(&inside, 1);
                lease_release(&leases, l);
        }
        latch_thread_end();
        return unused;
}

static void test_of_many_one_has_it(void **state) {
        pthread_t t[4];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(t); i++)
                assert_int_equal(pthread_create(&t[i], NULL, grab, NULL), 0);
        for (size_t i = 0; i < ELEMENTS(t); i++)
                assert_int_equal(pthread_join(t[i], NULL), 0);
        assert_true(entered > 0);
        assert_int_equal(leases.taken, leases.released);
        assert_int_equal(leases.taken, entered);
}

static void test_a_life_goes_one_way(void **state) {
        (void)state;
        for (int from = 0; from < SESSION_STATES; from++)
                for (int to = 0; to < SESSION_STATES; to++)
                        if (to <= from)
                                assert_false(session_state_may(from, to));
        assert_true(session_state_may(SESSION_STARTING, SESSION_RUNNING));
        assert_true(session_state_may(SESSION_RUNNING, SESSION_ENDED));
        assert_true(session_state_may(SESSION_RUNNING, SESSION_DYING));
        assert_true(session_state_may(SESSION_DYING, SESSION_LOST));
        assert_false(session_state_may(SESSION_RUNNING, SESSION_LOST)); /* the cage first */
        assert_false(session_state_may(SESSION_DYING, SESSION_ENDED));
        assert_string_equal(session_state_word(SESSION_LOST), "ended");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_one_run_of_a_file_for_each_user, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_no_memory_takes_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_of_many_one_has_it, set_up, tear_down),
                cmocka_unit_test(test_a_life_goes_one_way),
        };

        return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
