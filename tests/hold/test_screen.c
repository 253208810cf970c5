/* Unit tests for src/hold/hold_screen.c: what a holder draws for those who come when the bytes are gone. */
#include "client.h"

static bool shows(const struct client *c, const char *text) {
        return memmem(c->picture.data, c->picture.n, text, strlen(text)) != NULL;
}

static void test_it_is_drawn_when_it_is_asked_for(void **state) {
        struct client c = run_python("print('one', end='\\033[31m two', flush=True)\n"
                                     "input()\nprint('\\033[c\\033[2Jthree')\ninput()\n",
                                     true);

        (void)state;
        client_wait_output(&c, "two");
        client_ask_picture(&c);
        assert_int_equal(c.pictures, 1);
        assert_int_equal(c.picture_at, c.at);
        assert_true(shows(&c, "one\033[0;31m two"));
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_output(&c, "three");
        client_ask_picture(&c);
        assert_true(shows(&c, "three") && !shows(&c, "one") && !shows(&c, "\033[c"));
        client_end(&c);
}

/* The first line is far behind what the ring keeps, and stands above the screen. */
static void test_what_left_the_ring_is_in_it(void **state) {
        struct client c = run_python(
                "print('\\033[1mfirst', flush=True)\n"
                "for i in range(30000): print('\\033[3%dm%s\\r' % (i % 8, 'x' * 60), end='')\n"
                "print('\\r\\nlast', flush=True)\ninput()\n",
                true);

        (void)state;
        client_wait_output(&c, "last");
        assert_true(c.at > 3u << 19);
        client_ask_picture(&c);
        assert_int_equal(c.picture_at, c.at);
        assert_true(shows(&c, "\033[0;1mfirst") && shows(&c, "last"));
        client_end(&c);
}

static void test_it_has_the_size_that_the_program_had(void **state) {
        struct client c = run_python("print('a' * 50, end='', flush=True)\n"
                                     "input()\nprint('\\033[1;70Hb', flush=True)\ninput()\n",
                                     true);
        struct hold_resize m = {.head.type = HOLD_RESIZE, .cols = 100, .rows = 10};

        (void)state;
        client_wait_output(&c, "aaa");
        client_send(&c, &m, sizeof m);
        client_until(&c, c.resized == 1);
        client_input(&c, 'a', 0, "\n", 1);
        client_wait_output(&c, "b");
        client_ask_picture(&c);
        assert_true(shows(&c, "\033[19Cb"));
        client_end(&c);
}

static void test_who_ended_is_drawn_and_pipes_are_not(void **state) {
        struct client c = run_python("print('gone')\n", true);

        (void)state;
        client_wait_exit(&c);
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, c.exited);
        client_ask_picture(&c);
        assert_true(c.pictures == 1 && shows(&c, "gone"));
        client_end(&c);
        c = run_python("print('x')\n", false);
        client_wait_output(&c, "x");
        client_ask_picture(&c);
        assert_int_equal(c.no_pictures, 1);
        client_end(&c);
}

/* Said when it is another, and to who comes; a flood of them is not a flood of messages. */
static void test_its_title_is_told(void **state) {
        struct client c =
                run_python("print('\\033]0;first\\007', flush=True)\ninput()\n"
                           "for i in range(5000): print('\\033]2;number %d\\033\\\\' % i)\n"
                           "print(flush=True)\ninput()\n",
                           true);

        (void)state;
        client_until(&c, str_eq(c.title, "first"));
        client_input(&c, 'a', 0, "\n", 1);
        client_until(&c, str_eq(c.title, "number 4999"));
        assert_in_range(c.titles, 2, 100);
        c.title[0] = '\0';
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, str_eq(c.title, "number 4999"));
        client_end(&c);
}

static bool is_in(const struct client *c, const char *folder) {
        return c->cwds > 0 && str_eq(c->cwd, folder);
}

/* Of a shell that moves about: not each step, but always the last; to who comes; and nothing of what is elsewhere. */
static void test_its_folder_is_told(void **state) {
        static const char steps[] =
                "for i in 1 2 3 4 5 6 7 8 9; do mkdir $i; cd $i; echo; sleep 0.03; done;"
                " mkdir $'\\xff (deleted)'; cd *\n";
        static const char last[] = "home/1/2/3/4/5/6/7/8/9/\xff (deleted)";
        struct spawn_spec s;
        struct client c;
        uint64_t n = sizeof steps - 1;

        (void)state;
        make_spec(&s, SPAWN_SHELL, true);
        assert_int_equal(open_session(&s, NULL, NULL, 0, &c), 0);
        client_until(&c, is_in(&c, "home"));
        uint64_t started_ms = clock_mono_ms();
        client_input(&c, 'a', 0, steps, n);
        client_until(&c, is_in(&c, last));
        assert_in_range(c.cwds, 2, 2 + (clock_mono_ms() - started_ms) / 1000);
        c.cwds = 0;
        client_lose(&c);
        assert_int_equal(client_return(&c), 0);
        client_until(&c, is_in(&c, last));
        client_input(&c, 'a', n, "rmdir ../*\n", 11);
        client_until(&c, is_in(&c, ""));
        client_end(&c);
}

static int run(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_drawn_when_it_is_asked_for),
                cmocka_unit_test(test_what_left_the_ring_is_in_it),
                cmocka_unit_test(test_it_has_the_size_that_the_program_had),
                cmocka_unit_test(test_who_ended_is_drawn_and_pipes_are_not),
                cmocka_unit_test(test_its_title_is_told),
                cmocka_unit_test(test_its_folder_is_told),
        };
        return cmocka_run_group_tests_name("screen", tests, world_setup, world_teardown);
}

int main(void) {
        return run_as_both(run);
}
