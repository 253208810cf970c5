/* Unit tests for src/auth/password.c and token.c. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <seccomp.h>
#include <sodium.h>

#include "auth/password.h"
#include "auth/token.h"
#include "base/clock.h"
#include "base/str.h"
#include "latch/thread.h"

static void test_a_hash_knows_its_password(void **state) {
        char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX], begin[40];

        (void)state;
        assert_int_equal(password_hash("correct horse", hash), 0);
        snprintf(begin, sizeof begin, "$argon2id$v=19$m=%u,t=2,p=1$", PASSWORD_MEMORY_KIB);
        assert_true(str_starts(hash, begin));
        assert_int_equal(password_verify(hash, "correct horse"), 0);
        assert_int_equal(password_verify(hash, "correct horsE"), -EACCES);
        assert_int_equal(password_verify(hash, ""), -EACCES);
        assert_int_equal(password_hash("correct horse", other), 0);
        assert_string_not_equal(hash, other); /* salted */
        assert_int_equal(crypto_pwhash_str_verify(hash, "correct horse", 13),
                         0); /* the common form */
}

static void test_a_hash_that_is_none_is_no_wrong_password(void **state) {
        static const char *const broken[] = {
                "",
                "x",
                "$argon2i$v=19$m=65536,t=2,p=1$",
                "$argon2id$v=19$m=65536,t=2,p=1$AAAA$AAAA",
                "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAx",
                /* 9 GiB, and a hundred passes */
                "$argon2id$v=19$m=9999999,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "$argon2id$v=19$m=65536,t=99,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(broken); i++)
                assert_int_equal(password_verify(broken[i], "x"), -EIO);
}

/* From here on this process gets half of what a hash takes, in one piece, no more. */
static bool no_large_memory(void) {
        scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

        return filter &&
               seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOMEM), SCMP_SYS(mmap), 1,
                                SCMP_A1(SCMP_CMP_GT, PASSWORD_MEMORY_KIB * 512u)) == 0 &&
               seccomp_load(filter) == 0;
}

/* The library's own verification says "wrong" when it has no memory. Ours must not. */
static void test_no_memory_is_no_wrong_password(void **state) {
        char hash[PASSWORD_HASH_MAX];
        int status;

        (void)state;
        assert_int_equal(password_hash("correct horse", hash), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                if (!no_large_memory())
                        _exit(1);
                if (password_verify(hash, "correct horse") != -ENOMEM)
                        _exit(2);
                _exit(password_hash("correct horse", hash) == -ENOMEM ? 0 : 3);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static uint64_t cpu_ns(const char *hash) {
        struct timespec a, b;

        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a), 0);
        assert_int_equal(password_verify(hash, "some password"), -EACCES);
        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b), 0);
        return (uint64_t)(b.tv_sec - a.tv_sec) * 1000000000 + (uint64_t)(b.tv_nsec - a.tv_nsec);
}

static void test_the_decoy_costs_what_a_real_one_costs(void **state) {
        char real[PASSWORD_HASH_MAX], decoy[PASSWORD_HASH_MAX];
        uint64_t least[2] = {UINT64_MAX, UINT64_MAX};

        (void)state;
        assert_int_equal(password_hash("correct horse", real), 0);
        password_decoy(decoy);
        for (int i = 0; i < 5; i++) {
                least[0] = MIN(least[0], cpu_ns(real));
                least[1] = MIN(least[1], cpu_ns(decoy));
        }
        assert_in_range(least[1], least[0] / 2, least[0] * 2);
}

/* ---- the gate ---- */

enum { VISITORS = 30, WAITING = 5 };

struct visit {
        pthread_t thread;
        struct gate *gate;
        atomic_uint *inside, *most, *arrived, *open;
        bool patient;
        int r;
};

static void *visit(void *arg) {
        struct visit *v = arg;

        latch_thread_begin("visit");
        v->r = gate_enter(v->gate, v->patient);
        atomic_fetch_add(v->arrived, v->r < 0);
        if (v->r == 0) {
                unsigned n = atomic_fetch_add(v->inside, 1) + 1, most = atomic_load(v->most);
                while (n > most && !atomic_compare_exchange_weak(v->most, &most, n))
                        ;
                atomic_fetch_add(v->arrived, 1);
                while (atomic_load(v->open) == 0)
                        sched_yield();
                atomic_fetch_sub(v->inside, 1);
                gate_leave(v->gate);
        }
        latch_thread_end();
        return NULL;
}

/* Two hold the gate; of those who come then, as many as may wait do, and the rest is refused. */
static void test_two_at_once_some_wait_the_rest_is_refused(void **state) {
        atomic_uint inside = 0, most = 0, arrived = 0, open = 0;
        struct visit v[VISITORS];
        unsigned entered = 0, refused = 0;
        struct gate *g;

        (void)state;
        assert_int_equal(gate_new(GATE_AT_ONCE, WAITING, &g), 0);
        for (int i = 0; i < VISITORS; i++) {
                v[i] = (struct visit){.gate = g,
                                      .inside = &inside,
                                      .most = &most,
                                      .arrived = &arrived,
                                      .open = &open,
                                      .patient = i == VISITORS - 1};
                assert_int_equal(pthread_create(&v[i].thread, NULL, visit, &v[i]), 0);
        }
        /* All but those who wait have got somewhere: then the gate opens. */
        uint64_t deadline = clock_mono_ms() + 20000;
        while (atomic_load(&arrived) < VISITORS - WAITING - 1 && clock_mono_ms() < deadline)
                sched_yield();
        atomic_store(&open, 1);
        for (int i = 0; i < VISITORS; i++) {
                assert_int_equal(pthread_join(v[i].thread, NULL), 0);
                entered += v[i].r == 0;
                refused += v[i].r == -EAGAIN;
        }
        assert_int_equal(v[VISITORS - 1].r, 0); /* the patient one always */
        assert_in_range(atomic_load(&most), 1, GATE_AT_ONCE);
        assert_int_equal(entered + refused, VISITORS);
        assert_in_range(entered, GATE_AT_ONCE + WAITING, GATE_AT_ONCE + WAITING + 1);
        gate_free(g);
}

/* ---- tokens ---- */

static void test_tokens_are_random_and_only_their_text_gives_their_hash(void **state) {
        char a[TOKEN_TEXT_MAX], b[TOKEN_TEXT_MAX];
        unsigned char hash_a[TOKEN_HASH_BYTES], hash_b[TOKEN_HASH_BYTES], again[TOKEN_HASH_BYTES];

        (void)state;
        token_make(a, hash_a);
        token_make(b, hash_b);
        assert_int_equal(strlen(a), 43);
        assert_int_equal(
                strspn(a, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
        assert_string_not_equal(a, b);
        assert_memory_not_equal(hash_a, hash_b, sizeof hash_a);
        assert_int_equal(token_hash(a, again), 0);
        assert_memory_equal(again, hash_a, sizeof hash_a);

        static const char *const bad[] = {
                "",
                "x",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB" /* loose bits */};
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(token_hash(bad[i], again), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_hash_knows_its_password),
                cmocka_unit_test(test_a_hash_that_is_none_is_no_wrong_password),
                cmocka_unit_test(test_no_memory_is_no_wrong_password),
                cmocka_unit_test(test_the_decoy_costs_what_a_real_one_costs),
                cmocka_unit_test(test_two_at_once_some_wait_the_rest_is_refused),
                cmocka_unit_test(test_tokens_are_random_and_only_their_text_gives_their_hash),
        };

        if (sodium_init() < 0)
                return 1;
        latch_thread_begin("main");
        int failed = cmocka_run_group_tests_name("password", tests, NULL, NULL);
        latch_thread_end();
        return failed;
}
