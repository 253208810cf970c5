/* Unit tests for include/latch/pct.h: a deadlock that is there is met within the runs that the bound says, and again. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macros.h"
#include "latch/lock.h"
#include "latch/pct.h"
#include "latch/policy.h"
#include "latch/thread.h"

/* Two threads, a step before each of two takes and behind each of two releases: 1/(n*k^(d-1)) is 1/16 a seed. */
#define THREADS 2
#define TRIES   5
#define STEPS   (THREADS * 4)
#define DEPTH   2
#define RUNS    (THREADS * STEPS) /* so one is to be expected; the seeds are the same each time */

#define DEADLINE_S 20
/* How often it has to be met until no more seeds are tried: a child takes long under ThreadSanitizer. */
#if defined(__SANITIZE_THREAD__)
#define ENOUGH 1
#else
#define ENOUGH RUNS
#endif

static struct latch_mutex outer, inner;
static pthread_barrier_t together;
static atomic_uint sum;

static void *in_order(void *unused) {
        latch_thread_begin("left");
        pthread_barrier_wait(&together);
        LATCH_WITH(outer, &outer)
                LATCH_WITH(inner, &inner)
                        sum++;
        return unused;
}

/* Something to do before, which keeps it from meeting the other but for one run in very many. */
static void work(void) {
        for (uint64_t until = clock_mono_ns() + 5000000; clock_mono_ns() < until;)
                if (atomic_load(&sum) > 0)
                        break;
}

static void *the_other_way(void *unused) LATCH_UNCHECKED_ {
        latch_thread_begin("right");
        pthread_barrier_wait(&together);
        work();
        LATCH_WITH(inner, &inner)
                LATCH_WITH(outer, &outer)
                        sum++;
        return unused;
}

static void cross(void) {
        pthread_t t[THREADS];

        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        CHECK(pthread_barrier_init(&together, NULL, THREADS) == 0);
        CHECK(pthread_create(&t[0], NULL, in_order, NULL) == 0);
        CHECK(pthread_create(&t[1], NULL, the_other_way, NULL) == 0);
        for (size_t i = 0; i < THREADS; i++)
                CHECK(pthread_join(t[i], NULL) == 0);
}

/* Lines of the child until it ends, or has said which deadlock it is in. */
static void hear(int fd, char *said, size_t size) {
        FILE *in = fdopen(fd, "r");
        int left = -1;
        size_t n = 0;

        CHECK(in);
        said[0] = '\0';
        while (left != 0 && n < size - 1 && fgets(said + n, (int)(size - n), in)) {
                if (strstr(said + n, ": a deadlock"))
                        left = THREADS + 1;
                if (left > 0)
                        left--;
                n += strlen(said + n);
        }
        (void)fclose(in);
}

/* The program as a child, whether it has met its deadlock. Then it hangs, and is ended. */
static bool run(const char *pct, char *said, size_t size) {
        int fds[2], status;

        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                alarm(pct ? DEADLINE_S : 5);
                dup2(fds[1], STDERR_FILENO);
                fd_close(fds[0]);
                latch_set_policy(LATCH_POLICY_COUNT); /* the inversion is there, and only counted */
                if (pct)
                        setenv("LATCH_PCT", pct, 1);
                cross();
                _exit(latch_violations() == 1 ? 0 : 1);
        }
        fd_close(fds[1]);
        hear(fds[0], said, size);
        bool told = strstr(said, "a deadlock") != NULL;
        if (told) { /* it hangs */
                assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
                assert_int_equal(kill(pid, SIGKILL), 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (pct && !told && status != 0)
                fail_msg("%s: status %x:\n%s", pct, (unsigned)status, said);
        return WIFSIGNALED(status);
}

/* A thread that the machine gave no time for its patience's whole length has another order: such a run says nothing. */
static bool meets(const char *pct, char *said, size_t size) {
        for (int i = 0; i < TRIES; i++)
                if (run(pct, said, size) || !strstr(said, "came to no step"))
                        break;
        return strstr(said, "a deadlock, again by") != NULL;
}

static void test_a_predicted_deadlock_becomes_a_real_one(void **state) {
        unsigned met = 0, without = 0;
        char pct[64], said[2048], again[2048];

        (void)state;
        for (unsigned seed = 1; seed <= RUNS && met < ENOUGH; seed++) {
                (void)snprintf(pct, sizeof pct, "%u,%d,%d", seed, STEPS, DEPTH);
                without += run(NULL, said, sizeof said);
                if (!meets(pct, said, sizeof said) || met++ > 0)
                        continue;
                assert_non_null(strstr(said, pct)); /* how to meet it again */
                assert_non_null(strstr(said, "left       waits at "));
                assert_non_null(strstr(said, "(in_order) for inner at 0x"));
                assert_non_null(strstr(said, "(the_other_way) for outer at 0x"));
                assert_non_null(strstr(said, ", which left has\n"));
                for (int i = 0; i < 3; i++)
                        assert_true(meets(pct, again, sizeof again));
        }
        print_message("%u of %d seeds met it, %u of as many runs without\n", met, RUNS, without);
        assert_true(met > 0 && without < met);
}

static void test_what_makes_no_sense_is_refused(void **state) {
        struct latch_pct_figures f;

        (void)state;
        assert_int_equal(latch_pct_start(1, 0, 2), -EINVAL);
        assert_int_equal(latch_pct_start(1, 8, 0), -EINVAL);
        assert_int_equal(latch_pct_start(1, 8, LATCH_PCT_DEPTH_MAX + 1), -EINVAL);
        latch_pct_figures(&f);
        assert_int_equal(f.threads, 0);
}

/* ---- while it is on; the last tests, for it stays ---- */

static struct latch_cond cond;
static unsigned turn LATCH_GUARDED_BY(outer);

static void *take_turns(void *arg) {
        unsigned me = arg ? 1 : 0;

        latch_thread_begin(me ? "odd" : "even");
        for (unsigned i = 0; i < 20; i++) {
                LATCH_GUARD(outer, &outer);
                while (turn % 2 != me)
                        latch_cond_wait(&cond, &outer);
                turn++;
                latch_cond_broadcast(&cond);
        }
        return NULL;
}

static void *come(void *met) {
        latch_thread_begin("below"); /* main, by this seed */
        LATCH_WITH(inner, &inner)
                sum++;
        pthread_barrier_wait(met);
        return NULL;
}

static void test_waiting_and_impatience(void **state) {
        struct latch_pct_figures f;
        pthread_barrier_t b;
        pthread_t t[2];
        int one = 1;

        (void)state;
        latch_mutex_init(&outer, LATCH_CLASS_outer);
        latch_mutex_init(&inner, LATCH_CLASS_inner);
        latch_cond_init(&cond);
        assert_int_equal(latch_pct_start(7, 40, 3), 0);
        latch_thread_begin("main");
        assert_int_equal(latch_pct_start(7, 40, 3), -EALREADY);
        assert_int_equal(pthread_create(&t[0], NULL, take_turns, NULL), 0);
        assert_int_equal(pthread_create(&t[1], NULL, take_turns, &one), 0);
        latch_blocking("joining");
        pthread_join(t[0], NULL);
        pthread_join(t[1], NULL);
        LATCH_WITH(outer, &outer)
                assert_int_equal(turn, 40);
        latch_pct_figures(&f);
        assert_int_equal(f.threads, 3);
        assert_true(f.steps >= 40);
        assert_int_equal(f.changes, 2);
        assert_int_equal(f.deadlocks, 0);

        assert_int_equal(f.impatient, 0);

        /* Nobody says that main waits there. */
        assert_int_equal(pthread_barrier_init(&b, NULL, 2), 0);
        assert_int_equal(pthread_create(&t[0], NULL, come, &b), 0);
        pthread_barrier_wait(&b);
        latch_blocking("joining");
        pthread_join(t[0], NULL);
        latch_pct_figures(&f);
        assert_int_equal(f.impatient, 1);
        latch_cond_done(&cond);
        latch_mutex_done(&inner);
        latch_mutex_done(&outer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_predicted_deadlock_becomes_a_real_one),
                cmocka_unit_test(test_what_makes_no_sense_is_refused),
                cmocka_unit_test(test_waiting_and_impatience),
        };

        return cmocka_run_group_tests_name("pct", tests, NULL, NULL);
}
