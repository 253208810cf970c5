/* Unit tests for src/hold, with the real spawner, holder, bubblewrap and Python: what a program hears, by key,
 * terminal and signal. */
#include "client.h"

static void send_signal(struct client *c, uint32_t signal) {
        client_send(c, &(struct hold_signal){.head.type = HOLD_SIGNAL, .signal = signal},
                    sizeof(struct hold_signal));
}

/* ---- input ---- */

static void test_input_reaches_the_program_once(void **state) {
        struct client c = run_python("n = input('who? ')\nprint('hello, ' + n)\ninput()\n", true);

        (void)state;
        client_wait_output(&c, "who? ");
        client_input(&c, 'a', 0, "Ad", 2);
        client_input(&c, 'a', 0, "Ada\n", 4); /* sent again, with more */
        client_until(&c, c.acked == 4);
        client_input(&c, 'a', 2, "a\n", 2); /* and again */
        client_wait_output(&c, "hello, Ada\r\n");
        client_input(&c, 'a', 9, "x", 1); /* a hole */
        client_until(&c, c.refusals == 1);
        assert_int_equal(c.refused, 4);
        assert_int_equal(c.refusal, HOLD_REFUSED_HOLE);
        client_ask(&c, 'a');
        assert_int_equal(c.count, 4);
        client_ask(&c, 'b');
        assert_int_equal(c.count, 0);
        client_input(&c, 'b', 0, "\n", 1); /* another key counts for itself */
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "who? Ada\r\nhello, Ada\r\n\r\n");
        client_input(&c, 'a', 4, "late", 4);
        client_until(&c, c.refusals == 2);
        assert_int_equal(c.refusal, HOLD_REFUSED_ENDED);
        assert_int_equal(c.refused, 4);
        client_end(&c);
}

/* ACCEPTANCE 12: a program that does not read costs what the limit says, and no more. */
static void test_input_beyond_the_limit_is_refused_exactly(void **state) {
        static char piece[32 << 10], sum[80];
        struct client c = run_python("import sys, hashlib\nsys.stdin.readline()\n"
                                     "n = int(sys.argv[1]) if len(sys.argv) > 1 else 0\n"
                                     "print('go', flush=True)\nd = sys.stdin.buffer.read(400000)\n"
                                     "print(len(d), d == bytes(i % 251 for i in range(400000)))\n",
                                     false);
        uint64_t at = 1, sent = 0;

        (void)state;
        client_until(&c, c.started);
        /* Never a newline: 251 values from 11 on. */
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_output(&c, "go");
        while (sent < 400000) {
                size_t n = MIN(sizeof piece, 400000 - (size_t)sent);
                unsigned refusals = c.refusals;
                for (size_t i = 0; i < n; i++)
                        piece[i] = (char)((sent + i) % 251);
                client_input(&c, 'a', at + sent, piece, n);
                client_until(&c, c.refusals > refusals || c.acked == at + sent + n);
                if (c.refusals > refusals) {
                        assert_int_equal(c.refusal, HOLD_REFUSED_FULL);
                        sent = c.refused - at;
                        client_until(&c, c.acked == at + sent);
                } else {
                        sent += n;
                }
        }
        snprintf(sum, sizeof sum, "400000 True\n");
        client_wait_output(&c, sum);
        client_wait_exit(&c);
        client_end(&c);
}

static void test_a_program_that_does_not_read_fills_up(void **state) {
        static char piece[32 << 10];
        struct client c = run_python("import time\nprint('up')\ntime.sleep(100)\n", false);
        uint64_t at = 0;

        (void)state;
        client_wait_output(&c, "up");
        memset(piece, 'x', sizeof piece);
        for (int i = 0; i < 20; i++, at += sizeof piece)
                client_input(&c, 'a', at, piece, sizeof piece);
        client_ask(&c, 'a');
        assert_true(c.refusals > 0);
        assert_true(c.count >= 120 << 10); /* the pipe's and ours */
        assert_true(c.count <= (64 + 64 + 4) << 10);
        client_word(&c, HOLD_STOP);
        client_wait_exit(&c);
        client_ask(&c, 'a');
        assert_true(c.count <= (64 + 4) << 10); /* what was never written counts as never sent */
        client_end(&c);
}

#define READS_WHEN_TOLD                                                                            \
        "import os, signal, tty\n"                                                                 \
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})\n"                             \
        "if os.isatty(0): tty.setraw(0)\n"                                                         \
        "os.write(1, b'up')\n"                                                                     \
        "signal.sigwait({signal.SIGUSR1})\n"                                                       \
        "n = 0\n"                                                                                  \
        "while True:\n"                                                                            \
        "    n += len(os.read(0, 65536))\n"                                                        \
        "    os.write(1, b'<%d>' % n)\n"

/* How much such a program has read, by what it printed last. */
static uint64_t has_read(const struct client *c) {
        const char *last = c->out.n > 0 ? strrchr(c->out.data, '<') : NULL;

        return last && strchr(last, '>') ? strtoull(last + 1, NULL, 10) : 0;
}

/* Whoever is refused for want of room waits for an acknowledgement: one comes behind the refusal. */
static void test_an_acknowledgement_follows_a_refusal(void **state) {
        static const struct hold_resize size = {.head.type = HOLD_RESIZE, .cols = 80, .rows = 24};
        static char piece[32 << 10];
        struct client c = run_python(READS_WHEN_TOLD, true);
        uint64_t until = clock_mono_ms() + PATIENCE_MS;

        (void)state;
        client_wait_output(&c, "up");
        memset(piece, 'x', sizeof piece);
        for (unsigned i = 0; i < 4; i++)
                client_input(&c, 'a', i * sizeof piece, piece, sizeof piece);
        client_ask(&c, 'a');
        assert_true(c.refusals > 0);
        for (unsigned i = 0; i < 16000; i++) /* until the way back is full */
                client_send(&c, &size, sizeof size);
        /* Refused, and that cannot be told; in part, if the terminal took something meanwhile. */
        client_input(&c, 'a', c.count, piece, sizeof piece);
        send_signal(&c, SIGUSR1);
        for (; has_read(&c) < c.count; usleep(1000)) { /* and then there is room */
                assert_true(clock_mono_ms() < until);
                client_read(&c);
        }
        client_until(&c, c.acked >= c.count);
        client_ask(&c, 'a'); /* behind all that was due */
        assert_int_equal(c.last_mark, HOLD_INPUT_ACK);
        client_word(&c, HOLD_STOP);
        client_wait_exit(&c);
        client_end(&c);
}

static void test_who_is_refused_for_anothers_input_hears_of_room(void **state) {
        static char piece[32 << 10];
        struct client c = run_python(READS_WHEN_TOLD, false);

        (void)state;
        client_wait_output(&c, "up");
        memset(piece, 'x', sizeof piece);
        for (unsigned i = 0; i < 5; i++)
                client_input(&c, 'a', i * sizeof piece, piece, sizeof piece);
        client_until(&c, c.refusals > 0);
        unsigned refusals = c.refusals;
        client_input(&c, 'b', 0, "b", 1);
        client_until(&c, c.refusals > refusals && c.refused == 0);
        send_signal(&c, SIGUSR1);
        client_until(&c, c.last_acked_tag == 'b');
        client_input(&c, 'b', 0, "b", 1);
        client_until(&c, c.last_acked_tag == 'b' && c.acked == 1);
        client_word(&c, HOLD_STOP);
        client_wait_exit(&c);
        client_end(&c);
}

static void test_more_keys_than_places_are_served(void **state) {
        struct client c = run_python(
                "import sys\nfor i in range(700): sys.stdin.read(1)\nprint('all')\n", false);

        (void)state;
        client_until(&c, c.started);
        for (int i = 0; i < 700; i++) {
                struct {
                        struct hold_input h;
                        char byte;
                } m = {.h = {.head.type = HOLD_INPUT, .tag = (uint64_t)i}, .byte = 'x'};
                unsigned acks = c.acks;
                memcpy(m.h.key, &i, sizeof i);
                client_send(&c, &m, sizeof m.h + 1);
                client_until(&c, c.acks > acks);
        }
        client_wait_output(&c, "all");
        client_wait_exit(&c);
        client_end(&c);
}

/* ---- terminal and signals ---- */

static void test_the_terminal_is_a_real_one(void **state) {
        struct client c = run_python(
                "import os, sys, signal, time\n"
                "print(os.ttyname(0), os.isatty(1), os.isatty(2), os.getsid(0) == os.getpid())\n"
                "print(os.get_terminal_size())\n"
                "sizes = []\n"
                "signal.signal(signal.SIGWINCH, lambda *a: sizes.append(os.get_terminal_size()))\n"
                "print('ready')\n"
                "while not sizes: time.sleep(0.01)\n" /* a signal may come just before a longer sleep */
                "print(sizes)\ninput()\n",
                true);

        (void)state;
        client_wait_output(&c, "ready");
        assert_non_null(strstr(c.out.data, "/dev/pts/0 True True True\r\n"));
        assert_non_null(strstr(c.out.data, "columns=80, lines=24"));
        client_send(&c, &(struct hold_resize){.head.type = HOLD_RESIZE, .cols = 132, .rows = 50},
                    sizeof(struct hold_resize));
        client_wait_output(&c, "columns=132, lines=50");
        client_until(&c, c.resized == 1);
        client_input(&c, 'a', 0, "\x04", 1); /* the end of input, as at any terminal */
        client_wait_exit(&c);
        assert_non_null(strstr(c.out.data, "EOFError"));
        client_end(&c);
}

static void test_signals_reach_the_foreground(void **state) {
        (void)state;
        for (int tty = 0; tty < 2; tty++) {
                struct client c = run_python(
                        "import os, signal, time\n"
                        "signal.signal(signal.SIGUSR1, lambda *a: os.write(1, b'usr1'))\n"
                        /* Python looks for signals before it sleeps, not as it begins to: short naps. */
                        "print('up', flush=True)\nwhile True: time.sleep(0.02)\n",
                        tty);
                client_wait_output(&c, "up");
                send_signal(&c, SIGUSR1);
                client_wait_output(&c, "usr1");
                send_signal(&c, SIGSTOP); /* not one of those that are passed on */
                send_signal(&c, 4000);
                send_signal(&c, SIGINT);
                client_wait_exit(&c);
                assert_int_equal(c.exit.signal, SIGINT); /* as Python does with Ctrl-C */
                assert_int_equal(c.exit.verdict, HOLD_KILLED);
                if (!strstr(tty ? c.out.data : c.err.data, "KeyboardInterrupt"))
                        fail_msg("%d: %s / %s", tty, c.out.data, c.err.data);
                client_end(&c);
        }
}

static void test_ctrl_c_is_heard_beside_a_flood(void **state) {
        struct client c = run_python("while True: print('x' * 70)\n", true);

        (void)state;
        client_until(&c, c.out.n > 1 << 20);
        client_input(&c, 'a', 0, "\x03", 1);
        client_until(&c, (c.out.n = 0, c.exited)); /* what floods until then is nobody's */
        assert_int_equal(c.exit.signal, SIGINT);
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_input_reaches_the_program_once),
                cmocka_unit_test(test_input_beyond_the_limit_is_refused_exactly),
                cmocka_unit_test(test_a_program_that_does_not_read_fills_up),
                cmocka_unit_test(test_an_acknowledgement_follows_a_refusal),
                cmocka_unit_test(test_who_is_refused_for_anothers_input_hears_of_room),
                cmocka_unit_test(test_more_keys_than_places_are_served),
                cmocka_unit_test(test_the_terminal_is_a_real_one),
                cmocka_unit_test(test_signals_reach_the_foreground),
                cmocka_unit_test(test_ctrl_c_is_heard_beside_a_flood),
                cmocka_unit_test(test_no_zombies_and_no_sockets_are_left),
        };

        return cmocka_run_group_tests_name("input", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
