/* Unit tests for src/store/datadir.c. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../skip.h"
#include "base/fd.h"
#include "store/datadir.h"
#include "temp_dir.h"

static struct temp_dir dir;

static void assert_folder(const char *path, mode_t mode) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(st.st_mode & 07777, mode);
}

static void assert_refused(const char *path, const char *words) {
        char *error = NULL;

        assert_int_equal(datadir_prepare(path, geteuid(), getegid(), &error), -EINVAL);
        assert_non_null(error);
        if (!strstr(error, words))
                fail_msg("\"%s\" is not in: %s", words, error);
        free(error);
}

static void test_makes_what_is_missing_and_leaves_what_is_there(void **state) {
        char *error = NULL;
        char path[100];

        (void)state;
        snprintf(path, sizeof path, "%s/a/b/c", dir.path);
        assert_int_equal(datadir_prepare(path, geteuid(), getegid(), &error), 0);
        assert_folder(path, 0755);
        assert_int_equal(chmod(path, 0711), 0);
        assert_int_equal(datadir_prepare(path, geteuid(), getegid(), &error), 0);
        assert_folder(path, 0711);
        snprintf(path, sizeof path, "%s/a/b/c/sessions", dir.path);
        assert_folder(path, 0700);
        assert_int_equal(rmdir(path), 0);
        for (int depth = 0; depth < 3; depth++) {
                *strrchr(path, '/') = '\0';
                assert_int_equal(rmdir(path), 0);
        }
}

static void test_names_a_path_that_will_not_do(void **state) {
        char path[100];

        (void)state;
        snprintf(path, sizeof path, "%s/f", dir.path);
        close(open(path, O_CREAT | O_WRONLY, 0600));
        assert_refused(path, path);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(chmod(dir.path, 0777), 0);
        assert_refused(dir.path, "0777");
        assert_int_equal(chmod(dir.path, 0755), 0);
        snprintf(path, sizeof path, "%s/sessions", dir.path);
        assert_int_equal(mkdir(path, 0755), 0);
        assert_refused(dir.path, "sessions");
        assert_int_equal(rmdir(path), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(dir.path, 12345, 12345), 0);
                assert_refused(dir.path, "uid 12345");
                char *error = NULL;
                assert_int_equal(datadir_prepare(dir.path, 12345, 12345, &error), 0);
                struct stat st;
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_uid, 12345);
        }
}

static void test_what_was_made_belongs_to_whom_it_is_for(void **state) {
        char path[100], *error = NULL;
        struct stat st;

        (void)state;
        if (geteuid() != 0)
                skip_because("needs root");
        snprintf(path, sizeof path, "%s/own", dir.path);
        assert_int_equal(datadir_prepare(path, 12345, 12346, &error), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(st.st_gid, 12346);
        strcat(path, "/sessions");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 12345);
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(path), 0);
}

static int lock_in_child(void) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
                int fd = -1, r = datadir_lock(dir.path, &fd);
                _exit(r == 0 ? 0 : r == -EBUSY ? 1 : 2);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_one_process_owns_dir(void **state) {
        int fd = -1, second = -1;

        (void)state;
        assert_int_equal(datadir_lock(dir.path, &fd), 0);
        assert_int_equal(datadir_lock(dir.path, &second), -EBUSY);
        assert_int_equal(second, -1);
        assert_int_equal(lock_in_child(), 1);
        fd = fd_close(fd);
        assert_int_equal(lock_in_child(), 0);
        assert_int_equal(datadir_lock(dir.path, &fd), 0); /* the child's end let it go */
        fd_close(fd);
        assert_int_equal(datadir_lock("/nowhere/at/all", &fd), -ENOENT);
}

struct answerer {
        pthread_t thread;
        int listener;
        const char *reply; /* NULL: close without one */
        char heard[100];
};

static void *answer_one(void *arg) {
        struct answerer *a = arg;
        int fd = accept(a->listener, NULL, NULL);

        if (fd < 0)
                return NULL;
        ssize_t n = fd_recv(fd, a->heard, sizeof a->heard - 1, NULL, NULL, 0);
        a->heard[MAX(n, 0)] = '\0';
        if (a->reply && fd_send(fd, a->reply, strlen(a->reply), NULL, 0, 0) < 0)
                a->heard[0] = '\0';
        fd_close(fd);
        return NULL;
}

static int ask(int listener, const char *reply, char **ret) {
        struct answerer a = {.listener = listener, .reply = reply};

        assert_int_equal(pthread_create(&a.thread, NULL, answer_one, &a), 0);
        int r = datadir_ask(dir.path, "{\"command\":\"user.list\"}", 10000, ret);
        assert_int_equal(pthread_join(a.thread, NULL), 0);
        assert_string_equal(a.heard, "{\"command\":\"user.list\"}");
        return r;
}

static void test_the_owner_is_asked_and_answers(void **state) {
        char path[100], *reply = NULL;
        struct stat st;
        int listener;

        (void)state;
        assert_int_equal(datadir_ask(dir.path, "{}", 1000, &reply), -ENOENT);
        assert_int_equal(datadir_listen(dir.path, &listener), 0);
        fd_close(listener);
        assert_int_equal(datadir_ask(dir.path, "{}", 1000, &reply), -ECONNREFUSED);
        assert_int_equal(datadir_listen(dir.path, &listener), 0); /* in place of the stale one */
        snprintf(path, sizeof path, "%s/control.sock", dir.path);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);

        assert_int_equal(datadir_ask(dir.path, "{}", 1, &reply), -ETIMEDOUT); /* nobody accepts */
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(fd >= 0);
        fd_close(fd);

        assert_int_equal(fd_set_nonblock(listener, false), 0);
        assert_int_equal(ask(listener, "{\"ok\":true}", &reply), 0);
        assert_string_equal(reply, "{\"ok\":true}");
        free(reply);
        reply = NULL;
        assert_int_equal(ask(listener, NULL, &reply), -EPIPE);
        assert_null(reply);
        fd_close(listener);
}

static void test_a_long_dir_has_a_socket_too(void **state) {
        char path[300], *error = NULL;
        int listener;

        (void)state;
        int n = snprintf(path, sizeof path, "%s/", dir.path);
        memset(path + n, 'x', 150);
        path[n + 150] = '\0';
        assert_int_equal(datadir_prepare(path, geteuid(), getegid(), &error), 0);
        assert_int_equal(datadir_listen(path, &listener), 0);
        char *reply = NULL;
        assert_int_equal(datadir_ask(path, "{}", 1, &reply), -ETIMEDOUT);
        fd_close(listener);
        strcat(path, "/control.sock");
        assert_int_equal(unlink(path), 0);
        strcpy(strrchr(path, '/'), "/sessions");
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
        assert_int_equal(rmdir(path), 0);
}

static void test_messages_have_a_limit(void **state) {
        _cleanup_(freep) char *big = malloc(DATADIR_MESSAGE_MAX + 2);
        char *reply = NULL;

        (void)state;
        assert_non_null(big);
        memset(big, 'x', DATADIR_MESSAGE_MAX + 1);
        big[DATADIR_MESSAGE_MAX + 1] = '\0';
        assert_int_equal(datadir_ask(dir.path, big, 1000, &reply), -EMSGSIZE);
}

static int set_up(void **state) {
        (void)state;
        return temp_dir_make(&dir);
}

static int tear_down(void **state) {
        (void)state;
        temp_dir_remove(&dir);
        return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_makes_what_is_missing_and_leaves_what_is_there),
                TEST(test_names_a_path_that_will_not_do),
                TEST(test_what_was_made_belongs_to_whom_it_is_for),
                TEST(test_one_process_owns_dir),
                TEST(test_the_owner_is_asked_and_answers),
                TEST(test_a_long_dir_has_a_socket_too),
                TEST(test_messages_have_a_limit),
        };

        return cmocka_run_group_tests_name("datadir", tests, NULL, NULL);
}
