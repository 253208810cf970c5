/* Unit tests for src/spawn, with the real spawner: what it refuses, and what becomes of sessions and spawner
 * when the other ends. */
#include "../hold/client.h"
#include "../skip.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/fault.h"

static int open_with(struct spawn_spec *s, const char *source, const char *strings, size_t n) {
        struct client c;
        int r = open_session(s, source, strings, n, &c);

        if (r == 0)
                client_end(&c);
        return r;
}

static const char *const bad_paths[] = {"/etc/passwd", "..",       "home/../x", "home//x",
                                        "home/",       "./home/x", "home/.",    "\xff",
                                        "home/\xc3",   "a/../../b"};

static void test_what_makes_no_sense_is_refused(void **state) {
        static const char *const users[] = {"",     "..",    "a/b",  ".ann",
                                            "-ann", "ann\n", "an n", "\xc3\xa4"};
        static const char *const ids[] = {"", "short", "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                          "../../../../../../../../a",
                                          "abcdefghijklm/opqrstuvwxyz"};
        struct spawn_spec s;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad_paths); i++) {
                make_spec(&s, SPAWN_RUN, false);
                strcpy(s.path, bad_paths[i]);
                assert_int_equal(open_with(&s, "", NULL, 0), -EINVAL);
                make_spec(&s, SPAWN_RUN, false);
                strcpy(s.cwd, bad_paths[i]);
                assert_int_equal(open_with(&s, "", NULL, 0), -EINVAL);
        }
        for (size_t i = 0; i < ELEMENTS(users); i++) {
                make_spec(&s, SPAWN_RUN, false);
                strcpy(s.user, users[i]);
                assert_int_equal(open_with(&s, "", NULL, 0), -EINVAL);
        }
        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                make_spec(&s, SPAWN_RUN, false);
                strcpy(s.id, ids[i]);
                assert_int_equal(open_with(&s, "", NULL, 0), -EINVAL);
        }
}

#define REFUSED(change)                                                                            \
        do {                                                                                       \
                struct spawn_spec s;                                                               \
                make_spec(&s, SPAWN_RUN, false);                                                   \
                change;                                                                            \
                assert_int_equal(open_with(&s, "", NULL, 0), -EINVAL);                             \
        } while (0)

static void test_numbers_out_of_range_are_refused(void **state) {
        (void)state;
        REFUSED(s.size--);
        REFUSED(s.kind = 3);
        REFUSED(s.cols = 0);
        REFUSED(s.rows = 0);
        REFUSED(s.cols = 60000);
        REFUSED(s.tty = 2);
        REFUSED(s.then_repl = 2);
        REFUSED(s.ring_bytes = 100000);
        REFUSED(s.ring_bytes = UINT64_C(1) << 40);
        REFUSED(s.input_bytes = 0);
        REFUSED(s.input_bytes = UINT64_C(1) << 40);
        REFUSED(s.stop_grace_ms = 4000000);
        REFUSED(s.language[0] = '\0');
        REFUSED(strcpy(s.language, "cobol"));
        REFUSED(s.path[0] = '\0');
        REFUSED(memset(s.path, 'x', sizeof s.path));
        REFUSED(memset(s.cwd, 'x', sizeof s.cwd));
        REFUSED(memset(s.user, 'x', sizeof s.user));
        REFUSED(memset(s.language, 'x', sizeof s.language));
        REFUSED(memset(s.id, 'x', sizeof s.id));
        REFUSED(s.argc = 1); /* but no string */
        REFUSED(s.argc = UINT32_MAX);
        REFUSED(s.envc = UINT32_MAX);
}

static void test_strings_are_counted(void **state) {
        static const struct {
                const char *strings;
                size_t n;
                uint32_t argc, envc;
        } wrong[] = {
                {"a", 1, 1, 0},    /* no end */
                {"a\0b", 4, 1, 0}, /* one too many */
                {"a\0b", 4, 3, 0}, /* one too few */
                {"A=1", 4, 0, 0},   {"A", 2, 0, 1},    {"=1", 3, 0, 1},
                {"A B=1", 6, 0, 1}, {"1A=1", 5, 0, 1}, {"A=1\0B", 6, 0, 2},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                struct spawn_spec s;
                make_spec(&s, SPAWN_RUN, false);
                s.argc = wrong[i].argc;
                s.envc = wrong[i].envc;
                assert_int_equal(open_with(&s, "", wrong[i].strings, wrong[i].n), -EINVAL);
        }
}

static void test_a_run_needs_a_sealed_snapshot(void **state) {
        _cleanup_(fd_closep) int open_file =
                memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        struct spawn_spec s;
        int sock;

        (void)state;
        make_spec(&s, SPAWN_RUN, false);
        assert_int_equal(open_with(&s, NULL, NULL, 0), -EINVAL);
        assert_int_equal(spawner_session(world.spawner, &s, NULL, open_file, &sock), -EINVAL);
        make_spec(&s, SPAWN_SHELL, false);
        assert_int_equal(open_with(&s, "echo no\n", NULL, 0), -EINVAL);
}

static void test_an_id_is_used_once(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_SHELL, true);
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        assert_int_equal(open_with(&s, NULL, NULL, 0), -EEXIST);
        client_end(&c);
}

static void test_uids_are_of_the_range(void **state) {
        static const uint32_t uids[] = {0, 1000, UID_BASE - 1, UID_BASE + 100, UINT32_MAX};
        struct spawn_spec s;

        (void)state;
        if (!world.root)
                skip_because("an ordinary user has one uid, and the spawner looks at no other");
        for (size_t i = 0; i < ELEMENTS(uids); i++) {
                make_spec(&s, SPAWN_SHELL, true);
                s.uid = uids[i];
                assert_int_equal(open_with(&s, NULL, NULL, 0), -EPERM);
        }
}

static void test_a_folder_that_is_not_there_fails_in_words(void **state) {
        struct spawn_spec s;
        struct client c;

        (void)state;
        make_spec(&s, SPAWN_SHELL, true);
        strcpy(s.cwd, "home/nowhere");
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_until(&c, c.failed);
        assert_int_equal(c.failure.error, ENOENT);
        assert_string_equal(c.failure.stage, "cwd");
        client_end(&c);
        make_spec(&s, SPAWN_SHELL, true);
        strcpy(s.user, "nobody");
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_until(&c, c.failed);
        assert_non_null(strstr(c.failure.stage, "bwrap"));
        client_end(&c);
}

/* ---- start ---- */

static void check_start(const struct spawn_options *o, const char *word) {
        struct spawner *s = NULL;
        char *error = NULL;
        int r = spawner_start(o, &s, &error);

        if (r == 0) {
                r = spawner_verdict(s, &error);
                s = spawner_free(s);
        }
        if (r != -EINVAL || !error || !strstr(error, word))
                fail_msg("%d: %s, not %s", r, error, word);
        assert_null(s);
        free(error);
}

static void write_program(const char *name, const char *text) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", world.dir, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        assert_int_equal(fchmod(fd, 0755), 0);
        fd_close(fd);
}

static void test_a_start_names_what_is_missing(void **state) {
        struct spawn_options o = world_options();
        char path[128];

        (void)state;
        o.exec_dir = "/nonexistent";
        check_start(&o, "/nonexistent/latch-spawn");
        o = world_options();
        o.bwrap = "/usr/bin/no-bwrap";
        check_start(&o, "/usr/bin/no-bwrap");
        o = world_options();
        o.python = "/usr/bin/no-python";
        check_start(&o, "/usr/bin/no-python");
        o.python = "/tmp";
        check_start(&o, "/tmp");
        o = world_options();
        snprintf(path, sizeof path, "%s/users", world.dir);
        o.data = path;
        check_start(&o, "users/sessions");
}

static void test_a_folder_that_uids_cannot_reach_is_named(void **state) {
        struct spawn_options o = world_options();
        char path[128];

        (void)state;
        if (!world.root)
                skip_because("one uid reaches what is its own");
        make_dir("shut", 0700, 0);
        make_dir("shut/data", 0755, 0);
        make_dir("shut/data/sessions", 0700, 0);
        snprintf(path, sizeof path, "%s/shut/data", world.dir);
        o.data = path;
        check_start(&o, "/shut cannot be reached by uid 61000");
}

/* Each act of the probe succeeds here: nothing stands between it and the machine. */
static void test_a_cage_that_does_not_hold_refuses_the_start(void **state) {
        struct spawn_options o = world_options();
        char path[128];

        (void)state;
        write_program("no-cage", "#!/bin/sh\nshift 3\nexec \"$@\"\n");
        snprintf(path, sizeof path, "%s/no-cage", world.dir);
        o.bwrap = path;
        check_start(
                &o,
                "the cage does not hold: unshare(CLONE_NEWUSER), clone(CLONE_NEWUSER), clone3, ptrace");
        check_start(&o, "seeing the data folder, seeing other processes");
        write_program("no-cage", "#!/bin/sh\nexit 3\n");
        check_start(&o, "the cage ended with status 768");
}

static pid_t pid_of_spawner(void) {
        char path[64], text[64] = "";

        snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd_read_full(fd, text, sizeof text - 1) > 0);
        fd_close(fd);
        return atoi(text);
}

static void test_the_spawner_keeps_few_privileges(void **state) {
        char path[64], text[4096], *caps;
        struct stat st;

        (void)state;
        snprintf(path, sizeof path, "/proc/%d/status", pid_of_spawner());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd_read_full(fd, text, sizeof text - 1);
        assert_true(n > 0 && fstat(fd, &st) == 0);
        fd_close(fd);
        text[n] = '\0';
        caps = strstr(text, "CapPrm:\t");
        assert_non_null(caps);
        /* CHOWN, DAC_OVERRIDE, SETGID, SETUID: capabilities(7) */
        assert_memory_equal(caps + 8, world.root ? "00000000000000c3" : "0000000000000000", 16);
}

/* ---- at once, and ends ---- */

static void wait_for_no_holders(void) {
        for (uint64_t until = clock_mono_ms() + PATIENCE_MS; children_of_spawner() > 0;) {
                assert_true(clock_mono_ms() < until);
                (void)poll(NULL, 0, 5);
        }
}

static void *open_and_end(void *arg) {
        unsigned *good = arg;

        latch_thread_begin("opener");
        for (int i = 0; i < 5; i++) {
                struct spawn_spec s;
                int sock = -1, script = -1;
                make_spec(&s, SPAWN_RUN, true);
                if (fd_sealed("script", "print(1)\n", 9, &script) == 0 &&
                    spawner_session(world.spawner, &s, NULL, script, &sock) == 0 &&
                    fd_send(sock, &(struct hold_head){.type = HOLD_FORGET},
                            sizeof(struct hold_head), NULL, 0, 0) == 0)
                        ++*good;
                fd_close(sock);
                fd_close(script);
        }
        latch_thread_end();
        return NULL;
}

static void test_many_threads_ask_at_once(void **state) {
        pthread_t threads[12];
        unsigned good[ELEMENTS(threads)] = {0};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, open_and_end, &good[i]), 0);
        for (size_t i = 0; i < ELEMENTS(threads); i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_int_equal(good[i], 5);
        }
        wait_for_no_holders();
}

/* The spawner answers too late: the holder that comes of it must not stay, since nobody knows of it. */
static void test_a_request_that_was_given_up_leaves_no_holder(void **state) {
        struct spawn_spec s;

        (void)state;
        if (!world.root)
                skip_because("it takes 10 s, and ran as root");
        make_spec(&s, SPAWN_SHELL, true);
        assert_int_equal(kill(pid_of_spawner(), SIGSTOP), 0);
        assert_int_equal(open_with(&s, NULL, NULL, 0), -ETIMEDOUT);
        assert_int_equal(kill(pid_of_spawner(), SIGCONT), 0);
        make_spec(&s, SPAWN_SHELL, true); /* served in turn: the other was before it */
        assert_int_equal(open_with(&s, NULL, NULL, 0), 0);
        wait_for_no_holders();
}

static unsigned open_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static void test_each_failing_call_is_told_and_leaks_nothing(void **state) {
        unsigned before = open_fds(), n = 1;

        (void)state;
        for (bool struck = true; struck; n++) {
                struct spawn_spec s;
                struct client c;
                make_spec(&s, SPAWN_SHELL, true);
                fault_arm(n, EMFILE);
                int r = open_session(&s, NULL, NULL, 0, &c);
                struck = fault_disarm(NULL);
                assert_int_equal(r < 0, struck);
                if (r == 0)
                        client_end(&c);
                assert_int_equal(open_fds(), before);
        }
        assert_true(n > 3);
        wait_for_no_holders();
}

static void test_sessions_outlive_the_spawner(void **state) {
        struct client c = run_python("print('<' + input() + '>')\n", true);
        struct spawn_spec s;
        struct pollfd p = {.fd = spawner_fd(world.spawner), .events = POLLIN};

        (void)state;
        client_until(&c, c.started);
        assert_int_equal(kill(pid_of_spawner(), SIGKILL), 0);
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1); /* latchd sees it at once */
        assert_true(p.revents & POLLHUP);
        make_spec(&s, SPAWN_SHELL, true);
        assert_int_equal(open_with(&s, NULL, NULL, 0), -EPIPE);
        client_input(&c, 'a', 0, "on\n", 3);
        client_wait_output(&c, "<on>");
        client_wait_exit(&c);
        client_end(&c);
        world.spawner = spawner_free(world.spawner);
        start_spawner();
        c = run_python("input()\n", true);
        world.spawner = spawner_free(world.spawner); /* as latchd ends */
        client_until(&c, c.started);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_exit(&c);
        client_end(&c);
        start_spawner();
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_makes_no_sense_is_refused),
                cmocka_unit_test(test_numbers_out_of_range_are_refused),
                cmocka_unit_test(test_strings_are_counted),
                cmocka_unit_test(test_a_run_needs_a_sealed_snapshot),
                cmocka_unit_test(test_an_id_is_used_once),
                cmocka_unit_test(test_uids_are_of_the_range),
                cmocka_unit_test(test_a_folder_that_is_not_there_fails_in_words),
                cmocka_unit_test(test_a_start_names_what_is_missing),
                cmocka_unit_test(test_a_folder_that_uids_cannot_reach_is_named),
                cmocka_unit_test(test_a_cage_that_does_not_hold_refuses_the_start),
                cmocka_unit_test(test_the_spawner_keeps_few_privileges),
                cmocka_unit_test(test_many_threads_ask_at_once),
                cmocka_unit_test(test_a_request_that_was_given_up_leaves_no_holder),
                cmocka_unit_test(test_each_failing_call_is_told_and_leaks_nothing),
                cmocka_unit_test(test_sessions_outlive_the_spawner),
        };

        return cmocka_run_group_tests_name("spawn", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
