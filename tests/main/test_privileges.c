/* Unit tests for src/main/privileges.c: who latchd becomes, and that there is no way back. Each in a child:
 * what is given up does not come back. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "main/privileges.h"

#define KEPT "000000000000000b" /* CHOWN 0, DAC_OVERRIDE 1, FOWNER 3 */

/* Runs fn in a child; its status. */
static int in_child(int (*fn)(void)) {
        int status;
        pid_t pid = fork();

        if (pid == 0)
                _exit(fn());
        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static bool status_line_is(const char *key, const char *wanted) {
        char line[256];
        bool found = false;
        FILE *f = fopen("/proc/self/status", "r");

        while (f && fgets(line, sizeof line, f)) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, key, strlen(key)) != 0)
                        continue;
                const char *value = line + strlen(key);
                found = strcmp(value + strspn(value, " \t"), wanted) == 0;
        }
        if (f)
                fclose(f);
        return found;
}

static int become_nobody(void) {
        struct privileges p;
        char *words = NULL;

        if (privileges_find("nobody", &p, &words) < 0 || !p.root)
                return 1;
        if (privileges_drop(&p) < 0)
                return 2;
        return getuid() == p.uid && geteuid() == p.uid && getgid() == p.gid ? 0 : 3;
}

static int capabilities_are_the_three(void) {
        int r = become_nobody();

        if (r != 0)
                return r;
        if (!status_line_is("CapEff:", KEPT) || !status_line_is("CapPrm:", KEPT))
                return 10;
        if (!status_line_is("CapInh:", "0000000000000000") ||
            !status_line_is("CapAmb:", "0000000000000000"))
                return 11;
        return status_line_is("Groups:", "") && status_line_is("NoNewPrivs:", "1") ? 0 : 12;
}

static void test_three_capabilities_are_left(void **state) {
        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(in_child(capabilities_are_the_three), 0);
}

static int no_way_back(void) {
        int r = become_nobody();

        if (r != 0)
                return r;
        if (setuid(0) == 0 || seteuid(0) == 0 || setresuid(0, 0, 0) == 0 || setgid(0) == 0)
                return 20;
        return chroot("/") < 0 && errno == EPERM ? 0 : 21;
}

static void test_there_is_no_way_back(void **state) {
        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(in_child(no_way_back), 0);
}

/* What they are kept for: a user's closed folder is written to, and the file given away. */
static int files_of_users(void) {
        char dir[] = "/tmp/latch-privileges-XXXXXX", file[64];

        if (!mkdtemp(dir) || chmod(dir, 0700) < 0 || chown(dir, 70001, 70001) < 0)
                return 30;
        int r = become_nobody();
        if (r != 0)
                return r;
        snprintf(file, sizeof file, "%s/a", dir);
        int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || fchown(fd, 70001, 70001) < 0 || fchmod(fd, 0640) < 0)
                return 31;
        close(fd);
        return unlink(file) == 0 && rmdir(dir) == 0 ? 0 : 32;
}

static void test_files_of_users_can_be_made(void **state) {
        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(in_child(files_of_users), 0);
}

static void *sleeper(void *arg) {
        char c;

        return read(*(int *)arg, &c, 1) == 0 ? NULL : arg;
}

/* Another thread would stay root. */
static int with_another_thread(void) {
        struct privileges p;
        char *words = NULL;
        pthread_t t;
        int ends[2];

        if (privileges_find("nobody", &p, &words) < 0 || pipe(ends) < 0 ||
            pthread_create(&t, NULL, sleeper, &ends[0]) != 0)
                return 40;
        int r = privileges_drop(&p);
        close(ends[1]);
        if (pthread_join(t, NULL) != 0)
                return 41;
        return r == -EBUSY && getuid() == 0 ? 0 : 42;
}

static void test_it_is_refused_once_there_are_threads(void **state) {
        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(in_child(with_another_thread), 0);
}

static void test_a_missing_user_is_named_with_the_remedy(void **state) {
        struct privileges p;
        char *words = NULL;

        (void)state;
        if (geteuid() != 0)
                skip();
        assert_int_equal(privileges_find("no-such-user", &p, &words), -EINVAL);
        assert_non_null(strstr(words, "server.user"));
        assert_non_null(strstr(words, "adduser --system --group --no-create-home no-such-user"));
        free(words);
        words = NULL;
        assert_int_equal(privileges_find("root", &p, &words), -EINVAL);
        assert_non_null(strstr(words, "root"));
        free(words);
}

static int as_ordinary_user(void) {
        struct privileges p;
        char *words = NULL;

        if (geteuid() == 0 && (setgid(70001) < 0 || setuid(70001) < 0))
                return 50;
        if (privileges_find("no-such-user", &p, &words) < 0)
                return 51;
        if (p.root || p.uid != geteuid() || p.gid != getegid())
                return 52;
        return privileges_drop(&p) == 0 && geteuid() == p.uid ? 0 : 53;
}

static void test_an_ordinary_user_stays_who_it_is(void **state) {
        (void)state;
        assert_int_equal(in_child(as_ordinary_user), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_three_capabilities_are_left),
                cmocka_unit_test(test_there_is_no_way_back),
                cmocka_unit_test(test_files_of_users_can_be_made),
                cmocka_unit_test(test_it_is_refused_once_there_are_threads),
                cmocka_unit_test(test_a_missing_user_is_named_with_the_remedy),
                cmocka_unit_test(test_an_ordinary_user_stays_who_it_is),
        };

        return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}
