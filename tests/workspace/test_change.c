/* Unit tests for src/workspace/change.c and tree.c. */
#include <errno.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "fixture.h"

static void test_mkdir(void **state) {
        struct fixture *f = *state;
        struct workspace_stat st;
        mode_t before = umask(077);

        assert_int_equal(workspace_mkdir(f->w, "home/d"), 0);
        umask(before);
        assert_int_equal(workspace_stat(f->w, "home/d", &st), 0);
        assert_int_equal(st.type, WORKSPACE_DIR);
        assert_int_equal(st.mode, 0755); /* whatever the umask */
        assert_int_equal(workspace_mkdir(f->w, "home/d"), -EEXIST);
        assert_int_equal(workspace_mkdir(f->w, "home/none/d"), -ENOENT);
        assert_int_equal(workspace_mkdir(f->w, "home"), -EPERM);
        assert_int_equal(symlinkat("nothing", f->w->home, "l"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/l"), -EEXIST);
        assert_int_equal(staging_entries(f), 0);
}

static void test_remove_takes_names_not_what_they_point_at(void **state) {
        struct fixture *f = *state;
        struct stat st;

        assert_int_equal(workspace_mkdir(f->w, "home/d"), 0);
        home_put(f, "d/f", "kept");
        assert_int_equal(symlinkat("d", f->w->home, "l"), 0);
        assert_int_equal(symlinkat("/etc/passwd", f->w->home, "out"), 0);
        assert_int_equal(mkfifoat(f->w->home, "fifo", 0600), 0);
        assert_int_equal(workspace_remove(f->w, "home/l", true, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/out", false, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/fifo", false, NULL), 0);
        assert_string_equal(home_get(f, "d/f"), "kept");
        assert_int_equal(workspace_remove(f->w, "home/d", false, NULL), -ENOTEMPTY);
        assert_int_equal(workspace_remove(f->w, "home/d/f", false, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", false, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", false, NULL), -ENOENT);
        assert_int_equal(stat("/etc/passwd", &st), 0);
}

static void test_remove_takes_only_what_was_meant(void **state) {
        struct fixture *f = *state;
        struct workspace_stat st;

        home_put(f, "f", "one");
        assert_int_equal(symlinkat("f", f->w->home, "l"), 0);
        assert_int_equal(symlinkat("none", f->w->home, "nowhere"), 0);
        assert_int_equal(workspace_stat(f->w, "home/f", &st), 0);
        assert_int_equal(put(f, "home/f", "two"), 0);
        assert_int_equal(workspace_remove(f->w, "home/f", false, st.etag), -ESTALE);
        assert_int_equal(workspace_remove(f->w, "home/l", true, st.etag), -ESTALE);
        assert_int_equal(workspace_remove(f->w, "home/nowhere", false, st.etag), -ESTALE);
        assert_string_equal(home_get(f, "f"), "two");
        assert_int_equal(workspace_stat(f->w, "home/l", &st), 0);
        assert_int_equal(workspace_remove(f->w, "home/l", false, st.etag), 0);
        assert_int_equal(workspace_remove(f->w, "home/f", false, st.etag), 0);
        assert_int_equal(workspace_remove(f->w, "home/nowhere", false, WORKSPACE_ANY), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/d"), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", true, st.etag), -ESTALE);
        assert_int_equal(workspace_stat(f->w, "home/d", &st), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", true, st.etag), 0);
}

static void test_roots_stay(void **state) {
        struct fixture *f = *state;

        assert_int_equal(workspace_remove(f->w, "", true, NULL), -EPERM);
        assert_int_equal(workspace_remove(f->w, "home", true, NULL), -EPERM);
        assert_int_equal(workspace_remove(f->w, "courses", true, NULL), -EPERM);
        assert_int_equal(workspace_rename(f->w, "home", "home/x", true), -EPERM);
        assert_int_equal(put(f, "home/x", "x"), 0);
        assert_int_equal(workspace_rename(f->w, "home/x", "home", true), -EPERM);
        assert_int_equal(workspace_rename(f->w, "home/x", "x", true), -ENOENT);
}

static void test_a_tree_goes_and_its_links_lead_nowhere(void **state) {
        struct fixture *f = *state;
        struct workspace_stat st;

        home_put(f, "outside", "kept");
        assert_int_equal(workspace_mkdir(f->w, "home/t"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/t/a"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/t/a/b"), 0);
        home_put(f, "t/a/b/f", "x");
        home_put(f, "t/a/bad\xff", "x");
        assert_int_equal(symlinkat("../..", f->w->home, "t/a/up"), 0);
        assert_int_equal(symlinkat("/etc", f->w->home, "t/a/b/etc"), 0);
        assert_int_equal(mkfifoat(f->w->home, "t/a/fifo", 0600), 0);
        assert_int_equal(workspace_remove(f->w, "home/t", true, NULL), 0);
        assert_int_equal(workspace_stat(f->w, "home/t", &st), -ENOENT);
        assert_string_equal(home_get(f, "outside"), "kept");
        assert_int_equal(access("/etc/passwd", F_OK), 0);
        assert_int_equal(staging_entries(f), 0);
}

/* As `chmod -R a-w` leaves it, or a package cache. */
static void test_a_tree_without_permissions_goes(void **state) {
        struct fixture *f = *state;

        assert_int_equal(workspace_mkdir(f->w, "home/t"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/t/a"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/t/a/b"), 0);
        home_put(f, "t/a/b/f", "x");
        assert_int_equal(fchmodat(f->w->home, "t/a/b", 0, 0), 0);
        assert_int_equal(fchmodat(f->w->home, "t/a", 0555, 0), 0);
        assert_int_equal(fchmodat(f->w->home, "t", 0555, 0), 0);
        assert_int_equal(workspace_remove(f->w, "home/t", true, NULL), 0);
        assert_int_equal(faccessat(f->w->home, "t", F_OK, 0), -1);
        assert_int_equal(staging_entries(f), 0);
}

/* Deeper than any path, any stack and any table of descriptors. */
static void test_a_very_deep_tree_goes(void **state) {
        struct fixture *f = *state;
        int at = dup(f->w->home);

        for (int i = 0; i < 12000; i++) {
                assert_int_equal(mkdirat(at, "d", 0755), 0);
                int next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                close(at);
                at = next;
        }
        close(at);
        assert_int_equal(workspace_remove(f->w, "home/d", true, NULL), 0);
        assert_int_equal(faccessat(f->w->home, "d", F_OK, 0), -1);
        assert_int_equal(staging_entries(f), 0);
}

static void test_what_is_over_the_budget_goes_with_later_changes(void **state) {
        struct fixture *f = *state;
        unsigned budget = 40;
        _cleanup_(fd_closep) int stage =
                openat(f->w->user, WORKSPACE_STAGING, O_RDONLY | O_DIRECTORY);

        assert_int_equal(mkdirat(stage, "left", 0755), 0);
        for (int i = 0; i < 100; i++) {
                char name[32];
                snprintf(name, sizeof name, "left/%d", i);
                assert_int_equal(mknodat(stage, name, S_IFREG | 0644, 0), 0);
        }
        assert_int_equal(tree_empty(stage, &budget), -EDQUOT);
        assert_int_equal(budget, 0);
        assert_int_equal(staging_entries(f), 1);
        assert_int_equal(put(f, "home/f", "x"), 0);
        assert_int_equal(staging_entries(f), 0);
}

/* While somebody's save is under way, nobody sweeps. */
static void test_sweeping_leaves_what_is_in_use(void **state) {
        struct fixture *f = *state;
        _cleanup_(fd_closep) int stage = -1;

        assert_int_equal(stage_enter(f->w, &stage), 0);
        assert_int_equal(mknodat(stage, "under-way", S_IFREG | 0644, 0), 0);
        assert_int_equal(put(f, "home/f", "x"), 0);
        assert_int_equal(staging_entries(f), 1);
        stage = fd_close(stage);
        assert_int_equal(put(f, "home/f", "y"), 0);
        assert_int_equal(staging_entries(f), 0);
}

static void test_rename(void **state) {
        struct fixture *f = *state;

        home_put(f, "a", "A");
        home_put(f, "b", "B");
        assert_int_equal(workspace_mkdir(f->w, "home/d"), 0);
        assert_int_equal(workspace_rename(f->w, "home/a", "home/b", false), -EEXIST);
        assert_string_equal(home_get(f, "b"), "B");
        assert_int_equal(workspace_rename(f->w, "home/a", "home/b", true), 0);
        assert_string_equal(home_get(f, "b"), "A");
        assert_int_equal(workspace_rename(f->w, "home/a", "home/c", false), -ENOENT);
        assert_int_equal(workspace_rename(f->w, "home/b", "home/d/b", false), 0);
        assert_string_equal(home_get(f, "d/b"), "A");
        assert_int_equal(workspace_rename(f->w, "home/d", "home/e", false), 0);
        assert_string_equal(home_get(f, "e/b"), "A");
        assert_int_equal(workspace_rename(f->w, "home/e", "home/e/f", false), -EINVAL);
        home_put(f, "x", "X");
        assert_int_equal(workspace_rename(f->w, "home/x", "home/e", true), -EISDIR);
        assert_int_equal(workspace_mkdir(f->w, "home/g"), 0);
        assert_int_equal(workspace_rename(f->w, "home/g", "home/x", true), -ENOTDIR);
        assert_int_equal(workspace_rename(f->w, "home/g", "home/e", true), -ENOTEMPTY);
        assert_int_equal(workspace_rename(f->w, "home/e", "home/g", true), 0);
        assert_int_equal(symlinkat("/etc/passwd", f->w->home, "l"), 0);
        assert_int_equal(workspace_rename(f->w, "home/l", "home/m", false), 0);
        assert_int_equal(workspace_rename(f->w, "home/x", "home/m", true),
                         0); /* over the link itself */
        assert_string_equal(home_get(f, "m"), "X");
}

static void test_a_user_is_made_once_and_completely(void **state) {
        struct fixture *f = *state;
        struct workspace *w = NULL;

        assert_int_equal(workspace_make_user(f->dir, "ann", geteuid()), 0); /* is there already */
        assert_int_equal(workspace_make_user(f->dir, "../x", geteuid()), -EINVAL);
        assert_int_equal(workspace_make_user(f->dir, "", geteuid()), -EINVAL);
        assert_int_equal(workspace_open(f->dir, "bob", geteuid(), &w), -ENOENT);
        assert_null(w);
        assert_int_equal(unlinkat(f->w->user, WORKSPACE_STAGING, AT_REMOVEDIR), 0);
        assert_int_equal(put(f, "home/f", "x"), 0); /* staging is made again */
        assert_int_equal(unlinkat(f->w->home, "f", 0), 0);
        assert_int_equal(unlinkat(f->w->user, WORKSPACE_HOME, AT_REMOVEDIR), 0);
        assert_int_equal(symlinkat("/etc", f->w->user, WORKSPACE_HOME), 0);
        assert_int_equal(workspace_open(f->dir, "ann", geteuid(), &w), -ENOTDIR);
        fault_arm(1, 0);
        assert_int_equal(workspace_open(f->dir, "ann", geteuid(), &w), -ENOMEM);
        assert_true(fault_disarm(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_fixture(test_mkdir),
                with_fixture(test_remove_takes_names_not_what_they_point_at),
                with_fixture(test_remove_takes_only_what_was_meant),
                with_fixture(test_roots_stay),
                with_fixture(test_a_tree_goes_and_its_links_lead_nowhere),
                with_fixture(test_a_tree_without_permissions_goes),
                with_fixture(test_a_very_deep_tree_goes),
                with_fixture(test_what_is_over_the_budget_goes_with_later_changes),
                with_fixture(test_sweeping_leaves_what_is_in_use),
                with_fixture(test_rename),
                with_fixture(test_a_user_is_made_once_and_completely),
        };

        become_ordinary();
        return cmocka_run_group_tests_name("workspace change", tests, NULL, NULL);
}
