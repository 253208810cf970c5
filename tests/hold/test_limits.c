/* Unit tests for src/hold: what a limit says, whichever word the holder hears first. */
#include "client.h"

static void make_file(const char *name) {
        char path[512];

        snprintf(path, sizeof path, "%s/%s", world.dir, name);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        fd_close(fd);
}

static void wait_for_end(int pidfd) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};

        assert_int_equal(poll(&p, 1, (int)PATIENCE_MS), 1);
}

/* The holder stands still while the program writes and ends: then it hears of the end first. */
static void run_past_a_stopped_holder(unsigned bytes, enum hold_verdict want) {
        struct spawn_spec s;
        struct client c;
        char source[256], go[32];

        make_spec(&s, SPAWN_RUN, false);
        s.limits.output_bytes = 1000;
        snprintf(go, sizeof go, "go-%u", bytes);
        snprintf(source, sizeof source,
                 "import os, time\n"
                 "while not os.path.exists('%s'): time.sleep(0.005)\n"
                 "os.write(1, b'x' * %u)\n"
                 "os._exit(0)\n",
                 go, bytes);
        assert_int_equal(open_session(&s, source, NULL, 0, &c), 0);
        client_until(&c, c.started);

        assert_int_equal(kill((pid_t)c.first.pid, SIGSTOP), 0);
        snprintf(source, sizeof source, "users/ann/home/%s", go);
        make_file(source);
        wait_for_end(c.pidfd);
        assert_int_equal(kill((pid_t)c.first.pid, SIGCONT), 0);

        client_wait_exit(&c);
        assert_int_equal(c.exit.verdict, want);
        assert_int_equal(c.exit.code, 0);
        assert_int_equal(c.out.n, MIN(bytes, 1000u));
        client_end(&c);
}

static void test_cut_output_is_told_however_late_it_is_read(void **state) {
        (void)state;
        run_past_a_stopped_holder(1001, HOLD_OUTPUT);
        run_past_a_stopped_holder(5000, HOLD_OUTPUT);
}

static void test_output_up_to_its_limit_is_no_fault(void **state) {
        (void)state;
        run_past_a_stopped_holder(1000, HOLD_EXITED);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_cut_output_is_told_however_late_it_is_read),
                cmocka_unit_test(test_output_up_to_its_limit_is_no_fault),
        };

        return cmocka_run_group_tests_name("limits", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
