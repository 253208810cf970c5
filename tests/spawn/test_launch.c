/* Unit tests for src/spawn/launch.c: what a holder finds when it starts. This program is that holder too. */
#include "../hold/client.h"
#include "spawn/setup.h"

static int get_option(int fd, int option) {
        int value = 0;
        socklen_t n = sizeof value;

        return getsockopt(fd, SOL_SOCKET, option, &value, &n) < 0 ? -errno : value;
}

/* As latch-hold: answers with a refusal that says how it found its socket. */
static int be_holder(void) {
        struct spawn_refusal no = {.type = SPAWN_REFUSED};

        no.error = get_option(SETUP_LISTEN, SO_ACCEPTCONN) == 1 ? -EALREADY : -ENOTCONN;
        return fd_send(SETUP_CONN, &no, sizeof no, NULL, 0, 0) < 0;
}

static void link_program(const char *dir, const char *name) {
        char from[600], to[600];

        snprintf(from, sizeof from, "%s/%s", world.bin, name);
        snprintf(to, sizeof to, "%s/%s", dir, name);
        assert_int_equal(symlink(from, to), 0);
}

/* The real programs, but for the holder. */
static void put_ourselves_in(char dir[static 128]) {
        char to[600], self[32];

        snprintf(dir, 128, "%s/ours", world.dir);
        assert_int_equal(mkdir(dir, 0755), 0);
        link_program(dir, "latch-spawn");
        link_program(dir, "latch-init");
        snprintf(to, sizeof to, "%s/latch-hold", dir);
        snprintf(self, sizeof self, "/proc/%d/exe", getpid());
        run_command((const char *const[]){"cp", self, to, NULL});
}

static void test_a_holder_can_be_reached_before_it_runs(void **state) {
        struct spawn_options o = world_options();
        struct spawner *s = NULL;
        struct spawn_spec spec;
        char dir[128], *error = NULL;
        int sock = -1;

        (void)state;
        put_ourselves_in(dir);
        o.exec_dir = dir;
        assert_int_equal(spawner_start(&o, &s, &error), 0);
        assert_int_equal(spawner_verdict(s, &error), 0);
        make_spec(&spec, SPAWN_SHELL, true);
        assert_int_equal(spawner_session(s, &spec, NULL, -1, &sock), -EALREADY);
        spawner_free(s);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_holder_can_be_reached_before_it_runs),
        };

        return cmocka_run_group_tests_name("launch", tests, world_setup, world_teardown);
}

int main(int argc, char **argv) {
        if (argc == 4 && str_eq(argv[0], "latch-hold"))
                return be_holder();
        return run_as_both(run);
}
