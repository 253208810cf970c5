/* Unit tests for src/workspace/quota.c: what scans and changes make of each other. */
#include <errno.h>
#include <sys/stat.h>

#include "fixture.h"

#define MIB (1 << 20)

static struct config config = {.quota_bytes = MIB, .quota_files = 1000};

static void begin_quota(struct fixture *f, struct quota **ret) {
        assert_int_equal(quota_new(&config, ret), 0);
        assert_int_equal(workspace_limit(f->w, *ret, "ann"), 0);
}

static void end_quota(struct fixture *f, struct quota *q) {
        f->w->quota = NULL;
        quota_free(q);
}

static void test_a_scan_amid_a_change_gives_nothing_away(void **state) {
        const struct quota_amount all = {.bytes = MIB, .files = 1}, byte = {.bytes = 1};
        struct fixture *f = *state;
        struct quota_amount used;
        struct quota *q;

        begin_quota(f, &q);
        assert_int_equal(quota_claim(f->w->quota, f->w->home, all), 0);
        quota_unsure(f->w->quota); /* so that somebody looks, before the file has its name */
        assert_int_equal(quota_settle(f->w->quota, all, all), 0);
        assert_int_equal(quota_used(f->w->quota, f->w->home, &used), 0);
        assert_int_equal(used.bytes, 0);
        assert_int_equal(quota_claim(f->w->quota, f->w->home, byte), -EDQUOT);
        quota_done(f->w->quota, all, true);
        assert_int_equal(quota_used(f->w->quota, f->w->home, &used), 0);
        assert_int_equal(used.bytes, 0); /* looked again: there never was a file */

        /* One that shrinks, and was looked at between its end and its being counted. */
        home_put(f, "f", "abc");
        quota_unsure(f->w->quota);
        assert_int_equal(quota_settle(f->w->quota, (struct quota_amount){0},
                                      (struct quota_amount){.bytes = -10, .files = -1}),
                         0);
        assert_int_equal(quota_used(f->w->quota, f->w->home, &used), 0);
        quota_done(f->w->quota, (struct quota_amount){.bytes = -10, .files = -1}, true);
        assert_int_equal(quota_used(f->w->quota, f->w->home, &used), 0);
        assert_int_equal(used.bytes, 3);
        assert_int_equal(used.files, 1);
        end_quota(f, q);
}

static void test_what_does_not_happen_is_given_back(void **state) {
        const struct quota_amount all = {.bytes = MIB, .files = 1};
        struct fixture *f = *state;
        struct quota *q;

        begin_quota(f, &q);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(quota_claim(f->w->quota, f->w->home, all), 0);
                assert_int_equal(quota_settle(f->w->quota, all, all), 0);
                quota_done(f->w->quota, all, false);
        }
        assert_int_equal(put(f, "home/a", "abc"), 0);
        assert_int_equal(workspace_mkdir(f->w, "home/a"), -EEXIST);
        assert_int_equal(workspace_mkdir(f->w, "home/d"), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", false, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/d", false, NULL), -ENOENT);
        uint64_t bytes, files;
        assert_int_equal(workspace_used(f->w, &bytes, &files), 0);
        assert_int_equal(bytes, 3);
        assert_int_equal(files, 1);
        end_quota(f, q);
}

/* A program's tree, of which the walk gives up: the names of its folders alone take more than it holds. */
static void test_a_tree_that_cannot_be_seen_whole_is_over_any_quota(void **state) {
        struct fixture *f = *state;
        char name[251];
        int at = dup(f->w->home);
        struct quota *q;

        memset(name, 'd', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        for (unsigned i = 0; i < 250; i++) {
                assert_int_equal(mkdirat(at, name, 0700), 0);
                int next = openat(at, name, O_RDONLY | O_DIRECTORY);
                assert_true(next >= 0);
                close(at);
                at = next;
        }
        for (unsigned i = 0; i < 300; i++) {
                char folder[16];
                snprintf(folder, sizeof folder, "%u", i);
                assert_int_equal(mkdirat(at, folder, 0700), 0);
        }
        close(at);
        begin_quota(f, &q);
        assert_int_equal(put(f, "home/a", ""), -EDQUOT);
        assert_int_equal(workspace_mkdir(f->w, "home/b"), -EDQUOT);
        assert_int_equal(workspace_remove(f->w, "home", true, NULL), -EPERM);
        char path[300];
        snprintf(path, sizeof path, "home/%s", name);
        assert_int_equal(workspace_remove(f->w, path, true, NULL), 0);
        assert_int_equal(put(f, "home/a", ""), 0);
        end_quota(f, q);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_fixture(test_a_scan_amid_a_change_gives_nothing_away),
                with_fixture(test_what_does_not_happen_is_given_back),
                with_fixture(test_a_tree_that_cannot_be_seen_whole_is_over_any_quota),
        };

        become_ordinary();
        return cmocka_run_group_tests_name("workspace quota", tests, NULL, NULL);
}
