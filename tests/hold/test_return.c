/* Unit tests for src/hold, with the real spawner, holder, bubblewrap and Python: latchd that goes and comes
 * back, and the gate between the two. */
#include "client.h"

#include "../skip.h"

/* ---- deaths and returns ---- */

static void test_an_exit_is_told_until_it_is_forgotten(void **state) {
        struct client c = run_python("print('x')\n", true);

        (void)state;
        client_wait_exit(&c);
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.hello && c.started && c.exited);
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.exited);
        client_end(&c);
        /* and then nobody is there: its end is seen a moment before its socket's */
        uint64_t until = clock_mono_ms() + PATIENCE_MS;
        while (client_return(&c) == 0) {
                client_lose(&c);
                assert_true(clock_mono_ms() < until);
        }
}

static void test_a_session_outlives_its_connection(void **state) {
        struct client c = run_python("while True:\n s = input()\n print('<' + s + '>')\n", true);

        (void)state;
        client_input(&c, 'a', 0, "one\n", 4);
        client_wait_output(&c, "<one>");
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.hello && c.started);
        assert_string_equal(c.first.user, "ann");
        assert_string_equal(c.first.path, "home/main.py");
        assert_int_equal(c.first.tty, 1);
        client_ask(&c, 'a');
        assert_int_equal(c.count, 4); /* the count is the holder's */
        client_input(&c, 'a', 0, "one\ntwo\n", 8);
        client_wait_output(&c, "<two>");
        assert_null(strstr(strstr(c.out.data, "<one>") + 1, "<one>"));
        client_end(&c);
}

/* What latchd sent before it went is obeyed, though its successor is there already. */
static void test_last_words_are_heard_beside_a_new_connection(void **state) {
        struct client c = run_python("for i in range(3): print('<' + input() + '>')\n", true);
        int old;

        (void)state;
        client_until(&c, c.started);
        assert_int_equal(kill((pid_t)c.first.pid, SIGSTOP), 0);
        for (unsigned i = 0; i < 100; i++) /* far more than one turn takes */
                client_ask_only(&c, 'a');
        client_input(&c, 'a', 0, "x\n", 2);
        old = c.sock;
        c.sock = -1;
        assert_int_equal(client_return(&c), 0);
        fd_close(old);
        assert_int_equal(kill((pid_t)c.first.pid, SIGCONT), 0);
        client_wait_output(&c, "<x>");
        client_ask(&c, 'a');
        assert_int_equal(c.count, 2);
        client_end(&c);
}

static void test_the_newest_connection_counts(void **state) {
        struct client c = run_python("input()\n", true);
        int old;

        (void)state;
        client_until(&c, c.started);
        old = c.sock;
        c.sock = -1;
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.started);
        struct pollfd p = {.fd = old, .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        fd_close(old);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_exit(&c);
        client_end(&c);
}

static void test_what_latchd_never_says_closes_the_connection(void **state) {
        struct client c = run_python("input()\n", true);
        static char large[HOLD_MESSAGE_MAX + 100];
        const struct {
                const void *m;
                size_t n;
        } wrong[] = {
                {&(struct hold_head){.type = 999}, sizeof(struct hold_head)},
                {&(struct hold_head){.type = HOLD_RESIZE}, sizeof(struct hold_head)},
                {&(struct hold_head){.type = HOLD_INPUT}, sizeof(struct hold_head)},
                {&(struct hold_head){.type = HOLD_HELLO}, sizeof(struct hold_head)},
                {&(struct hold_head){.type = HOLD_ASK_SNAPSHOT}, sizeof(struct hold_head)},
                {"x", 1},
                {large, sizeof large},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                client_until(&c, c.started);
                client_send(&c, wrong[i].m, wrong[i].n);
                client_until(&c, c.sock < 0);
                assert_int_equal(client_return(&c), 0);
        }
        client_until(&c, c.started);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_exit(&c);
        client_end(&c);
}

/* ACCEPTANCE 21, made certain: the holder stands still while the input comes in time and the limit passes, so
 * it finds both at once. */
static void test_input_before_the_limit_is_read_before_it_counts(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_RUN, true);
        s.limits.idle_ms =
                2500; /* far above what a busy machine makes of the steps before the stop */
        assert_int_equal(
                open_session(&s, "while True: print('<' + input() + '>', end='')\n", NULL, 0, &c),
                0);
        client_until(&c, c.started);
        for (unsigned i = 0; i < 2; i++) {
                uint64_t passed = clock_mono_ms() + 2520, before = c.acks;
                assert_int_equal(kill((pid_t)c.first.pid, SIGSTOP), 0);
                client_input(&c, 'a', i * 2, "x\n", 2);
                while (clock_mono_ms() < passed) /* the limit itself is what is waited for */
                        (void)poll(NULL, 0, (int)(passed - clock_mono_ms()));
                assert_int_equal(kill((pid_t)c.first.pid, SIGCONT), 0);
                client_until(&c, c.acks > before || c.exited);
                assert_false(c.exited);
        }
        client_wait_exit(&c); /* and then nothing comes */
        assert_int_equal(c.exit.verdict, HOLD_IDLE);
        client_end(&c);
}

static void test_who_is_unused_says_so_first_and_again_to_who_comes(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_RUN, true);
        s.limits.idle_ms = 3000;
        assert_int_equal(open_session(&s, "while True: input()\n", NULL, 0, &c), 0);
        client_until(&c, c.started);
        uint64_t began = clock_mono_ms();
        client_until(&c, c.expiries > 0);
        assert_in_range(c.expires_ms, 1, 1500);
        assert_true(clock_mono_ms() - began >= 1000);
        assert_int_equal(client_return(&c), 0); /* a server that starts */
        client_until(&c, c.expiries > 1);
        assert_in_range(c.expires_ms, 1, 1500);
        client_input(&c, 'a', 0, "\n", 1);
        client_until(&c, c.expiries > 2);
        assert_int_equal(c.expires_ms, 0);
        client_wait_exit(&c);
        assert_int_equal(c.expiries, 4);
        assert_int_equal(c.exit.verdict, HOLD_IDLE);
        client_end(&c);
}

/* A folder's mode is not the holder's to keep: it looks at who connects. */
static void test_a_stranger_is_sent_away(void **state) {
        struct client c;
        char path[128];
        int status;

        (void)state;
        if (!world.root)
                skip_because("there is no other uid to come from");
        c = run_python("input()\n", true);
        client_until(&c, c.started);
        snprintf(path, sizeof path, "%s/sessions", world.dir);
        assert_int_equal(chmod(path, 0755), 0);
        snprintf(path, sizeof path, "%s/sessions/%s.sock", world.dir, c.id);
        assert_int_equal(chmod(path, 0777), 0);
        pid_t pid = fork();
        if (pid == 0) { /* the session's own user, and another */
                char byte;
                if (setresuid(UID_BASE, UID_BASE, UID_BASE) < 0 || client_return(&c) < 0)
                        _exit(1);
                _exit(recv(c.sock, &byte, 1, 0) == 0 ? 0 : 2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        snprintf(path, sizeof path, "%s/sessions", world.dir);
        assert_int_equal(chmod(path, 0700), 0);
        client_input(&c, 'a', 0, "\n", 1); /* ours is as it was */
        client_wait_exit(&c);
        client_end(&c);
}

/* Whatever comes, the holder stays; what it does not understand closes the connection. */
static void test_random_messages_end_no_holder(void **state) {
        struct client c = run_python("while True: input()\n", true);
        static _Alignas(8) char m[HOLD_MESSAGE_MAX + 64];
        unsigned seed = 11, lost = 0;

        (void)state;
        client_until(&c, c.started);
        c.ring = ring_reader_free(c.ring);
        for (unsigned i = 0; i < 20000; i++) {
                size_t n = (size_t)rand_r(&seed) % (i % 16 ? 80 : sizeof m) + 1;
                for (size_t k = 0; k < MIN(n, (size_t)80); k++)
                        m[k] = (char)(rand_r(&seed) % (i % 3 ? 4 : 256));
                uint32_t type = 1 + (uint32_t)rand_r(&seed) % 10;
                if (type == HOLD_STOP || type == HOLD_FORGET)
                        type = HOLD_INPUT;
                memcpy(m, &type, MIN(n, sizeof type));
                if (fd_send(c.sock, m, n, NULL, 0, 0) == 0 && i % 16 != 0)
                        continue;
                fd_close(c.sock);
                assert_int_equal(client_return(&c), 0);
                lost++;
        }
        print_message("%u connections\n", lost);
        fd_close(c.sock); /* which the last message may have ended */
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.hello && c.started);
        client_end(&c);
}

static void test_a_holder_that_is_told_to_end_takes_its_cage_along(void **state) {
        struct client c = run_python("input()\n", true);
        struct pollfd p;

        (void)state;
        client_until(&c, c.started);
        assert_int_equal(kill((pid_t)c.first.pid, SIGTERM), 0);
        p = (struct pollfd){.fd = c.pidfd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        client_until(&c, c.sock < 0);
        client_end(&c);
}

static void test_the_holders_death_ends_its_cage(void **state) {
        struct spawn_spec s;
        struct client c;
        char token[32];

        (void)state;
        snprintf(token, sizeof token, "77%u", (unsigned)getpid());
        make_spec(&s, SPAWN_RUN, true);
        s.argc = 1;
        assert_int_equal(open_session(&s,
                                      "import os, sys\nprint('up', flush=True)\n"
                                      "os.execvp('sleep', ['sleep', '1000.' + sys.argv[1]])\n",
                                      token, strlen(token) + 1, &c),
                         0);
        client_wait_output(&c, "up");
        assert_int_equal(kill((pid_t)c.first.pid, SIGKILL), 0);
        struct pollfd p = {.fd = c.pidfd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        assert_false(lives(token));
        client_until(&c, c.sock < 0);
        client_end(&c);
}

/* ---- the gate ---- */

#define LINES "for i in range(300000): print('%07d' % i)\n" /* 2.4 MB, more than the ring holds */

static void check_lines(const struct client *c, uint64_t from) {
        char line[10];

        assert_int_equal(c->out.n, 300000 * 8 - from);
        for (uint64_t i = (from + 7) / 8; i < 300000; i++) {
                snprintf(line, sizeof line, "%07u\n", (unsigned)i);
                assert_memory_equal(c->out.data + (i * 8 - from), line, 8);
        }
}

static void test_a_driver_that_waits_makes_the_program_wait(void **state) {
        struct client c = run_python(LINES, false);
        uint64_t tail, head;
        bool eof;

        (void)state;
        c.hold_back = true;
        client_until(&c, c.out.n == 1 << 20);
        client_ask(&c, 'a');
        assert_int_equal(ring_reader_bounds(c.ring, &tail, &head, &eof), 0);
        assert_int_equal(head, 1 << 20);
        assert_int_equal(tail, 0);
        assert_false(c.exited);
        c.hold_back = false;
        if (ring_reader_set_gate(c.ring, c.at))
                client_word(&c, HOLD_GATE);
        client_wait_exit(&c);
        check_lines(&c, 0);
        client_end(&c);
}

static void test_a_lost_driver_holds_the_gate_for_its_grace(void **state) {
        struct spawn_spec s;
        struct client c;
        uint64_t before, tail, head;
        enum ring_kind kind;
        bool eof;
        char byte;

        (void)state;
        make_spec(&s, SPAWN_RUN, false);
        s.driver_grace_ms = 400;
        assert_int_equal(open_session(&s, LINES, NULL, 0, &c), 0);
        c.hold_back = true;
        client_until(&c, c.out.n == 1 << 20);
        before = clock_mono_ms();
        client_lose(&c); /* latchd is gone; after the grace the program goes on without it */
        assert_int_equal(client_return(&c), 0);
        c.at = 0;
        buf_clear(&c.out);
        client_until_quietly(&c, c.exited);
        assert_true(clock_mono_ms() - before >= 400);
        assert_int_equal(c.exit.offset, 300000 * 8);
        assert_int_equal(ring_reader_bounds(c.ring, &tail, &head, &eof), 0);
        assert_true(eof && head == 300000 * 8 && tail > 0);
        assert_int_equal(ring_read(c.ring, 0, &byte, 1, &kind, &tail), -ESTALE);
        c.at = tail;
        client_read(&c);
        check_lines(&c, tail);
        client_end(&c);
}

static void test_a_driver_who_returns_within_the_grace_misses_nothing(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_RUN, false);
        s.driver_grace_ms = 60000;
        assert_int_equal(open_session(&s, LINES, NULL, 0, &c), 0);
        c.hold_back = true;
        client_until(&c, c.out.n >= 100000);
        client_word(&c, HOLD_GRACE);
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.hello);
        c.hold_back = false;
        /* A holder that looks for a driver says so. */
        assert_true(ring_reader_set_gate(c.ring, c.at));
        client_word(&c, HOLD_GATE);
        client_wait_exit(&c);
        check_lines(&c, 0);
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_exit_is_told_until_it_is_forgotten),
                cmocka_unit_test(test_a_session_outlives_its_connection),
                cmocka_unit_test(test_last_words_are_heard_beside_a_new_connection),
                cmocka_unit_test(test_the_newest_connection_counts),
                cmocka_unit_test(test_what_latchd_never_says_closes_the_connection),
                cmocka_unit_test(test_input_before_the_limit_is_read_before_it_counts),
                cmocka_unit_test(test_who_is_unused_says_so_first_and_again_to_who_comes),
                cmocka_unit_test(test_a_stranger_is_sent_away),
                cmocka_unit_test(test_random_messages_end_no_holder),
                cmocka_unit_test(test_a_holder_that_is_told_to_end_takes_its_cage_along),
                cmocka_unit_test(test_the_holders_death_ends_its_cage),
                cmocka_unit_test(test_a_driver_that_waits_makes_the_program_wait),
                cmocka_unit_test(test_a_lost_driver_holds_the_gate_for_its_grace),
                cmocka_unit_test(test_a_driver_who_returns_within_the_grace_misses_nothing),
                cmocka_unit_test(test_no_zombies_and_no_sockets_are_left),
        };

        return cmocka_run_group_tests_name("return", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
