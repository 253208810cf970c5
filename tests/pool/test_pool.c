/* Unit tests for src/pool: order, fairness, limits, deadlines, drain. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "pool/histogram.h"
#include "pool/pool.h"

#define DEADLINE_S 20
#define DRAIN_MS   20000

static struct pool *make_pool(unsigned workers, unsigned queued, unsigned queued_per_turn) {
        const struct pool_limits limits = {workers, queued, queued_per_turn};
        struct pool *p;

        assert_int_equal(pool_new(&limits, &p), 0);
        return p;
}

static void await(sem_t *s) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += DEADLINE_S;
        assert_int_equal(sem_timedwait(s, &until), 0);
}

/* ---- a job that keeps its worker until it is told to go on ---- */

struct gate {
        struct pool_job job;
        struct pool_turn turn;
        sem_t entered, open;
};

static void run_gate(struct pool_job *job) {
        struct gate *g = CONTAINER_OF(job, struct gate, job);

        sem_post(&g->entered);
        await(&g->open);
}

static void close_gate(struct pool *p, struct gate *g, struct pool_strand *strand) {
        *g = (struct gate){.job = {.run = run_gate, .turn = &g->turn, .strand = strand}};
        pool_turn_init(&g->turn);
        assert_int_equal(sem_init(&g->entered, 0, 0), 0);
        assert_int_equal(sem_init(&g->open, 0, 0), 0);
        assert_int_equal(pool_submit(p, &g->job), 0);
        await(&g->entered);
}

/* ---- a job that writes down its name ---- */

struct note {
        struct pool_job job;
        char name[8];
};

static char notes[512]; /* by the one worker, read once it is drained */

static void run_note(struct pool_job *job) {
        const struct note *n = CONTAINER_OF(job, struct note, job);

        if (!n->name[0])
                return; /* a silent one */
        if (notes[0])
                strcat(notes, " ");
        strcat(notes, n->name);
        if (job->late)
                strcat(notes, "!");
}

static void submit_note(struct pool *p, struct note *n, const char *name, struct pool_turn *turn,
                        struct pool_strand *strand) {
        *n = (struct note){.job = {.run = run_note, .turn = turn, .strand = strand}};
        strcpy(n->name, name);
        assert_int_equal(pool_submit(p, &n->job), 0);
}

static void assert_notes(struct pool *p, struct gate *g, const char *want) {
        notes[0] = '\0';
        sem_post(&g->open);
        assert_int_equal(pool_drain(p, DRAIN_MS), 0);
        assert_string_equal(notes, want);
        pool_free(p);
}

static void test_turns_are_served_round_robin(void **state) {
        struct pool *p = make_pool(1, 100, 100);
        struct pool_turn ann, bob, eve;
        struct gate gate;
        struct note n[9];

        (void)state;
        pool_turn_init(&ann);
        pool_turn_init(&bob);
        pool_turn_init(&eve);
        close_gate(p, &gate, NULL);
        submit_note(p, &n[0], "a0", &ann, NULL);
        submit_note(p, &n[1], "a1", &ann, NULL);
        submit_note(p, &n[2], "a2", &ann, NULL);
        submit_note(p, &n[3], "a3", &ann, NULL);
        submit_note(p, &n[4], "b0", &bob, NULL);
        submit_note(p, &n[5], "b1", &bob, NULL);
        submit_note(p, &n[6], "e0", &eve, NULL);
        assert_notes(p, &gate, "a0 b0 e0 a1 b1 a2 a3");
}

static void test_a_thousand_jobs_delay_another_user_by_one(void **state) {
        struct pool *p = make_pool(1, 2000, 1000);
        struct pool_turn ann, bob;
        struct note *many = calloc(1000, sizeof *many), one;
        struct gate gate;
        int i;

        (void)state;
        assert_non_null(many);
        pool_turn_init(&ann);
        pool_turn_init(&bob);
        close_gate(p, &gate, NULL);
        for (i = 0; i < 999; i++)
                submit_note(p, &many[i], i < 3 ? "a" : "", &ann, NULL);
        submit_note(p, &many[i], "last", &ann, NULL);
        submit_note(p, &one, "b", &bob, NULL);
        assert_notes(p, &gate, "a b a a last");
        free(many);
}

static void test_a_held_back_job_keeps_its_age(void **state) {
        struct pool *p = make_pool(1, 100, 100);
        struct pool_strand strand;
        struct pool_turn ann;
        struct gate gate;
        struct note n[6];

        (void)state;
        pool_turn_init(&ann);
        pool_strand_init(&strand);
        close_gate(p, &gate, &strand);
        submit_note(p, &n[0], "s0", &ann, &strand);
        submit_note(p, &n[1], "p0", &ann, NULL);
        submit_note(p, &n[2], "s1", &ann, &strand);
        submit_note(p, &n[3], "p1", &ann, NULL);
        submit_note(p, &n[4], "p2", &ann, NULL);
        submit_note(p, &n[5], "s2", &ann, &strand);
        assert_notes(p, &gate, "s0 p0 s1 p1 p2 s2");
}

static void test_past_its_deadline_a_job_is_late(void **state) {
        struct pool *p = make_pool(1, 100, 100);
        struct pool_turn ann;
        struct gate gate;
        struct note n[3] = {0};

        (void)state;
        pool_turn_init(&ann);
        close_gate(p, &gate, NULL);
        for (int i = 0; i < 3; i++) {
                n[i].job = (struct pool_job){.run = run_note, .turn = &ann, .late = true};
                n[i].name[0] = (char)('a' + i);
        }
        n[0].job.deadline_ns = clock_mono_ns() - 1;
        n[1].job.deadline_ns = clock_mono_ns() + DEADLINE_S * UINT64_C(1000000000);
        for (int i = 0; i < 3; i++)
                assert_int_equal(pool_submit(p, &n[i].job), 0);
        assert_notes(p, &gate, "a! b c");
}

/* ---- limits ---- */

static void test_refuses_when_the_queue_is_full(void **state) {
        struct pool *p = make_pool(1, 3, 3);
        struct pool_turn ann, bob;
        struct pool_stats stats;
        struct gate gate;
        struct note n[4], more = {.name = "x"};

        (void)state;
        pool_turn_init(&ann);
        pool_turn_init(&bob);
        close_gate(p, &gate, NULL);
        submit_note(p, &n[0], "a0", &ann, NULL);
        submit_note(p, &n[1], "a1", &ann, NULL);
        submit_note(p, &n[2], "b0", &bob, NULL);
        more.job = (struct pool_job){.run = run_note, .turn = &bob};
        assert_int_equal(pool_submit(p, &more.job), -EBUSY);
        pool_stats(p, &stats);
        assert_int_equal(stats.queued, 3);
        assert_int_equal(stats.running, 1);
        assert_int_equal(stats.refused, 1);
        assert_int_equal(stats.accepted, 4);
        assert_notes(p, &gate, "a0 b0 a1");
}

static void test_refuses_a_turn_past_its_share_and_no_other(void **state) {
        struct pool *p = make_pool(1, 100, 2);
        struct pool_strand strand;
        struct pool_turn ann, bob;
        struct gate gate;
        struct note n[4], more = {.name = "x"};

        (void)state;
        pool_turn_init(&ann);
        pool_turn_init(&bob);
        pool_strand_init(&strand);
        close_gate(p, &gate, &strand);
        submit_note(p, &n[0], "a0", &ann, NULL);
        submit_note(p, &n[1], "s0", &ann, &strand); /* held back counts, too */
        more.job = (struct pool_job){.run = run_note, .turn = &ann};
        assert_int_equal(pool_submit(p, &more.job), -EBUSY);
        submit_note(p, &n[2], "b0", &bob, NULL);
        assert_notes(p, &gate, "a0 b0 s0");
}

static void test_retry_after_grows_with_what_waits(void **state) {
        struct pool *p = make_pool(1, 2000, 2000);
        struct pool_turn ann;
        struct gate slow, gate;
        struct note *n = calloc(2000, sizeof *n);

        (void)state;
        assert_non_null(n);
        pool_turn_init(&ann);
        unsigned fresh = pool_retry_after_ms(p);
        assert_in_range(fresh, 1, 1000);

        /* One job of 40 ms or more, by the clock. */
        close_gate(p, &slow, NULL);
        for (uint64_t until = clock_mono_ns() + 40000000; clock_mono_ns() < until;)
                ;
        sem_post(&slow.open);
        close_gate(p, &gate, NULL);
        for (int i = 0; i < 2000; i++)
                submit_note(p, &n[i], "", &ann, NULL);
        unsigned busy = pool_retry_after_ms(p);
        assert_true(busy > fresh);
        assert_in_range(busy, 1000, 5000);
        sem_post(&gate.open);
        assert_int_equal(pool_drain(p, DRAIN_MS), 0);
        pool_free(p);
        free(n);
}

static void test_new_without_memory_or_threads(void **state) {
        const struct pool_limits limits = {3, 10, 10};
        struct pool *p = (struct pool *)0x1;

        (void)state;
        fault_arm(1, ENOMEM);
        assert_int_equal(pool_new(&limits, &p), -ENOMEM);
        assert_true(fault_disarm(NULL));
        for (unsigned i = 2; i <= 4; i++) {
                fault_arm(i, EAGAIN);
                assert_int_equal(pool_new(&limits, &p), -EAGAIN);
                assert_true(fault_disarm(NULL));
        }
        assert_ptr_equal(p, (void *)0x1);
}

/* ---- drain ---- */

static void test_drain_runs_what_is_queued_and_admits_no_more(void **state) {
        struct pool *p = make_pool(2, 100, 100);
        struct pool_turn ann;
        struct pool_stats stats;
        struct gate a, b;
        struct note n[3], more = {.name = "x"};

        (void)state;
        notes[0] = '\0';
        pool_turn_init(&ann);
        close_gate(p, &a, NULL);
        close_gate(p, &b, NULL);
        for (int i = 0; i < 3; i++)
                submit_note(p, &n[i], "n", &ann, NULL);
        assert_int_equal(pool_drain(p, 20), -ETIMEDOUT);
        more.job = (struct pool_job){.run = run_note, .turn = &ann};
        assert_int_equal(pool_submit(p, &more.job), -ESHUTDOWN);
        sem_post(&a.open); /* one worker alone writes the notes */
        assert_int_equal(pool_drain(p, 20), -ETIMEDOUT);
        sem_post(&b.open);
        assert_int_equal(pool_drain(p, DRAIN_MS), 0);
        assert_string_equal(notes, "n n n");
        pool_stats(p, &stats);
        assert_int_equal(stats.finished, 5);
        assert_int_equal(stats.queued + stats.running, 0);
        pool_free(p);
}

static void test_free_takes_null_and_an_idle_pool(void **state) {
        (void)state;
        assert_null(pool_free(NULL));
        assert_null(pool_free(make_pool(4, 1, 1)));
}

/* ---- what is measured ---- */

static void test_histogram_buckets_double(void **state) {
        static const struct {
                uint64_t ns;
                unsigned bucket;
        } cases[] = {
                {0, 0},
                {999, 0},
                {1000, 1},
                {1999, 1},
                {2000, 2},
                {3999, 2},
                {4000, 3},
                {1000000, 10},
                {1023999, 10},
                {1024000, 11},
                {UINT64_MAX / 2, 31},
                {UINT64_MAX, 31},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t buckets[POOL_BUCKETS] = {0};
                histogram_add(buckets, cases[i].ns);
                assert_int_equal(buckets[cases[i].bucket], 1);
        }
}

static void test_waits_and_services_are_counted(void **state) {
        struct pool *p = make_pool(1, 10, 10);
        uint64_t waits = 0, services = 0;
        struct pool_stats stats;
        struct gate gate;

        (void)state;
        close_gate(p, &gate, NULL);
        for (uint64_t until = clock_mono_ns() + 5000000; clock_mono_ns() < until;)
                ;
        sem_post(&gate.open);
        assert_int_equal(pool_drain(p, DRAIN_MS), 0);
        pool_stats(p, &stats);
        for (int i = 0; i < POOL_BUCKETS; i++) {
                waits += stats.wait[i];
                services += stats.service[i];
                if (i <= 12) /* below 4.096 ms */
                        assert_int_equal(stats.service[i], 0);
        }
        assert_int_equal(waits, 1);
        assert_int_equal(services, 1);
        pool_free(p);
}

/* ---- what a job meets ---- */

static void run_signals(struct pool_job *job) {
        sigset_t blocked;

        (void)job;
        CHECK(pthread_sigmask(SIG_BLOCK, NULL, &blocked) == 0);
        CHECK(sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGCHLD));
        CHECK(sigismember(&blocked, SIGHUP) && sigismember(&blocked, SIGPIPE));
}

static void test_workers_have_signals_blocked(void **state) {
        struct pool *p = make_pool(1, 10, 10);
        struct pool_turn ann;
        struct pool_job job = {.run = run_signals, .turn = &ann};
        sigset_t mine;

        (void)state;
        pool_turn_init(&ann);
        assert_int_equal(pool_submit(p, &job), 0);
        assert_int_equal(pool_drain(p, DRAIN_MS), 0);
        assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mine), 0);
        assert_false(sigismember(&mine, SIGTERM));
        pool_free(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_turns_are_served_round_robin),
                cmocka_unit_test(test_a_thousand_jobs_delay_another_user_by_one),
                cmocka_unit_test(test_a_held_back_job_keeps_its_age),
                cmocka_unit_test(test_past_its_deadline_a_job_is_late),
                cmocka_unit_test(test_refuses_when_the_queue_is_full),
                cmocka_unit_test(test_refuses_a_turn_past_its_share_and_no_other),
                cmocka_unit_test(test_retry_after_grows_with_what_waits),
                cmocka_unit_test(test_new_without_memory_or_threads),
                cmocka_unit_test(test_drain_runs_what_is_queued_and_admits_no_more),
                cmocka_unit_test(test_free_takes_null_and_an_idle_pool),
                cmocka_unit_test(test_histogram_buckets_double),
                cmocka_unit_test(test_waits_and_services_are_counted),
                cmocka_unit_test(test_workers_have_signals_blocked),
        };

        return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
