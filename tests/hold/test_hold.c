/* Unit tests for src/hold, with the real spawner, holder, bubblewrap and Python. */
#include "client.h"

static void test_a_program_on_a_terminal_says_hello(void **state) {
        struct client c = run_python("print('hello')\n", true);

        (void)state;
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "hello\r\n");
        assert_int_equal(c.exit.code, 0);
        assert_int_equal(c.exit.verdict, HOLD_EXITED);
        client_end(&c);
}

static void test_without_a_terminal_stderr_is_told_apart(void **state) {
        struct client c = run_python("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)\n", false);

        (void)state;
        client_wait_exit(&c);
        assert_string_equal(c.out.data, "out\n");
        assert_string_equal(c.err.data, "err\n");
        assert_int_equal(c.exit.code, 3);
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_program_on_a_terminal_says_hello),
                cmocka_unit_test(test_without_a_terminal_stderr_is_told_apart),
        };

        return cmocka_run_group_tests_name("hold", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
