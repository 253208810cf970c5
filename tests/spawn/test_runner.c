/* Unit tests for what runs a file: Python as if it had been given the file, shell scripts, prompts, and
 * names that look like something else. */
#include "../hold/client.h"

/* Writes to the user's home, as a save would. */
static void write_home(const char *name, const char *text) {
        char path[256];

        snprintf(path, sizeof path, "%s/users/ann/home/%s", world.dir, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        fd_close(fd);
}

static struct client run_file(const char *path, const char *language, const char *source, bool tty,
                              bool then_repl) {
        struct spawn_spec s;
        struct client c;

        make_spec(&s, SPAWN_RUN, tty);
        snprintf(s.path, sizeof s.path, "%s", path);
        strcpy(s.language, language);
        s.then_repl = then_repl;
        assert_int_equal(open_session(&s, source, NULL, 0, &c), 0);
        return c;
}

struct ending {
        const char *source, *out, *err;
        int code, signal;
};

/* What `python3 FILE` does, word for word. */
static void test_python_ends_as_python_does(void **state) {
        static const struct ending endings[] = {
                {"print(1)\n", "1\n", "", 0, 0},
                {"", "", "", 0, 0},
                {"import sys; sys.exit()\n", "", "", 0, 0},
                {"import sys; sys.exit(7)\n", "", "", 7, 0},
                {"import sys; sys.exit('words')\n", "", "words\n", 1, 0},
                {"raise SystemExit(None)\n", "", "", 0, 0},
                {"import os; os._exit(9)\n", "", "", 9, 0},
                {"exit(4)\n", "", "", 4, 0},
                {"def f():\n    return 1 / 0\nf()\n", "",
                 "Traceback (most recent call last):\n"
                 "  File \"/work/home/main.py\", line 3, in <module>\n    f()\n"
                 "  File \"/work/home/main.py\", line 2, in f\n    return 1 / 0\n           ~~^~~\n"
                 "ZeroDivisionError: division by zero\n",
                 1, 0},
                {"x = (\n", "",
                 "  File \"/work/home/main.py\", line 1\n    x = (\n        ^\n"
                 "SyntaxError: '(' was never closed\n",
                 1, 0},
                {"try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('k')\n", "",
                 "Traceback (most recent call last):\n"
                 "  File \"/work/home/main.py\", line 2, in <module>\n    1 / 0\n    ~~^~~\n"
                 "ZeroDivisionError: division by zero\n\n"
                 "During handling of the above exception, another exception occurred:\n\n"
                 "Traceback (most recent call last):\n"
                 "  File \"/work/home/main.py\", line 4, in <module>\n    raise KeyError('k')\n"
                 "KeyError: 'k'\n",
                 1, 0},
                {"import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\n1 / 0\n",
                 "mine ZeroDivisionError\n", "", 1, 0},
                {"raise KeyboardInterrupt\n", "",
                 "Traceback (most recent call last):\n"
                 "  File \"/work/home/main.py\", line 1, in <module>\n    raise KeyboardInterrupt\n"
                 "KeyboardInterrupt\n",
                 0, SIGINT},
                {"import atexit; atexit.register(print, 'last'); 1 / 0\n", "last\n", NULL, 1, 0},
                {"# -*- coding: latin-1 -*-\nprint(len('\xe4'))\n", "1\n", "", 0, 0},
                {"\xef\xbb\xbfprint('bom')\n", "bom\n", "", 0, 0},
                {"print(__name__, __file__, __doc__, __spec__)\n",
                 "__main__ /work/home/main.py None None\n", "", 0, 0},
                {"import sys; print(sys.argv, sys.path[0])\n",
                 "['/work/home/main.py'] /work/home\n", "", 0, 0},
                {"import os; print(os.getcwd(), os.path.basename(__file__))\n",
                 "/work/home main.py\n", "", 0, 0},
                {"import sys; print(sorted(n for n in dir() if n[:2] != '__'))\n", "['sys']\n", "",
                 0, 0},
                {"import __main__; x = 5; print(__main__.x)\n", "5\n", "", 0, 0},
                {"import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)\n",
                 "True\n", "", 0, 0},
                {"import inspect\ndef f():\n    return 5\nprint(inspect.getsource(f))\n",
                 "def f():\n    return 5\n\n", "", 0, 0},
                {"import threading, time\nthreading.Thread(target=lambda: (time.sleep(.05), print('t'))).start()\n",
                 "t\n", "", 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(endings); i++) {
                const struct ending *e = &endings[i];
                struct client c = run_python(e->source, false);
                client_wait_exit(&c);
                const char *out = c.out.data ? c.out.data : "", *err = c.err.data ? c.err.data : "";
                if (strcmp(out, e->out) != 0 || (e->err && strcmp(err, e->err) != 0) ||
                    c.exit.code != e->code || c.exit.signal != e->signal)
                        fail_msg("%s\ngave %s\nand %s\nand %d, %d", e->source, out, err,
                                 c.exit.code, c.exit.signal);
                client_end(&c);
        }
}

/* ACCEPTANCE 16: what was asked for runs, though the file has changed by now. */
static void test_a_snapshot_runs_whatever_the_file_says(void **state) {
        struct client c;

        (void)state;
        write_home("main.py", "print('another version')\nand = 'more of it'\n");
        c = run_python("input()\n\nraise ValueError('line 3 of the snapshot')\n", true);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_exit(&c);
        assert_non_null(strstr(c.out.data, "line 3, in <module>\r\n"
                                           "    raise ValueError('line 3 of the snapshot')\r\n"));
        client_end(&c);
}

static void test_siblings_can_be_imported(void **state) {
        struct client c;

        (void)state;
        write_home("sibling.py", "def hi(): return 'hi from here'\n");
        c = run_python("import sibling\nprint(sibling.hi())\nopen('made', 'w').write('x')\n",
                       false);
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "hi from here\n");
        client_end(&c);
        if (world.root) { /* what a program makes is its user's */
                char path[128];
                struct stat st;
                snprintf(path, sizeof path, "%s/users/ann/home/made", world.dir);
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_uid, UID_BASE);
                assert_int_equal(st.st_mode & 07777, 0644);
        }
}

/* ACCEPTANCE 22, 23. */
static void test_names_are_never_options_or_commands(void **state) {
        static const char *const names[] = {"home/a' ; id #.py", "home/-c",        "home/-m",
                                            "home/$(id).py",     "home/a b\"c.py", "home/--",
                                            "home/\n.py",        "home/`id`",      "home/{path}",
                                            "home/\xc3\xa4.py"};
        char want[200];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                struct client c =
                        run_file(names[i], "python", "import sys; print(sys.argv)\n", false, false);
                client_wait_exit(&c);
                assert_int_equal(c.exit.code, 0);
                assert_non_null(strstr(c.out.data, "/work/home/"));
                client_end(&c);
                c = run_file(names[i], "shell", "printf '%s|%s' \"$0\" $#\n", false, false);
                client_wait_exit(&c);
                snprintf(want, sizeof want, "/work/%s|0", names[i]);
                assert_string_equal(c.out.data, want);
                client_end(&c);
        }
}

static void test_arguments_and_environment_arrive_as_they_are(void **state) {
        static const char strings[] = "-c\0a b\0\0$HOME'\0X=1=2\0PATH=/bin\0LATCH_EMPTY=";
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_RUN, false);
        s.argc = 4;
        s.envc = 3;
        assert_int_equal(open_session(&s,
                                      "import sys, os\nprint(sys.argv[1:])\n"
                                      "print(sorted(os.environ.items()))\n",
                                      strings, sizeof strings, &c),
                         0);
        client_wait_exit(&c);
        assert_string_equal(
                c.out.data,
                "['-c', 'a b', '', \"$HOME'\"]\n"
                "[('HOME', '/work/home'), ('LANG', 'C.UTF-8'), ('LATCH_EMPTY', ''), "
                "('LOGNAME', 'ann'), ('PATH', '/bin'), ('PYTHONUNBUFFERED', '1'), "
                "('SHELL', '/bin/bash'), ('TERM', 'xterm-256color'), ('USER', 'ann'), ('X', '1=2')]\n");
        client_end(&c);
}

static void test_a_shell_script_runs(void **state) {
        struct client c = run_file("home/x.sh", "shell",
                                   "echo \"$0\" \"$#\"; whoami; pwd; echo err >&2; exit 4\n", false,
                                   false);

        (void)state;
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "/work/home/x.sh 0\nann\n/work/home\n");
        assert_string_equal(c.err.data, "err\n");
        assert_int_equal(c.exit.code, 4);
        client_end(&c);
}

static void test_a_prompt_follows_the_script(void **state) {
        static const char *const sources[] = {"x = 41\n", "x = 41\nimport sys\nsys.exit(3)\n",
                                              "x = 41\n1 / 0\n"};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(sources); i++) {
                struct client c = run_file("home/main.py", "python", sources[i], true, true);
                client_wait_output(&c, ">>> ");
                client_input(&c, 'a', 0, "print(x + 1, __name__)\n", 23);
                client_wait_output(&c, "42 __main__");
                client_input(&c, 'a', 23, "exit()\n", 7);
                client_wait_exit(&c);
                assert_int_equal(c.exit.code, 0);
                assert_null(strstr(c.out.data, "runner.py"));
                client_end(&c);
        }
}

static void test_shell_and_repl_are_there(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_SHELL, true);
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_wait_output(&c, "$ ");
        client_input(&c, 'a', 0, "echo $((40 + 2)) $PWD; tty; exit 3\n", 35);
        client_wait_exit(&c);
        assert_non_null(strstr(c.out.data, "42 /work/home\r\n/dev/pts/0\r\n"));
        assert_null(strstr(c.out.data, "job control"));
        assert_int_equal(c.exit.code, 3);
        client_end(&c);

        make_spec(&s, SPAWN_REPL, true);
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_wait_output(&c, ">>> ");
        assert_non_null(strstr(c.out.data, "Python 3"));
        client_input(&c, 'a', 0, "6 * 7\n\x04", 7);
        client_wait_output(&c, "42");
        client_wait_exit(&c);
        client_end(&c);
}

static void test_a_stopped_shell_is_gone(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_SHELL, true);
        s.stop_grace_ms = 10000; /* it hears the first word, or this takes too long */
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_wait_output(&c, "$ ");
        client_word(&c, HOLD_STOP);
        client_wait_exit(&c);
        assert_int_equal(c.exit.verdict, HOLD_STOPPED);
        assert_true(c.exit.wall_ms < 8000);
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_python_ends_as_python_does),
                cmocka_unit_test(test_a_snapshot_runs_whatever_the_file_says),
                cmocka_unit_test(test_siblings_can_be_imported),
                cmocka_unit_test(test_names_are_never_options_or_commands),
                cmocka_unit_test(test_arguments_and_environment_arrive_as_they_are),
                cmocka_unit_test(test_a_shell_script_runs),
                cmocka_unit_test(test_a_prompt_follows_the_script),
                cmocka_unit_test(test_shell_and_repl_are_there),
                cmocka_unit_test(test_a_stopped_shell_is_gone),
        };

        return cmocka_run_group_tests_name("runner", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
