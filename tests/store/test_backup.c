/* Unit tests for src/store: readers, backups and what a restore leaves of both databases. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/fd.h"
#include "base/str.h"
#include "store/store.h"
#include "temp_dir.h"

static struct temp_dir dir, other;
static char file[128], db[128];

static struct store *open_store(void) {
        struct store *s = NULL;
        char *error = NULL;

        if (store_open(dir.path, &s, &error) != 0)
                fail_msg("store_open: %s", error ? error : "?");
        return s;
}

static void add_user(struct store *s, const char *name, struct store_user *ret) {
        *ret = (struct store_user){.role = ROLE_STUDENT};
        assert_int_equal(str_copy(ret->name, sizeof ret->name, name), 0);
        assert_int_equal(store_user_add(s, ret, 300000, 1000), 0);
}

static void raw(const char *path, const char *sql) {
        sqlite3 *c = NULL;

        assert_int_equal(sqlite3_open(path, &c), SQLITE_OK);
        assert_int_equal(sqlite3_exec(c, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(c), SQLITE_OK);
}

static void backup(struct store *s) {
        char *error = NULL;
        int r = store_backup(s, file, false, &error);

        if (r < 0)
                fail_msg("store_backup: %s", error ? error : "?");
}

static char *restore(bool *ret_known) {
        char *kept = NULL, *error = NULL;
        int r = store_restore(dir.path, file, &kept, ret_known, &error);

        if (r < 0)
                fail_msg("store_restore: %s", error ? error : "?");
        return kept;
}

/* store_restore that fails with -EINVAL and these words, and leaves the database as it was. */
static void assert_refused(const char *words) {
        char *kept = NULL, *error = NULL;
        struct store_user u;
        bool known;

        assert_int_equal(store_restore(dir.path, file, &kept, &known, &error), -EINVAL);
        assert_null(kept);
        assert_non_null(error);
        if (!strstr(error, words) || !strstr(error, file))
                fail_msg("\"%s\" is not in: %s", words, error);
        free(error);
        struct store *s = open_store();
        assert_int_equal(store_user_by_name(s, "ann", &u), 0);
        store_close(s);
        assert_int_equal(access(db, F_OK), 0);
}

static void test_a_reader_reads_beside_and_changes_nothing(void **state) {
        struct store *s = open_store(), *reader = NULL;
        struct store_user u, v = {.name = "bob"};
        char *error = NULL;

        (void)state;
        assert_int_equal(store_open_reader(db, &reader, &error), 0);
        add_user(s, "ann", &u);
        assert_int_equal(store_user_by_name(reader, "ann", &v), 0);
        assert_true(store_user_add(reader, &v, 300000, 1000) < 0);
        store_close(reader);
        assert_int_equal(store_open_reader(file, &reader, &error), -ENOENT);
        assert_non_null(strstr(error, file));
        free(error);
        store_close(s);
}

static void test_a_backup_holds_all_and_is_ours_alone(void **state) {
        struct store *s = open_store(), *copy = NULL;
        struct store_user u, found;
        char *error = NULL;
        struct stat st;

        (void)state;
        add_user(s, "ann", &u);
        backup(s);
        add_user(s, "bob", &found);
        assert_int_equal(stat(file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(store_open_reader(file, &copy, &error), 0);
        assert_int_equal(store_user_by_name(copy, "ann", &found), 0);
        assert_int_equal(found.id, u.id);
        assert_int_equal(store_user_by_name(copy, "bob", &found), -ENOENT);
        store_close(copy);
        assert_int_equal(store_backup(s, file, false, &error), -EEXIST);
        free(error);
        error = NULL;
        assert_int_equal(store_backup(s, file, true, &error), 0);
        assert_int_equal(store_open_reader(file, &copy, &error), 0);
        assert_int_equal(store_user_by_name(copy, "bob", &found), 0);
        store_close(copy);
        assert_int_equal(store_backup(s, "/nowhere/b.db", false, &error), -ENOENT);
        assert_non_null(strstr(error, "/nowhere/b.db.latch-new"));
        free(error);
        store_close(s);
}

static void test_a_restore_signs_out_and_never_gives_twice(void **state) {
        struct store_session living = {.id = "aaaaaaaaaaaaaaaaaaaaaaaaaa", .state = RECORD_RUNNING},
                             ended = {.id = "bbbbbbbbbbbbbbbbbbbbbbbbbb", .state = RECORD_ENDED};
        struct store_token t = {.hash = {1}, .expires_ms = 1000};
        struct store_user ann, bob, cid;
        struct store_session *list;
        bool known = false;
        size_t n;

        (void)state;
        struct store *s = open_store();
        add_user(s, "ann", &ann);
        t.user_id = living.user_id = ended.user_id = ann.id;
        assert_int_equal(store_token_add(s, &t), 0);
        assert_int_equal(store_session_put(s, &living), 0);
        assert_int_equal(store_session_put(s, &ended), 0);
        backup(s);
        add_user(s, "bob", &bob);
        store_close(s);

        char *kept = restore(&known);
        assert_true(known);
        assert_int_equal(access(kept, F_OK), 0);
        s = open_store();
        assert_int_equal(store_user_by_name(s, "bob", &cid), -ENOENT);
        assert_int_equal(store_token_get(s, t.hash, TOKEN_SESSION, &t), -ENOENT);
        assert_int_equal(store_session_list(s, &list, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(list[0].id, ended.id);
        free(list);
        add_user(s, "cid", &cid);
        assert_true(cid.uid > bob.uid && cid.id > bob.id);
        store_close(s);
        free(kept);
}

static void test_a_restore_over_a_damaged_file_says_what_it_cannot_know(void **state) {
        struct store_user u;
        bool known = true;

        (void)state;
        struct store *s = open_store();
        add_user(s, "ann", &u);
        backup(s);
        store_close(s);
        _cleanup_(fd_closep) int fd = open(db, O_WRONLY | O_TRUNC | O_CLOEXEC);
        assert_int_equal(fd_write_all(fd, "this is no database at all", 26), 0);
        char *kept = restore(&known);
        assert_false(known);
        free(kept);
        s = open_store();
        assert_int_equal(store_user_by_name(s, "ann", &u), 0);
        store_close(s);
}

static void test_a_restore_into_an_empty_folder_keeps_nothing(void **state) {
        struct store_user u;
        bool known = false;

        (void)state;
        struct store *s = open_store();
        add_user(s, "ann", &u);
        backup(s);
        store_close(s);
        assert_int_equal(unlink(db), 0);
        assert_null(restore(&known));
        assert_true(known);
        s = open_store();
        assert_int_equal(store_user_by_name(s, "ann", &u), 0);
        store_close(s);
}

static void test_what_is_no_backup_is_refused(void **state) {
        struct store_user u;

        (void)state;
        struct store *s = open_store();
        add_user(s, "ann", &u);
        store_close(s);
        raw(file, "CREATE TABLE mine (x)");
        assert_refused("another program");
        assert_int_equal(unlink(file), 0);

        s = open_store();
        backup(s);
        store_close(s);
        raw(file, "PRAGMA user_version = 999");
        assert_refused("a newer latchd");
        raw(file, "PRAGMA user_version = 1; PRAGMA application_id = 0");
        assert_refused("another program");
        assert_int_equal(truncate(file, 8192), 0);
        assert_refused("");
}

static int set_up(void **state) {
        (void)state;
        if (temp_dir_make(&dir) < 0 || temp_dir_make(&other) < 0)
                return -1;
        (void)snprintf(db, sizeof db, "%s/latch.db", dir.path);
        (void)snprintf(file, sizeof file, "%s/backup.db", other.path);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        temp_dir_remove(&dir);
        temp_dir_remove(&other);
        return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_reader_reads_beside_and_changes_nothing),
                TEST(test_a_backup_holds_all_and_is_ours_alone),
                TEST(test_a_restore_signs_out_and_never_gives_twice),
                TEST(test_a_restore_over_a_damaged_file_says_what_it_cannot_know),
                TEST(test_a_restore_into_an_empty_folder_keeps_nothing),
                TEST(test_what_is_no_backup_is_refused),
        };

        return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
