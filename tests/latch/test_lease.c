/* Unit tests for include/latch/lease.h: who has it, by token; and what is planted is reported. */
#include <pthread.h>

#include "base/clock.h"
#include "latch/lease.h"
#include "latch/policy.h"
#include "plant.h"

static struct latch_lease lease, other;

static void make_locks(void) {
        latch_lease_init(&lease, "upload");
        latch_lease_init(&other, "download");
}

static void *run_of(void *(*fn)(void *), void *arg) {
        void *ret;
        pthread_t t;

        assert_int_equal(pthread_create(&t, NULL, fn, arg), 0);
        assert_int_equal(pthread_join(t, &ret), 0);
        return ret;
}

/* ---- what holds ---- */

static bool is_free(void) {
        struct latch_lease_holder h;

        return !latch_lease_look(&lease, &h);
}

static void *let_go(void *token) {
        const struct latch_token *t = token;

        latch_lease_release(*t);
        return NULL;
}

static void test_one_has_it_and_another_thread_lets_go(void **state) {
        (void)state;
        struct latch_token a = latch_lease_take(&lease, NULL);
        assert_ptr_equal(a.lease, &lease);
        assert_null(latch_lease_take(&lease, NULL).lease);
        struct latch_token b = latch_lease_take(&other, NULL);
        assert_non_null(b.lease);
        run_of(let_go, &a);
        assert_true(is_free());
        struct latch_token again = latch_lease_take(&lease, NULL);
        assert_true(again.generation > a.generation);
        latch_lease_release(again);
        latch_lease_release(b);
        latch_lease_release(LATCH_NO_TOKEN);
        latch_lease_done(&lease);
        latch_lease_init(&lease, "upload"); /* no token of its life before fits */
        a = latch_lease_take(&lease, NULL);
        assert_true(a.generation > again.generation);
        latch_lease_release(a);
}

static void *take_for_ann(void *arg) {
        (void)arg;
        latch_thread_begin("taker");
        static struct latch_token token;
        token = latch_lease_take(&lease, "ann, of the ones who have a name too long"), MARK(0);
        latch_thread_end();
        return &token;
}

static void test_who_has_it_can_be_seen(void **state) {
        struct latch_lease_holder h;
        uint64_t before = clock_mono_ns();

        (void)state;
        assert_true(is_free());
        struct latch_token *t = run_of(take_for_ann, NULL);
        assert_true(latch_lease_look(&lease, &h));
        assert_int_equal(h.generation, t->generation);
        assert_string_equal(h.thread, "taker"); /* which is no more */
        assert_int_not_equal(h.tid, gettid());
        assert_string_equal(h.owner, "ann, of the ones who have a nam");
        assert_string_equal(h.taken_at->file, __FILE__);
        assert_int_equal(h.taken_at->line, line[0]);
        assert_true(h.since_ns >= before && h.since_ns <= clock_mono_ns());
        latch_lease_release(*t);
        assert_true(is_free());
}

static void test_a_transfer_ends_the_token(void **state) {
        struct latch_lease_holder h;

        (void)state;
        struct latch_token a = latch_lease_take(&lease, "ann");
        struct latch_token b = latch_lease_transfer(a, "bob");
        assert_true(b.generation > a.generation);
        assert_true(latch_lease_look(&lease, &h));
        assert_string_equal(h.owner, "bob");
        latch_set_policy(LATCH_POLICY_COUNT);
        uint64_t before = latch_violations();
        latch_lease_release(a);
        assert_null(latch_lease_transfer(a, "ann").lease);
        assert_int_equal(latch_violations() - before, 2);
        assert_false(is_free());
        latch_lease_done(&lease); /* nor is it destroyed */
        assert_int_equal(latch_violations() - before, 3);
        latch_lease_release(b);
        latch_lease_release(b);
        assert_int_equal(latch_violations() - before, 4);
        latch_set_policy(LATCH_POLICY_ABORT);
        assert_true(is_free());
}

static struct latch_token start(bool well) {
        LATCH_LEASE_GUARD(guard, &lease, NULL);
        assert_non_null(guard.token.lease);
        LATCH_LEASE_GUARD(second, &lease, NULL);
        assert_null(second.token.lease);
        if (!well)
                return LATCH_NO_TOKEN;
        return LATCH_LEASE_TAKE(guard);
}

static void *finish(void *token) {
        LATCH_LEASE_GUARD_TRANSFER(guard, *(struct latch_token *)token, NULL);
        CHECK(guard.token.lease && !is_free());
        return NULL;
}

static void test_a_scope_lets_go_unless_the_token_is_taken_out(void **state) {
        (void)state;
        assert_null(start(false).lease);
        assert_true(is_free());
        struct latch_token token = start(true);
        assert_false(is_free());
        run_of(finish, &token);
        assert_true(is_free());
}

static long inside, entered; /* by who has the lease */
static atomic_bool stop;

static void *grab(void *arg) {
        for (int i = 0; i < 4000; i++) {
                LATCH_LEASE_GUARD(guard, &lease, arg);
                if (!guard.token.lease)
                        continue;
                CHECK(inside++ == 0);
                entered++;
                CHECK(--inside == 0);
        }
        return NULL;
}

/* What is seen is one hold's, whole. */
static void *watch(void *unused) {
        struct latch_lease_holder h;
        uint64_t last = 0;

        while (!atomic_load(&stop)) {
                if (!latch_lease_look(&lease, &h))
                        continue;
                CHECK(h.generation >= last);
                last = h.generation;
                CHECK(h.tid == 0 || strcmp(h.owner, "one one one one one one one") == 0 ||
                      strcmp(h.owner, "two two two two two two two") == 0);
        }
        return unused;
}

static void test_of_many_one_has_it(void **state) {
        static char one[] = "one one one one one one one", two[] = "two two two two two two two";
        pthread_t t[3];

        (void)state;
        assert_int_equal(pthread_create(&t[0], NULL, watch, NULL), 0);
        assert_int_equal(pthread_create(&t[1], NULL, grab, one), 0);
        assert_int_equal(pthread_create(&t[2], NULL, grab, two), 0);
        pthread_join(t[1], NULL);
        pthread_join(t[2], NULL);
        atomic_store(&stop, true);
        pthread_join(t[0], NULL);
        assert_true(entered > 0 && inside == 0);
}

/* ---- what is reported ---- */

static void *take_for_bob(void *arg) {
        (void)arg;
        latch_thread_begin("taker");
        latch_lease_take(&lease, "bob"), MARK(2);
        latch_thread_end();
        return NULL;
}

static void plant_released_twice(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        latch_lease_release(t), MARK(0);
        MARK(1), latch_lease_release(t);
}

static void plant_stale_release(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        latch_lease_release(t), MARK(0);
        run_of(take_for_bob, NULL);
        MARK(1), latch_lease_release(t);
}

static void plant_stale_release_of_nobodys(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);

        for (int i = 0; i < LATCH_LEASE_ENDS + 1; i++) {
                latch_lease_release(t);
                t = latch_lease_take(&lease, NULL);
        }
        struct latch_token last = t;
        latch_lease_release(last);
        for (int i = 0; i < LATCH_LEASE_ENDS; i++)
                latch_lease_release(latch_lease_take(&lease, NULL));
        MARK(0), latch_lease_release(t);
}

static void plant_release_after_a_transfer(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        (void)latch_lease_transfer(t, "bob"), MARK(0);
        MARK(1), latch_lease_release(t);
}

static void plant_stale_transfer(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        latch_lease_release(t), MARK(0);
        run_of(take_for_bob, NULL);
        MARK(1), (void)latch_lease_transfer(t, NULL);
}

static void plant_release_of_a_life_before(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        latch_lease_release(t);
        latch_lease_done(&lease);
        latch_lease_init(&lease, "download");
        run_of(take_for_bob, NULL);
        MARK(0), latch_lease_release(t);
}

static void plant_release_by_guard(void) {
        LATCH_LEASE_GUARD(guard, &lease, NULL);
        MARK_ABOVE(0);
        latch_lease_release(guard.token);
}

static void plant_done_while_held(void) {
        run_of(take_for_bob, NULL);
        MARK(0), latch_lease_done(&lease);
}

static void plant_take_before_init(void) {
        static struct latch_lease never;

        MARK(0), (void)latch_lease_take(&never, NULL);
}

static void plant_take_after_done(void) {
        latch_lease_done(&lease);
        MARK(0), (void)latch_lease_take(&lease, NULL);
}

static void plant_release_after_done(void) {
        struct latch_token t = latch_lease_take(&lease, NULL);
        latch_lease_release(t);
        latch_lease_done(&lease);
        MARK(0), latch_lease_release(t);
}

static void plant_done_twice(void) {
        latch_lease_done(&lease);
        MARK(0), latch_lease_done(&lease);
}

static const struct violation violations[] = {
        {PLANTED(plant_released_twice),
         {"latch: lease released twice\n", "thread     culprit (tid",
          "at         {L1} (plant_released_twice)", "lease      upload at 0x",
          " ms ago by culprit (tid ", ") at {L0} (plant_released_twice)\n", "holder     none"}},
        {PLANTED(plant_stale_release),
         {"latch: lease released with a stale generation\n", "thread     culprit",
          "at         {L1} (plant_stale_release)", "lease      upload at 0x",
          " ms ago by culprit (tid ", ") at {L0} (plant_stale_release)\n", "holder     taker (tid ",
          ") for bob, generation ", "taken at   {L2} (take_for_bob)"}},
        {PLANTED(plant_stale_release_of_nobodys),
         {"latch: lease released with a stale generation\n", "at         {L0} (plant_stale",
          "ended      it is not known any more where\n", "holder     none"}},
        {PLANTED(plant_release_after_a_transfer),
         {"latch: lease released with a stale generation\n", "at         {L1} (plant_release",
          " ms ago by culprit (tid ", ") at {L0} (plant_release_after_a_transfer)\n",
          "holder     culprit", ") for bob, generation ",
          "taken at   {L0} (plant_release_after_a_transfer)"}},
        {PLANTED(plant_stale_transfer),
         {"latch: lease released with a stale generation: in a transfer\n",
          "at         {L1} (plant_stale_transfer)", "ended      ", "holder     taker (tid ",
          "  taken at   {L2} (take_for_bob)"}},
        {PLANTED(plant_release_of_a_life_before),
         {"latch: lease released with a stale generation\n", "at         {L0} (plant_release",
          "lease      download at 0x", "ended      it is not known", "holder     taker (tid "}},
        {PLANTED(plant_release_by_guard),
         {"latch: lease released twice\n", "at         {L0} (plant_release_by_guard)"}},
        {PLANTED(plant_done_while_held),
         {"latch: lease destroyed while held\n", "thread     culprit",
          "at         {L0} (plant_done_while_held)", "lease      upload", "holder     taker (tid ",
          "taken at   {L2} (take_for_bob)"}},
        {PLANTED(plant_take_before_init),
         {"latch: not a living lease: taken before init or after done\n",
          "at         {L0} (plant_take_before_init)", "lease      unknown at 0x"}},
        {PLANTED(plant_take_after_done),
         {"latch: not a living lease: taken before init or after done\n",
          "at         {L0} (plant_take_after_done)", "lease      upload at 0x"}},
        {PLANTED(plant_release_after_done),
         {"latch: not a living lease: let go before init or after done\n",
          "at         {L0} (plant_release_after_done)", "lease      upload at 0x"}},
        {PLANTED(plant_done_twice),
         {"latch: not a living lease: destroyed before init or a second time\n",
          "at         {L0} (plant_done_twice)"}},
};

static int begin(void **state) {
        (void)state;
        make_locks();
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_lease_done(&other);
        latch_lease_done(&lease);
        return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_one_has_it_and_another_thread_lets_go),
                TEST(test_who_has_it_can_be_seen),
                TEST(test_a_transfer_ends_the_token),
                TEST(test_a_scope_lets_go_unless_the_token_is_taken_out),
                TEST(test_of_many_one_has_it),
        };

        return plant_main("lease", tests, ELEMENTS(tests), violations, ELEMENTS(violations));
}
