/* Unit tests for src/spawn/spawn.c: a spawner that does not end. This program is that spawner too. */
#include "../hold/client.h"
#include "spawn/setup.h"

#define SPAWNER_SOCKET 3

/* As latch-spawn: says that all is well, and then hears nothing any more. */
static int be_spawner(void) {
        struct spawn_verdict fine = {0};

        if (fd_send(SPAWNER_SOCKET, &fine, sizeof fine, NULL, 0, 0) < 0)
                return 1;
        for (;;)
                pause();
}

static void test_a_spawner_that_hangs_is_ended(void **state) {
        struct spawn_options o = world_options();
        struct spawner *s = NULL;
        char dir[128], to[160], self[32], *error = NULL;

        (void)state;
        snprintf(dir, sizeof dir, "%s/ours", world.dir);
        assert_int_equal(mkdir(dir, 0755), 0);
        snprintf(to, sizeof to, "%s/latch-spawn", dir);
        snprintf(self, sizeof self, "/proc/%d/exe", getpid());
        run_command((const char *const[]){"cp", self, to, NULL});
        o.exec_dir = dir;
        assert_int_equal(spawner_start(&o, &s, &error), 0);
        assert_int_equal(spawner_verdict(s, &error), 0);

        uint64_t before = clock_mono_ms();
        spawner_free(s);
        assert_in_range(clock_mono_ms() - before, 1000, PATIENCE_MS);
        assert_int_equal(children_of_spawner(), 0); /* and the other is our one child */
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_spawner_that_hangs_is_ended),
        };

        return cmocka_run_group_tests_name("spawner", tests, world_setup, world_teardown);
}

int main(int argc, char **argv) {
        if (argc > 1 && str_eq(argv[0], "latch-spawn"))
                return be_spawner();
        return run_as_both(run);
}
