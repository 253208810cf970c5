/* Tests for include/latch/watchdog.h: what is held or waited for too long, and threads that wait for each other. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/macros.h"
#include "catch.h"
#include "latch/figures.h"
#include "latch/lock.h"
#include "latch/policy.h"
#include "latch/thread.h"
#include "latch/watchdog.h"
#include "plant.h"

#define MS UINT64_C(1000000)

static struct latch_mutex outer, inner, beside_it;
static struct latch_rwlock table;

static void make_locks(void) {
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_mutex_init(&beside_it, LATCH_CLASS_outer);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
}

static const struct latch_watchdog short_of_patience = {
        .hold_ns = 30 * MS, .wait_ns = 60 * MS, .period_ns = 5 * MS};
static const struct latch_watchdog circles_alone = {.period_ns = 5 * MS};

static pthread_barrier_t both;

/* Each takes the other's lock once both have their own. */
static void *inner_then_outer(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("backward");
        LATCH_GUARD(inner, &inner);
        MARK_ABOVE(0);
        pthread_barrier_wait(&both);
        LATCH_GUARD(outer, &outer);
        return NULL;
}

static void *outer_then_inner(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("forward");
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(1);
        pthread_barrier_wait(&both);
        LATCH_GUARD(inner, &inner);
        return NULL;
}

static void plant_circle(void) {
        pthread_t t[2];

        assert_int_equal(pthread_barrier_init(&both, NULL, 3), 0);
        latch_set_policy(LATCH_POLICY_COUNT); /* of the inversion that comes before it */
        assert_int_equal(latch_watchdog_start(&circles_alone), 0);
        assert_int_equal(pthread_create(&t[0], NULL, inner_then_outer, NULL), 0);
        assert_int_equal(pthread_create(&t[1], NULL, outer_then_inner, NULL), 0);
        pthread_barrier_wait(&both);
        pthread_join(t[0], NULL);
}

/* A reader is one who holds it, too. */
static void *read_then_outer(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("reader");
        LATCH_GUARD_READ(beside, &table);
        pthread_barrier_wait(&both);
        LATCH_GUARD(outer, &outer);
        return NULL;
}

static void *outer_then_write(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("writer");
        LATCH_GUARD(outer, &outer);
        pthread_barrier_wait(&both);
        LATCH_GUARD_WRITE(beside, &table);
        return NULL;
}

static void plant_circle_through_a_reader(void) {
        pthread_t t[2];

        assert_int_equal(pthread_barrier_init(&both, NULL, 3), 0);
        latch_set_policy(LATCH_POLICY_COUNT);
        assert_int_equal(latch_watchdog_start(&circles_alone), 0);
        assert_int_equal(pthread_create(&t[0], NULL, read_then_outer, NULL), 0);
        assert_int_equal(pthread_create(&t[1], NULL, outer_then_write, NULL), 0);
        pthread_barrier_wait(&both);
        pthread_join(t[0], NULL);
}

/* The heir waits for who waits for it to take up what it was handed. */
static _Atomic(struct latch_thread *) heir;
static pthread_barrier_t heir_is_known;
static void *inner_before_what_it_was_handed(void *arg) {
        (void)arg;
        latch_thread_begin("heir");
        atomic_store(&heir, latch_thread_self());
        pthread_barrier_wait(&heir_is_known);
        pthread_barrier_wait(&both);
        LATCH_GUARD(inner, &inner);
        return NULL;
}

static void plant_circle_through_an_heir(void) {
        pthread_t t[2];

        assert_int_equal(pthread_barrier_init(&both, NULL, 3), 0);
        assert_int_equal(pthread_barrier_init(&heir_is_known, NULL, 2), 0);
        latch_set_policy(LATCH_POLICY_COUNT);
        assert_int_equal(latch_watchdog_start(&circles_alone), 0);
        assert_int_equal(pthread_create(&t[0], NULL, inner_before_what_it_was_handed, NULL), 0);
        pthread_barrier_wait(&heir_is_known);
        LATCH_WITH(outer, &outer)
                latch_hand_over(&outer, atomic_load(&heir));
        assert_int_equal(pthread_create(&t[1], NULL, inner_then_outer, NULL), 0);
        pthread_barrier_wait(&both);
        pthread_join(t[0], NULL);
}

static const struct violation violations[] = {
        {PLANTED(plant_circle),
         {"latch: deadlock: threads wait for each other\n", "thread     forward (tid ",
          "    holds    inner at 0x", ", taken at {L0} (inner_then_outer)",
          ", taken at {L1} (outer_then_inner)", "    waits    for outer at 0x",
          ", which is held by forward (tid ", "  circle     ", "backward waits for outer at 0x",
          "forward waits for inner at 0x"}},
        {PLANTED(plant_circle_through_a_reader),
         {"latch: deadlock: threads wait for each other\n", "    holds    beside (read) at 0x",
          "writer waits for beside at 0x", ", which reader holds\n",
          "reader waits for outer at 0x"}},
        {PLANTED(plant_circle_through_an_heir),
         {"latch: deadlock: threads wait for each other\n", "    waits    for outer at 0x",
          ", which was handed over to heir (tid ", "backward waits for outer at 0x",
          ", which heir is to take up\n", "heir waits for inner at 0x",
          ", which backward holds\n"}},
};

/* ---- what goes on ---- */

static void wait_for_stalls(uint64_t n) {
        uint64_t deadline = clock_mono_ns() + 20000 * MS;

        while (latch_stalls() < n && clock_mono_ns() < deadline)
                sched_yield();
        assert_int_equal(latch_stalls(), n);
}

static void *want_outer(void *arg) {
        (void)arg;
        latch_thread_begin("patient");
        LATCH_GUARD(outer, &outer);
        MARK_ABOVE(2);
        return NULL;
}

static int hold_line;
static void hold_while_another_waits(void) {
        uint64_t before = latch_stalls();
        pthread_t t;

        assert_int_equal(latch_watchdog_start(&short_of_patience), 0);
        assert_int_equal(latch_watchdog_start(&short_of_patience), -EALREADY);
        LATCH_WITH(outer, &outer) {
                hold_line = __LINE__ - 1;
                assert_int_equal(pthread_create(&t, NULL, want_outer, NULL), 0);
                wait_for_stalls(before + 2); /* the hold, and the wait */
                uint64_t end = clock_mono_ns() + 40 * MS;
                while (clock_mono_ns() < end) /* and neither twice */
                        sched_yield();
                assert_int_equal(latch_stalls(), before + 2);
        }
        assert_int_equal(pthread_join(t, NULL), 0);
        latch_watchdog_stop();
}

static void test_a_long_hold_and_a_long_wait_are_told_once(void **state) {
        char said[REPORT_MAX], want[128];

        (void)state;
        catch_stderr(hold_while_another_waits, said, sizeof said);
        assert_non_null(strstr(said, "latch: a lock is held for too long, for 0.0"));
        snprintf(want, sizeof want, "taken at   %s:%d (hold_while", __FILE__, hold_line);
        assert_non_null(strstr(said, want));
        assert_non_null(strstr(said, "latch: a lock is waited for too long, for 0."));
        assert_non_null(strstr(said, "  thread     patient (tid "));
        snprintf(want, sizeof want, "(tid %d)\n    holds    outer at %p", (int)getpid(),
                 (void *)&outer);
        assert_non_null(strstr(said, want));
        assert_null(strstr(said, "circle"));
}

static void *await_work(void *arg) {
        (void)arg;
        latch_thread_begin("idle");
        atomic_store(&heir, latch_thread_self());
        pthread_barrier_wait(&both);
        LATCH_GUARD_HANDED(outer, &beside_it);
        return NULL;
}

static uint64_t waits_for_outer(void) {
        struct latch_class_figures f;

        latch_figures(LATCH_CLASS_outer, &f);
        return f.contended;
}

/* Many short holds of one lock at one place are not one that is long. Nor does an heir wait for long that has nothing to
 * do. */
static void hold_often(void) {
        uint64_t before = latch_stalls(), waits = waits_for_outer();
        uint64_t end = clock_mono_ns() + 80 * MS;
        pthread_t t;

        assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, await_work, NULL), 0);
        pthread_barrier_wait(&both);
        assert_int_equal(latch_watchdog_start(&short_of_patience), 0);
        while (clock_mono_ns() < end)
                LATCH_WITH(outer, &outer)
                        sched_yield();
        latch_watchdog_stop();
        assert_int_equal(latch_stalls(), before);
        LATCH_WITH(outer, &beside_it)
                latch_hand_over(&beside_it, atomic_load(&heir));
        assert_int_equal(pthread_join(t, NULL), 0);
        assert_int_equal(waits_for_outer(), waits);
}

static void test_short_holds_are_not_told(void **state) {
        char said[REPORT_MAX];

        (void)state;
        catch_stderr(hold_often, said, sizeof said);
        assert_string_equal(said, "");
}

/* Who waits until a time is no part of a circle: it ends. */
static void *inner_then_outer_until(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        LATCH_GUARD(inner, &inner);
        pthread_barrier_wait(&both);
        LATCH_UNTIL(outer, &outer, clock_mono_ns() + 60 * MS)
        fail();
        return NULL;
}

static void wait_in_a_circle_for_a_time(void) LATCH_UNCHECKED_ {
        uint64_t before = latch_violations();
        pthread_t t;

        latch_set_policy(LATCH_POLICY_COUNT);
        assert_int_equal(pthread_barrier_init(&both, NULL, 2), 0);
        assert_int_equal(latch_watchdog_start(&circles_alone), 0);
        LATCH_WITH(outer, &outer) {
                assert_int_equal(pthread_create(&t, NULL, inner_then_outer_until, NULL), 0);
                pthread_barrier_wait(&both);
                LATCH_WITH(inner, &inner)
                        assert_int_equal(latch_violations(), before + 1); /* the inversion */
        }
        assert_int_equal(pthread_join(t, NULL), 0);
        latch_watchdog_stop();
        latch_set_policy(LATCH_POLICY_ABORT);
        assert_int_equal(latch_violations(), before + 1);
}

static void test_a_wait_that_ends_is_no_deadlock(void **state) {
        char said[REPORT_MAX];

        (void)state;
        catch_stderr(wait_in_a_circle_for_a_time, said, sizeof said);
        assert_null(strstr(said, "circle"));
}

static void dump(void) {
        LATCH_GUARD_READ(beside, &table);
        assert_int_equal(latch_dump(STDERR_FILENO), 0);
}

static void test_a_dump_tells_who_holds(void **state) {
        char said[REPORT_MAX];

        (void)state;
        catch_stderr(dump, said, sizeof said);
        assert_non_null(strstr(said, ", of which 1 hold or wait for a lock\n"));
        assert_non_null(strstr(said, "    holds    beside (read) at 0x"));
        assert_int_equal(latch_dump(-1), -EBADF);
        assert_int_equal(latch_watchdog_start(&(struct latch_watchdog){.hold_ns = 1}), -EINVAL);
}

static atomic_bool handled;
static void handle(int number) {
        (void)number;
        atomic_store(&handled, true);
}

/* One that nobody else takes stays for who asks for it. */
static void test_no_signal_is_for_it(void **state) {
        uint64_t end = clock_mono_ns() + 10 * MS;
        sigset_t one;

        (void)state;
        signal(SIGUSR1, handle);
        sigemptyset(&one);
        sigaddset(&one, SIGUSR1);
        assert_int_equal(latch_watchdog_start(&circles_alone), 0);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, &one, NULL), 0);
        assert_int_equal(kill(getpid(), SIGUSR1), 0);
        while (!atomic_load(&handled) && clock_mono_ns() < end)
                sched_yield();
        assert_false(atomic_load(&handled));
        assert_int_equal(sigtimedwait(&one, NULL, &(struct timespec){.tv_sec = 1}), SIGUSR1);
        assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &one, NULL), 0);
        latch_watchdog_stop();
}

/* A period that is beyond all time has no look before its end. */
static void test_a_period_may_be_any_time(void **state) {
        uint64_t before = latch_stalls(), end = clock_mono_ns() + 10 * MS;

        (void)state;
        assert_int_equal(latch_watchdog_start(
                                 &(struct latch_watchdog){.hold_ns = 1, .period_ns = UINT64_MAX}),
                         0);
        LATCH_WITH(outer, &outer)
                while (clock_mono_ns() < end)
                        sched_yield();
        latch_watchdog_stop();
        assert_int_equal(latch_stalls(), before);
}

/* A dump changes nothing of what it is written to. */
static void test_a_dump_leaves_its_file_as_it_was(void **state) {
        _cleanup_(fd_closep) int file = memfd_create("dump", MFD_CLOEXEC);
        char said[REPORT_MAX] = "";

        (void)state;
        assert_int_equal(pwrite(file, "????", 4, 0), 4);
        int flags = fcntl(file, F_GETFL);
        LATCH_WITH(outer, &outer)
                assert_int_equal(latch_dump(file), 0);
        assert_int_equal(fcntl(file, F_GETFL), flags);
        assert_true(pread(file, said, sizeof said - 1, 0) > 0); /* it was written where it stood */
        assert_int_equal(strncmp(said, "  threads", 9), 0);
}

int main(void) {
        const struct CMUnitTest hold[] = {
                cmocka_unit_test(test_a_long_hold_and_a_long_wait_are_told_once),
                cmocka_unit_test(test_short_holds_are_not_told),
                cmocka_unit_test(test_a_wait_that_ends_is_no_deadlock),
                cmocka_unit_test(test_a_dump_tells_who_holds),
                cmocka_unit_test(test_a_dump_leaves_its_file_as_it_was),
                cmocka_unit_test(test_no_signal_is_for_it),
                cmocka_unit_test(test_a_period_may_be_any_time),
        };

        make_locks();
        unsetenv("LATCH_ORDERS"); /* wrong ones are taken here on purpose */
        return plant_main("watchdog", hold, ELEMENTS(hold), violations, ELEMENTS(violations));
}
