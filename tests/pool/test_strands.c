/* Strands of src/pool under many workers: order, one at a time, freed by their own jobs; a stress. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "latch/thread.h"
#include "pool/pool.h"

#define DEADLINE_S 20
#define DRAIN_MS   60000
#define WORKERS    4
#define LANES      8
#define USERS      6
#define PER_USER   4000

static struct pool *pool;

/* A strand and what its jobs see of each other. */
struct lane {
        struct pool_strand strand;
        atomic_int inside;
        unsigned ran; /* written by the job that is inside alone: the sanitizer judges that */
};

struct step {
        struct pool_job job;
        struct lane *lane;
        unsigned number; /* its place in the lane; of UINT_MAX any */
};

static atomic_uint steps_run;

static void run_step(struct pool_job *job) {
        struct step *s = CONTAINER_OF(job, struct step, job);

        CHECK(atomic_fetch_add(&s->lane->inside, 1) == 0);
        CHECK(s->number == UINT32_MAX || s->number == s->lane->ran);
        s->lane->ran++;
        if (s->lane->ran % 7 == 0)
                sched_yield();
        CHECK(atomic_fetch_sub(&s->lane->inside, 1) == 1);
        atomic_fetch_add(&steps_run, 1);
        free(s);
}

static struct step *step_new(struct lane *lane, struct pool_turn *turn, unsigned number) {
        struct step *s = calloc(1, sizeof *s);

        CHECK(s);
        *s = (struct step){.job = {.run = run_step, .turn = turn, .strand = &lane->strand},
                           .lane = lane,
                           .number = number};
        return s;
}

static void test_jobs_of_a_strand_run_in_order_one_at_a_time(void **state) {
        struct lane lanes[LANES] = {0};
        struct pool_turn turns[2];

        (void)state;
        pool_turn_init(&turns[0]);
        pool_turn_init(&turns[1]);
        for (unsigned i = 0; i < 400; i++)
                for (unsigned l = 0; l < LANES; l++)
                        assert_int_equal(
                                pool_submit(pool, &step_new(&lanes[l], &turns[i % 2], i)->job), 0);
        assert_int_equal(pool_drain(pool, DRAIN_MS), 0);
        for (unsigned l = 0; l < LANES; l++)
                assert_int_equal(lanes[l].ran, 400);
}

/* ---- a strand that lives in what its jobs hold on to ---- */

struct visit {
        struct pool_strand strand;
        struct pool_job job[2];
};
static sem_t second_ran, first_ended;

static void await(sem_t *s) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += DEADLINE_S;
        CHECK(sem_timedwait(s, &until) == 0);
}

static void run_nothing(struct pool_job *job) {
        (void)job;
}

static void after_first(struct pool_job *job) {
        struct visit *v = CONTAINER_OF(job, struct visit, job[0]);

        await(&second_ran); /* the strand was let go: its next job could begin */
        free(v);            /* the strand with it: the pool touches it no more */
        sem_post(&first_ended);
}

static void after_second(struct pool_job *job) {
        (void)job;
        sem_post(&second_ran);
}

static void test_after_a_job_its_strand_may_be_freed(void **state) {
        struct pool_turn turn;

        (void)state;
        pool_turn_init(&turn);
        assert_int_equal(sem_init(&first_ended, 0, 0), 0);
        assert_int_equal(sem_init(&second_ran, 0, 0), 0);
        for (int i = 0; i < 100; i++) {
                struct visit *v = calloc(1, sizeof *v);
                assert_non_null(v);
                pool_strand_init(&v->strand);
                for (int k = 0; k < 2; k++)
                        v->job[k] = (struct pool_job){.run = run_nothing,
                                                      .after = k == 0 ? after_first : after_second,
                                                      .turn = &turn,
                                                      .strand = &v->strand};
                assert_int_equal(pool_submit(pool, &v->job[0]), 0);
                assert_int_equal(pool_submit(pool, &v->job[1]), 0);
                await(&first_ended);
        }
        assert_int_equal(pool_drain(pool, DRAIN_MS), 0);
}

static atomic_bool after_ended;

static void after_a_while(struct pool_job *job) {
        (void)job;
        for (uint64_t until = clock_mono_ns() + 20000000; clock_mono_ns() < until;)
                sched_yield();
        atomic_store(&after_ended, true);
}

static void test_drain_waits_for_what_comes_after(void **state) {
        struct pool_turn turn;
        struct pool_job job = {.run = run_nothing, .after = after_a_while, .turn = &turn};

        (void)state;
        pool_turn_init(&turn);
        assert_int_equal(pool_submit(pool, &job), 0);
        assert_int_equal(pool_drain(pool, DRAIN_MS), 0);
        assert_true(atomic_load(&after_ended));
}

/* ---- many users at once ---- */

static struct lane lanes[LANES];
struct user {
        pthread_t thread;
        struct pool_turn turn;
        unsigned random, refused;
};

static void *submit_many(void *arg) {
        struct user *u = arg;

        latch_thread_begin("user");
        for (unsigned i = 0; i < PER_USER; i++) {
                u->random = u->random * 1103515245u + 12345u;
                struct step *s =
                        step_new(&lanes[u->random >> 16 & (LANES - 1)], &u->turn, UINT32_MAX);
                int r;
                while ((r = pool_submit(pool, &s->job)) == -EBUSY) {
                        u->refused++;
                        sched_yield();
                }
                CHECK(r == 0);
        }
        latch_thread_end();
        return NULL;
}

static void test_nothing_is_lost_under_load(void **state) {
        static struct user users[USERS];
        struct pool_stats stats;
        unsigned ran = 0, refused = 0;

        (void)state;
        atomic_store(&steps_run, 0);
        for (unsigned i = 0; i < USERS; i++) {
                users[i].random = i + 1;
                pool_turn_init(&users[i].turn);
                assert_int_equal(pthread_create(&users[i].thread, NULL, submit_many, &users[i]), 0);
        }
        for (unsigned i = 0; i < USERS; i++) {
                assert_int_equal(pthread_join(users[i].thread, NULL), 0);
                refused += users[i].refused;
        }
        assert_int_equal(pool_drain(pool, DRAIN_MS), 0);
        for (unsigned l = 0; l < LANES; l++)
                ran += lanes[l].ran;
        pool_stats(pool, &stats);
        assert_int_equal(ran, USERS * PER_USER);
        assert_int_equal(atomic_load(&steps_run), USERS * PER_USER);
        assert_int_equal(stats.finished, USERS * PER_USER);
        assert_int_equal(stats.accepted, USERS * PER_USER);
        assert_int_equal(stats.refused, refused);
        assert_int_equal(stats.queued + stats.running, 0);
}

static int open_pool(const struct pool_limits *limits) {
        return pool_new(limits, &pool);
}
static int begin(void **state) {
        (void)state;
        return open_pool(&(struct pool_limits){WORKERS, 4000, 4000});
}
static int begin_narrow(void **state) {
        (void)state;
        return open_pool(&(struct pool_limits){WORKERS, 64, 24});
}
static int end(void **state) {
        (void)state;
        pool = pool_free(pool);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_jobs_of_a_strand_run_in_order_one_at_a_time,
                                                begin, end),
                cmocka_unit_test_setup_teardown(test_after_a_job_its_strand_may_be_freed, begin,
                                                end),
                cmocka_unit_test_setup_teardown(test_drain_waits_for_what_comes_after, begin, end),
                cmocka_unit_test_setup_teardown(test_nothing_is_lost_under_load, begin_narrow, end),
        };

        return cmocka_run_group_tests_name("strands", tests, NULL, NULL);
}
