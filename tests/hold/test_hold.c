/* Unit tests for src/hold, with the real spawner, holder, bubblewrap and Python: what a program does, says
 * and hears, and how it ends. */
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
        for (int i = 0; i < 40; i++) {
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

static bool lives(const char *token) {
        DIR *d = opendir("/proc");
        struct dirent *e;
        bool found = false;

        while ((e = readdir(d))) {
                char path[300], line[512];
                snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
                int fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        continue;
                ssize_t n = read(fd, line, sizeof line);
                close(fd);
                found = found || (n > 0 && memmem(line, (size_t)n, token, strlen(token)));
        }
        closedir(d);
        return found;
}

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
                 {.wall_ms = 400},
                 HOLD_TIMEOUT,
                 700,
                 1200},
                {"import signal\nfor s in range(1, 65):\n try: signal.signal(s, lambda *a: None)\n"
                 " except (OSError, ValueError): pass\nwhile True:\n try: signal.pause()\n"
                 " except BaseException: pass\n",
                 {.wall_ms = 400},
                 HOLD_TIMEOUT,
                 700,
                 1200},
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
                "import os, sys, signal\n"
                "print(os.ttyname(0), os.isatty(1), os.isatty(2), os.getsid(0) == os.getpid())\n"
                "print(os.get_terminal_size())\n"
                "signal.signal(signal.SIGWINCH, lambda *a: os.write(1, str(os.get_terminal_size()).encode()))\n"
                "print('ready')\ninput()\n",
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

static void send_signal(struct client *c, uint32_t signal) {
        client_send(c, &(struct hold_signal){.head.type = HOLD_SIGNAL, .signal = signal},
                    sizeof(struct hold_signal));
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
        uint64_t before;

        (void)state;
        client_until(&c, c.out.n > 1 << 20);
        before = clock_mono_ms();
        client_input(&c, 'a', 0, "\x03", 1);
        client_wait_exit(&c);
        assert_true(clock_mono_ms() - before < 2000);
        assert_int_equal(c.exit.signal, SIGINT);
        client_end(&c);
}

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
        /* and then nobody is there */
        assert_true(client_return(&c) < 0);
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
        s.limits.idle_ms = 1000;
        assert_int_equal(
                open_session(&s, "while True: print('<' + input() + '>', end='')\n", NULL, 0, &c),
                0);
        client_until(&c, c.started);
        for (unsigned i = 0; i < 3; i++) {
                uint64_t passed = clock_mono_ms() + 1020, before = c.acks;
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

/* A folder's mode is not the holder's to keep: it looks at who connects. */
static void test_a_stranger_is_sent_away(void **state) {
        struct client c;
        char path[128];
        int status;

        (void)state;
        if (!world.root)
                skip(); /* there is no other uid to come from */
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

static void test_no_zombies_and_no_sockets_are_left(void **state) {
        char path[128];

        (void)state;
        snprintf(path, sizeof path, "%s/sessions", world.dir);
        uint64_t until = clock_mono_ms() + PATIENCE_MS;
        for (;;) {
                DIR *d = opendir(path);
                unsigned n = 0;
                struct dirent *e;
                while ((e = readdir(d)))
                        n += str_ends(e->d_name, ".sock");
                closedir(d);
                if (n == 0 && !children_of_spawner())
                        return;
                assert_true(clock_mono_ms() < until);
                (void)poll(NULL, 0, 5);
        }
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
                cmocka_unit_test(test_input_reaches_the_program_once),
                cmocka_unit_test(test_input_beyond_the_limit_is_refused_exactly),
                cmocka_unit_test(test_a_program_that_does_not_read_fills_up),
                cmocka_unit_test(test_more_keys_than_places_are_served),
                cmocka_unit_test(test_the_terminal_is_a_real_one),
                cmocka_unit_test(test_signals_reach_the_foreground),
                cmocka_unit_test(test_ctrl_c_is_heard_beside_a_flood),
                cmocka_unit_test(test_an_exit_is_told_until_it_is_forgotten),
                cmocka_unit_test(test_a_session_outlives_its_connection),
                cmocka_unit_test(test_last_words_are_heard_beside_a_new_connection),
                cmocka_unit_test(test_the_newest_connection_counts),
                cmocka_unit_test(test_input_before_the_limit_is_read_before_it_counts),
                cmocka_unit_test(test_a_stranger_is_sent_away),
                cmocka_unit_test(test_random_messages_end_no_holder),
                cmocka_unit_test(test_a_holder_that_is_told_to_end_takes_its_cage_along),
                cmocka_unit_test(test_what_latchd_never_says_closes_the_connection),
                cmocka_unit_test(test_the_holders_death_ends_its_cage),
                cmocka_unit_test(test_a_driver_that_waits_makes_the_program_wait),
                cmocka_unit_test(test_a_lost_driver_holds_the_gate_for_its_grace),
                cmocka_unit_test(test_a_driver_who_returns_within_the_grace_misses_nothing),
                cmocka_unit_test(test_no_zombies_and_no_sockets_are_left),
        };

        return cmocka_run_group_tests_name("hold", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
