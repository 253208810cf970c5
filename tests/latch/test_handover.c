/* Tests for latch_hand_over and the _BOTH forms of include/latch/lock.h: who gets a lock that is handed over, and when. */
#include <pthread.h>

#include "base/clock.h"
#include "base/macros.h"
#include "latch/figures.h"
#include "latch/lock.h"
#include "latch/thread.h"
#include "plant.h"

#define LONG_NS UINT64_C(20000000000)

static struct latch_mutex lock;
static struct latch_mutex twins[2];
static char order[8] LATCH_GUARDED_BY(outer); /* who had the lock, one after the other */
static unsigned turns LATCH_GUARDED_BY(outer);

static void make_locks(void) {
        latch_mutex_init(&lock, LATCH_CLASS_outer);
        latch_mutex_init(&twins[0], LATCH_CLASS_twin);
        latch_mutex_init(&twins[1], LATCH_CLASS_twin);
}

static void note(char who) LATCH_MUST_HOLD(outer) {
        if (turns < sizeof order - 1)
                order[turns++] = who;
}

/* The heir, as it is known to who hands over. */
static _Atomic(struct latch_thread *) heir;
static pthread_barrier_t known;
static void be_known(void) {
        latch_thread_begin("heir");
        atomic_store(&heir, latch_thread_self());
        pthread_barrier_wait(&known);
}

static void *inherit(void *arg) {
        (void)arg;
        be_known();
        LATCH_WITH_HANDED(outer, &lock) {
                CHECK(latch_holds_mutex(&lock));
                note('h');
        }
        latch_thread_end();
        return NULL;
}

static void *take(void *arg) {
        (void)arg;
        LATCH_WITH(outer, &lock)
                note('o');
        return NULL;
}

static void *take_until(void *arg) {
        (void)arg;
        LATCH_UNTIL(outer, &lock, clock_mono_ns() + LONG_NS)
        note('o');
        return NULL;
}

static pthread_t begin_heir(void) {
        pthread_t t;

        assert_int_equal(pthread_barrier_init(&known, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, inherit, NULL), 0);
        pthread_barrier_wait(&known);
        return t;
}

/* Others want it all the while, and get it after the heir. */
static void hand_over_among_others(void) {
        pthread_t others[3], t = begin_heir();

        LATCH_WITH(outer, &lock) {
                turns = 0;
                memset(order, 0, sizeof order);
                assert_int_equal(pthread_create(&others[0], NULL, take, NULL), 0);
                assert_int_equal(pthread_create(&others[1], NULL, take, NULL), 0);
                assert_int_equal(pthread_create(&others[2], NULL, take_until, NULL), 0);
                latch_hand_over(&lock, atomic_load(&heir));
                note('g'); /* it is still the giver's */
        }
        assert_int_equal(pthread_join(t, NULL), 0);
        for (unsigned i = 0; i < 3; i++)
                assert_int_equal(pthread_join(others[i], NULL), 0);
        LATCH_WITH(outer, &lock)
                assert_string_equal(order, "ghooo");
}

static void test_the_heir_comes_first(void **state) {
        (void)state;
        for (unsigned i = 0; i < 50; i++)
                hand_over_among_others();
}

/* Until it is taken up, who will not wait does not get it. */
static void *inherit_late(void *arg) {
        pthread_barrier_t *late = arg;

        be_known();
        pthread_barrier_wait(late);
        LATCH_GUARD_HANDED(outer, &lock);
        return NULL;
}

static void test_who_will_not_wait_does_not_get_it(void **state) {
        pthread_barrier_t late;
        pthread_t t;

        (void)state;
        assert_int_equal(pthread_barrier_init(&known, NULL, 2), 0);
        assert_int_equal(pthread_barrier_init(&late, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, inherit_late, &late), 0);
        pthread_barrier_wait(&known);
        LATCH_WITH(outer, &lock)
                latch_hand_over(&lock, atomic_load(&heir));
        LATCH_TRY(outer, &lock)
        fail();
        LATCH_UNTIL(outer, &lock, clock_mono_ns() + 20000000)
        fail();
        pthread_barrier_wait(&late);
        assert_int_equal(pthread_join(t, NULL), 0);
        LATCH_TRY(outer, &lock)
        note('m');
        else fail();
}

/* The heir has taken it up and keeps it: who waits until a time waits no longer. */
static pthread_barrier_t keeps;
static void *inherit_and_keep(void *arg) {
        (void)arg;
        be_known();
        LATCH_WITH_HANDED(outer, &lock)
        pthread_barrier_wait(&keeps);
        latch_thread_end();
        return NULL;
}

static void *ask_for_a_while(void *arg) {
        (void)arg;
        LATCH_UNTIL(outer, &lock, clock_mono_ns() + 100000000)
        note('!');
        pthread_barrier_wait(&keeps); /* the heir lets go only now */
        return NULL;
}

static void test_a_timed_wait_ends_though_the_heir_keeps_it(void **state) {
        pthread_t t, asks;

        (void)state;
        assert_int_equal(pthread_barrier_init(&known, NULL, 2), 0);
        assert_int_equal(pthread_barrier_init(&keeps, NULL, 2), 0);
        LATCH_WITH(outer, &lock) {
                turns = 0;
                memset(order, 0, sizeof order);
                assert_int_equal(pthread_create(&t, NULL, inherit_and_keep, NULL), 0);
                pthread_barrier_wait(&known);
                assert_int_equal(pthread_create(&asks, NULL, ask_for_a_while, NULL), 0);
                latch_hand_over(&lock, atomic_load(&heir));
        }
        assert_int_equal(pthread_join(asks, NULL), 0); /* or it waits for the heir for ever */
        assert_int_equal(pthread_join(t, NULL), 0);
        LATCH_WITH(outer, &lock)
                assert_string_equal(order, "");
}

/* The heir asks without waiting; who has it already waits for nobody. */
static void test_the_heir_may_try(void **state) {
        struct latch_class_figures before, after;

        (void)state;
        latch_figures(LATCH_CLASS_outer, &before);
        LATCH_WITH(outer, &lock)
                latch_hand_over(&lock, latch_thread_self());
        LATCH_TRY(outer, &lock)
        note('h');
        else fail();
        LATCH_WITH(outer, &lock) /* it is nobody's any more */
                latch_hand_over(&lock, latch_thread_self());
        LATCH_WITH_HANDED(outer, &lock)
        note('h');
        latch_figures(LATCH_CLASS_outer, &after);
        assert_int_equal(after.contended, before.contended);
        assert_int_equal(after.taken, before.taken + 4);
}

/* ---- both of two ---- */

static void hold_both(void) {
        LATCH_GUARD_BOTH(twin, &twins[1], &twins[0]);
        assert_true(latch_holds_mutex(&twins[0]) && latch_holds_mutex(&twins[1]));
}

static void test_both_of_two_whatever_the_order(void **state) {
        (void)state;
        LATCH_WITH_BOTH(twin, &twins[1], &twins[0])
        assert_true(latch_holds_mutex(&twins[0]) && latch_holds_mutex(&twins[1]));
        LATCH_WITH_BOTH(twin, &twins[0], &twins[1])
        assert_true(latch_holds_mutex(&twins[0]) && latch_holds_mutex(&twins[1]));
        hold_both();
        LATCH_WITH_BOTH(twin, &twins[1], &twins[1])
        assert_true(latch_holds_mutex(&twins[1]) && !latch_holds_mutex(&twins[0]));
        assert_false(latch_holds_mutex(&twins[0]) || latch_holds_mutex(&twins[1]));
}

/* ---- violations ---- */

static void plant_higher_address_first(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(twin, &twins[1]);
        MARK_ABOVE(0);
        MARK(1), latch_take_long_(&twins[0].head, LATCH_HERE_(), LATCH_MUTEX, twins[0].head.class);
}

static void plant_not_the_holder(void) LATCH_UNCHECKED_ {
        MARK(0), latch_hand_over(&lock, latch_thread_self());
}

static void plant_handed_twice(void) LATCH_UNCHECKED_ {
        LATCH_GUARD(outer, &lock);
        latch_hand_over(&lock, latch_thread_self());
        MARK(0), latch_hand_over(&lock, latch_thread_self());
}

static void plant_not_taken_up(void) LATCH_UNCHECKED_ {
        LATCH_WITH(outer, &lock)
                latch_hand_over(&lock, latch_thread_self());
        MARK(0), latch_take_long_(&lock.head, LATCH_HERE_(), LATCH_MUTEX, lock.head.class);
}

static void plant_destroyed_before_taken_up(void) {
        LATCH_WITH(outer, &lock)
                latch_hand_over(&lock, latch_thread_self());
        MARK(0), latch_mutex_done(&lock);
}

static void *end_as_heir(void *arg) {
        (void)arg;
        latch_thread_begin("forgetful");
        LATCH_WITH(outer, &lock)
                latch_hand_over(&lock, latch_thread_self());
        return NULL;
}

static void plant_end_before_taken_up(void) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, end_as_heir, NULL), 0);
        pthread_join(t, NULL);
}

static const struct violation violations[] = {
        {PLANTED(plant_higher_address_first),
         {"latch: two locks of one class, the one at the higher address first\n",
          "thread     culprit", "at         {L1} (plant_higher", "class      twin",
          ", taken at {L0} (plant_higher_address_first)"}},
        {PLANTED(plant_not_the_holder),
         {"latch: hands over a lock that it does not hold\n", "at         {L0} (plant_not_the",
          "class      outer", "owner      none"}},
        {PLANTED(plant_handed_twice),
         {"latch: hands over a lock that has an heir already\n", "at         {L0} (plant_handed",
          "class      outer", "owner      culprit"}},
        {PLANTED(plant_not_taken_up),
         {"latch: takes a lock that was handed over to it: take it up with LATCH_GUARD_HANDED\n",
          "at         {L0} (plant_not_taken_up)", "class      outer"}},
        {PLANTED(plant_destroyed_before_taken_up),
         {"latch: destroyed while held: by the heir, which has not taken it up\n",
          "at         {L0} (plant_destroyed", "class      outer"}},
        {PLANTED(plant_end_before_taken_up),
         {"latch: thread ends before it has taken up a lock that was handed over to it\n",
          "thread     forgetful"}},
};

int main(void) {
        const struct CMUnitTest hold[] = {
                cmocka_unit_test(test_the_heir_comes_first),
                cmocka_unit_test(test_who_will_not_wait_does_not_get_it),
                cmocka_unit_test(test_a_timed_wait_ends_though_the_heir_keeps_it),
                cmocka_unit_test(test_the_heir_may_try),
                cmocka_unit_test(test_both_of_two_whatever_the_order),
        };

        make_locks();
        return plant_main("handover", hold, ELEMENTS(hold), violations, ELEMENTS(violations));
}
