/* Unit tests for include/latch/level.h and trace.h: what each level watches, switched while locks are held. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/macros.h"
#include "latch/latch_private.h"
#include "latch/lock.h"
#include "latch/policy.h"
#include "latch/thread.h"
#include "latch/trace.h"

static struct latch_mutex outer, inner;
static struct latch_rwlock table;
static struct latch_cond cond;

static void run(void *(*fn)(void *)) {
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, fn, NULL), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
}

static unsigned held(void) {
        return latch_held_count(latch_thread_self());
}

/* ---- levels ---- */

static void test_there_are_three(void **state) {
        (void)state;
        assert_int_equal(latch_level(), LATCH_LEVEL_CHECK);
        assert_int_equal(latch_set_level(3), -EINVAL);
        assert_int_equal(latch_level(), LATCH_LEVEL_CHECK);
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        assert_int_equal(latch_level(), LATCH_LEVEL_TRACE);
}

/* Each level begins a hold, each other one is there when it ends. */
static void test_a_hold_outlives_its_level(void **state) {
        (void)state;
        for (unsigned from = 0; from <= LATCH_LEVEL_TRACE; from++)
                for (unsigned to = 0; to <= LATCH_LEVEL_TRACE; to++) {
                        assert_int_equal(latch_set_level(from), 0);
                        LATCH_WITH(outer, &outer) {
                                assert_int_equal(held(), from > 0 ? 1 : 0);
                                assert_true(latch_holds_mutex(&outer));
                                assert_int_equal(latch_set_level(to), 0);
                                LATCH_WITH_WRITE(beside, &table)
                                        assert_int_equal(held(), (from > 0) + (to > 0));
                                LATCH_WITH_READ(beside, &table)
                                        assert_int_equal(held(), (from > 0) + (to > 0));
                        }
                        assert_int_equal(held(), 0);
                        LATCH_TRY(outer, &outer) /* it was let go */
                        assert_true(latch_holds_mutex(&outer));
                        else fail();
                }
}

static void *try_all(void *arg) {
        unsigned *had = arg;

        LATCH_TRY(outer, &outer)
        *had |= 1;
        LATCH_UNTIL(outer, &outer, clock_mono_ns() + 1000000)
        *had |= 2;
        LATCH_TRY_READ(beside, &table)
        *had |= 4;
        return NULL;
}

static void test_off_excludes_all_the_same(void **state) LATCH_UNCHECKED_ {
        unsigned had = 0;
        pthread_t t;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
        LATCH_WITH(outer, &outer)
                LATCH_WITH_WRITE(beside, &table) {
                        assert_int_equal(pthread_create(&t, NULL, try_all, &had), 0);
                        assert_int_equal(pthread_join(t, NULL), 0);
                        assert_int_equal(had, 0);
                }
        assert_int_equal(pthread_create(&t, NULL, try_all, &had), 0);
        assert_int_equal(pthread_join(t, NULL), 0);
        assert_int_equal(had, 7);
}

/* What would be three violations. */
static void test_off_judges_nothing(void **state) LATCH_UNCHECKED_ {
        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
        LATCH_WITH(inner, &inner)
                LATCH_WITH_READ(beside, &table)
                        latch_blocking("a test");
        LATCH_WITH(outer, &outer)
                LATCH_WITH(inner, &inner)
                        assert_int_equal(latch_cond_wait_until(&cond, &inner, clock_mono_ns() + 1),
                                         -ETIMEDOUT);
}

/* A wait lets go of a hold that is exempt, and has it again, whatever the level is by then. */
static void test_a_wait_of_an_exempt_hold(void **state) {
        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
        LATCH_WITH(inner, &inner) {
                assert_int_equal(latch_set_level(LATCH_LEVEL_CHECK), 0);
                assert_int_equal(latch_cond_wait_until(&cond, &inner, clock_mono_ns() + 1),
                                 -ETIMEDOUT);
                assert_int_equal(held(), 0);
        }
        LATCH_WITH(inner, &inner) {
                assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
                assert_int_equal(latch_cond_wait_until(&cond, &inner, clock_mono_ns() + 1),
                                 -ETIMEDOUT);
                assert_int_equal(held(), 1); /* it was tracked, and is */
        }
        assert_int_equal(held(), 0);
}

static void test_what_is_held_since_level_0_is_not_destroyed(void **state) LATCH_UNCHECKED_ {
        uint64_t before = latch_violations();

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_OFF), 0);
        latch_set_policy(LATCH_POLICY_COUNT);
        LATCH_WITH(outer, &outer) {
                assert_int_equal(latch_set_level(LATCH_LEVEL_CHECK), 0);
                latch_mutex_done(&outer);
                assert_int_equal(latch_violations(), before + 1);
        }
        latch_set_policy(LATCH_POLICY_ABORT);
}

static _Atomic(struct latch_thread *) heir;
static void *inherit(void *arg) {
        (void)arg;
        latch_thread_begin("heir");
        atomic_store(&heir, latch_thread_self());
        LATCH_WITH_HANDED(outer, &outer)
        assert_true(latch_holds_mutex(&outer));
        latch_thread_end();
        return NULL;
}

static void test_a_lock_is_handed_over_at_every_level(void **state) {
        pthread_t t;

        (void)state;
        for (unsigned level = 0; level <= LATCH_LEVEL_TRACE; level++) {
                assert_int_equal(latch_set_level(level), 0);
                atomic_store(&heir, NULL);
                assert_int_equal(pthread_create(&t, NULL, inherit, NULL), 0);
                while (!atomic_load(&heir))
                        sched_yield();
                LATCH_WITH(outer, &outer)
                        latch_hand_over(&outer, atomic_load(&heir));
                LATCH_WITH(outer, &outer) /* after the heir */
                        assert_null(atomic_load(&outer.heir));
                assert_int_equal(pthread_join(t, NULL), 0);
        }
}

/* ---- the trace ---- */

static void *trace_one_of_each(void *arg) LATCH_UNCHECKED_ {
        (void)arg;
        latch_thread_begin("traced");
        LATCH_WITH(outer, &outer)
                LATCH_WITH(inner, &inner)
                        (void)latch_cond_wait_until(&cond, &inner, 1);
        latch_thread_end();
        return NULL;
}

static void *trace_reading(void *arg) {
        (void)arg;
        latch_thread_begin("traced");
        LATCH_WITH_WRITE(beside, &table)
                assert_int_equal(held(), 1);
        LATCH_WITH_READ(beside, &table)
                assert_int_equal(held(), 1);
        latch_thread_end();
        return NULL;
}

/* Of the last thread of this name. */
static const struct latch_trace_ring *find_ring(const struct latch_trace *trace, const char *name) {
        for (size_t i = 0; i < trace->count; i++)
                if (strcmp(trace->rings[i].thread, name) == 0)
                        return &trace->rings[i];
        fail_msg("no ring of %s", name);
        return NULL;
}

static void assert_step(const struct latch_event *e, enum latch_step step, const void *lock,
                        enum latch_class class, bool shared) {
        assert_int_equal(e->step, step);
        assert_ptr_equal((const void *)(uintptr_t)e->lock, lock);
        assert_int_equal(e->class, class);
        assert_int_equal(e->shared, shared);
        assert_non_null(strstr(e->site->file, "test_levels.c"));
}

static void test_each_step_is_there(void **state) {
        struct latch_trace *trace;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        latch_set_policy(LATCH_POLICY_COUNT); /* it waits with another lock */
        run(trace_one_of_each);
        latch_set_policy(LATCH_POLICY_ABORT);
        assert_int_equal(latch_trace_copy(&trace), 0);
        const struct latch_trace_ring *r = find_ring(trace, "traced");
        const struct latch_event *e = r->events;
        assert_true(r->ended);
        assert_int_equal(r->count, 7);
        assert_step(&e[0], LATCH_STEP_TAKE, &outer, LATCH_CLASS_outer, false);
        assert_step(&e[1], LATCH_STEP_TAKE, &inner, LATCH_CLASS_inner, false);
        assert_step(&e[2], LATCH_STEP_DROP, &inner, LATCH_CLASS_inner, false);
        assert_step(&e[3], LATCH_STEP_COND_WAIT, &cond, LATCH_CLASS_inner, false);
        assert_step(&e[4], LATCH_STEP_TAKE, &inner, LATCH_CLASS_inner, false);
        assert_step(&e[5], LATCH_STEP_DROP, &inner, LATCH_CLASS_inner, false);
        assert_step(&e[6], LATCH_STEP_DROP, &outer, LATCH_CLASS_outer, false);
        assert_true(e[1].generation > 0 && e[2].generation == e[1].generation);
        assert_int_equal(e[4].generation, e[1].generation + 1);
        assert_int_equal(e[5].generation, e[4].generation);
        for (unsigned i = 1; i < 7; i++) /* a thread's first ones are timed */
                assert_true(e[i].time_ns >= e[i - 1].time_ns && e[0].time_ns > 0);
        latch_trace_free(trace);
}

static void test_a_reader_tells_the_writer_before_it(void **state) {
        struct latch_trace *trace;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        run(trace_reading);
        assert_int_equal(latch_trace_copy(&trace), 0);
        const struct latch_trace_ring *r = find_ring(trace, "traced");
        assert_int_equal(r->count, 4);
        assert_step(&r->events[0], LATCH_STEP_TAKE, &table, LATCH_CLASS_beside, false);
        assert_step(&r->events[2], LATCH_STEP_TAKE, &table, LATCH_CLASS_beside, true);
        assert_step(&r->events[3], LATCH_STEP_DROP, &table, LATCH_CLASS_beside, true);
        assert_int_equal(r->events[2].generation, r->events[0].generation);
        latch_trace_free(trace);
}

/* No step is lost between the oldest that is there and the newest, and a ring grows before it forgets. */
#define MANY 5000
static void *trace_many(void *arg) {
        (void)arg;
        latch_thread_begin("busy");
        for (unsigned i = 0; i < MANY; i++)
                LATCH_WITH(outer, &outer)
                        (void)0;
        struct latch_trace *trace;
        CHECK(latch_trace_copy(&trace) == 0);
        const struct latch_trace_ring *r = find_ring(trace, "busy");
        assert_false(r->ended);
        assert_true(r->count > 1500 && r->first > MANY);
        uint64_t last = 0;
        for (size_t i = 0; i < r->count; i++) {
                const struct latch_event *e = &r->events[i];
                if (e->step == LATCH_STEP_TAKE && last > 0)
                        assert_int_equal(e->generation, last + 1);
                if (e->step == LATCH_STEP_TAKE)
                        last = e->generation;
        }
        assert_int_equal(last, outer.head.generation);
        latch_trace_free(trace);
        latch_thread_end();
        return NULL;
}

static void test_a_ring_keeps_the_newest(void **state) {
        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        run(trace_many);
}

/* A thread that gets a larger ring makes nobody forget one who ended. */
#define KEPT 32 /* as many as trace.c keeps */
static void *trace_little(void *arg) {
        (void)arg;
        latch_thread_begin("kept");
        LATCH_WITH(inner, &inner)
                (void)0;
        return NULL;
}

static void *trace_more(void *arg) {
        (void)arg;
        latch_thread_begin("more");
        for (unsigned i = 0; i < 200; i++)
                LATCH_WITH(inner, &inner)
                        (void)0;
        return NULL;
}

static void test_larger_rings_push_out_nobody(void **state) {
        struct latch_trace *trace;
        unsigned kept = 0;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        for (unsigned i = 0; i < KEPT; i++)
                run(trace_little);
        for (unsigned i = 0; i < 8; i++)
                run(trace_more);
        assert_int_equal(latch_trace_copy(&trace), 0);
        for (size_t i = 0; i < trace->count; i++)
                kept += strcmp(trace->rings[i].thread, "kept") == 0;
        latch_trace_free(trace);
        assert_true(kept >= KEPT - 2);
}

/* One reads all rings while others write theirs. */
static atomic_bool enough;
static void *write_on(void *arg) {
        (void)arg;
        latch_thread_begin("writer");
        while (!atomic_load(&enough))
                LATCH_WITH(inner, &inner)
                        (void)0;
        latch_thread_end();
        return NULL;
}

static void test_reading_disturbs_nobody(void **state) {
        pthread_t t[2];
        uint64_t most = 0;

        (void)state;
        assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
        atomic_store(&enough, false);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&t[i], NULL, write_on, NULL), 0);
        for (unsigned turn = 0; turn < 30 || most < 4096; turn++) {
                struct latch_trace *trace;
                assert_int_equal(latch_trace_copy(&trace), 0);
                for (size_t i = 0; i < trace->count; i++) {
                        const struct latch_trace_ring *r = &trace->rings[i];
                        uint64_t before = 0;
                        if (strcmp(r->thread, "writer") != 0)
                                continue;
                        most = r->first > most ? r->first : most;
                        for (size_t j = 0; j < r->count; j++)
                                if (r->events[j].step == LATCH_STEP_TAKE) {
                                        assert_true(r->events[j].generation > before);
                                        before = r->events[j].generation;
                                }
                }
                latch_trace_free(trace);
        }
        atomic_store(&enough, true);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_join(t[i], NULL), 0);
}

/* A thread that holds a lock as level 2 begins has no ring yet: none is made under a lock. */
static void *begin_under_a_lock(void *arg) {
        struct latch_trace *before, *after;

        (void)arg;
        assert_int_equal(latch_set_level(LATCH_LEVEL_CHECK), 0);
        assert_int_equal(latch_trace_copy(&before), 0);
        LATCH_WITH(outer, &outer) {
                assert_int_equal(latch_set_level(LATCH_LEVEL_TRACE), 0);
                LATCH_WITH(inner, &inner)
                        (void)0;
        }
        assert_int_equal(latch_trace_copy(&after), 0);
        assert_int_equal(after->lost, before->lost + 1);
        latch_trace_free(before);
        latch_trace_free(after);
        return NULL;
}

static void test_what_is_lost_is_counted(void **state) {
        (void)state;
        run(begin_under_a_lock);
}

static int begin(void **state) {
        (void)state;
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_rwlock_init(&table, LATCH_CLASS_beside);
        latch_cond_init(&cond);
        return latch_set_level(LATCH_LEVEL_CHECK);
}

static int end(void **state) {
        (void)state;
        latch_cond_done(&cond);
        latch_rwlock_done(&table);
        latch_mutex_done(&inner);
        latch_mutex_done(&outer);
        return latch_set_level(LATCH_LEVEL_CHECK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_there_are_three),
                TEST(test_each_step_is_there),
                TEST(test_a_reader_tells_the_writer_before_it),
                TEST(test_a_ring_keeps_the_newest),
                TEST(test_larger_rings_push_out_nobody),
                TEST(test_reading_disturbs_nobody),
                TEST(test_what_is_lost_is_counted),
                TEST(test_a_hold_outlives_its_level),
                TEST(test_off_excludes_all_the_same),
                TEST(test_off_judges_nothing),
                TEST(test_a_wait_of_an_exempt_hold),
                TEST(test_a_lock_is_handed_over_at_every_level),
                TEST(test_what_is_held_since_level_0_is_not_destroyed),
        };

        return cmocka_run_group_tests_name("levels", tests, NULL, NULL);
}
