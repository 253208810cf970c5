/* Unit tests for src/session/typing.c and administration.c: input whose sender counts nothing. */
#include "double.h"

#include "session/typing.h"

static struct holder_double *holder;
static struct session *session;
static struct client *client;
static struct typing *typing;
static uint32_t channel;

static int set_up(void **state) {
        (void)state;
        world_up();
        holder = double_new(&(struct holder_double){.tty = true});
        session = double_session(holder);
        client = client_new(world.ann);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        typing = typing_free(typing);
        client_free(client);
        session = session_unref(session);
        world_down();
        double_free(holder);
        return 0;
}

static void attach(enum session_role role) {
        struct session_join join = {.role = role, .raw = true};
        struct session_joined joined;
        struct session_refusal no;

        assert_int_equal(session_attach(session, &client->port, &join, &joined, &no), 0);
        client_learns(client, joined.channel, joined.offset);
        assert_int_equal(typing_new(joined.viewer, &typing), 0);
        viewer_activate(joined.viewer);
        viewer_unref(joined.viewer);
        channel = joined.channel;
}

static size_t taken(void) {
        size_t n = 0;

        HELD(holder) {
                n = holder->input.n;
        }
        return n;
}

static void assert_taken(const char *bytes, size_t n) {
        HELD(holder) {
                assert_int_equal(holder->input.n, n);
                assert_memory_equal(holder->input.data, bytes, n);
        }
}

static void test_what_is_refused_is_sent_again(void **state) {
        static const char text[] = "0123456789abcdefghij";

        (void)state;
        attach(SESSION_ROLE_DRIVER);
        HELD(holder) {
                holder->room = 7;
        }
        assert_int_equal(typing_add(typing, text, 10), 10);
        assert_int_equal(typing_add(typing, text + 10, 10), 10);
        UNTIL((typing_again(typing), taken() == 7));
        HELD(holder) {
                holder->room = 0;
        }
        UNTIL((typing_again(typing), taken() == 20));
        assert_taken(text, 20);
        assert_int_equal(PEEK(client, channel, ch->refusals),
                         0); /* nobody is told: nobody could act on it */
}

static void test_no_more_is_kept_than_may_wait(void **state) {
        const size_t n = 1 << 20, most = world.config.input_bytes;
        _cleanup_(freep) char *bytes = malloc(n);
        size_t at;

        (void)state;
        assert_non_null(bytes);
        for (size_t i = 0; i < n; i++)
                bytes[i] = (char)(i * 7919 >> 3);
        attach(SESSION_ROLE_DRIVER);
        HELD(holder) {
                holder->deaf = true;
        }
        unsigned turns = atomic_load(&holder->turns);
        UNTIL(atomic_load(&holder->turns) > turns + 1); /* it has noticed */
        at = typing_add(typing, bytes, n);
        assert_in_range(at, most - 1, most);
        assert_int_equal(typing_add(typing, bytes + at, n - at), 0);
        assert_false(typing_wait(typing, clock_mono_ns() + 20000000));
        HELD(holder) {
                holder->deaf = false;
        }
        assert_true(typing_wait(typing, clock_mono_ns() + PATIENCE_NS));
        while (at < n) {
                size_t k = typing_add(typing, bytes + at, n - at);

                at += k;
                assert_true(k > 0 || typing_wait(typing, clock_mono_ns() + PATIENCE_NS));
        }
        UNTIL((typing_again(typing), taken() == n));
        assert_taken(bytes, n);
}

static void test_who_does_not_drive_types_nothing(void **state) {
        (void)state;
        attach(SESSION_ROLE_VIEWER);
        for (int i = 0; i < 100; i++)
                assert_int_equal(typing_add(typing, "thrown away", 11), 11);
        assert_int_equal(client_drive(client, session, channel), 0);
        assert_int_equal(typing_add(typing, "kept", 4), 4);
        UNTIL(taken() == 4);
        assert_taken("kept", 4);
}

static void test_behind_the_end_it_is_thrown_away(void **state) {
        (void)state;
        attach(SESSION_ROLE_DRIVER);
        HELD(holder) {
                holder->room = 3;
        }
        assert_int_equal(typing_add(typing, "0123456789", 10), 10);
        UNTIL(taken() == 3);
        double_finish(holder, HOLD_EXITED, 0);
        AWAIT(client, channel, ch->exits == 1);
        (void)typing_wait(typing, clock_mono_ns() + PATIENCE_NS); /* at once */
        for (int i = 0; i < 20000; i++)
                assert_int_equal(typing_add(typing, "0123456789", 10), 10);
        assert_int_equal(taken(), 3);
}

static void test_administration_types_whoever_drives(void **state) {
        uint64_t offset = 0;
        struct session_over over;

        (void)state;
        attach(SESSION_ROLE_DRIVER);
        assert_int_equal(session_enter_key(session), '\r');
        HELD(holder) {
                holder->room = 4;
        }
        assert_int_equal(session_type(session, "ctl", 0, "012345", 6, &offset), 0);
        assert_int_equal(offset, 4);
        HELD(holder) {
                holder->room = 0;
        }
        assert_int_equal(session_type(session, "ctl", 0, "012345", 6, &offset), 0); /* again */
        assert_int_equal(offset, 6);
        assert_taken("012345", 6);
        assert_false(session_over(session, &over));
        double_finish(holder, HOLD_TIMEOUT, 9);
        UNTIL(session_over(session, &over));
        assert_int_equal(over.code, 9);
        assert_string_equal(over.verdict, "timeout");
        assert_int_equal(session_type(session, "ctl", 6, "6", 1, &offset), -ESRCH);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_is_refused_is_sent_again, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_no_more_is_kept_than_may_wait, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_who_does_not_drive_types_nothing, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_behind_the_end_it_is_thrown_away, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(test_administration_types_whoever_drives, set_up,
                                                tear_down),
        };

        return cmocka_run_group_tests_name("typing", tests, world_setup, world_teardown);
}
