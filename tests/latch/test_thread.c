/* Unit tests for include/latch/thread.h: what becomes of a thread that ends, and of what there is in a forked child. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macros.h"
#include "latch/figures.h"
#include "latch/lock.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "latch/trace.h"
#include "latch/watchdog.h"

#define DEADLINE_S 20

static void run(void *(*fn)(void *)) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, fn, NULL), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
}

/* ---- the end ---- */

static void *begin_and_end(void *arg) {
        (void)arg;
        latch_thread_begin("brief");
        latch_rcu_enter();
        latch_rcu_leave();
        return NULL;
}

/* Threads one after the other have the same words: those of one that is still registered would be twice in liburcu's
 * list, which a grace period would walk for ever. */
static void test_a_thread_that_ends_leaves_rcu(void **state) {
        (void)state;
        alarm(DEADLINE_S);
        for (unsigned i = 0; i < 3; i++)
                run(begin_and_end);
        latch_rcu_wait();
        alarm(0);
}

/* ---- a fork ---- */

static struct latch_mutex outer;
static pthread_barrier_t there;

static void *stay(void *arg) {
        (void)arg;
        latch_thread_begin("stays");
        LATCH_WITH(outer, &outer)
                (void)0;
        pthread_barrier_wait(&there); /* the fork comes between these */
        pthread_barrier_wait(&there);
        latch_thread_end();
        return NULL;
}

static uint64_t taken(void) {
        struct latch_class_figures f;

        latch_figures(LATCH_CLASS_outer, &f);
        return f.taken;
}

/* The rings of this thread and of the one that stays, as the child must see them. */
static void check_rings(void) {
        struct latch_trace *trace;
        unsigned mine = 0, gone = 0;

        CHECK(latch_trace_copy(&trace) == 0);
        for (size_t i = 0; i < trace->count; i++) {
                const struct latch_trace_ring *r = &trace->rings[i];
                mine += !r->ended && r->tid == getpid() && strcmp(r->thread, "main") == 0;
                gone += r->ended && strcmp(r->thread, "stays") == 0;
        }
        CHECK(mine == 1 && gone == 1 && trace->count == 2);
        latch_trace_free(trace);
}

static void live_as_child(uint64_t taken_before) {
        alarm(DEADLINE_S);
        check_rings();
        CHECK(taken() == taken_before);
        LATCH_WITH(outer, &outer)
                CHECK(latch_holds_mutex(&outer));
        CHECK(taken() == taken_before + 1);
#if !defined(__SANITIZE_THREAD__) /* which lets no such child begin a thread */
        CHECK(latch_watchdog_start(&(struct latch_watchdog){.period_ns = 1000000}) == 0);
#endif
        latch_watchdog_stop();
        _exit(0);
}

static void test_a_child_has_what_is_its_own(void **state) {
        int status;
        pthread_t t;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        assert_int_equal(pthread_barrier_init(&there, NULL, 2), 0);
        assert_int_equal(latch_watchdog_start(&(struct latch_watchdog){.period_ns = 1000000}), 0);
        assert_int_equal(pthread_create(&t, NULL, stay, NULL), 0);
        pthread_barrier_wait(&there);
        LATCH_WITH(outer, &outer)
                (void)0;
        uint64_t before = taken();
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                live_as_child(before);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        pthread_barrier_wait(&there);
        assert_int_equal(pthread_join(t, NULL), 0);
        latch_watchdog_stop();
        assert_int_equal(taken(), before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_thread_that_ends_leaves_rcu),
                cmocka_unit_test(test_a_child_has_what_is_its_own),
        };

        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_thread_begin("main");
        return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
