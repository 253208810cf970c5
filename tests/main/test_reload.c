/* Unit tests for src/main/reload.c and config_take_live: a file read again, as a whole or not at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/macros.h"
#include "latch/level.h"
#include "main/reload.h"

static struct config config;
static char file[] = "/tmp/latch-reload-XXXXXX";
static char *argv[] = {(char[]){"latchd"},   (char[]){"--config"},    file,
                       (char[]){"--listen"}, (char[]){"127.0.0.1:1"}, NULL};
static const struct reload again = {5, argv, &config};

static void write_file(const char *text) {
        FILE *f = fopen(file, "w");

        CHECK(f != NULL);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static int begin(void **state) {
        char *words = NULL;

        (void)state;
        write_file("[server]\ndata = /d\n[limits]\nruns_per_minute = 7\n");
        return config_load(5, argv, &config, &words);
}

/* The changes, in words: "limits.runs_per_minute 7 8 live;". */
static int reload(char to[2048], char **ret_error) {
        struct config_change *changes = NULL;
        size_t n = 0, at = 0;
        int r = reload_settings(&again, &changes, &n, ret_error);

        to[0] = '\0';
        for (size_t i = 0; i < n; i++)
                at += (size_t)snprintf(to + at, 2048 - at, "%s.%s %s %s%s;", changes[i].section,
                                       changes[i].key, changes[i].from, changes[i].to,
                                       changes[i].live ? " live" : "");
        free(changes);
        return r;
}

static void assert_changes(const char *file_text, const char *changes) {
        char got[2048], *words = NULL;

        write_file(file_text);
        assert_int_equal(reload(got, &words), 0);
        assert_string_equal(got, changes);
}

static void test_live_settings_change_and_others_wait(void **state) {
        (void)state;
        assert_changes("[server]\ndata = /d\n[limits]\nruns_per_minute = 7\n", "");
        assert_changes("[server]\ndata = /d\nworkers = 5\nlog_level = error\n"
                       "[limits]\nruns_per_minute = 8\n[run]\nwall_ms = 500\n",
                       "server.workers 4 5;server.log_level info error live;"
                       "limits.runs_per_minute 7 8 live;run.wall_ms 3600000 500 live;");
        assert_int_equal(config.workers, 4);
        assert_int_equal(config.runs_per_minute, 8);
        assert_int_equal(config.wall_ms, 500);
        /* What waits is named each time; what is in force is compared, not what was read last. */
        assert_changes("[server]\ndata = /e\nworkers = 5\n",
                       "server.data /d /e;server.workers 4 5;server.log_level error info live;"
                       "limits.runs_per_minute 8 64 live;run.wall_ms 500 3600000 live;");
        assert_string_equal(config.data, "/d");
}

/* What latchctl changed stays, unless the file says something else than before. */
static void test_a_lock_level_is_in_force_once_it_differs(void **state) {
        (void)state;
        assert_int_equal(latch_set_level(0), 0);
        assert_changes("[server]\ndata = /d\n[limits]\nruns_per_minute = 7\n", "");
        assert_int_equal(latch_level(), 0);
        assert_changes(
                "[server]\ndata = /d\n[limits]\nruns_per_minute = 7\n[diagnostics]\nlock_level = 2\n",
                "diagnostics.lock_level 1 2 live;");
        assert_int_equal(latch_level(), 2);
}

static void test_the_command_line_still_wins(void **state) {
        (void)state;
        assert_changes("[server]\ndata = /d\nlisten = 127.0.0.1:2\n[limits]\nruns_per_minute = 7\n",
                       "");
        assert_string_equal(config.listen, "127.0.0.1:1");
}

static void test_anything_wrong_changes_nothing(void **state) {
        static const char *const bad[][2] = {
                {"[limits]\nruns_per_minute = 9\nrun_per_minute = 9\n", "limits.run_per_minute"},
                {"[limits]\nruns_per_minute = 9\nended_kept = many\n", "limits.ended_kept"},
                {"[limits]\nruns_per_minute = 9\n[limit]\n", "[limit]"},
                {"[limits]\nruns_per_minute = 9\nnonsense\n", "line 3"},
                {"[limits]\nruns_per_minute = 9\n[sandbox]\nbwrap = /nowhere\n", "sandbox.bwrap"},
        };
        struct config before = config;
        char got[2048], *words = NULL;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                write_file(bad[i][0]);
                assert_int_equal(reload(got, &words), -EINVAL);
                assert_string_equal(got, "");
                if (!strstr(words, bad[i][1]))
                        fail_msg("%s: %s", bad[i][1], words);
                free(words);
                assert_memory_equal(&before, &config, sizeof config);
        }
        assert_int_equal(unlink(file), 0);
        assert_int_equal(reload(got, &words), -EINVAL);
        assert_non_null(strstr(words, file));
        free(words);
}

/* More sessions than the descriptors of this process, which it cannot raise any more. */
static void test_sessions_without_descriptors_are_refused(void **state) {
        struct rlimit before, few = {4200, 0};
        char got[2048], *words = NULL;

        (void)state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        few.rlim_max = before.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        write_file("[server]\ndata = /d\n[limits]\nsessions_per_user = 5000\n");
        assert_int_equal(reload(got, &words), -EINVAL);
        assert_non_null(strstr(words, "limits.sessions_per_user"));
        free(words);
        assert_int_equal(config.sessions_per_user, 128);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_memory_that_ends_changes_nothing(void **state) {
        char got[2048], *words;
        unsigned struck = 0;

        (void)state;
        write_file("[server]\ndata = /d\n[limits]\nruns_per_minute = 21\n");
        for (unsigned n = 1; n < 100; n++) {
                words = NULL;
                fault_arm(n, 0);
                int r = reload(got, &words);
                fault_disarm(NULL);
                if (r == 0)
                        break; /* or it was a line of the log that could not be written */
                assert_int_equal(r, -ENOMEM);
                assert_null(words);
                assert_int_equal(config.runs_per_minute, 7);
                struck++;
        }
        assert_true(struck >= 2);
        assert_int_equal(config.runs_per_minute, 21);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_live_settings_change_and_others_wait, begin),
                cmocka_unit_test_setup(test_a_lock_level_is_in_force_once_it_differs, begin),
                cmocka_unit_test_setup(test_the_command_line_still_wins, begin),
                cmocka_unit_test_setup(test_anything_wrong_changes_nothing, begin),
                cmocka_unit_test_setup(test_sessions_without_descriptors_are_refused, begin),
                cmocka_unit_test_setup(test_memory_that_ends_changes_nothing, begin),
        };
        int fd = mkstemp(file);

        if (fd < 0)
                return 1;
        (void)close(fd);
        int failed = cmocka_run_group_tests_name("reload", tests, NULL, NULL);
        (void)unlink(file);
        return failed;
}
