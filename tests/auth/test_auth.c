/* Unit tests for src/auth/auth.c and identity.c, over a real store. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/str.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "world.h"

/* ---- signing in ---- */

static void test_a_sign_in_gives_a_token_that_says_who_it_is(void **state) {
        struct auth_grant g = signed_in(), h = signed_in();

        (void)state;
        assert_string_not_equal(g.token, h.token);
        assert_int_equal(g.expires_in_s, config.token_lifetime_s);
        assert_true(identity_valid(g.identity));
        assert_ptr_equal(g.identity->account, h.identity->account);
        assert_string_equal(g.identity->account->name, "ann");
        assert_int_equal(g.identity->account->user_id, ann.id);
        assert_int_equal(g.identity->account->role, ROLE_TEACHER);
        struct identity *again = identify(g.token);
        assert_ptr_equal(again, g.identity);
        identity_unref(again);
        assert_null(identify("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
        assert_null(identify(""));
        identity_unref(g.identity);
        identity_unref(h.identity);
}

static void test_whoever_is_wrong_is_refused_alike(void **state) {
        struct auth_grant g, untouched;
        char long_password[3000];

        (void)state;
        memset(&untouched, 7, sizeof untouched);
        g = untouched;
        config.failures_per_minute = 1000;
        stop();
        start();
        memset(long_password, 'x', sizeof long_password);
        long_password[sizeof long_password - 1] = '\0';
        assert_int_equal(sign_in("ann", "wrong", &g), -EACCES);
        assert_int_equal(sign_in("ann", "", &g), -EACCES);
        assert_int_equal(sign_in("ann", long_password, &g), -EACCES);
        assert_int_equal(sign_in("nobody", PASSWORD, &g), -EACCES);
        assert_int_equal(sign_in("Ann", PASSWORD, &g), -EACCES);
        assert_int_equal(sign_in("", PASSWORD, &g), -EACCES);
        assert_int_equal(sign_in("ann' OR 1=1 --", PASSWORD, &g), -EACCES);
        raw("UPDATE users SET disabled = 1");
        assert_int_equal(sign_in("ann", PASSWORD, &g), -EACCES);
        raw("UPDATE users SET disabled = 0, password = ''");
        assert_int_equal(sign_in("ann", PASSWORD, &g), -EACCES);
        assert_int_equal(sign_in("ann", "", &g), -EACCES);
        assert_memory_equal(&g, &untouched, sizeof g);
}

static uint64_t thread_cpu_ns(void) {
        struct timespec t;

        assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
        return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void test_an_unknown_name_costs_as_much_as_a_wrong_password(void **state) {
        static const char *const names[] = {"ann", "nobody", "No One!"};
        uint64_t least[ELEMENTS(names)] = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
        struct auth_grant g;

        (void)state;
        config.failures_per_minute = 1000;
        stop();
        start();
        for (int round = 0; round < 4; round++)
                for (size_t i = 0; i < ELEMENTS(names); i++) {
                        uint64_t before = thread_cpu_ns();
                        assert_int_equal(sign_in(names[i], "wrong", &g), -EACCES);
                        least[i] = MIN(least[i], thread_cpu_ns() - before);
                }
        for (size_t i = 1; i < ELEMENTS(names); i++)
                assert_in_range(least[i], least[0] / 2, least[0] * 2);
}

/* The store's failures are said as such, whatever was asked of it. */
static void test_a_failing_store_is_never_a_wrong_password(void **state) {
        struct auth_grant g, h = signed_in();
        struct identity *i = NULL;
        unsigned retry_s;
        char link[TOKEN_TEXT_MAX];

        (void)state;
        assert_int_equal(auth_make_link(auth, ann.id, link), 0);
        raw("ALTER TABLE tokens RENAME TO lost");
        assert_int_equal(sign_in("ann", PASSWORD, &g), -EIO);
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &g, &retry_s), -EIO);
        assert_int_equal(auth_renew(auth, h.identity, HERE, &g), -EIO);
        assert_int_equal(auth_sign_out(auth, h.identity), -EIO);
        assert_true(identity_valid(h.identity)); /* neither renewed nor signed out */
        assert_int_equal(auth_authenticate(auth, link, &i), -EIO);
        assert_int_equal(auth_authenticate(auth, "none", &i), -EACCES);
        raw("ALTER TABLE users RENAME TO lost_users");
        assert_int_equal(sign_in("ann", PASSWORD, &g), -EIO);
        assert_int_equal(sign_in("nobody", PASSWORD, &g), -EIO);
        assert_int_equal(sign_in("nobody", PASSWORD, &g), -EIO);
        raw("ALTER TABLE lost_users RENAME TO users; ALTER TABLE lost RENAME TO tokens");
        /* None of it was counted, none of it broke anything. */
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &g, &retry_s), 0);
        assert_int_equal(auth_sign_out(auth, h.identity), 0);
        identity_unref(h.identity);
        identity_unref(g.identity);
}

static void test_only_failures_count_against_name_and_address(void **state) {
        struct auth_grant g;
        unsigned retry_s = 0;

        (void)state;
        config.failures_per_minute = 3;
        stop();
        start();
        for (int i = 0; i < 5; i++) { /* more than may fail */
                g = signed_in();
                identity_unref(g.identity);
        }
        for (int i = 0; i < 3; i++)
                assert_int_equal(auth_sign_in(auth, "ann", "wrong", HERE, &g, &retry_s), -EACCES);
        assert_int_equal(auth_sign_in(auth, "ann", PASSWORD, HERE, &g, &retry_s), -EAGAIN);
        assert_in_range(retry_s, 1, 21);
        retry_s = 0;
        assert_int_equal(auth_sign_in(auth, "bob", "wrong", HERE, &g, &retry_s), -EAGAIN);
        assert_in_range(retry_s, 1, 21);
        assert_int_equal(auth_sign_in_link(auth, "x", HERE, &g, &retry_s), -EAGAIN);
        /* The name is blocked from elsewhere, too; another name from elsewhere is not. */
        assert_int_equal(auth_sign_in(auth, "ann", PASSWORD, "192.0.2.2", &g, &retry_s), -EAGAIN);
        assert_int_equal(auth_sign_in(auth, "bob", "wrong", "192.0.2.2", &g, &retry_s), -EACCES);
}

/* Who is signed in and guesses its own old password is held to the limit however long the guesses are. */
static void test_no_guess_blocks_for_longer_than_the_limit_says(void **state) {
        char longest[2000];
        struct auth_grant g = signed_in();
        unsigned retry_ms = 0;

        (void)state;
        config.failures_per_minute = 2;
        memset(longest, 'x', sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        for (int i = 0; i < 50; i++) {
                int r = auth_change_password(auth, g.identity, longest, "another one", HERE,
                                             &retry_ms);
                assert_int_equal(r, i < 2 ? -EPERM : -EAGAIN);
        }
        assert_in_range(retry_ms, 1, 31000);
        identity_unref(g.identity);
}

static void test_guessed_links_count(void **state) {
        struct auth_grant g;
        unsigned retry_s = 0;

        (void)state;
        config.failures_per_minute = 2;
        stop();
        start();
        assert_int_equal(auth_sign_in_link(auth, "x", HERE, &g, &retry_s), -EACCES);
        assert_int_equal(auth_sign_in_link(auth, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                           HERE, &g, &retry_s),
                         -EACCES);
        assert_int_equal(auth_sign_in_link(auth, "x", HERE, &g, &retry_s), -EAGAIN);
}

struct guess {
        pthread_t thread;
        atomic_uint *refused, *busy, *other;
        int n;
};

static void *guess(void *arg) {
        struct guess *t = arg;

        latch_thread_begin("guess");
        for (int i = 0; i < 3; i++) {
                struct auth_grant g;
                char name[16];
                unsigned retry_s;
                (void)snprintf(name, sizeof name, "g%d-%d", t->n, i);
                int r = auth_sign_in(auth, name, "wrong", HERE, &g, &retry_s);
                atomic_fetch_add(r == -EACCES ? t->refused : r == -EAGAIN ? t->busy : t->other, 1);
        }
        latch_thread_end();
        return NULL;
}

/* Many at once from one address: the hash is made for those who may fail, and one more at most, as two
 * are at it at once; none slips past while others wait. */
static void test_a_storm_of_guesses_is_held_to_the_limit(void **state) {
        enum { GUESSERS = 20 };
        atomic_uint refused = 0, busy = 0, other = 0;
        struct guess t[GUESSERS];

        (void)state;
        config.failures_per_minute = 4;
        config.http_threads = 20;
        stop();
        start();
        uint64_t before = clock_mono_ms();
        for (int i = 0; i < GUESSERS; i++) {
                t[i] = (struct guess){.refused = &refused, .busy = &busy, .other = &other, .n = i};
                assert_int_equal(pthread_create(&t[i].thread, NULL, guess, &t[i]), 0);
        }
        for (int i = 0; i < GUESSERS; i++)
                assert_int_equal(pthread_join(t[i].thread, NULL), 0);
        unsigned came_back = (unsigned)((clock_mono_ms() - before) / 15000);
        assert_int_equal(other, 0);
        assert_in_range(refused, 4, 5 + came_back);
        assert_int_equal(refused + busy, GUESSERS * 3);
}

/* ---- tokens ---- */

static void test_tokens_outlive_the_server(void **state) {
        struct auth_grant g = signed_in(), h = signed_in();

        (void)state;
        assert_int_equal(auth_sign_out(auth, h.identity), 0);
        identity_unref(g.identity);
        identity_unref(h.identity);
        stop();
        start();
        assert_null(identify(h.token));
        struct identity *i = identify(g.token);
        assert_non_null(i);
        assert_string_equal(i->account->name, "ann");
        identity_unref(i);
}

static void test_tokens_expire(void **state) {
        struct auth_grant g = signed_in();
        struct identity *i = NULL;

        (void)state;
        /* One that runs out while it is in memory... */
        assert_in_range(g.identity->expires_ms,
                        clock_real_ms() + (config.token_lifetime_s - 60) * 1000ull,
                        clock_real_ms() + config.token_lifetime_s * 1000ull);
        g.identity->expires_ms = clock_real_ms() - 1;
        assert_false(identity_valid(g.identity));
        assert_int_equal(auth_authenticate(auth, g.token, &i), -EACCES);
        struct auth_grant untouched;
        assert_int_equal(auth_renew(auth, g.identity, HERE, &untouched), -EACCES);
        identity_unref(g.identity);
        /* ...and one that ran out in the store, seen by a server that did not know it. */
        g = signed_in();
        identity_unref(g.identity);
        auth = auth_free(auth);
        raw("UPDATE tokens SET expires_ms = 1000");
        store_close(store);
        start(); /* which removes it */
        assert_int_equal(auth_authenticate(auth, g.token, &i), -EACCES);
        g = signed_in();
        identity_unref(g.identity);
        auth = auth_free(auth);
        assert_int_equal(auth_new(store, &config, &auth), 0);
        raw("UPDATE tokens SET expires_ms = 1000");
        assert_int_equal(auth_authenticate(auth, g.token, &i), -EACCES);
}

static void test_signing_out_reaches_everybody_with_the_token(void **state) {
        struct auth_grant g = signed_in(), other = signed_in();
        struct identity *socket = identify(g.token), *i = NULL;

        (void)state;
        assert_true(identity_valid(socket));
        assert_int_equal(auth_sign_out(auth, g.identity), 0);
        assert_false(identity_valid(socket));
        assert_int_equal(auth_authenticate(auth, g.token, &i), -EACCES);
        assert_int_equal(auth_sign_out(auth, socket), 0); /* twice is no failure */
        assert_true(identity_valid(other.identity));
        identity_unref(socket);
        identity_unref(g.identity);
        identity_unref(other.identity);
}

static void test_renewing_ends_the_old_token(void **state) {
        struct auth_grant g = signed_in(), h, again;

        (void)state;
        assert_int_equal(auth_renew(auth, g.identity, HERE, &h), 0);
        assert_string_not_equal(g.token, h.token);
        assert_ptr_equal(g.identity->account, h.identity->account);
        assert_false(identity_valid(g.identity));
        assert_null(identify(g.token));
        assert_int_equal(auth_renew(auth, g.identity, HERE, &again), -EACCES);
        identity_unref(g.identity);
        identity_unref(h.identity);
}

static void test_the_oldest_of_too_many_tokens_is_revoked(void **state) {
        struct auth_grant first = by_link(ann.id), second = by_link(ann.id);

        (void)state;
        for (unsigned i = 0; i < AUTH_TOKENS_PER_USER - 1; i++) {
                struct auth_grant g = by_link(ann.id);
                identity_unref(g.identity);
        }
        assert_false(identity_valid(first.identity));
        assert_null(identify(first.token));
        assert_true(identity_valid(second.identity));
        identity_unref(first.identity);
        identity_unref(second.identity);
}

/* ---- links ---- */

static void test_a_link_works_once_and_not_for_ever(void **state) {
        char link[TOKEN_TEXT_MAX];
        struct auth_grant g;
        struct identity *i = NULL;
        unsigned retry_s;

        (void)state;
        assert_int_equal(auth_make_link(auth, ann.id, link), 0);
        assert_int_equal(auth_authenticate(auth, link, &i), -EACCES); /* it is no token */
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &g, &retry_s), 0);
        assert_string_equal(g.identity->account->name, "ann");
        struct auth_grant again;
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &again, &retry_s), -EACCES);
        assert_int_equal(auth_sign_in_link(auth, g.token, HERE, &again, &retry_s), -EACCES);
        identity_unref(g.identity);

        assert_int_equal(auth_make_link(auth, ann.id, link), 0);
        raw("UPDATE tokens SET expires_ms = 1000 WHERE kind = 'link'");
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &again, &retry_s), -EACCES);

        assert_int_equal(auth_make_link(auth, ann.id, link), 0);
        raw("UPDATE users SET disabled = 1");
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &again, &retry_s), -EACCES);
        assert_int_equal(auth_make_link(auth, 99, link), -ENOENT);
}

struct opener {
        pthread_t thread;
        pthread_barrier_t *start;
        char (*links)[TOKEN_TEXT_MAX];
        int n;
        unsigned opened;
        int wrong;
};

static void *open_links(void *arg) {
        struct opener *o = arg;

        latch_thread_begin("opener");
        for (int i = 0; i < o->n; i++) {
                struct auth_grant g;
                unsigned retry_s;
                pthread_barrier_wait(o->start);
                int r = auth_sign_in_link(auth, o->links[i], HERE, &g, &retry_s);
                if (r == 0) {
                        o->opened++;
                        identity_unref(g.identity);
                } else if (r != -EACCES) {
                        o->wrong = r;
                }
        }
        latch_thread_end();
        return NULL;
}

static void test_a_link_that_two_open_at_once_works_for_one(void **state) {
        enum { LINKS = 40 };
        char links[LINKS][TOKEN_TEXT_MAX];
        struct opener o[2];
        pthread_barrier_t together;

        (void)state;
        config.failures_per_minute = 1000;
        stop();
        start();
        for (int i = 0; i < LINKS; i++) {
                struct store_user u;
                char name[16];
                (void)snprintf(name, sizeof name, "u%d", i / 8); /* eight links a user are kept */
                if (store_user_by_name(store, name, &u) < 0) {
                        u = (struct store_user){0};
                        assert_int_equal(str_copy(u.name, sizeof u.name, name), 0);
                        assert_int_equal(store_user_add(store, &u, 400000, 1000), 0);
                }
                assert_int_equal(auth_make_link(auth, u.id, links[i]), 0);
        }
        assert_int_equal(pthread_barrier_init(&together, NULL, 2), 0);
        for (int i = 0; i < 2; i++) {
                o[i] = (struct opener){.start = &together, .links = links, .n = LINKS};
                assert_int_equal(pthread_create(&o[i].thread, NULL, open_links, &o[i]), 0);
        }
        for (int i = 0; i < 2; i++)
                assert_int_equal(pthread_join(o[i].thread, NULL), 0);
        pthread_barrier_destroy(&together);
        assert_int_equal(o[0].wrong | o[1].wrong, 0);
        assert_int_equal(o[0].opened + o[1].opened, LINKS);
}

/* ---- accounts and identities ---- */

static void test_an_account_is_one_object(void **state) {
        struct account *a, *b;
        struct auth_grant g = signed_in();

        (void)state;
        assert_int_equal(auth_account(auth, ann.id, &a), 0);
        assert_int_equal(auth_account(auth, ann.id, &b), 0);
        assert_ptr_equal(a, b);
        assert_ptr_equal(a, g.identity->account);
        assert_int_equal(a->uid, geteuid() == 0 ? ann.uid : geteuid());
        struct account *none = NULL;
        assert_int_equal(auth_account(auth, 99, &none), -ENOENT);
        assert_null(none);
        account_unref(a);
        account_unref(b);
        identity_unref(g.identity);
}

/* More tokens than memory keeps: those nobody uses are forgotten, and found again in the store; those in
 * use stay the same object. */
static void test_identities_in_memory_are_bounded(void **state) {
        enum { MORE = 4400 }; /* above the least bound, 4096 */
        struct auth_grant g = signed_in();
        struct store_user users[20];
        static char texts[MORE][TOKEN_TEXT_MAX];

        (void)state;
        for (size_t u = 0; u < ELEMENTS(users); u++) {
                users[u] = (struct store_user){0};
                (void)snprintf(users[u].name, sizeof users[u].name, "u%zu", u);
                assert_int_equal(store_user_add(store, &users[u], 400000, 1000), 0);
        }
        for (int i = 0; i < MORE; i++) {
                struct auth_grant one = by_link(users[(size_t)i % ELEMENTS(users)].id);
                memcpy(texts[i], one.token, sizeof texts[i]);
                identity_unref(one.identity);
        }
        for (int i = 0; i < MORE; i++) {
                struct identity *one = identify(texts[i]);
                assert_non_null(one);
                identity_unref(one);
        }
        struct identity *same = identify(g.token);
        assert_ptr_equal(same, g.identity);
        identity_unref(same);
        identity_unref(g.identity);
}

struct chaser {
        pthread_t thread;
        pthread_barrier_t *start;
        const char *token;
        struct identity *found;
        int r;
};

static void *chase(void *arg) {
        struct chaser *c = arg;

        latch_thread_begin("chaser");
        pthread_barrier_wait(c->start);
        c->r = auth_authenticate(auth, c->token, &c->found);
        latch_thread_end();
        return NULL;
}

/* A token that nobody has in memory is asked for by three while it is revoked: nobody is left with a
 * valid one, and afterwards nobody gets it. */
static void test_revoking_races_with_loading(void **state) {
        enum { ROUNDS = 100, CHASERS = 3 };

        (void)state;
        for (int round = 0; round < ROUNDS; round++) {
                struct auth_grant g = by_link(ann.id);
                struct chaser c[CHASERS];
                pthread_barrier_t together;
                struct store_token taken;
                unsigned char hash[TOKEN_HASH_BYTES];

                memcpy(hash, g.identity->hash, sizeof hash);
                identity_unref(g.identity);
                auth = auth_free(auth);
                assert_int_equal(auth_new(store, &config, &auth), 0); /* it knows nobody */
                assert_int_equal(pthread_barrier_init(&together, NULL, CHASERS + 1), 0);
                for (int i = 0; i < CHASERS; i++) {
                        c[i] = (struct chaser){.start = &together, .token = g.token};
                        assert_int_equal(pthread_create(&c[i].thread, NULL, chase, &c[i]), 0);
                }
                pthread_barrier_wait(&together);
                assert_int_equal(store_token_take(store, hash, TOKEN_SESSION, &taken), 0);
                identity_revoke_hash(auth, hash, AUTH_ENDED);
                for (int i = 0; i < CHASERS; i++)
                        assert_int_equal(pthread_join(c[i].thread, NULL), 0);
                pthread_barrier_destroy(&together);
                for (int i = 0; i < CHASERS; i++) {
                        assert_true(c[i].r == 0 || c[i].r == -EACCES);
                        assert_false(c[i].found && identity_valid(c[i].found));
                        identity_unref(c[i].found);
                }
                struct identity *late = NULL;
                assert_int_equal(auth_authenticate(auth, g.token, &late), -EACCES);
        }
}

/* ---- users ---- */

static void test_a_new_user_is_judged(void **state) {
        struct store_user u, untouched;
        char password[PATH_MAX];

        (void)state;
        memset(&untouched, 7, sizeof untouched);
        u = untouched;
        assert_int_equal(auth_user_add(auth, "ann", ROLE_STUDENT, PASSWORD, &u), -EEXIST);
        assert_int_equal(auth_user_add(auth, "../x", ROLE_STUDENT, PASSWORD, &u), -EINVAL);
        assert_int_equal(auth_user_add(auth, "bob", ROLE_STUDENT, "1234567", &u), -EMSGSIZE);
        memset(password, 'x', 1025);
        password[1025] = '\0';
        assert_int_equal(auth_user_add(auth, "bob", ROLE_STUDENT, password, &u), -EMSGSIZE);
        assert_memory_equal(&u, &untouched, sizeof u);
        password[1024] = '\0';
        assert_int_equal(auth_user_add(auth, "bob", ROLE_ADMIN, password, &u), 0);
        assert_string_equal(u.name, "bob");
        assert_int_equal(u.role, ROLE_ADMIN);
        assert_int_equal(u.uid, config.uid_base + 1);
        struct auth_grant g;
        assert_int_equal(sign_in("bob", password, &g), 0);
        identity_unref(g.identity);
        config.uid_count = 2;
        assert_int_equal(auth_user_add(auth, "cy", ROLE_STUDENT, PASSWORD, NULL), -ERANGE);
}

/* Each allocation of a sign-in fails once: it is said, nothing leaks, and the next one works. */
static void test_memory_that_ends_is_said_so(void **state) {
        struct auth_grant g;
        unsigned struck = 0;

        (void)state;
        for (unsigned n = 1; n < 50; n++) {
                char link[TOKEN_TEXT_MAX];
                unsigned retry_s;
                assert_int_equal(auth_make_link(auth, ann.id, link), 0);
                fault_arm(n, 0);
                int r = auth_sign_in_link(auth, link, HERE, &g, &retry_s);
                bool hit = fault_disarm(NULL);
                assert_int_equal(r, hit ? -ENOMEM : 0);
                if (!hit) {
                        identity_unref(g.identity);
                        break;
                }
                struck++;
        }
        assert_true(struck >= 1);
        g = by_link(ann.id);
        identity_unref(g.identity);
        stop();
        struck = 0;
        char *error = NULL;
        assert_int_equal(store_open(dir.path, &store, &error), 0);
        for (unsigned n = 1; n < 50; n++) {
                fault_arm(n, 0);
                int r = auth_new(store, &config, &auth);
                bool hit = fault_disarm(NULL);
                assert_int_equal(r, hit ? -ENOMEM : 0);
                if (!hit)
                        break;
                struck++;
        }
        assert_true(struck >= 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_sign_in_gives_a_token_that_says_who_it_is),
                TEST(test_whoever_is_wrong_is_refused_alike),
                TEST(test_an_unknown_name_costs_as_much_as_a_wrong_password),
                TEST(test_a_failing_store_is_never_a_wrong_password),
                TEST(test_only_failures_count_against_name_and_address),
                TEST(test_no_guess_blocks_for_longer_than_the_limit_says),
                TEST(test_guessed_links_count),
                TEST(test_a_storm_of_guesses_is_held_to_the_limit),
                TEST(test_tokens_outlive_the_server),
                TEST(test_tokens_expire),
                TEST(test_signing_out_reaches_everybody_with_the_token),
                TEST(test_renewing_ends_the_old_token),
                TEST(test_the_oldest_of_too_many_tokens_is_revoked),
                TEST(test_a_link_works_once_and_not_for_ever),
                TEST(test_a_link_that_two_open_at_once_works_for_one),
                TEST(test_an_account_is_one_object),
                TEST(test_identities_in_memory_are_bounded),
                TEST(test_revoking_races_with_loading),
                TEST(test_a_new_user_is_judged),
                TEST(test_memory_that_ends_is_said_so),
        };

        latch_thread_begin("main");
        int failed = cmocka_run_group_tests_name("auth", tests, NULL, NULL);
        latch_rcu_barrier();
        latch_thread_end();
        return failed;
}
