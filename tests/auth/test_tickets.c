/* Unit tests for src/auth/tickets.c, over a real store. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "world.h"

static int redeem(const char *ticket) {
        struct identity *i = NULL;
        int r = auth_redeem(auth, ticket, &i);

        identity_unref(i);
        return r;
}

static void test_a_ticket_is_good_once(void **state) {
        struct auth_grant g = by_link(ann.id);
        char one[TICKET_TEXT_MAX], two[TICKET_TEXT_MAX];
        struct identity *i = NULL;

        (void)state;
        auth_make_ticket(auth, g.identity, one);
        auth_make_ticket(auth, g.identity, two);
        assert_string_not_equal(one, two);
        assert_int_equal(auth_redeem(auth, two, &i), 0);
        assert_ptr_equal(i, g.identity);
        identity_unref(i);
        assert_int_equal(redeem(two), -EACCES);
        assert_int_equal(redeem(one), 0);
        assert_int_equal(redeem(one), -EACCES);
        identity_unref(g.identity);
}

static void test_what_was_never_given_is_none(void **state) {
        struct auth_grant g = by_link(ann.id);
        char ticket[TICKET_TEXT_MAX], other[TICKET_TEXT_MAX], longer[TICKET_TEXT_MAX * 2];

        (void)state;
        auth_make_ticket(auth, g.identity, ticket);
        for (size_t i = 0; ticket[i]; i++) {
                memcpy(other, ticket, sizeof other);
                other[i] = other[i] == 'A' ? 'B' : 'A';
                assert_int_equal(redeem(other), -EACCES);
                other[i] = '\0';
                assert_int_equal(redeem(other), -EACCES);
        }
        memset(longer, 'A', sizeof longer - 1);
        longer[sizeof longer - 1] = '\0';
        assert_int_equal(redeem(longer), -EACCES);
        assert_int_equal(redeem(g.token), -EACCES);
        assert_int_equal(redeem(ticket), 0); /* none of that spent it */
        identity_unref(g.identity);
}

static void test_a_ticket_ends_with_its_token_and_its_time(void **state) {
        struct auth_grant g = by_link(ann.id), h = by_link(ann.id);
        char of_g[TICKET_TEXT_MAX], of_h[TICKET_TEXT_MAX];

        (void)state;
        auth_make_ticket(auth, g.identity, of_g);
        auth_make_ticket(auth, h.identity, of_h);
        assert_int_equal(auth_sign_out(auth, g.identity), 0);
        assert_int_equal(redeem(of_g), -EACCES);
        assert_int_equal(redeem(of_h), 0);
        auth->ticket_ms = 0;
        auth_make_ticket(auth, h.identity, of_h);
        assert_int_equal(redeem(of_h), -EACCES);
        identity_unref(g.identity);
        identity_unref(h.identity);
}

static void test_a_visit_is_no_sign_in_and_ends_with_the_others(void **state) {
        struct auth_grant g = by_link(ann.id);
        char ticket[TICKET_TEXT_MAX], late[TICKET_TEXT_MAX];
        struct identity *i = NULL;

        (void)state;
        assert_int_equal(auth_make_visit(auth, g.identity->account, ticket), 0);
        assert_int_equal(auth_make_visit(auth, g.identity->account, late), 0);
        assert_int_equal(auth_redeem(auth, ticket, &i), 0);
        assert_int_equal(redeem(ticket), -EACCES);
        assert_ptr_equal(i->account, g.identity->account);
        assert_true(i->visit && !g.identity->visit);
        assert_true(identity_valid(i) && identity_valid(g.identity));
        assert_int_equal(auth_end_all(auth, ann.id, NULL, AUTH_PASSWORD), 0);
        assert_false(identity_valid(i));
        assert_int_equal(redeem(late), -EACCES);
        atomic_store(&g.identity->account->shut, true);
        assert_int_equal(auth_make_visit(auth, g.identity->account, ticket), -EACCES);
        atomic_store(&g.identity->account->shut, false);
        identity_unref(i);
        identity_unref(g.identity);
}

static void test_of_many_the_newest_are_good(void **state) {
        static char tickets[AUTH_TICKETS_AT_ONCE + 3][TICKET_TEXT_MAX];
        struct auth_grant g = by_link(ann.id);

        (void)state;
        for (size_t i = 0; i < ELEMENTS(tickets); i++)
                auth_make_ticket(auth, g.identity, tickets[i]);
        for (size_t i = 0; i < ELEMENTS(tickets); i++)
                assert_int_equal(redeem(tickets[i]), i < 3 ? -EACCES : 0);
        for (size_t i = 0; i < ELEMENTS(tickets); i++)
                assert_int_equal(redeem(tickets[i]), -EACCES);
        identity_unref(g.identity);
}

static void test_another_server_knows_nothing_of_it(void **state) {
        struct auth_grant g = by_link(ann.id);
        char ticket[TICKET_TEXT_MAX];

        (void)state;
        auth_make_ticket(auth, g.identity, ticket);
        identity_unref(g.identity);
        stop();
        start();
        assert_int_equal(redeem(ticket), -EACCES);
}

#define RACERS 4
#define ROUNDS 200

struct race {
        struct identity *identity;
        char ticket[ROUNDS][TICKET_TEXT_MAX];
        atomic_uint in;
};

static void *race(void *arg) {
        struct race *r = arg;

        latch_thread_begin("racer");
        for (unsigned i = 0; i < ROUNDS; i++)
                if (redeem(r->ticket[i]) == 0)
                        atomic_fetch_add(&r->in, 1);
        latch_thread_end();
        return NULL;
}

static void test_of_two_with_one_ticket_one_gets_in(void **state) {
        static struct race r;
        struct auth_grant g = by_link(ann.id);
        pthread_t threads[RACERS];
        unsigned in = 0;

        (void)state;
        r.identity = g.identity;
        for (unsigned from = 0; from < ROUNDS; from += AUTH_TICKETS_AT_ONCE) {
                unsigned n = MIN(ROUNDS - from, AUTH_TICKETS_AT_ONCE);
                memset(r.ticket, 0, sizeof r.ticket);
                for (unsigned i = 0; i < n; i++)
                        auth_make_ticket(auth, g.identity, r.ticket[i]);
                in += n;
                for (size_t t = 0; t < RACERS; t++)
                        assert_int_equal(pthread_create(&threads[t], NULL, race, &r), 0);
                for (size_t t = 0; t < RACERS; t++)
                        assert_int_equal(pthread_join(threads[t], NULL), 0);
                assert_int_equal(atomic_load(&r.in), in);
        }
        identity_unref(g.identity);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_ticket_is_good_once),
                TEST(test_what_was_never_given_is_none),
                TEST(test_a_ticket_ends_with_its_token_and_its_time),
                TEST(test_a_visit_is_no_sign_in_and_ends_with_the_others),
                TEST(test_of_many_the_newest_are_good),
                TEST(test_another_server_knows_nothing_of_it),
                TEST(test_of_two_with_one_ticket_one_gets_in),
        };

        latch_thread_begin("main");
        int failed = cmocka_run_group_tests_name("tickets", tests, NULL, NULL);
        latch_rcu_barrier();
        latch_thread_end();
        return failed;
}
