/* Unit tests for src/workspace/path.c, resolve.c, look.c, read.c. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fault.h"
#include "fixture.h"
#include "latch/thread.h"

static int check(const char *path) {
        return workspace_path_check(path, strlen(path));
}

static void test_path_rule(void **state) {
        static const char *const good[] = {
                "",          "home",          "home/a",       "home/a b/c;d",
                "home/-rf",  "home/...",      "home/.hidden", "home/\\",
                "home/x\ny", "home/\xc3\xa4", "courses/c/1",  "home/~",
                "home/a:b",  "other"};
        static const char *const bad[] = {"/",
                                          "/home",
                                          "home/",
                                          "home//a",
                                          ".",
                                          "..",
                                          "home/.",
                                          "home/..",
                                          "home/../x",
                                          "./home",
                                          "home/./a",
                                          "../home",
                                          "home/a/../../..",
                                          "home/\xff",
                                          "home/\xc0\xaf",
                                          "home/\xed\xa0\x80"};
        char longest[WORKSPACE_PATH_MAX + 2];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_int_equal(check(good[i]), 0);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(check(bad[i]), -EINVAL);
        assert_int_equal(workspace_path_check("home/a\0b", 8), -EINVAL);

        memset(longest, 'a', sizeof longest);
        for (size_t i = 4; i < sizeof longest; i += 100)
                longest[i] = '/';
        assert_int_equal(workspace_path_check(longest, WORKSPACE_PATH_MAX), 0);
        assert_int_equal(workspace_path_check(longest, WORKSPACE_PATH_MAX + 1), -EINVAL);
        memset(longest, 'a', 256);
        assert_int_equal(workspace_path_check(longest, 255), 0);
        assert_int_equal(workspace_path_check(longest, 256), -EINVAL);
}

static void test_top_has_home_and_courses(void **state) {
        struct fixture *f = *state;
        _cleanup_(freep) struct workspace_stat *list = NULL;
        struct workspace_stat st;
        size_t n;

        assert_int_equal(workspace_list(f->w, "", 10, &list, &n), 0);
        assert_int_equal(n, 2);
        assert_string_equal(list[0].name, "courses");
        assert_false(list[0].writable);
        assert_string_equal(list[1].name, "home");
        assert_true(list[1].writable);
        assert_int_equal(list[1].type, WORKSPACE_DIR);

        assert_int_equal(workspace_stat(f->w, "", &st), 0);
        assert_string_equal(st.name, "");
        assert_int_equal(st.type, WORKSPACE_DIR);
        assert_false(st.writable);
        assert_int_equal(workspace_stat(f->w, "home", &st), 0);
        assert_string_equal(st.name, "home");
        assert_true(st.etag[0] != '\0');
        assert_int_equal(workspace_stat(f->w, "elsewhere", &st), -ENOENT);
        assert_int_equal(workspace_stat(f->w, "homes", &st), -ENOENT);
        assert_int_equal(workspace_stat(f->w, "home/..", &st), -EINVAL);
}

static void test_list_is_sorted_by_bytes(void **state) {
        struct fixture *f = *state;
        _cleanup_(freep) struct workspace_stat *list = NULL;
        size_t n;

        home_put(f, "b", "12345");
        home_put(f, "a\nb", "");
        home_put(f, "Z", "");
        home_put(f, "\xc3\xa4", "");
        home_put(f, "bad\xff", "");
        assert_int_equal(symlinkat("/etc/passwd", f->w->home, "link"), 0);
        assert_int_equal(mkdirat(f->w->home, "dir", 0755), 0);
        assert_int_equal(mkfifoat(f->w->home, "fifo", 0600), 0);

        assert_int_equal(workspace_list(f->w, "home", 8, &list, &n), 0);
        static const char *const names[] = {"Z",   "a\nb", "b",    "bad\xff",
                                            "dir", "fifo", "link", "\xc3\xa4"};
        static const int types[] = {WORKSPACE_FILE, WORKSPACE_FILE, WORKSPACE_FILE,
                                    WORKSPACE_FILE, WORKSPACE_DIR,  WORKSPACE_OTHER,
                                    WORKSPACE_LINK, WORKSPACE_FILE};
        assert_int_equal(n, ELEMENTS(names));
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(list[i].name, names[i]);
                assert_int_equal(list[i].type, types[i]);
        }
        assert_int_equal(list[2].size, 5);
        assert_int_equal(list[2].mode, 0644);
        assert_false(list[5].writable);

        assert_int_equal(workspace_list(f->w, "home/b", 8, &list, &n), -ENOTDIR);
        assert_int_equal(workspace_list(f->w, "home/none", 8, &list, &n), -ENOENT);
}

static void test_huge_folder_is_refused_at_the_limit(void **state) {
        struct fixture *f = *state;
        struct workspace_stat *list = NULL;
        size_t n;
        char name[32];

        for (int i = 0; i < 3000; i++) {
                snprintf(name, sizeof name, "f%d", i);
                home_put(f, name, "");
        }
        assert_int_equal(workspace_list(f->w, "home", 2999, &list, &n), -EFBIG);
        assert_null(list);
        assert_int_equal(workspace_list(f->w, "home", 3000, &list, &n), 0);
        assert_int_equal(n, 3000);
        free(list);
}

static void test_huge_folders_come_in_pages(void **state) {
        struct fixture *f = *state;
        char after[WORKSPACE_NAME_MAX] = "", last[256] = "";
        size_t n, seen = 0, pages = 0;

        for (int i = 0; i < 3000; i++) {
                char name[32];

                snprintf(name, sizeof name, i % 3 ? "f%d" : "\xff%d", i * 7919 % 3000);
                home_put(f, name, "");
        }
        do {
                _cleanup_(freep) struct workspace_stat *list = NULL;

                assert_int_equal(workspace_list_page(f->w, "home", after, 250, &list, &n), 0);
                for (size_t i = 0; i < n; i++) {
                        assert_true(strcmp(list[i].name, last) > 0);
                        strcpy(last, list[i].name);
                }
                workspace_name_wire(last, after);
                seen += n;
                pages++;
        } while (n == 250);
        assert_int_equal(seen, 3000);
        assert_int_equal(pages, 13); /* the last one is empty */
}

static void test_pages_of_little_folders(void **state) {
        struct fixture *f = *state;
        struct workspace_stat *list = NULL;
        size_t n;

        assert_int_equal(workspace_list_page(f->w, "", "", 1, &list, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(list[0].name, "courses");
        free(list);
        assert_int_equal(workspace_list_page(f->w, "", "courses", 9, &list, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(list[0].name, "home");
        free(list);
        assert_int_equal(workspace_list_page(f->w, "home", "zzz", 9, &list, &n), 0);
        assert_int_equal(n, 0);
        free(list);
        assert_int_equal(workspace_list_page(f->w, "home", "a/b", 9, &list, &n), -EINVAL);
        assert_int_equal(workspace_list_page(f->w, "home", "..", 9, &list, &n), -EINVAL);
}

static void test_list_gives_up_cleanly_without_memory(void **state) {
        struct fixture *f = *state;
        struct workspace_stat *list = NULL;
        size_t n;
        unsigned faults = 0;

        for (int i = 0; i < 100; i++) {
                char name[32];
                snprintf(name, sizeof name, "f%d", i);
                home_put(f, name, "");
        }
        for (;; faults++) {
                fault_arm(faults + 1, 0);
                int r = workspace_list(f->w, "home", 1000, &list, &n);
                if (!fault_disarm(NULL)) {
                        assert_int_equal(r, 0);
                        break;
                }
                assert_int_equal(r, -ENOMEM);
                assert_null(list);
        }
        assert_true(faults >= 3);
        free(list);
}

static void test_links_inside_are_followed_and_others_refused(void **state) {
        struct fixture *f = *state;
        _cleanup_(freep) char *data = NULL;
        struct workspace_stat st;
        size_t n;
        int fd;

        static const struct {
                const char *name, *to;
                int result;
        } links[] = {
                {"in", "d/f", 0},
                {"d/up", "../d/f", 0},
                {"out", "../../../../etc/passwd", -EXDEV},
                {"abs", "/etc/passwd", -EXDEV},
                {"none", "nothing", -ENOENT},
                {"loop", "loop", -EXDEV},
                {"proc", "/proc/self/root/etc/passwd", -EXDEV},
                {"side", "../staging", -EXDEV},
        };
        assert_int_equal(mkdirat(f->w->home, "d", 0755), 0);
        home_put(f, "d/f", "inside");
        assert_int_equal(symlinkat("/etc", f->w->home, "etc"), 0);
        for (size_t i = 0; i < ELEMENTS(links); i++) {
                char path[64];
                assert_int_equal(symlinkat(links[i].to, f->w->home, links[i].name), 0);
                snprintf(path, sizeof path, "home/%s", links[i].name);
                assert_int_equal(workspace_stat(f->w, path, &st), links[i].result);
                assert_int_equal(workspace_open_file(f->w, path, &fd, NULL), links[i].result);
                if (links[i].result != 0)
                        continue;
                fd_close(fd);
                assert_int_equal(st.type, WORKSPACE_FILE);
                assert_int_equal(workspace_read(f->w, path, 0, 100, &data, &n, NULL), 0);
                assert_string_equal(data, "inside");
                free(TAKE_PTR(data));
        }
        assert_int_equal(workspace_stat(f->w, "home/etc/passwd", &st), -EXDEV);
        assert_int_equal(workspace_read(f->w, "home/etc/passwd", 0, 10, &data, &n, NULL), -EXDEV);
        assert_int_equal(workspace_open_file(f->w, "home/d/f/x", &fd, NULL), -ENOTDIR);
}

static void test_only_files_are_read(void **state) {
        struct fixture *f = *state;
        char path[108];
        char *data = NULL;
        struct workspace_stat st;
        size_t n;
        struct sockaddr_un a = {.sun_family = AF_UNIX};

        assert_int_equal(mkfifoat(f->w->home, "fifo", 0600), 0);
        snprintf(path, sizeof path, "%s/users/ann/home/sock", f->dir);
        memcpy(a.sun_path, path, sizeof path);
        _cleanup_(fd_closep) int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);

        uint64_t began = clock_mono_ms();
        assert_int_equal(workspace_read(f->w, "home/fifo", 0, 10, &data, &n, NULL), -ENODEV);
        assert_int_equal(workspace_read(f->w, "home/sock", 0, 10, &data, &n, NULL), -ENODEV);
        assert_true(clock_mono_ms() - began < 5000);
        assert_int_equal(workspace_read(f->w, "home", 0, 10, &data, &n, NULL), -EISDIR);
        assert_int_equal(workspace_read(f->w, "", 0, 10, &data, &n, NULL), -EISDIR);
        assert_int_equal(workspace_stat(f->w, "home/sock", &st), 0);
        assert_int_equal(st.type, WORKSPACE_OTHER);
        assert_int_equal(put(f, "home/fifo", "x"), -ENODEV);
        assert_int_equal(put(f, "home/sock", "x"), -ENODEV);
}

static void test_read_is_of_offset_and_length(void **state) {
        struct fixture *f = *state;
        static const struct {
                uint64_t offset;
                size_t length;
                const char *text;
        } cases[] = {
                {0, 100, "0123456789"}, {0, 4, "0123"}, {4, 3, "456"},
                {8, 100, "89"},         {10, 5, ""},    {11, 5, ""},
                {UINT64_MAX, 5, ""},    {3, 0, ""},     {0, SIZE_MAX, "0123456789"},
        };

        home_put(f, "f", "0123456789");
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(freep) char *data = NULL;
                struct workspace_stat st, again;
                size_t n;
                assert_int_equal(workspace_read(f->w, "home/f", cases[i].offset, cases[i].length,
                                                &data, &n, &st),
                                 0);
                assert_int_equal(n, strlen(cases[i].text));
                assert_memory_equal(data, cases[i].text, n);
                assert_int_equal(st.size, 10);
                assert_int_equal(workspace_stat(f->w, "home/f", &again), 0);
                assert_string_equal(st.etag, again.etag);
        }
        fault_arm(1, 0);
        char *data = NULL;
        size_t n;
        assert_int_equal(workspace_read(f->w, "home/f", 0, 10, &data, &n, NULL), -ENOMEM);
        assert_true(fault_disarm(NULL));
}

static void test_unreadable_file_is_an_error(void **state) {
        struct fixture *f = *state;
        char *data = NULL;
        size_t n;

        home_put(f, "f", "x");
        assert_int_equal(fchmodat(f->w->home, "f", 0, 0), 0);
        assert_int_equal(workspace_read(f->w, "home/f", 0, 10, &data, &n, NULL), -EACCES);
}

static void test_a_lease_does_not_hold_us_up(void **state) {
        struct fixture *f = *state;
        char *data = NULL;
        size_t n;

        home_put(f, "f", "x");
        _cleanup_(fd_closep) int fd = openat(f->w->home, "f", O_RDWR | O_CLOEXEC);
        assert_true(signal(SIGIO, SIG_IGN) != SIG_ERR);
        assert_int_equal(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
        uint64_t began = clock_mono_ms();
        assert_int_equal(workspace_read(f->w, "home/f", 0, 10, &data, &n, NULL), -EBUSY);
        assert_true(clock_mono_ms() - began < 5000);
}

static void test_etag_tells_each_change(void **state) {
        struct fixture *f = *state;
        struct workspace_stat a, b;

        assert_int_equal(put(f, "home/f", "same"), 0);
        assert_int_equal(workspace_stat(f->w, "home/f", &a), 0);
        for (int i = 0; i < 200; i++) {
                assert_int_equal(put(f, "home/f", "same"), 0);
                assert_int_equal(workspace_stat(f->w, "home/f", &b), 0);
                assert_string_not_equal(a.etag, b.etag);
                a = b;
        }
        home_put(f, "f", "longer than before");
        assert_int_equal(workspace_stat(f->w, "home/f", &b), 0);
        assert_string_not_equal(a.etag, b.etag);
}

static void test_courses_are_read_only(void **state) {
        struct fixture *f = *state;
        struct workspace_stat st;
        char *data = NULL;
        size_t n;

        assert_int_equal(mkdirat(f->w->courses, "c", 0755), 0);
        int fd = openat(f->w->courses, "c/task", O_WRONLY | O_CREAT, 0644);
        assert_int_equal(fd_write_all(fd, "do", 2), 0);
        fd_close(fd);
        assert_int_equal(workspace_read(f->w, "courses/c/task", 0, 10, &data, &n, &st), 0);
        assert_string_equal(data, "do");
        free(data);
        assert_false(st.writable);
        assert_int_equal(put(f, "courses/c/task", "x"), -EROFS);
        assert_int_equal(put(f, "courses/c/new", "x"), -EROFS);
        assert_int_equal(workspace_mkdir(f->w, "courses/d"), -EROFS);
        assert_int_equal(workspace_remove(f->w, "courses/c", true, NULL), -EROFS);
        assert_int_equal(workspace_rename(f->w, "courses/c/task", "home/task", false), -EROFS);
        assert_int_equal(put(f, "home/x", "x"), 0);
        assert_int_equal(workspace_rename(f->w, "home/x", "courses/c/x", false), -EROFS);
        assert_int_equal(workspace_stat(f->w, "courses/c/task", &st), 0);
}

/* ---- a link swapped in a loop ---- */

struct swapper {
        int home;
        atomic_bool end;
};

/* "d" is by turns a folder of the user's and a link to the folder `outside`. */
static void *swap(void *arg) {
        struct swapper *s = arg;

        latch_thread_begin("swapper");
        while (!atomic_load(&s->end)) {
                CHECK(renameat2(s->home, "d", s->home, "link", RENAME_EXCHANGE) == 0);
        }
        latch_thread_end();
        return NULL;
}

static void test_swapped_link_never_leads_out(void **state) {
        struct fixture *f = *state;
        struct swapper s = {.home = f->w->home};
        pthread_t thread;
        char outside[128];
        unsigned inside = 0, refused = 0;

        snprintf(outside, sizeof outside, "%s/outside", f->dir);
        assert_int_equal(mkdir(outside, 0755), 0);
        int fd = open(strcat(outside, "/secret"), O_WRONLY | O_CREAT, 0644);
        assert_int_equal(fd_write_all(fd, "canary", 6), 0);
        fd_close(fd);
        assert_int_equal(mkdirat(f->w->home, "d", 0755), 0);
        home_put(f, "d/secret", "inside");
        assert_int_equal(symlinkat("../../../outside", f->w->home, "link"), 0);

        assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
        for (unsigned i = 0; i < 200000 && (i < 4000 || inside < 100 || refused < 100); i++) {
                char *data = NULL;
                size_t n;
                int r = workspace_read(f->w, "home/d/secret", 0, 100, &data, &n, NULL);
                if (r == 0) {
                        assert_string_equal(data, "inside");
                        inside++;
                } else {
                        assert_true(r == -EXDEV || r == -EBUSY);
                        refused++;
                }
                free(data);
                if (i % 20 == 0) {
                        r = put(f, "home/d/secret", "inside");
                        assert_true(r == 0 || r == -EXDEV || r == -EBUSY);
                        r = workspace_rename(f->w, "home/d/secret", "home/d/secret", true);
                        assert_true(r == 0 || r == -EXDEV || r == -EBUSY);
                        r = workspace_remove(f->w, "home/d/none", true, NULL);
                        assert_true(r == -ENOENT || r == -EXDEV || r == -EBUSY);
                }
        }
        atomic_store(&s.end, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(inside >= 100 && refused >= 100);

        char canary[8] = "";
        fd = open(outside, O_RDONLY);
        assert_int_equal(fd_read_full(fd, canary, sizeof canary), 6);
        fd_close(fd);
        assert_string_equal(canary, "canary");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path_rule),
                with_fixture(test_top_has_home_and_courses),
                with_fixture(test_list_is_sorted_by_bytes),
                with_fixture(test_huge_folder_is_refused_at_the_limit),
                with_fixture(test_huge_folders_come_in_pages),
                with_fixture(test_pages_of_little_folders),
                with_fixture(test_list_gives_up_cleanly_without_memory),
                with_fixture(test_links_inside_are_followed_and_others_refused),
                with_fixture(test_only_files_are_read),
                with_fixture(test_read_is_of_offset_and_length),
                with_fixture(test_unreadable_file_is_an_error),
                with_fixture(test_a_lease_does_not_hold_us_up),
                with_fixture(test_etag_tells_each_change),
                with_fixture(test_courses_are_read_only),
                with_fixture(test_swapped_link_never_leads_out),
        };

        become_ordinary();
        return cmocka_run_group_tests_name("workspace look", tests, NULL, NULL);
}
