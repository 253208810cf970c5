/* Unit tests for src/store: users, tokens, session records, migrations. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/fault.h"
#include "base/str.h"
#include "latch/thread.h"
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

static struct store_user add_user(struct store *s, const char *name) {
        struct store_user u = {.role = ROLE_STUDENT};

        assert_int_equal(str_copy(u.name, sizeof u.name, name), 0);
        assert_int_equal(store_user_add(s, &u, 300000, 1000), 0);
        return u;
}

static struct store_token token(int64_t user_id, enum token_kind kind, unsigned char first) {
        struct store_token t = {
                .user_id = user_id, .kind = kind, .created_ms = 1000, .expires_ms = 2000};

        memset(t.hash, 7, sizeof t.hash);
        t.hash[0] = first;
        return t;
}

/* A connection beside the store's, to look and to spoil. */
static void raw(const char *sql) {
        char path[100];
        sqlite3 *db;

        snprintf(path, sizeof path, "%s/latch.db", dir.path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_names_of_users_are_judged(void **state) {
        static const char *const good[] = {"a", "ann", "7of9", "a.b-c_d",
                                           "abcdefghijklmnopqrstuvwxyz012345"};
        static const char *const bad[] = {"",
                                          ".a",
                                          "-a",
                                          "_a",
                                          "Ann",
                                          "a b",
                                          "a/b",
                                          "..",
                                          "ä",
                                          "a\n",
                                          "abcdefghijklmnopqrstuvwxyz0123456"};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_true(user_name_valid(good[i]));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(user_name_valid(bad[i]));
        for (int role = ROLE_STUDENT; role <= ROLE_ADMIN; role++) {
                enum role same;
                assert_int_equal(role_parse(role_name((enum role)role), &same), 0);
                assert_int_equal(same, role);
        }
        enum role untouched = ROLE_ADMIN;
        assert_int_equal(role_parse("root", &untouched), -EINVAL);
        assert_int_equal(untouched, ROLE_ADMIN);
}

static void test_users_are_kept_and_never_twice(void **state) {
        struct store *s = open_store();
        struct store_user a = {.name = "ann", .password = "$argon2id$x", .role = ROLE_TEACHER}, b,
                          found;
        struct store_user untouched;
        size_t n;

        (void)state;
        assert_int_equal(store_user_add(s, &a, 300000, 1000), 0);
        assert_int_equal(a.uid, 300000);
        b = add_user(s, "bob");
        assert_int_equal(b.uid, 300001);
        assert_true(b.id > a.id);
        struct store_user again = {.name = "ann"};
        assert_int_equal(store_user_add(s, &again, 300000, 1000), -EEXIST);
        assert_int_equal(again.id, 0);
        struct store_user bad = {.name = "../x"};
        assert_int_equal(store_user_add(s, &bad, 300000, 1000), -EINVAL);

        /* A refused one burns no uid. */
        assert_int_equal(add_user(s, "cy").uid, 300002);
        s = store_close(s);
        s = open_store();
        assert_int_equal(store_user_by_name(s, "ann", &found), 0);
        assert_memory_equal(&found.id, &a.id, sizeof a.id);
        assert_string_equal(found.password, "$argon2id$x");
        assert_int_equal(found.role, ROLE_TEACHER);
        assert_false(found.disabled);
        assert_int_equal(store_user_by_id(s, b.id, &found), 0);
        assert_string_equal(found.name, "bob");

        memset(&untouched, 1, sizeof untouched);
        found = untouched;
        assert_int_equal(store_user_by_name(s, "dora", &found), -ENOENT);
        assert_int_equal(store_user_by_id(s, 99, &found), -ENOENT);
        assert_memory_equal(&found, &untouched, sizeof found);
        struct store_user_change change = STORE_USER_CHANGE;
        change.password = "new";
        assert_int_equal(store_user_change(s, 99, &change), -ENOENT);
        assert_int_equal(store_user_change(s, b.id, &change), 0);
        assert_int_equal(store_user_by_id(s, b.id, &found), 0);
        assert_string_equal(found.password, "new");

        struct store_user *list;
        assert_int_equal(store_user_list(s, &list, &n), 0);
        assert_int_equal(n, 3);
        assert_string_equal(list[0].name, "ann");
        assert_string_equal(list[2].name, "cy");
        free(list);
        assert_int_equal(store_user_count(s, &n), 0);
        assert_int_equal(n, 3);
        store_close(s);
}

static void test_uids_end_with_their_range_and_never_come_again(void **state) {
        struct store *s = open_store();
        struct store_user u = {.name = "a"};

        (void)state;
        assert_int_equal(store_user_add(s, &u, 5000, 2), 0);
        u = (struct store_user){.name = "b"};
        assert_int_equal(store_user_add(s, &u, 5000, 2), 0);
        u = (struct store_user){.name = "c"};
        assert_int_equal(store_user_add(s, &u, 5000, 2), -ERANGE);
        /* Another range that overlaps the first goes on behind what was given. */
        assert_int_equal(store_user_add(s, &u, 4999, 4), 0);
        assert_int_equal(u.uid, 5002);
        /* Nor does a user who is gone leave one behind. */
        raw("DELETE FROM users WHERE name IN ('b', 'c')");
        u = (struct store_user){.name = "d"};
        assert_int_equal(store_user_add(s, &u, 5000, 10), 0);
        assert_int_equal(u.uid, 5003);
        assert_true(u.id > 3);
        store_close(s);
}

static void test_tokens_are_found_by_kind_and_taken_once(void **state) {
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann");
        struct store_token t = token(u.id, TOKEN_LINK, 1), found = {0};

        (void)state;
        assert_int_equal(store_token_add(s, &t), 0);
        assert_int_equal(store_token_add(s, &t), -EEXIST);
        assert_int_equal(store_token_get(s, t.hash, TOKEN_SESSION, &found), -ENOENT);
        assert_int_equal(store_token_get(s, t.hash, TOKEN_LINK, &found), 0);
        assert_memory_equal(&found, &t, sizeof t);
        assert_int_equal(store_token_take(s, t.hash, TOKEN_SESSION, &found), -ENOENT);
        assert_int_equal(store_token_take(s, t.hash, TOKEN_LINK, &found), 0);
        assert_int_equal(found.user_id, u.id);
        assert_int_equal(store_token_take(s, t.hash, TOKEN_LINK, &found), -ENOENT);
        assert_int_equal(store_token_get(s, t.hash, TOKEN_LINK, &found), -ENOENT);
        t = token(99, TOKEN_LINK, 2);
        assert_int_equal(store_token_add(s, &t), -ENOENT); /* no such user */
        store_close(s);
}

static void test_tokens_are_exchanged_whole_or_not_at_all(void **state) {
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann"), v = add_user(s, "bob");
        struct store_token link = token(u.id, TOKEN_LINK, 1), new = token(0, TOKEN_SESSION, 2),
                           found;
        struct store_token other = token(v.id, TOKEN_SESSION, 3);

        (void)state;
        assert_int_equal(store_token_add(s, &link), 0);
        assert_int_equal(store_token_add(s, &other), 0);
        assert_int_equal(store_token_exchange(s, link.hash, TOKEN_SESSION, 1500, &new), -ENOENT);
        assert_int_equal(store_token_exchange(s, link.hash, TOKEN_LINK, 2000, &new),
                         -ENOENT); /* expired */
        assert_int_equal(store_token_get(s, link.hash, TOKEN_LINK, &found), 0);

        /* The new one cannot be added: the link is still there. */
        struct store_token twice = other;
        assert_int_equal(store_token_exchange(s, link.hash, TOKEN_LINK, 1500, &twice), -EEXIST);
        assert_int_equal(store_token_get(s, link.hash, TOKEN_LINK, &found), 0);

        assert_int_equal(store_token_exchange(s, link.hash, TOKEN_LINK, 1500, &new), 0);
        assert_int_equal(new.user_id, u.id);
        assert_int_equal(store_token_get(s, link.hash, TOKEN_LINK, &found), -ENOENT);
        assert_int_equal(store_token_get(s, new.hash, TOKEN_SESSION, &found), 0);
        assert_int_equal(found.user_id, u.id);
        store_close(s);
}

static void test_oldest_tokens_give_way_and_expired_are_purged(void **state) {
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann"), v = add_user(s, "bob");
        unsigned char hash[TOKEN_HASH_BYTES];
        struct store_token found;

        (void)state;
        for (unsigned char i = 0; i < 5; i++) {
                struct store_token t = token(u.id, TOKEN_SESSION, i);
                t.created_ms = i < 3 ? 1000 : 900; /* 3 is the oldest, then 4, then 0 */
                t.expires_ms = 2000 + i;
                assert_int_equal(store_token_add(s, &t), 0);
        }
        struct store_token link = token(u.id, TOKEN_LINK, 100),
                           others = token(v.id, TOKEN_SESSION, 101);
        assert_int_equal(store_token_add(s, &link), 0);
        assert_int_equal(store_token_add(s, &others), 0);
        static const unsigned char order[] = {3, 4, 0};
        for (size_t i = 0; i < ELEMENTS(order); i++) {
                assert_int_equal(store_token_trim(s, u.id, TOKEN_SESSION, 2, hash), 0);
                assert_int_equal(hash[0], order[i]);
        }
        assert_int_equal(store_token_trim(s, u.id, TOKEN_SESSION, 2, hash), -ENOENT);
        assert_int_equal(store_token_purge(s, 2001), 0); /* up to and with its last millisecond */
        hash[0] = 1;
        assert_int_equal(store_token_get(s, hash, TOKEN_SESSION, &found), -ENOENT);
        hash[0] = 2;
        assert_int_equal(store_token_get(s, hash, TOKEN_SESSION, &found), 0);
        store_close(s);
}

struct taker {
        pthread_t thread;
        struct store *store;
        pthread_barrier_t *start;
        struct store_token *links;
        size_t n;
        unsigned taken;
        int wrong;
};

static void *take_all(void *arg) {
        struct taker *t = arg;

        latch_thread_begin("taker");
        for (size_t i = 0; i < t->n; i++) {
                struct store_token found;
                pthread_barrier_wait(t->start);
                int r = store_token_take(t->store, t->links[i].hash, TOKEN_LINK, &found);
                if (r == 0)
                        t->taken++;
                else if (r != -ENOENT)
                        t->wrong = r;
        }
        latch_thread_end();
        return NULL;
}

static void test_of_two_who_take_one_link_one_gets_it(void **state) {
        enum { LINKS = 100, TAKERS = 2 };
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann");
        struct store_token links[LINKS];
        struct taker takers[TAKERS];
        pthread_barrier_t start;

        (void)state;
        for (int i = 0; i < LINKS; i++) {
                links[i] = token(u.id, TOKEN_LINK, (unsigned char)i);
                assert_int_equal(store_token_add(s, &links[i]), 0);
        }
        assert_int_equal(pthread_barrier_init(&start, NULL, TAKERS), 0);
        for (size_t i = 0; i < TAKERS; i++) {
                takers[i] = (struct taker){.store = s, .start = &start, .links = links, .n = LINKS};
                assert_int_equal(pthread_create(&takers[i].thread, NULL, take_all, &takers[i]), 0);
        }
        for (size_t i = 0; i < TAKERS; i++)
                assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
        pthread_barrier_destroy(&start);
        assert_int_equal(takers[0].wrong | takers[1].wrong, 0);
        assert_int_equal(takers[0].taken + takers[1].taken, LINKS);
        store_close(s);
}

struct writer {
        pthread_t thread;
        struct store *store;
        unsigned number;
        int r;
};

static void *write_some(void *arg) {
        struct writer *w = arg;

        latch_thread_begin("writer");
        for (unsigned i = 0; i < 10 && w->r == 0; i++) {
                struct store_user u = {0}, found;
                snprintf(u.name, sizeof u.name, "u%u-%u", w->number, i);
                w->r = store_user_add(w->store, &u, 300000, 1000);
                if (w->r == 0)
                        w->r = store_user_by_id(w->store, u.id, &found);
        }
        latch_thread_end();
        return NULL;
}

/* More threads than connections: they wait for each other, all get their turn, no uid comes twice. */
static void test_many_threads_share_the_connections(void **state) {
        enum { WRITERS = STORE_CONNECTIONS + 8 };
        struct store *s = open_store();
        struct writer writers[WRITERS];
        struct store_user *list;
        size_t n;

        (void)state;
        for (unsigned i = 0; i < WRITERS; i++) {
                writers[i] = (struct writer){.store = s, .number = i};
                assert_int_equal(pthread_create(&writers[i].thread, NULL, write_some, &writers[i]),
                                 0);
        }
        for (unsigned i = 0; i < WRITERS; i++) {
                assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
                assert_int_equal(writers[i].r, 0);
        }
        bool given[WRITERS * 10] = {0};
        assert_int_equal(store_user_list(s, &list, &n), 0);
        assert_int_equal(n, WRITERS * 10);
        for (size_t i = 0; i < n; i++) {
                assert_in_range(list[i].uid, 300000, 300000 + n - 1);
                assert_false(given[list[i].uid - 300000]);
                given[list[i].uid - 300000] = true;
        }
        free(list);
        store_close(s);
}

static void test_sessions_are_put_replaced_and_removed(void **state) {
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann");
        struct store_session a = {.id = "abcdefghijklmnopqrstuvwxyz",
                                  .user_id = u.id,
                                  .kind = SESSION_RUN,
                                  .state = RECORD_STARTING,
                                  .path = "home/hé.py",
                                  .title = "t",
                                  .started_ms = 5};
        struct store_session b = {.id = "00000000000000000000000000",
                                  .user_id = u.id,
                                  .kind = SESSION_SHELL,
                                  .state = RECORD_RUNNING,
                                  .tty = true,
                                  .tombstone = true,
                                  .started_ms = 4},
                             *list;
        size_t n;

        (void)state;
        memset(b.title, 't', sizeof b.title - 1);
        memset(b.path, 'p', sizeof b.path - 1);
        assert_int_equal(store_session_put(s, &a), 0);
        assert_int_equal(store_session_put(s, &b), 0);
        a.state = RECORD_ENDED;
        a.signal = 9;
        a.code = -1;
        a.ended_ms = UINT64_C(1) << 42;
        a.wall_ms = 1, a.cpu_ms = 2, a.peak_bytes = UINT64_C(1) << 40, a.end_offset = UINT64_MAX;
        strcpy(a.verdict, "killed");
        assert_int_equal(store_session_put(s, &a), 0);
        s = store_close(s);
        s = open_store();
        assert_int_equal(store_session_list(s, &list, &n), 0);
        assert_int_equal(n, 2);
        assert_memory_equal(&list[0], &b, sizeof b);
        assert_memory_equal(&list[1], &a, sizeof a);
        free(list);
        assert_int_equal(store_session_remove(s, a.id), 0);
        assert_int_equal(store_session_remove(s, a.id), 0);
        assert_int_equal(store_session_list(s, &list, &n), 0);
        assert_int_equal(n, 1);
        free(list);
        b.user_id = 99;
        assert_int_equal(store_session_put(s, &b), -ENOENT);
        strcpy(b.id, "short");
        b.user_id = u.id;
        assert_int_equal(store_session_put(s, &b), -EIO);
        store_close(s);
}

static void assert_refused(int error, const char *words) {
        struct store *s = NULL;
        char *error_words = NULL;

        int r = store_open(dir.path, &s, &error_words);
        if (r != error)
                fail_msg("%d, %s", r, error_words ? error_words : "");
        assert_null(s);
        assert_non_null(error_words);
        if (!strstr(error_words, words) || !strstr(error_words, dir.path))
                fail_msg("\"%s\" is not in: %s", words, error_words);
        free(error_words);
}

static void test_an_older_file_is_migrated_with_what_it_holds(void **state) {
        struct store *s = open_store();
        struct store_user u = add_user(s, "ann"), found;
        struct store_token t = token(u.id, TOKEN_SESSION, 1);
        struct store_session *list;
        size_t n;

        (void)state;
        store_close(s);
        raw("DROP TABLE course_teachers; DROP TABLE courses; DROP TABLE audit_start; DROP TABLE audit; DROP TABLE sessions; DROP TABLE tokens; ALTER TABLE users DROP COLUMN deleted; "
            "PRAGMA user_version = 1");
        s = open_store();
        assert_int_equal(store_user_by_name(s, "ann", &found), 0);
        assert_int_equal(found.uid, u.uid);
        assert_int_equal(store_token_add(s, &t), 0);
        assert_int_equal(store_session_list(s, &list, &n), 0);
        assert_int_equal(n, 0);
        store_close(s);
}

static void test_a_migration_that_fails_leaves_the_file_as_it_was(void **state) {
        (void)state;
        store_close(open_store());
        raw("DROP TABLE course_teachers; DROP TABLE courses; DROP TABLE audit_start; DROP TABLE audit; DROP TABLE sessions; DROP TABLE tokens; ALTER TABLE users DROP COLUMN deleted; "
            "PRAGMA user_version = 1;"
            "CREATE TABLE sessions (mine TEXT)"); /* in the way of the third step */
        assert_refused(-EIO, "sessions");
        raw("SELECT mine FROM sessions; DROP TABLE sessions");
        raw("CREATE TABLE tokens (still_mine TEXT); DROP TABLE tokens"); /* the second was undone */
        store_close(open_store());
}

static void test_a_newer_or_strange_file_is_refused(void **state) {
        (void)state;
        store_close(open_store());
        raw("PRAGMA user_version = 99");
        assert_refused(-EINVAL, "version is 99");
        raw("PRAGMA user_version = 3; PRAGMA application_id = 7");
        assert_refused(-EINVAL, "another program");
        raw("PRAGMA application_id = 0");
        assert_refused(-EINVAL, "another program");
}

static void write_at(const char *path, off_t at, const char *text) {
        int fd = open(path, O_WRONLY);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
        close(fd);
}

static void test_a_damaged_file_is_refused(void **state) {
        struct store *s = open_store();
        char path[100];

        (void)state;
        for (int i = 0; i < 50; i++) {
                char name[16];
                snprintf(name, sizeof name, "user%d", i);
                add_user(s, name);
        }
        store_close(s);
        snprintf(path, sizeof path, "%s/latch.db", dir.path);
        for (off_t at = 4096; at < 4096 * 6; at += 4096)
                write_at(path, at, "this is no page of a tree");
        assert_refused(-EINVAL, "latch.db");
        write_at(path, 0, "not a database at all");
        assert_refused(-EINVAL, "not a database");
}

static void test_a_file_of_others_is_refused(void **state) {
        char path[100];
        struct stat st;

        (void)state;
        snprintf(path, sizeof path, "%s/latch.db", dir.path);
        store_close(open_store());
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(chmod(path, 0640), 0);
        assert_refused(-EINVAL, "0640");
        assert_int_equal(chmod(path, 0600), 0);
        if (geteuid() == 0) {
                assert_int_equal(chown(path, 12345, 12345), 0);
                assert_refused(-EINVAL, "uid 12345");
        }
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        assert_refused(-EINVAL, "not a file");
        struct store *s = NULL;
        char *error = NULL;
        assert_int_equal(store_open("/nowhere/at/all", &s, &error), -ENOENT);
        assert_non_null(strstr(error, "/nowhere/at/all"));
        free(error);
}

/* The log files that SQLite makes beside it may be read by nobody else either. */
static void test_files_beside_the_database_are_as_private(void **state) {
        struct store *s = open_store();
        static const char *const ends[] = {"-wal", "-shm"};

        (void)state;
        add_user(s, "ann");
        for (size_t i = 0; i < ELEMENTS(ends); i++) {
                struct stat st;
                char path[100];
                snprintf(path, sizeof path, "%s/latch.db%s", dir.path, ends[i]);
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_mode & 07777, 0600);
        }
        store_close(s);
}

/* Every allocation of ours fails once. */
static void test_memory_that_ends_is_said_so(void **state) {
        struct store *s = open_store();
        unsigned struck = 0;

        (void)state;
        for (int i = 0; i < 100; i++) {
                char name[16];
                snprintf(name, sizeof name, "user%d", i);
                add_user(s, name);
        }
        for (unsigned n = 1; n < 20; n++) {
                struct store_user *list = NULL;
                size_t count = 0;
                fault_arm(n, 0);
                int r = store_user_list(s, &list, &count);
                bool hit = fault_disarm(NULL);
                assert_int_equal(r, hit ? -ENOMEM : 0);
                struck += hit;
                free(list);
        }
        store_close(s);
        for (unsigned n = 1; n < 20; n++) {
                struct store *other = NULL;
                char *error = NULL;
                fault_arm(n, 0);
                int r = store_open(dir.path, &other, &error);
                bool hit = fault_disarm(NULL);
                assert_int_equal(r, hit ? -ENOMEM : 0);
                assert_null(error);
                struck += hit;
                store_close(other);
        }
        assert_true(struck >= 3);
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
                TEST(test_names_of_users_are_judged),
                TEST(test_users_are_kept_and_never_twice),
                TEST(test_uids_end_with_their_range_and_never_come_again),
                TEST(test_tokens_are_found_by_kind_and_taken_once),
                TEST(test_tokens_are_exchanged_whole_or_not_at_all),
                TEST(test_oldest_tokens_give_way_and_expired_are_purged),
                TEST(test_of_two_who_take_one_link_one_gets_it),
                TEST(test_many_threads_share_the_connections),
                TEST(test_sessions_are_put_replaced_and_removed),
                TEST(test_an_older_file_is_migrated_with_what_it_holds),
                TEST(test_a_migration_that_fails_leaves_the_file_as_it_was),
                TEST(test_a_newer_or_strange_file_is_refused),
                TEST(test_a_damaged_file_is_refused),
                TEST(test_a_file_of_others_is_refused),
                TEST(test_files_beside_the_database_are_as_private),
                TEST(test_memory_that_ends_is_said_so),
        };

        latch_thread_begin("main");
        int failed = cmocka_run_group_tests_name("store", tests, NULL, NULL);
        latch_thread_end();
        return failed;
}
