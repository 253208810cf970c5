/* Unit tests for src/main/reach.c: what is in the way is named. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "main/reach.h"

#define SOMEBODY 70001u

static char top[64], shut[96], file[128];

/* top (0755) / shut (0700) / program (0755) */
static int make_tree(void **state) {
        (void)state;
        strcpy(top, "/tmp/latch-reach-XXXXXX");
        if (!mkdtemp(top) || chmod(top, 0755) < 0)
                return -1;
        snprintf(shut, sizeof shut, "%s/shut", top);
        snprintf(file, sizeof file, "%s/program", shut);
        if (mkdir(shut, 0700) < 0)
                return -1;
        FILE *f = fopen(file, "w");
        return f && fclose(f) == 0 && chmod(file, 0755) == 0 ? 0 : -1;
}

static int remove_tree(void **state) {
        (void)state;
        return chmod(shut, 0700) == 0 && unlink(file) == 0 && rmdir(shut) == 0 && rmdir(top) == 0
                       ? 0
                       : -1;
}

static void assert_reached(const char *path, int access) {
        char *words = NULL;

        assert_int_equal(reach_check("sandbox.bwrap", path, access, SOMEBODY, &words), 0);
        assert_null(words);
}

static void assert_not_reached(const char *path, int access, const char *culprit) {
        char *words = NULL, named[256];

        assert_int_equal(reach_check("sandbox.bwrap", path, access, SOMEBODY, &words), -EINVAL);
        snprintf(named, sizeof named, ": %s: ", culprit);
        assert_true(strncmp(words, "sandbox.bwrap: ", 15) == 0);
        if (!strstr(words, named))
                fail_msg("%s does not name %s", words, culprit);
        free(words);
}

static void test_the_part_that_is_shut_is_named(void **state) {
        (void)state;
        assert_int_equal(chmod(shut, geteuid() == 0 ? 0700 : 0600), 0);
        assert_not_reached(file, X_OK, shut);
        assert_int_equal(chmod(shut, 0755), 0);
        assert_reached(file, X_OK);
        assert_int_equal(chmod(shut, 0700), 0);
}

static void test_what_is_missing_is_named(void **state) {
        char path[160], culprit[160];

        (void)state;
        assert_int_equal(chmod(shut, 0755), 0);
        snprintf(path, sizeof path, "%s/none/deeper", top);
        snprintf(culprit, sizeof culprit, "%s/none", top);
        assert_not_reached(path, X_OK, culprit);
        snprintf(path, sizeof path, "%s.none", file);
        assert_not_reached(path, X_OK, path);
        assert_int_equal(chmod(shut, 0700), 0);
}

static void test_a_file_that_cannot_be_executed_is_named(void **state) {
        (void)state;
        assert_int_equal(chmod(shut, 0755), 0);
        assert_int_equal(chmod(file, 0644), 0);
        assert_reached(file, R_OK);
        assert_not_reached(file, X_OK, file);
        assert_int_equal(chmod(file, 0755), 0);
        assert_int_equal(chmod(shut, 0700), 0);
}

static void test_a_folder_need_not_be_there_yet(void **state) {
        char path[160], *words = NULL;

        (void)state;
        snprintf(path, sizeof path, "%s/new/and/deeper", top);
        assert_int_equal(reach_check_folder("server.data", path, SOMEBODY, &words), 0);
        assert_int_equal(chmod(shut, geteuid() == 0 ? 0700 : 0600), 0);
        snprintf(path, sizeof path, "%s/new/and/deeper", shut);
        assert_int_equal(reach_check_folder("server.data", path, SOMEBODY, &words), -EINVAL);
        assert_non_null(strstr(words, shut));
        free(words);
        assert_int_equal(chmod(shut, 0700), 0);
}

/* A clone beneath root's own folder serves as it is: the spawner starts our programs by descriptor. */
static void test_a_program_of_ours_may_lie_beneath_a_shut_folder(void **state) {
        char *words = NULL;

        (void)state;
        if (geteuid() == 0) {
                assert_int_equal(chmod(shut, 0700), 0);
                assert_int_equal(reach_check_program("latch-hold", file, SOMEBODY, &words), 0);
        }
        assert_int_equal(chmod(file, 0644), 0);
        assert_int_equal(reach_check_program("latch-hold", file, SOMEBODY, &words), -EINVAL);
        assert_non_null(strstr(words, file));
        free(words);
        assert_int_equal(reach_check_program("latch-hold", "/none/x", SOMEBODY, &words), -EINVAL);
        assert_non_null(strstr(words, "/none/x"));
        free(words);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                        test_a_program_of_ours_may_lie_beneath_a_shut_folder, make_tree,
                        remove_tree),
                cmocka_unit_test_setup_teardown(test_the_part_that_is_shut_is_named, make_tree,
                                                remove_tree),
                cmocka_unit_test_setup_teardown(test_what_is_missing_is_named, make_tree,
                                                remove_tree),
                cmocka_unit_test_setup_teardown(test_a_file_that_cannot_be_executed_is_named,
                                                make_tree, remove_tree),
                cmocka_unit_test_setup_teardown(test_a_folder_need_not_be_there_yet, make_tree,
                                                remove_tree),
        };

        return cmocka_run_group_tests_name("reach", tests, NULL, NULL);
}
