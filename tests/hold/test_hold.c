/* Unit tests for src/hold, with the real spawner, holder, bubblewrap and Python: what a program does, says
 * and meets, and how it ends. */
#include "client.h"

/* ---- output and endings ---- */

static void test_a_program_on_a_terminal_says_hello(void **state) {
        struct client c = run_python("print('hello')\n", true);

        (void)state;
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "hello\r\n");
        assert_int_equal(c.exit.code, 0);
        assert_int_equal(c.exit.signal, 0);
        assert_int_equal(c.exit.verdict, HOLD_EXITED);
        assert_true(c.exit.peak_bytes > 1 << 20);
        client_end(&c);
}

static void test_without_a_terminal_stderr_is_told_apart(void **state) {
        struct client c = run_python("import sys\nprint('out')\nprint('err', file=sys.stderr)\n"
                                     "sys.exit(3)\n",
                                     false);

        (void)state;
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "out\n");
        assert_string_equal(c.err.data, "err\n");
        assert_int_equal(c.exit.code, 3);
        client_end(&c);
}

static void test_output_comes_as_it_is_written(void **state) {
        struct client c =
                run_python("import sys\nprint('now', end='')\nsys.stdin.readline()\n", false);

        (void)state;
        client_wait_output(&c, "now");
        assert_false(c.exited);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_exit(&c);
        client_end(&c);
}

static void test_a_signal_that_ends_it_is_named(void **state) {
        struct client c = run_python("import os\nos.kill(os.getpid(), 9)\n", true);

        (void)state;
        client_wait_exit(&c);
        assert_int_equal(c.exit.signal, SIGKILL);
        assert_int_equal(c.exit.verdict, HOLD_KILLED);
        client_end(&c);
}

/* Each byte before the exit, each time (ACCEPTANCE 33). */
static void test_the_tail_of_a_short_job_is_never_lost(void **state) {
        (void)state;
        for (int i = 0; i < 20; i++) {
                struct spawn_spec s;
                struct client c;
                make_spec(&s, SPAWN_RUN, i % 2);
                strcpy(s.path, "home/x.sh");
                strcpy(s.language, "shell");
                assert_int_equal(open_session(&s, "echo x; exit 5\n", NULL, 0, &c), 0);
                client_wait_exit(&c);
                assert_string_equal(c.out.data, i % 2 ? "x\r\n" : "x\n");
                assert_int_equal(c.exit.code, 5);
                assert_int_equal(c.exits, 1);
                client_end(&c);
        }
}

static void test_much_output_arrives_whole(void **state) {
        struct client c = run_python("import sys\nfor i in range(200000): print(i)\n", false);
        char line[16];
        const char *p;

        (void)state;
        client_wait_exit(&c);
        p = c.out.data;
        for (int i = 0; i < 200000; i++) {
                size_t n = (size_t)snprintf(line, sizeof line, "%d\n", i);
                assert_memory_equal(p, line, n);
                p += n;
        }
        assert_int_equal(p - c.out.data, c.out.n);
        client_end(&c);
}

/* ---- limits ---- */

struct limits_case {
        const char *source;
        struct spawn_limits limits;
        enum hold_verdict verdict;
        unsigned soonest_ms, latest_ms;
};

static void check_limits(const struct limits_case *l, bool tty) {
        struct spawn_spec s;
        struct client c;

        make_spec(&s, SPAWN_RUN, tty);
        s.stop_grace_ms = 300;
        if (l->limits.wall_ms)
                s.limits.wall_ms = l->limits.wall_ms;
        if (l->limits.idle_ms)
                s.limits.idle_ms = l->limits.idle_ms;
        if (l->limits.cpu_ms)
                s.limits.cpu_ms = l->limits.cpu_ms;
        if (l->limits.output_bytes)
                s.limits.output_bytes = l->limits.output_bytes;
        assert_int_equal(open_session(&s, l->source, NULL, 0, &c), 0);
        client_wait_exit(&c);
        if (c.exit.verdict != l->verdict || c.exit.wall_ms < l->soonest_ms ||
            c.exit.wall_ms > l->latest_ms)
                fail_msg("%s: verdict %u after %u ms: %s", l->source, c.exit.verdict,
                         (unsigned)c.exit.wall_ms, c.out.data);
        if (l->limits.output_bytes)
                assert_int_equal(c.out.n, l->limits.output_bytes);
        client_end(&c);
}

/* ACCEPTANCE 19: limit + grace + 0.5 s. */
static void test_nothing_outlasts_its_wall_clock(void **state) {
        static const struct limits_case cases[] = {
                {"while True: pass\n", {.wall_ms = 400}, HOLD_TIMEOUT, 400, 1200},
                {"import time\ntime.sleep(100)\n", {.wall_ms = 400}, HOLD_TIMEOUT, 400, 1200},
                {"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass\n",
                 {.wall_ms = 1200}, /* until it ignores it */
                 HOLD_TIMEOUT,
                 1500,
                 2000},
                {"import signal\nfor s in range(1, 65):\n try: signal.signal(s, lambda *a: None)\n"
                 " except (OSError, ValueError): pass\nwhile True:\n try: signal.pause()\n"
                 " except BaseException: pass\n",
                 {.wall_ms = 1200},
                 HOLD_TIMEOUT,
                 1500,
                 2000},
                {"while True:\n try:\n  while True: pass\n except BaseException: pass\n",
                 {.wall_ms = 400},
                 HOLD_TIMEOUT,
                 400,
                 1200},
                {"sum(range(10**12))\n", {.wall_ms = 400}, HOLD_TIMEOUT, 400, 1200},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                for (int tty = 0; tty < 2; tty++)
                        check_limits(&cases[i], tty);
}

static void test_each_limit_has_its_verdict(void **state) {
        static const struct limits_case cases[] = {
                {"import time\nprint('x')\ntime.sleep(100)\n",
                 {.idle_ms = 400},
                 HOLD_IDLE,
                 400,
                 1200},
                {"while True: pass\n", {.cpu_ms = 300}, HOLD_CPU, 250, 3000},
                /* many small ones, none of which comes near the limit */
                {"import os\nwhile True:\n p = os.fork()\n if not p:\n"
                 "  for i in range(200000): pass\n  os._exit(0)\n os.waitpid(p, 0)\n",
                 {.cpu_ms = 300},
                 HOLD_CPU,
                 200,
                 3000},
                {"while True: print('x' * 1000)\n", {.output_bytes = 100000}, HOLD_OUTPUT, 0, 5000},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                check_limits(&cases[i], true);
}

/* Children that leave the session, the group and the terminal. */
static void test_daemons_die_with_their_session(void **state) {
        static const char source[] = "import os, sys, time, signal\n"
                                     "for i in range(20):\n"
                                     "  if os.fork() == 0:\n"
                                     "    os.setsid()\n"
                                     "    if os.fork() == 0:\n"
                                     "      signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                                     "      os.execvp('sleep', ['sleep', '1000.' + sys.argv[1]])\n"
                                     "    os._exit(0)\n"
                                     "print('made')\n"
                                     "if sys.argv[2] == 'wait': time.sleep(1000)\n"
                                     "input()\n";
        const char *ways[] = {"end", "wait"};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(ways); i++) {
                struct spawn_spec s;
                struct client c;
                char strings[64], token[16];
                make_spec(&s, SPAWN_RUN, i == 0);
                s.argc = 2;
                snprintf(token, sizeof token, "%u%u", (unsigned)getpid(), (unsigned)i);
                size_t n =
                        (size_t)snprintf(strings, sizeof strings, "%s%c%s", token, '\0', ways[i]) +
                        1;
                assert_int_equal(open_session(&s, source, strings, n, &c), 0);
                client_wait_output(&c, "made");
                for (uint64_t until = clock_mono_ms() + PATIENCE_MS; !lives(token);)
                        assert_true(clock_mono_ms() < until);
                if (i == 1)
                        client_word(&c, HOLD_STOP);
                else
                        client_input(&c, 'a', 0, "\n", 1);
                client_wait_exit(&c);
                assert_false(lives(token));
                assert_int_equal(c.exit.verdict, i == 1 ? HOLD_STOPPED : HOLD_EXITED);
                client_end(&c);
        }
}

/* Bounded: at most 200 forks, in a cage that allows 20, and every one of them ends with it. */
static void test_processes_and_memory_have_a_limit(void **state) {
        static const char source[] =
                "import os, time\nn = 0\ntry:\n  for i in range(200):\n"
                "    if os.fork() == 0: time.sleep(5); os._exit(0)\n    n += 1\n"
                "except BlockingIOError: print('refused after', n)\n"
                "try: x = bytearray(300 << 20)\n"
                "except MemoryError: print('no memory')\n";
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_RUN, false);
        s.limits.processes = 20;
        s.limits.memory_bytes = 200 << 20;
        assert_int_equal(open_session(&s, source, NULL, 0, &c), 0);
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "refused after 19\nno memory\n");
        client_end(&c);
}

static void test_stop_says_stopped(void **state) {
        struct client c = run_python("import time\nprint('up')\ntime.sleep(100)\n", true);

        (void)state;
        client_wait_output(&c, "up");
        client_word(&c, HOLD_STOP);
        client_word(&c, HOLD_STOP);
        client_wait_exit(&c);
        assert_int_equal(c.exit.verdict, HOLD_STOPPED);
        assert_int_equal(c.exits, 1);
        client_end(&c);
}

static void test_stop_before_it_runs_stops_it(void **state) {
        struct client c = run_python("import time\ntime.sleep(100)\n", true);

        (void)state;
        client_word(&c, HOLD_STOP);
        client_until(&c, c.exited || c.failed);
        assert_true(c.failed || c.exit.verdict == HOLD_STOPPED);
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_program_on_a_terminal_says_hello),
                cmocka_unit_test(test_without_a_terminal_stderr_is_told_apart),
                cmocka_unit_test(test_output_comes_as_it_is_written),
                cmocka_unit_test(test_a_signal_that_ends_it_is_named),
                cmocka_unit_test(test_the_tail_of_a_short_job_is_never_lost),
                cmocka_unit_test(test_much_output_arrives_whole),
                cmocka_unit_test(test_nothing_outlasts_its_wall_clock),
                cmocka_unit_test(test_each_limit_has_its_verdict),
                cmocka_unit_test(test_daemons_die_with_their_session),
                cmocka_unit_test(test_processes_and_memory_have_a_limit),
                cmocka_unit_test(test_stop_says_stopped),
                cmocka_unit_test(test_stop_before_it_runs_stops_it),
                cmocka_unit_test(test_no_zombies_and_no_sockets_are_left),
        };

        return cmocka_run_group_tests_name("hold", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
