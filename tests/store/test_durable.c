/* Unit tests for src/store: what a full disk, a killed writer and another process do to it. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../skip.h"
#include "base/fd.h"
#include "store/store.h"
#include "temp_dir.h"

static struct temp_dir dir;

static struct store *open_store(void) {
        struct store *s = NULL;
        char *error = NULL;

        if (store_open(dir.path, &s, &error) != 0)
                fail_msg("store_open: %s", error ? error : "?");
        return s;
}

/* ---- a writer that is killed ---- */

/* Adds users for ever and says each number once the store has acknowledged it. */
static _Noreturn void write_until_killed(int to) {
        struct store *s = NULL;
        char *error = NULL;

        if (store_open(dir.path, &s, &error) < 0)
                _exit(1);
        for (uint32_t i = 0;; i++) {
                struct store_user u = {0};
                (void)snprintf(u.name, sizeof u.name, "u%u", i);
                if (store_user_add(s, &u, 300000, 1000000) < 0 ||
                    write(to, &i, sizeof i) != sizeof i)
                        _exit(2);
        }
}

static uint32_t kill_after(int acknowledged) {
        int pipe_fds[2], status;
        uint32_t last = 0;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                write_until_killed(pipe_fds[1]);
        close(pipe_fds[1]);
        for (int i = 0; i < acknowledged; i++)
                assert_int_equal(fd_read_full(pipe_fds[0], &last, sizeof last), sizeof last);
        assert_int_equal(kill(pid, SIGKILL), 0);
        uint32_t more; /* what it had said before it fell */
        while (fd_read_full(pipe_fds[0], &more, sizeof more) == sizeof more)
                last = more;
        close(pipe_fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        return last;
}

static void test_what_was_acknowledged_survives_a_kill(void **state) {
        (void)state;
        for (int round = 0; round < 5; round++) {
                uint32_t last = kill_after(20 + round * 7);
                struct store *s = open_store(); /* and it is whole: the open checks */
                struct store_user *list;
                size_t n;
                assert_int_equal(store_user_list(s, &list, &n), 0);
                assert_in_range(n, last + 1,
                                last + 2); /* at most one that was not acknowledged yet */
                for (uint32_t i = 0; i <= last; i++) {
                        char name[16];
                        struct store_user u;
                        snprintf(name, sizeof name, "u%u", i);
                        assert_int_equal(store_user_by_name(s, name, &u), 0);
                        assert_int_equal(u.uid, 300000 + i);
                }
                free(list);
                store_close(s);
                temp_dir_remove(&dir);
                assert_int_equal(temp_dir_make(&dir), 0);
        }
}

/* ---- what need not wait for the disk ---- */

static unsigned syncs;

/* In the place of the C library's: SQLite calls it for its journal. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
int fdatasync(int fd) {
        syncs++;
        return syscall(SYS_fdatasync, fd) < 0 ? -1 : 0;
}

static void test_a_session_is_announced_without_waiting_and_lasts_with_what_follows(void **state) {
        struct store *s = open_store();
        struct store_user u = {.name = "ann"};
        struct store_session r = {.id = "zzzzzzzzzzzzzzzzzzzzzzzzzz"}, *list;
        size_t n;

        (void)state;
        assert_int_equal(store_user_add(s, &u, 300000, 10), 0);
        r.user_id = u.id;
        syncs = 0;
        assert_int_equal(store_session_announce(s, &r), 0);
        assert_int_equal(syncs, 0);
        assert_int_equal(store_session_list(s, &list, &n), 0);
        assert_int_equal(n, 1);
        assert_memory_equal(&list[0], &r, sizeof r);
        free(list);
        r.user_id = 99;
        assert_int_equal(store_session_announce(s, &r), -ENOENT);
        assert_int_equal(syncs, 0);
        /* The journal that both stand in goes to the disk as a whole. */
        r.user_id = u.id;
        assert_int_equal(store_session_put(s, &r), 0);
        assert_int_equal(syncs, 1);
        store_close(s);
}

/* ---- a full disk ---- */

enum outcome { FULL_OK, FULL_SKIP, FULL_NEVER, FULL_LOST, FULL_WRONG, FULL_STUCK };

static bool write_text(const char *path, const char *text) {
        _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && fd_write_all(fd, text, strlen(text)) == 0;
}

/* Leave to mount: root has it; anybody else has it in a user namespace where they are who they are. */
static bool own_mounts(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();
        char map[32];

        if (uid == 0)
                return unshare(CLONE_NEWNS) == 0;
        if (unshare(CLONE_NEWNS | CLONE_NEWUSER) < 0)
                return false;
        (void)snprintf(map, sizeof map, "%u %u 1", uid, uid);
        if (!write_text("/proc/self/uid_map", map) || !write_text("/proc/self/setgroups", "deny"))
                return false;
        (void)snprintf(map, sizeof map, "%u %u 1", gid, gid);
        return write_text("/proc/self/gid_map", map);
}

/* A file system of a megabyte of this process's own. */
static bool mount_small(void) {
        return own_mounts() && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               mount("none", dir.path, "tmpfs", 0, "size=1m") == 0;
}

static enum outcome fill(struct store *s, int64_t user_id, unsigned *ret_put) {
        struct store_session r = {.user_id = user_id};

        memset(r.title, 't', sizeof r.title - 1);
        memset(r.path, 'p', sizeof r.path - 1);
        for (unsigned i = 0; i < 5000; i++) {
                (void)snprintf(r.id, sizeof r.id, "%026u", i);
                int error = store_session_put(s, &r);
                if (error == -ENOSPC) {
                        *ret_put = i;
                        return FULL_OK;
                }
                if (error < 0)
                        return FULL_WRONG;
        }
        return FULL_NEVER;
}

static enum outcome fill_small_disk(void) {
        struct store_user u = {.name = "ann"}, found;
        struct store_session *list;
        struct store *s = NULL;
        char *error = NULL;
        unsigned put = 0;
        size_t n = 0;

        if (!mount_small() || chmod(dir.path, 0755) < 0)
                return FULL_SKIP;
        if (store_open(dir.path, &s, &error) < 0 || store_user_add(s, &u, 300000, 1000) < 0)
                return FULL_WRONG;
        enum outcome o = fill(s, u.id, &put);
        if (o != FULL_OK)
                return o;
        /* Reading goes on, what was acknowledged is there, what was refused is not. */
        if (store_user_by_name(s, "ann", &found) < 0 || store_session_list(s, &list, &n) < 0 ||
            n != put)
                return FULL_LOST;
        free(list);
        /* With room again, the same store writes again. */
        if (mount("none", dir.path, NULL, MS_REMOUNT, "size=8m") < 0)
                return FULL_SKIP;
        struct store_user v = {.name = "bob"};
        if (store_user_add(s, &v, 300000, 1000) < 0)
                return FULL_STUCK;
        s = store_close(s);
        return store_open(dir.path, &s, &error) == 0 && !store_close(s) ? FULL_OK : FULL_LOST;
}

static void test_a_full_disk_is_said_and_nothing_is_lost(void **state) {
        pid_t pid = fork();
        int status;

        (void)state;
        assert_true(pid >= 0);
        if (pid == 0)
                _exit((int)fill_small_disk());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == FULL_SKIP)
                skip_because("no mount namespace may be made here");
        assert_int_equal(WEXITSTATUS(status), FULL_OK);
}

/* ---- another writer ---- */

static void test_a_writer_that_does_not_end_is_waited_for_then_named(void **state) {
        struct store *s = open_store();
        struct store_user u = {.name = "ann"};
        char path[100];
        sqlite3 *other;
        size_t n;

        (void)state;
        snprintf(path, sizeof path, "%s/latch.db", dir.path);
        assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
        assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(store_user_count(s, &n), 0); /* readers are not held up */
        assert_int_equal(store_user_add(s, &u, 300000, 10), -EBUSY);
        assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(other), SQLITE_OK);
        assert_int_equal(store_user_add(s, &u, 300000, 10), 0);
        store_close(s);
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
                TEST(test_what_was_acknowledged_survives_a_kill),
                TEST(test_a_session_is_announced_without_waiting_and_lasts_with_what_follows),
                TEST(test_a_full_disk_is_said_and_nothing_is_lost),
                TEST(test_a_writer_that_does_not_end_is_waited_for_then_named),
        };

        return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
