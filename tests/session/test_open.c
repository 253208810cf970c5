/* Unit tests for src/session/open.c and request.c, with the real spawner, holder and cage: LATCH_BIN names the
 * folder of the programs. */
#include "base/fault.h"
#include "spawn/language.h"
#include "workspace/workspace.h"
#include "world.h"

static struct client *client;

static void make_user(struct account *account) {
        assert_int_equal(workspace_make_user(world.dir, account->name, account->uid), 0);
}

static int set_up_group(void **state) {
        struct spawn_options o = {.exec_dir = getenv("LATCH_BIN"),
                                  .bwrap = "/usr/bin/bwrap",
                                  .python = "/usr/bin/python3",
                                  .uid_base = 61000,
                                  .uid_count = 100,
                                  .latchd_uid = geteuid(),
                                  .latchd_gid = getegid()};
        char *error = NULL;
        int r;

        assert_int_equal(world_setup(state), 0);
        assert_int_equal(workspace_prepare(world.dir), 0);
        assert_non_null(o.exec_dir);
        o.data = world.dir;
        r = spawner_start(&o, &world.spawner, &error);
        if (r == 0)
                r = spawner_verdict(world.spawner, &error);
        if (r < 0)
                fprintf(stderr, "%s\n", error ? error : strerror(-r));
        free(error);
        assert_int_equal(r, 0);
        world_up();
        make_user(world.ann);
        make_user(world.bob);
        world_down();
        return 0;
}

static int tear_down_group(void **state) {
        world.spawner = spawner_free(world.spawner);
        return world_teardown(state);
}

static int set_up(void **state) {
        (void)state;
        world_up();
        client = client_new(world.ann);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        client_free(client);
        assert_int_equal(sessions_end_all(world.sessions, 20000), 0);
        world_down();
        world_config(&world.config);
        return 0;
}

static struct sessions_stats stats(void) {
        struct sessions_stats st;

        sessions_stats(world.sessions, &st);
        return st;
}

static void save(struct account *account, const char *path, const char *text) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        struct workspace_stat st;

        assert_int_equal(workspace_open(world.dir, account->name, account->uid, &w), 0);
        assert_int_equal(workspace_write(w, path, text, strlen(text), NULL, &st), 0);
}

static struct session_request run_of(const char *path) {
        return (struct session_request){.kind = SESSION_RUN, .path = path, .tty = true};
}

/* What the reply does. */
static void hear(struct client *c, struct session_opened *opened) {
        client_learns(c, opened->channel, 0);
        viewer_activate(opened->viewer);
        opened->viewer = viewer_unref(opened->viewer);
}

static int try_open(struct client *c, const struct session_request *rq, struct session_opened *ret,
                    struct session_refusal *no) {
        int r = session_open(world.sessions, &c->port, rq, ret, no);

        if (r == 0)
                hear(c, ret);
        return r;
}

static uint32_t start(struct client *c, const struct session_request *rq) {
        struct session_opened opened;
        struct session_refusal no;
        int r = try_open(c, rq, &opened, &no);

        if (r < 0)
                fprintf(stderr, "open: %s: %s\n", strerror(-r), no.words);
        assert_int_equal(r, 0);
        return opened.channel;
}

static bool has(const struct buf *b, const char *text) {
        return b->data && strstr(b->data, text);
}

/* Nothing is left of what was started. */
static void assert_nothing_is_held(void) {
        UNTIL(stats().leases_taken == stats().leases_released);
        UNTIL(stats().living == 0);
        assert_int_equal(atomic_load(&world.ann->sessions), 0);
}

static void test_a_program_asks_and_is_answered(void **state) {
        struct session_request rq = run_of("home/hi.py");

        (void)state;
        save(world.ann, "home/hi.py", "n=input('who? ')\nprint('hello, '+n)\n");
        uint32_t n = start(client, &rq);
        AWAIT(client, n, has(&ch->out, "who? "));
        sessions_input(world.sessions, &client->port, n, 0, "Ada\n", 4);
        AWAIT(client, n, ch->input_acked == 4);
        AWAIT(client, n, ch->exits == 1);
        assert_int_equal(PEEK(client, n, ch->out.n), 22);
        assert_int_equal(PEEK(client, n, strcmp(ch->out.data, "who? Ada\r\nhello, Ada\r\n")), 0);
        assert_int_equal(PEEK(client, n, ch->code), 0);
        assert_int_equal(PEEK(client, n, strcmp(ch->verdict, "exited")), 0);
        assert_nothing_is_held();
}

static void test_pipes_tell_stderr_apart_and_the_exit_code(void **state) {
        struct session_request rq = run_of("home/p.py");

        (void)state;
        save(world.ann, "home/p.py",
             "import sys, os\nprint(sys.argv[1], os.environ['COLOR'], os.getcwd())\n"
             "print('bad', file=sys.stderr)\nsys.exit(7)\n");
        rq.tty = false;
        rq.strings = "one two\0COLOR=blue";
        rq.strings_n = sizeof "one two\0COLOR=blue";
        rq.argc = rq.envc = 1;
        uint32_t n = start(client, &rq);
        AWAIT(client, n, ch->exits == 1);
        assert_int_equal(PEEK(client, n, strcmp(ch->out.data, "one two blue /work/home\n")), 0);
        assert_int_equal(PEEK(client, n, strcmp(ch->err.data, "bad\n")), 0);
        assert_int_equal(PEEK(client, n, ch->code), 7);
}

static void test_a_second_run_is_busy_and_names_the_first(void **state) {
        struct session_request rq = run_of("home/loop.py");
        struct session_opened first, second;
        struct session_refusal no;

        (void)state;
        save(world.ann, "home/loop.py", "print('on', flush=True)\nwhile True: pass\n");
        save(world.bob, "home/loop.py", "print('on', flush=True)\nwhile True: pass\n");
        assert_int_equal(try_open(client, &rq, &first, &no), 0);
        assert_int_equal(try_open(client, &rq, &second, &no), -EBUSY);
        assert_string_equal(no.code, "busy");
        assert_string_equal(no.session, first.session);

        struct client *other = client_new(world.bob); /* another user's file of that name */
        uint32_t his = start(other, &rq);
        AWAIT(other, his, has(&ch->out, "on"));
        assert_null(sessions_find(world.sessions, world.bob, first.session));
        struct session *s = sessions_find(world.sessions, world.ann, first.session);
        assert_int_equal(session_stop(s), 0);
        AWAIT(client, first.channel, ch->exits == 1);
        assert_int_equal(PEEK(client, first.channel, strcmp(ch->verdict, "stopped")), 0);
        assert_int_equal(try_open(client, &rq, &second, &no), 0); /* at once */
        assert_int_equal(session_stop(s), 0);                     /* a stale stop is nobody's */
        assert_int_equal(session_close(s), 0);
        AWAIT(client, second.channel, has(&ch->out, "on"));
        assert_int_equal(try_open(client, &rq, &first, &no), -EBUSY);
        assert_string_equal(no.session, second.session);
        assert_int_equal(PEEK(client, second.channel, ch->exits), 0);
        session_unref(s);
        client_free(other);
}

static void refused(struct session_request rq, int error, const char *word) {
        struct session_opened opened;
        struct session_refusal no;
        int r = try_open(client, &rq, &opened, &no);

        assert_int_equal(r, error);
        if (word && !strstr(no.words, word))
                fprintf(stderr, "%s is not in: %s\n", word, no.words);
        assert_true(!word || strstr(no.words, word));
        assert_int_equal(stats().started, 0);
        assert_int_equal(stats().known, 0);
        assert_int_equal(stats().leases_taken, 0);
        assert_int_equal(client_channels(client), 0);
        assert_int_equal(atomic_load(&world.ann->sessions), 0);
}

static void test_what_cannot_be_started_is_refused_in_words(void **state) {
        static char long_strings[SPAWN_STRINGS_MAX + 1];
        struct session_request rq = run_of("home/a.py");

        (void)state;
        save(world.ann, "home/a.py", "");
        save(world.ann, "home/a.xyz", "");
        refused(run_of("home/missing.py"), -ENOENT, NULL);
        refused(run_of("home/../../etc/passwd"), -EINVAL, "path");
        refused(run_of("/etc/passwd"), -EINVAL, "path");
        refused(run_of(""), -EINVAL, "path");
        refused(run_of(NULL), -EINVAL, "path");
        refused(run_of("home"), -EINVAL, language_list()); /* no ending */
        refused(run_of("home/a.xyz"), -EINVAL, language_list());
        rq.language = "cobol";
        refused(rq, -EINVAL, language_list());
        rq = run_of("home/a.py");
        rq.limits.wall_ms = world.config.wall_ms + 1;
        refused(rq, -EINVAL, "wall_ms");
        rq = run_of("home/a.py");
        rq.cwd = "home/nowhere";
        refused(rq, -ENOENT, "cwd");
        rq.cwd = "home/a.py";
        refused(rq, -ENOTDIR, NULL);
        rq.cwd = "../..";
        refused(rq, -EINVAL, "cwd");
        rq = run_of("home/a.py");
        rq.strings = long_strings;
        rq.strings_n = sizeof long_strings;
        refused(rq, -E2BIG, NULL);
        rq = run_of("home/a.py");
        rq.tty = false;
        rq.then_repl = true;
        refused(rq, -EINVAL, "tty");
        refused((struct session_request){.kind = SESSION_SHELL}, -EINVAL, "tty");
        refused((struct session_request){.kind = SESSION_REPL, .tty = true, .then_repl = true},
                -EINVAL, "then_repl");
        refused((struct session_request){.kind = SESSION_SHELL,
                                         .tty = true,
                                         .limits.output_bytes = 5},
                -EINVAL, "shells");
        refused((struct session_request){.kind = SESSION_SHELL, .path = "home/a.py"}, -EINVAL,
                "path");
        refused((struct session_request){.kind = SESSION_SHELL, .tty = true, .language = "python"},
                -EINVAL, "language");
}

static void test_runs_and_sessions_have_their_limits(void **state) {
        struct session_request rq = run_of("home/a.py"), other = run_of("home/b.py"),
                               third = run_of("home/c.py");
        struct session_opened opened;
        struct session_refusal no;

        (void)state;
        save(world.ann, "home/a.py", "input()\n");
        save(world.ann, "home/b.py", "input()\n");
        save(world.ann, "home/c.py", "input()\n");
        world.config.sessions_per_user = 2;
        start(client, &rq);
        uint32_t n = start(client, &other);
        assert_int_equal(try_open(client, &third, &opened, &no), -EUSERS);
        assert_string_equal(no.code, "limit_reached");
        sessions_input(world.sessions, &client->port, n, 0, "\n", 1);
        AWAIT(client, n, ch->exits == 1);
        world.config.runs_per_minute = 1;
        atomic_store(&world.ann->runs_tat_ns, 0);
        n = start(client, &third);
        sessions_input(world.sessions, &client->port, n, 0, "\n", 1);
        AWAIT(client, n, ch->exits == 1);
        assert_int_equal(try_open(client, &rq, &opened, &no), -EBUSY);
        assert_string_equal(no.code, "busy"); /* costs no run */
        assert_int_equal(try_open(client, &third, &opened, &no), -EBUSY);
        assert_string_equal(no.code, "rate_limited");
        assert_true(no.retry_after_ms > 0 && no.retry_after_ms <= 60000);
        assert_int_equal(atomic_load(&world.ann->sessions), 1);
}

static void test_a_run_executes_what_was_saved_when_it_began(void **state) {
        struct session_request rq = run_of("home/slow.py");

        (void)state;
        save(world.ann, "home/slow.py",
             "input('go? ')\ndef f():\n    raise ValueError('old')\nf()\n");
        uint32_t n = start(client, &rq);
        AWAIT(client, n, has(&ch->out, "go? "));
        save(world.ann, "home/slow.py", "# new\n# new\n# new\n# new\n");
        sessions_input(world.sessions, &client->port, n, 0, "\n", 1);
        AWAIT(client, n, ch->exits == 1);
        assert_int_equal(PEEK(client, n, ch->code), 1);
        assert_true(PEEK(client, n, has(&ch->out, "raise ValueError('old')")));
}

static void test_shells_and_prompts_open_too(void **state) {
        struct session_request shell = {.kind = SESSION_SHELL, .tty = true};
        struct session_request repl = {.kind = SESSION_REPL, .tty = true};

        (void)state;
        uint32_t n = start(client, &shell), m = start(client, &repl);
        sessions_input(world.sessions, &client->port, n, 0, "echo $((6*7)); exit 3\n", 22);
        sessions_input(world.sessions, &client->port, m, 0, "print(6*7)\nexit(4)\n", 19);
        AWAIT(client, n, ch->exits == 1);
        AWAIT(client, m, ch->exits == 1);
        assert_true(PEEK(client, n, has(&ch->out, "42") && ch->code == 3));
        assert_true(PEEK(client, m, has(&ch->out, "42") && ch->code == 4));
}

static void test_a_program_outlives_the_server(void **state) {
        struct session_request rq = run_of("home/long.py");
        struct session_opened opened;
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        save(world.ann, "home/long.py",
             "import sys\nfor i in range(40000): print('line', i)\n" /* more than the window */
             "for l in sys.stdin: print('got', l.strip(), flush=True)\n");
        rq.client = "tab-7";
        client->auto_ack = false;
        assert_int_equal(try_open(client, &rq, &opened, &no), 0);
        sessions_input(world.sessions, &client->port, opened.channel, 0, "seventeen bytes.\n", 17);
        AWAIT(client, opened.channel, ch->input_acked == 17);
        AWAIT(client, opened.channel, ch->next > 60000);
        uint64_t at = PEEK(client, opened.channel, ch->next);
        client_free(client);
        world_down();
        world_up();
        assert_int_equal(sessions_adopt(world.sessions, PATIENCE_MS), 0);

        client = client_new(world.ann);
        struct session *s = sessions_find(world.sessions, world.ann, opened.session);
        assert_non_null(s);
        assert_int_equal(try_open(client, &rq, &opened, &no),
                         -EBUSY); /* its lease was taken again */
        struct session_join join = {.has_since = true,
                                    .since = at,
                                    .role = SESSION_ROLE_DRIVER,
                                    .client = "tab-7",
                                    .cols = 80,
                                    .rows = 24};
        assert_int_equal(client_try_attach(client, s, &join, &joined, &no), 0);
        assert_int_equal(joined.offset, at);
        assert_int_equal(joined.input_offset, 17);
        assert_int_equal(joined.channel, 1);
        AWAIT(client, 1, has(&ch->out, "got seventeen bytes."));
        assert_int_equal(PEEK(client, 1, ch->gaps), 0);
        assert_int_equal(session_signal(s, "KILL"), 0);
        AWAIT(client, 1, ch->exits == 1);
        session_unref(s);
}

/* Every byte comes before the exit, however short the job. */
static void test_no_tail_is_lost(void **state) {
        struct session_request rq = run_of("home/tail.py");

        (void)state;
        save(world.ann, "home/tail.py", "import sys\nsys.stdout.write('x' * 70000 + 'END')\n");
        for (int i = 0; i < 20; i++) {
                rq.tty = i % 2;
                uint32_t n = start(client, &rq);
                AWAIT(client, n, ch->exits == 1);
                assert_int_equal(PEEK(client, n, ch->out.n), 70003);
                assert_true(PEEK(client, n, has(&ch->out, "xEND")));
        }
        assert_nothing_is_held();
}

/* One step of a start fails, each in turn: it is as if it had never been, and the file runs again at once. */
static void test_a_start_that_fails_leaves_nothing(void **state) {
        static const int errors[] = {EIO, EMFILE};
        struct session_request rq = run_of("home/again.py");
        struct session_opened opened;
        struct session_refusal no;
        unsigned struck = 0;

        (void)state;
        save(world.ann, "home/again.py", "print(1)\n");
        for (size_t e = 0; e < ELEMENTS(errors); e++) {
                for (unsigned n = 1;; n++) {
                        const char *call = NULL;
                        fault_arm(n, errors[e]);
                        int r = session_open(world.sessions, &client->port, &rq, &opened, &no);
                        bool did = fault_disarm(&call);
                        struck += did;
                        if (r == 0)
                                hear(client, &opened);
                        if (r < 0) {
                                assert_true(did);
                                assert_int_equal(stats().leases_taken, stats().leases_released);
                                r = try_open(client, &rq, &opened, &no);
                                if (r < 0)
                                        fprintf(stderr, "after %s (%u): %s %s\n", call, n,
                                                strerror(-r), no.words);
                                assert_int_equal(r, 0);
                        }
                        AWAIT(client, opened.channel, ch->exits == 1);
                        assert_int_equal(PEEK(client, opened.channel, ch->out.n), 3);
                        assert_nothing_is_held();
                        if (!did)
                                break;
                        if (opened.channel > CHANNELS_KEPT - 3) {
                                client_free(client);
                                client = client_new(world.ann);
                        }
                }
        }
        assert_true(struck > 20); /* the calls of a start were met */
        UNTIL(stats().known <= world.config.ended_kept);
}

/* ---- the race ---- */

struct racer {
        uint64_t at_ns;
        struct session *s;
        struct client *c;
};

static void wait_till(uint64_t at_ns) {
        while (clock_mono_ns() < at_ns)
                ;
}

static void *race_stop(void *arg) {
        struct racer *r = arg;

        latch_thread_begin("stop");
        wait_till(r->at_ns);
        CHECK(session_stop(r->s) <= 0);
        latch_thread_end();
        return NULL;
}

static void *race_leave(void *arg) {
        struct racer *r = arg;

        latch_thread_begin("leave");
        wait_till(r->at_ns);
        client_close(r->c);
        latch_thread_end();
        return NULL;
}

/* Finish, stop, timeout and disconnect about the same millisecond: one exit each, and the file runs again. */
static void test_the_end_is_told_once_and_the_file_runs_again(void **state) {
        enum { ROUNDS = 21, END_MS = 150 };
        struct session_request rq = run_of("home/race.py");
        struct session_opened opened;
        struct session_refusal no;

        (void)state;
        save(world.ann, "home/race.py", "import time, sys\ntime.sleep(float(sys.argv[1]))\n");
        rq.limits.wall_ms = END_MS;
        for (int i = 0; i < ROUNDS; i++) {
                char seconds[16];
                struct client *leaver = client_new(world.ann);
                pthread_t stop, leave;

                snprintf(seconds, sizeof seconds, "0.%03d", END_MS - 60 + i % 7 - 3);
                rq.strings = seconds;
                rq.strings_n = strlen(seconds) + 1;
                rq.argc = 1;
                uint64_t began = clock_mono_ns();
                assert_int_equal(try_open(leaver, &rq, &opened, &no), 0);
                struct session *s = sessions_find(world.sessions, world.ann, opened.session);
                uint32_t n = client_attach(client, s, SESSION_ROLE_VIEWER, NULL, NULL);
                struct racer r = {began + (END_MS - 20 + i % 5) * UINT64_C(1000000), s, leaver};
                assert_int_equal(pthread_create(&stop, NULL, race_stop, &r), 0);
                assert_int_equal(pthread_create(&leave, NULL, race_leave, &r), 0);
                AWAIT(client, n, ch->exits == 1);
                assert_int_equal(pthread_join(stop, NULL), 0);
                assert_int_equal(pthread_join(leave, NULL), 0);
                assert_int_equal(session_close(s), 0);
                session_unref(s);
                client_free(leaver);
        }
        assert_nothing_is_held();
        assert_int_equal(stats().leases_taken, ROUNDS);
        rq.strings = "0";
        rq.strings_n = 2;
        rq.limits.wall_ms = 0; /* a busy machine may not start Python in END_MS */
        uint32_t n = start(client, &rq);
        AWAIT(client, n, ch->exits == 1);
        assert_int_equal(PEEK(client, n, strcmp(ch->verdict, "exited")), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_a_program_asks_and_is_answered),
                TEST(test_pipes_tell_stderr_apart_and_the_exit_code),
                TEST(test_a_second_run_is_busy_and_names_the_first),
                TEST(test_what_cannot_be_started_is_refused_in_words),
                TEST(test_runs_and_sessions_have_their_limits),
                TEST(test_a_run_executes_what_was_saved_when_it_began),
                TEST(test_shells_and_prompts_open_too),
                TEST(test_a_program_outlives_the_server),
                TEST(test_no_tail_is_lost),
                TEST(test_a_start_that_fails_leaves_nothing),
                TEST(test_the_end_is_told_once_and_the_file_runs_again),
        };

        return cmocka_run_group_tests_name("open", tests, set_up_group, tear_down_group);
}
