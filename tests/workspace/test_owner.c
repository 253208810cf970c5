/* Unit tests for src/workspace as root starts it: latchd is another uid than its users, with
 * CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE alone. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../skip.h"
#include "fixture.h"

#define LATCHD 64990
#define ANN    64991

static void become_latchd(void) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct caps[2] = {{0}, {0}};

        CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0);
        CHECK(setresgid(LATCHD, LATCHD, LATCHD) == 0 && setresuid(LATCHD, LATCHD, LATCHD) == 0);
        caps[0].permitted = 1u << CAP_CHOWN | 1u << CAP_FOWNER | 1u << CAP_DAC_OVERRIDE;
        caps[0].effective = caps[0].permitted;
        CHECK(syscall(SYS_capset, &head, caps) == 0);
        CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static bool is_anns(int at, const char *name, mode_t mode) {
        struct stat st;

        CHECK(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        return st.st_uid == ANN && st.st_gid == ANN && (st.st_mode & 07777) == mode;
}

/* The same folders as the user's own program sees them. */
static void as_ann(const char *dir) {
        char path[128];

        CHECK(setresgid(ANN, ANN, ANN) == 0 && setresuid(ANN, ANN, ANN) == 0);
        snprintf(path, sizeof path, "%s/users/ann/home", dir);
        int home = open(path, O_RDONLY | O_DIRECTORY);
        CHECK(home >= 0);
        int fd = openat(home, "secret", O_WRONLY | O_CREAT, 0400);
        CHECK(fd >= 0 && fd_write_all(fd, "hers", 4) == 0);
        close(fd);
        CHECK(mkdirat(home, "closed", 0700) == 0);
        fd = openat(home, "closed/f", O_WRONLY | O_CREAT, 0600);
        CHECK(fd >= 0);
        close(fd);
        close(home);
        snprintf(path, sizeof path, "%s/users/bob", dir);
        CHECK(open(path, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
}

static void in_child(void (*body)(const char *dir), const char *dir) {
        int status;
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
                body(dir);
                _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        assert_int_equal(status, 0);
}

static void latchd_makes(const char *dir) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        struct workspace_stat st;

        become_latchd();
        CHECK(workspace_make_user(dir, "ann", ANN) == 0);
        CHECK(workspace_make_user(dir, "ann", ANN) == 0);
        CHECK(workspace_make_user(dir, "ann", ANN + 1) == -EEXIST);
        CHECK(workspace_make_user(dir, "bob", ANN + 1) == 0);
        CHECK(workspace_open(dir, "ann", ANN, &w) == 0);
        CHECK(is_anns(w->user, ".", 0700) && is_anns(w->home, ".", 0700));
        CHECK(workspace_write(w, "home/f", "x", 1, NULL, &st) == 0);
        CHECK(is_anns(w->home, "f", 0644));
        CHECK(fchmodat(w->home, "f", 0600, 0) == 0);
        CHECK(workspace_write(w, "home/f", "y", 1, st.etag, NULL) ==
              -ESTALE); /* its mode was changed */
        CHECK(workspace_write(w, "home/f", "y", 1, NULL, NULL) == 0);
        CHECK(is_anns(w->home, "f", 0600));
        CHECK(workspace_mkdir(w, "home/d") == 0);
        CHECK(is_anns(w->home, "d", 0755));
        CHECK(workspace_write(w, "home/d/g", "x", 1, "", NULL) == 0);
        CHECK(is_anns(w->home, "d/g", 0644));
        CHECK(workspace_rename(w, "home/d", "home/e", false) == 0);
        CHECK(unlinkat(w->user, WORKSPACE_STAGING, AT_REMOVEDIR) == 0);
        CHECK(workspace_write(w, "home/d", "x", 1, NULL, NULL) == 0);
        CHECK(is_anns(w->user, WORKSPACE_STAGING, 0700));
}

static void latchd_meets_what_ann_made(const char *dir) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        char *data = NULL;
        size_t n;

        become_latchd();
        CHECK(workspace_open(dir, "ann", ANN, &w) == 0);
        CHECK(workspace_read(w, "home/secret", 0, 10, &data, &n, NULL) == 0 && n == 4);
        free(data);
        CHECK(workspace_write(w, "home/secret", "x", 1, NULL, NULL) == -EROFS);
        CHECK(fchmodat(w->home, "closed", 0500, 0) == 0);
        CHECK(workspace_write(w, "home/closed/f", "x", 1, NULL, NULL) == -EROFS);
        CHECK(workspace_remove(w, "home/closed", true, NULL) == 0);
        CHECK(workspace_remove(w, "home/secret", false, NULL) == 0);
}

static void test_what_latchd_makes_is_the_users(void **state) {
        struct fixture *f = *state;

        if (geteuid() != 0)
                skip_because("needs root");
        in_child(latchd_makes, f->dir);
        in_child(as_ann, f->dir);
        in_child(latchd_meets_what_ann_made, f->dir);
}

static void latchd_without_capabilities(const char *dir) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;

        become_ordinary();
        CHECK(workspace_make_user(dir, "ann", ANN) < 0);
        CHECK(workspace_open(dir, "root", 0, &w) == -EACCES);
}

static void test_nothing_is_given_away_without_the_right(void **state) {
        struct fixture *f = *state;

        if (geteuid() != 0)
                skip_because("needs root");
        assert_int_equal(workspace_make_user(f->dir, "root", 0), 0);
        in_child(latchd_without_capabilities, f->dir);
}

static int begin(void **state) {
        struct fixture *f = calloc(1, sizeof *f);

        CHECK(f);
        strcpy(f->dir, "/tmp/latch-workspace-XXXXXX");
        CHECK(mkdtemp(f->dir) && chmod(f->dir, 0755) == 0);
        CHECK(workspace_prepare(f->dir) == 0);
        *state = f;
        return 0;
}

static int end(void **state) {
        struct fixture *f = *state;

        CHECK(nftw(f->dir, fixture_rm, 16, FTW_DEPTH | FTW_PHYS) == 0);
        free(f);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_what_latchd_makes_is_the_users, begin, end),
                cmocka_unit_test_setup_teardown(test_nothing_is_given_away_without_the_right, begin,
                                                end),
        };

        return cmocka_run_group_tests_name("workspace owner", tests, NULL, NULL);
}
