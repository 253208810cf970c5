/* Unit tests for src/config. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "config/config.h"
#include "config/settings.h"

static char folder[] = "/tmp/latch-test-config-XXXXXX";
static char file[64];

static void write_file(const char *text, size_t n) {
        FILE *f = fopen(file, "w");

        CHECK(f != NULL);
        assert_int_equal(fwrite(text, 1, n, f), n);
        assert_int_equal(fclose(f), 0);
}

static int load_argv(int argc, const char **argv, struct config *c, char **ret_error) {
        *ret_error = NULL;
        return config_load(argc, (char **)(uintptr_t)argv, c, ret_error);
}

/* As "latchd --config FILE" with these arguments behind it; text NULL: without a file. */
static int load(const char *text, const char **args, struct config *c, char **ret_error) {
        const char *argv[16] = {"latchd"};
        int argc = 1;

        if (text) {
                write_file(text, strlen(text));
                argv[argc++] = "--config";
                argv[argc++] = file;
        }
        for (; args && *args; args++)
                argv[argc++] = *args;
        return load_argv(argc, argv, c, ret_error);
}

struct bad {
        const char *name, *text;
        const char *args[4];
        const char *error[3]; /* each must stand in the words */
};

static const struct bad bad[] = {
        {"unknown section",
         "[servers]\nworkers = 4\n",
         {0},
         {"[servers]", "no such section", "line 1"}},
        {"unknown section without keys", "[server]\n[nothing]\n", {0}, {"[nothing]", "line 2"}},
        {"unknown key",
         "[server]\nworker = 4\n",
         {0},
         {"server.worker = 4", "no such setting", "line 2"}},
        {"key of another section",
         "[server]\nwall_ms = 400\n",
         {0},
         {"server.wall_ms", "no such setting"}},
        {"key before any section",
         "workers = 4\n",
         {0},
         {"workers = 4", "no such setting", "line 1"}},
        {"key twice",
         "[run]\nwall_ms = 400\nwall_ms = 400\n",
         {0},
         {"run.wall_ms", "twice", "line 3"}},
        {"key twice in two sections",
         "[run]\ncpu_ms = 400\n[auth]\n[run]\ncpu_ms = 500\n",
         {0},
         {"run.cpu_ms", "twice", "line 5"}},
        {"indented second key",
         "[run]\ncpu_ms = 400\n  cpu_ms = 1000\n",
         {0},
         {"run.cpu_ms", "twice"}},
        {"words for a number",
         "[server]\nworkers = many\n",
         {0},
         {"server.workers = many", "2 to 64"}},
        {"a unit behind a number",
         "[run]\nmemory_bytes = 1G\n",
         {0},
         {"run.memory_bytes = 1G", "0 or 16777216"}},
        {"negative",
         "[limits]\nviewers_per_session = -1\n",
         {0},
         {"limits.viewers_per_session = -1", "1 to 64"}},
        {"empty number", "[server]\nworkers =\n", {0}, {"server.workers", "2 to 64"}},
        {"too few", "[server]\nworkers = 1\n", {0}, {"server.workers = 1", "2 to 64 threads"}},
        {"too many", "[server]\nworkers = 65\n", {0}, {"server.workers = 65", "2 to 64 threads"}},
        {"above 64 bits",
         "[run]\nwall_ms = 18446744073709551617\n",
         {0},
         {"run.wall_ms", "0 or 100"}},
        {"0 where it is no limit",
         "[limits]\nsockets_per_user = 0\n",
         {0},
         {"limits.sockets_per_user = 0", "1 to"}},
        {"below a limit that may be 0",
         "[run]\nwall_ms = 99\n",
         {0},
         {"run.wall_ms = 99", "0 or 100"}},
        {"not a power of two",
         "[session]\nring_bytes = 1000000\n",
         {0},
         {"session.ring_bytes", "power of two"}},
        {"window above half the ring",
         "[limits]\nwindow_bytes = 524289\n",
         {0},
         {"limits.window_bytes = 524289", "session.ring_bytes", "524288"}},
        {"a small window",
         "[limits]\nwindow_bytes = 262143\n",
         {0},
         {"limits.window_bytes", "262144 to"}},
        {"neither yes nor no",
         "[diagnostics]\necho = true\n",
         {0},
         {"diagnostics.echo = true", "yes or no"}},
        {"no such lock level",
         "[diagnostics]\nlock_level = 3\n",
         {0},
         {"diagnostics.lock_level = 3", "allowed is 0 to 2"}},
        {"no such lock level given",
         NULL,
         {"--lock-level", "off", NULL},
         {"diagnostics.lock_level = off (--lock-level)", "allowed is 0 to 2"}},
        {"no such level",
         "[server]\nlog_level = loud\n",
         {0},
         {"server.log_level = loud", "debug, info"}},
        {"relative data", "[server]\ndata = here\n", {0}, {"server.data = here", "absolute"}},
        {"data with a line's end", NULL, {"--data", "/tmp/a\nb", NULL}, {"server.data", "--data"}},
        {"data that would be a comment",
         NULL,
         {"--data", "/tmp/a ;b", NULL},
         {"server.data", "--data"}},
        {"long data",
         NULL,
         {"--data",
          "/tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
          "8901234567890123456789012345678901234567890123456789012345678901234567890123456789",
          NULL},
         {"server.data", "at most 150 bytes"}},
        {"listen without a port",
         "[server]\nlisten = 127.0.0.1\n",
         {0},
         {"server.listen = 127.0.0.1", "port"}},
        {"listen on a name",
         NULL,
         {"--listen", "here:80", NULL},
         {"server.listen = here:80", "IPv4"}},
        {"port too high",
         NULL,
         {"--listen", "127.0.0.1:65536", NULL},
         {"server.listen = 127.0.0.1:65536"}},
        {"public url with a path",
         "[server]\npublic_url = https://a.b/c\n",
         {0},
         {"server.public_url", "without a path"}},
        {"public url of another kind",
         "[server]\npublic_url = ftp://a.b\n",
         {0},
         {"server.public_url"}},
        {"no user's name", "[server]\nuser = Root!\n", {0}, {"server.user = Root!"}},
        {"no user at all", "[server]\nuser =\n", {0}, {"server.user"}},
        {"nobody's uid in the range",
         "[users]\nuid_base = 60000\n",
         {0},
         {"users.uid_base = 60000", "65534"}},
        {"uids of the system",
         "[users]\nuid_base = 999\n",
         {0},
         {"users.uid_base = 999", "1000 to"}},
        {"no such bubblewrap",
         "[sandbox]\nbwrap = /nowhere/bwrap\n",
         {0},
         {"sandbox.bwrap = /nowhere/bwrap", "No such file"}},
        {"bubblewrap is a folder",
         "[sandbox]\nbwrap = /usr/bin\n",
         {0},
         {"sandbox.bwrap = /usr/bin", "not a file"}},
        {"relative python",
         "[sandbox]\npython = python3\n",
         {0},
         {"sandbox.python = python3", "absolute"}},
        {"no key and no value", "[server]\nworkers\n", {0}, {"line 2", "KEY = VALUE"}},
        {"unclosed section", "[server\nworkers = 4\n", {0}, {"line 1", "[NAME]"}},
        {"something behind a section", "[server] workers = 4\n", {0}, {"line 1", "[server]"}},
        {"no such file",
         NULL,
         {"--config", "/nowhere/latch.conf", NULL},
         {"/nowhere/latch.conf", "No such file"}},
        {"file is a folder", NULL, {"--config", "/tmp", NULL}, {"/tmp", "Is a directory"}},
        {"unknown option", NULL, {"--quiet", NULL}, {"--quiet", "no such option", "usage"}},
        {"an option of the future",
         NULL,
         {"--lock-trace", "1", NULL},
         {"--lock-trace", "no such option"}},
        {"something that is no option", NULL, {"start", NULL}, {"start", "no such option"}},
        {"option without its value", NULL, {"--data", NULL}, {"--data", "missing"}},
        {"option with an empty value", NULL, {"--data=", NULL}, {"--data", "missing"}},
        {"option twice",
         NULL,
         {"--listen", "127.0.0.1:0", "--listen=127.0.0.1:0", NULL},
         {"--listen", "twice"}},
        {"value for none", NULL, {"--check-config=yes", NULL}, {"--check-config", "no value"}},
        {"check and print",
         NULL,
         {"--check-config", "--print-config", NULL},
         {"--check-config", "one of them"}},
};

static void test_each_bad_configuration_is_refused_by_name(void **state) {
        (void)state;
        assert_true(ELEMENTS(bad) >= 30);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                struct config c, before;
                const char *args[5] = {0};
                char *error;

                memset(&c, 0x5a, sizeof c);
                before = c;
                memcpy(args, bad[i].args, sizeof bad[i].args);
                int r = load(bad[i].text, args, &c, &error);
                if (r != -EINVAL || !error)
                        fail_msg("%s: returned %d", bad[i].name, r);
                assert_memory_equal(&c, &before, sizeof c);
                for (size_t k = 0; k < 3 && bad[i].error[k]; k++)
                        if (!strstr(error, bad[i].error[k]))
                                fail_msg("%s: \"%s\" is not in: %s", bad[i].name, bad[i].error[k],
                                         error);
                if (strchr(error, '\n') && !strstr(bad[i].name, "line's end"))
                        fail_msg("%s: more than one line: %s", bad[i].name, error);
                free(error);
        }
}

static void test_binary_and_long_files_are_refused(void **state) {
        struct config c;
        const char *argv[] = {"latchd", "--config", file};
        char *error;
        static char big[70000];
        const char nul[] = "[server]\nworkers = 4\0\n", latin[] = "[server]\n# caf\xe9\n";

        (void)state;
        write_file(nul, sizeof nul - 1);
        assert_int_equal(load_argv(3, argv, &c, &error), -EINVAL);
        assert_non_null(strstr(error, "not text"));
        free(error);
        write_file(latin, sizeof latin - 1);
        assert_int_equal(load_argv(3, argv, &c, &error), -EINVAL);
        assert_non_null(strstr(error, "not text"));
        free(error);

        memset(big, '\n', sizeof big);
        write_file(big, sizeof big);
        assert_int_equal(load_argv(3, argv, &c, &error), -EINVAL);
        assert_non_null(strstr(error, "File too large"));
        free(error);

        /* inih would cut this line and take the rest for another. */
        memset(big, ' ', 400);
        memcpy(big, "[server]\n#", 10);
        strcpy(big + 300, "\nworkers = 4\n");
        write_file(big, strlen(big));
        assert_int_equal(load_argv(3, argv, &c, &error), -EINVAL);
        assert_non_null(strstr(error, "line 2"));
        assert_non_null(strstr(error, "198 bytes"));
        free(error);
}

static void test_defaults_are_those_that_others_count_on(void **state) {
        struct config c;
        const char *args[] = {"--data", "/srv/latch", NULL};
        char *error;

        (void)state;
        assert_int_equal(load(NULL, args, &c, &error), 0);
        assert_string_equal(c.data, "/srv/latch");
        assert_string_equal(c.listen, "127.0.0.1:8090");
        assert_int_equal(c.message_bytes, 1 << 20);
        assert_int_equal(c.window_bytes, 256 << 10);
        assert_int_equal(c.input_bytes, 64 << 10);
        assert_int_equal(c.viewers_per_session, 8);
        assert_int_equal(c.runs_per_minute, 64);
        assert_int_equal(c.sessions_per_user, 128);
        assert_int_equal(c.sockets_per_user, 128);
        assert_int_equal(c.ended_kept, 20);
        assert_int_equal(c.driver_grace_ms, 60000);
        assert_int_equal(c.stop_grace_ms, 2000);
        assert_int_equal(c.ring_bytes, 1 << 20);
        assert_int_equal(c.idle_ms, 0);
        assert_int_equal(c.log_level, LOG_INFO);
        assert_false(c.echo);
        assert_false(c.check_config || c.print_config);
        assert_string_equal(c.port_file, "");
}

static void test_command_line_wins_over_file_over_default(void **state) {
        struct config c;
        const char *args[] = {"--listen=0.0.0.0:0", "--port-file", "port", "--check-config", NULL};
        char *error;

        (void)state;
        assert_int_equal(
                load("# all of it\n\n[server]\r\nlisten = 127.0.0.1:1\n   workers = 7 ; seven\n"
                     "data = /srv/x//\n[diagnostics] # on\necho: yes\n[run]\nwall_ms=0\n"
                     "[server]\nlog_level = debug",
                     args, &c, &error),
                0);
        assert_string_equal(c.listen, "0.0.0.0:0");
        assert_int_equal(c.workers, 7);
        assert_string_equal(c.data, "/srv/x");
        assert_true(c.echo && c.check_config && !c.print_config);
        assert_int_equal(c.wall_ms, 0);
        assert_int_equal(c.log_level, LOG_DEBUG);
        assert_string_equal(c.port_file, "port");
        assert_int_equal(c.http_threads, 32);
        assert_int_equal(c.source[setting_find("server", "listen")], SOURCE_COMMAND_LINE);
        assert_int_equal(c.source[setting_find("server", "workers")], SOURCE_FILE);
        assert_int_equal(c.source[setting_find("server", "http_threads")], SOURCE_DEFAULT);
}

static void test_relative_data_on_the_command_line_is_made_absolute(void **state) {
        struct config c;
        const char *args[] = {"--data", "some/where", NULL};
        char *error, here[400], want[512];

        (void)state;
        assert_non_null(getcwd(here, sizeof here));
        assert_int_equal(load(NULL, args, &c, &error), 0);
        snprintf(want, sizeof want, "%s/some/where", here);
        assert_string_equal(c.data, want);
}

static char *printed(const struct config *c) {
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);

        CHECK(f != NULL);
        config_print(c, f);
        assert_int_equal(fclose(f), 0);
        return text;
}

static void assert_same_settings(const struct config *a, const struct config *b) {
        const struct setting *s;

        for (size_t i = 0; (s = setting_at(i)); i++) {
                char x[SETTING_TEXT_MAX + 1], y[SETTING_TEXT_MAX + 1];
                setting_get(s, a, x);
                setting_get(s, b, y);
                if (strcmp(x, y) != 0)
                        fail_msg("%s.%s: %s is not %s", s->section, s->key, x, y);
        }
}

static void test_what_is_printed_is_read_as_the_same(void **state) {
        struct config c, again;
        const char *args[] = {"--data", "/srv/a b#c", "--listen", "127.0.0.1:0", NULL};
        char *error;

        (void)state;
        assert_int_equal(load("[run]\nidle_ms = 5000\n[server]\npublic_url = https://a.b:8443\n",
                              args, &c, &error),
                         0);
        _cleanup_(freep) char *text = printed(&c);
        assert_non_null(strstr(text, "\ndata = /srv/a b#c ; command line\n"));
        assert_non_null(strstr(text, "\nidle_ms = 5000 ; file\n"));
        assert_non_null(strstr(text, "\nworkers = 4 ; default\n"));
        if (load(text, NULL, &again, &error) != 0)
                fail_msg("%s in:\n%s", error, text);
        assert_same_settings(&c, &again);
}

/* Each setting alone, at its bounds, is taken, printed, and read as the same. */
static void test_every_setting_round_trips_at_its_bounds(void **state) {
        const struct setting *s;

        (void)state;
        for (size_t i = 0; (s = setting_at(i)); i++) {
                if (s->kind != SETTING_NUMBER)
                        continue;
                for (int high = 0; high < 2; high++) {
                        struct config c = {0}, again = {0};
                        char number[32], value[SETTING_TEXT_MAX + 1];
                        snprintf(number, sizeof number, "%ju", (uintmax_t)(high ? s->max : s->min));
                        assert_int_equal(setting_set(s, number, &c), 0);
                        setting_get(s, &c, value);
                        assert_string_equal(value, number);
                        assert_int_equal(setting_set(s, value, &again), 0);
                        assert_memory_equal(&c, &again, sizeof c);
                        snprintf(number, sizeof number, "%ju",
                                 (uintmax_t)(high ? s->max + 1 : s->min - 1));
                        if (high || (s->min > 0 && !(s->zero && s->min == 1)))
                                assert_int_equal(setting_set(s, number, &c), -EINVAL);
                }
        }
}

static void test_default_data_is_found_or_missed(void **state) {
        char to[100];

        (void)state;
        if (geteuid() == 0) {
                assert_int_equal(config_default_data(to, sizeof to), 0);
                assert_string_equal(to, "/var/lib/latch");
                assert_int_equal(config_default_data(to, 5), -EINVAL);
                assert_int_equal(seteuid(12345), 0);
        }
        setenv("HOME", "/home/ann", 1);
        unsetenv("XDG_STATE_HOME");
        assert_int_equal(config_default_data(to, sizeof to), 0);
        assert_string_equal(to, "/home/ann/.local/state/latch");
        setenv("XDG_STATE_HOME", "/state", 1);
        assert_int_equal(config_default_data(to, sizeof to), 0);
        assert_string_equal(to, "/state/latch");
        setenv("XDG_STATE_HOME", "state", 1);
        assert_int_equal(config_default_data(to, sizeof to), -EINVAL);
        unsetenv("XDG_STATE_HOME");
        unsetenv("HOME");
        assert_int_equal(config_default_data(to, sizeof to), -EINVAL);

        struct config c;
        char *error;
        assert_int_equal(load(NULL, NULL, &c, &error), -EINVAL);
        assert_non_null(strstr(error, "server.data is missing"));
        free(error);
        if (getuid() == 0)
                assert_int_equal(seteuid(0), 0);
}

/* Every allocation fails once: the load fails with -ENOMEM, or works, and never says something else. */
static void test_memory_that_ends_is_said_so(void **state) {
        const char *args[] = {"--data", "here", "--listen", "127.0.0.1:0", NULL};
        unsigned struck = 0;

        (void)state;
        for (unsigned n = 1; n < 100; n++) {
                struct config c;
                char *error;
                write_file("[run]\nwall_ms = 400\n", 20);
                const char *argv[] = {"latchd", "--config", file,   args[0],
                                      args[1],  args[2],    args[3]};
                fault_arm(n, 0);
                int r = load_argv(7, argv, &c, &error);
                if (!fault_disarm(NULL)) {
                        assert_int_equal(r, 0);
                        break;
                }
                assert_int_equal(r, -ENOMEM);
                assert_null(error);
                struck++;
        }
        assert_true(struck >= 2);
}

/* docs/configuration.md is the published list: a row a setting, in the same order, and no other. */
static void test_published_list_is_the_table(void **state) {
        _cleanup_(freep) char *text = NULL;
        const struct setting *s;
        size_t n, rows = 0, settings = 0;
        FILE *f = fopen("docs/configuration.md", "r");

        (void)state;
        CHECK(f != NULL);
        assert_int_equal(fd_read_file(fileno(f), 1 << 20, &text, &n), 0);
        fclose(f);
        for (const char *p = text; (p = strstr(p, "\n| `")); p++)
                rows++;
        const char *at = text;
        for (; (s = setting_at(settings)); settings++) {
                char allowed[SETTING_WORDS_MAX], row[600];
                setting_allowed(s, allowed);
                snprintf(row, sizeof row, "\n| `%s.%s` | %s%s%s | %s | %s | ", s->section, s->key,
                         s->initial && *s->initial ? "`" : "",
                         !s->initial   ? "see below"
                         : *s->initial ? s->initial
                                       : "empty",
                         s->initial && *s->initial ? "`" : "", allowed, s->live ? "yes" : "no");
                const char *found = strstr(at, row);
                if (!found)
                        fail_msg("docs/configuration.md lacks, at its place:%s", row);
                assert_true(strcspn(found + strlen(row), "|\n") >= 15); /* and it says why */
                at = found + 1;
        }
        assert_int_equal(rows, settings);
}

/* A process has 4096 on many systems: the defaults fit. */
static void test_open_files_are_counted_for_all_that_needs_them(void **state) {
        struct config c;

        (void)state;
        config_defaults(&c);
        assert_int_equal(config_files_needed(&c), 512 * 2 + 32 * 4 + 512 * 3 + 1280);
        assert_true(config_files_needed(&c) <= 4096);
        c.sessions_per_user = 1000;
        assert_int_equal(config_files_needed(&c), 512 * 2 + 32 * 4 + 1000 * 3 + 1280);
}

static int set_up(void **state) {
        (void)state;
        if (!mkdtemp(folder))
                return -1;
        (void)snprintf(file, sizeof file, "%s/latch.conf", folder);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        (void)unlink(file);
        return rmdir(folder);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_bad_configuration_is_refused_by_name),
                cmocka_unit_test(test_binary_and_long_files_are_refused),
                cmocka_unit_test(test_defaults_are_those_that_others_count_on),
                cmocka_unit_test(test_command_line_wins_over_file_over_default),
                cmocka_unit_test(test_relative_data_on_the_command_line_is_made_absolute),
                cmocka_unit_test(test_what_is_printed_is_read_as_the_same),
                cmocka_unit_test(test_every_setting_round_trips_at_its_bounds),
                cmocka_unit_test(test_default_data_is_found_or_missed),
                cmocka_unit_test(test_memory_that_ends_is_said_so),
                cmocka_unit_test(test_open_files_are_counted_for_all_that_needs_them),
                cmocka_unit_test(test_published_list_is_the_table),
        };

        return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
