/* Unit tests for src/workspace/write.c and stage.c. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "../skip.h"
#include "base/fault.h"
#include "fixture.h"
#include "inject.h"
#include "latch/thread.h"

static int put_if(const struct fixture *f, const char *path, const char *text,
                  const char *if_match) {
        return workspace_write(f->w, path, text, strlen(text), if_match, NULL);
}

static void test_a_save_is_read_back(void **state) {
        struct fixture *f = *state;
        struct workspace_stat saved, st;

        assert_int_equal(workspace_write(f->w, "home/a.py", "print(1)\n", 9, NULL, &saved), 0);
        assert_string_equal(home_get(f, "a.py"), "print(1)\n");
        assert_string_equal(saved.name, "a.py");
        assert_int_equal(saved.size, 9);
        assert_int_equal(saved.mode, 0644);
        assert_true(saved.writable);
        assert_int_equal(workspace_stat(f->w, "home/a.py", &st), 0);
        assert_string_equal(saved.etag, st.etag);
        assert_int_equal(put(f, "home/a.py", ""), 0);
        assert_string_equal(home_get(f, "a.py"), "");
        assert_int_equal(staging_entries(f), 0);
}

static void test_mode_is_kept_and_read_only_is_respected(void **state) {
        struct fixture *f = *state;
        struct workspace_stat st;

        home_put(f, "tool", "old");
        assert_int_equal(fchmodat(f->w->home, "tool", 04750, 0), 0);
        assert_int_equal(workspace_write(f->w, "home/tool", "new", 3, NULL, &st), 0);
        assert_int_equal(st.mode, 0750); /* set-uid is not for content that came over the wire */
        assert_int_equal(fchmodat(f->w->home, "tool", 0444, 0), 0);
        assert_int_equal(put(f, "home/tool", "x"), -EROFS);
        assert_string_equal(home_get(f, "tool"), "new");
        assert_int_equal(workspace_stat(f->w, "home/tool", &st), 0);
        assert_false(st.writable);

        assert_int_equal(mkdirat(f->w->home, "d", 0755), 0);
        assert_int_equal(fchmodat(f->w->home, "d", 0555, 0), 0);
        assert_int_equal(put(f, "home/d/x", "x"), -EROFS);
        assert_int_equal(workspace_mkdir(f->w, "home/d/e"), -EROFS);
}

static void test_where_no_file_can_be(void **state) {
        struct fixture *f = *state;
        char path[300] = "home/";

        assert_int_equal(mkdirat(f->w->home, "d", 0755), 0);
        home_put(f, "f", "x");
        assert_int_equal(put(f, "home/d", "x"), -EISDIR);
        assert_int_equal(put(f, "home/f/x", "x"), -ENOTDIR);
        assert_int_equal(put(f, "home/none/x", "x"), -ENOENT);
        assert_int_equal(put(f, "elsewhere/x", "x"), -ENOENT);
        assert_int_equal(put(f, "home/../x", "x"), -EINVAL);
        assert_int_equal(put(f, "home", "x"), -EPERM);
        assert_int_equal(put(f, "", "x"), -EPERM);
        memset(path + 5, 'n', 255);
        assert_int_equal(put(f, path, "x"), 0);
        path[260] = 'n';
        assert_int_equal(put(f, path, "x"), -EINVAL);
}

static void test_names_are_only_names(void **state) {
        struct fixture *f = *state;
        static const char *const names[] = {"a' ; id #.py", "-c", "$(id)",   "a\nb", "`x`",
                                            "%s%n",         "*",  "\\..\\x", "~"};

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                char path[64];
                snprintf(path, sizeof path, "home/%s", names[i]);
                assert_int_equal(put(f, path, names[i]), 0);
                assert_string_equal(home_get(f, names[i]), names[i]);
        }
}

static void test_if_match(void **state) {
        struct fixture *f = *state;
        struct workspace_stat a, b;

        assert_int_equal(put_if(f, "home/f", "1", "no-such"), -ESTALE);
        assert_string_equal(home_get(f, "f"), "");
        assert_int_equal(workspace_write(f->w, "home/f", "1", 1, "", &a), 0);
        assert_int_equal(put_if(f, "home/f", "2", ""), -EEXIST);
        assert_int_equal(workspace_write(f->w, "home/f", "2", 1, a.etag, &b), 0);
        assert_int_equal(put_if(f, "home/f", "3", a.etag), -ESTALE);
        assert_string_equal(home_get(f, "f"), "2");
        home_put(f, "f", "by a program");
        assert_int_equal(put_if(f, "home/f", "3", b.etag), -ESTALE);
        assert_string_equal(home_get(f, "f"), "by a program");
        assert_int_equal(symlinkat("nothing", f->w->home, "l"), 0);
        assert_int_equal(put_if(f, "home/l", "made", ""), 0);
        assert_string_equal(home_get(f, "nothing"), "made");
        assert_int_equal(staging_entries(f), 0);
}

static void test_a_save_through_a_link_keeps_the_link(void **state) {
        struct fixture *f = *state;
        struct stat st;

        assert_int_equal(mkdirat(f->w->home, "d", 0755), 0);
        assert_int_equal(mkdirat(f->w->home, "d/e", 0755), 0);
        assert_int_equal(symlinkat("e/../../real", f->w->home, "d/l"), 0);
        assert_int_equal(symlinkat("d/l", f->w->home, "ll"), 0);
        assert_int_equal(put(f, "home/ll", "through"), 0);
        assert_string_equal(home_get(f, "real"), "through");
        assert_int_equal(fstatat(f->w->home, "ll", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISLNK(st.st_mode));

        static const struct {
                const char *to;
                int result;
        } refused[] = {{"../../../x", -EXDEV}, {"/tmp/x", -EXDEV}, {"..", -EISDIR},
                       {"d/", -EISDIR},        {"d/..", -EISDIR},  {"bad", -EXDEV},
                       {"none/x", -ENOENT}};
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                assert_int_equal(symlinkat(refused[i].to, f->w->home, "bad"), 0);
                assert_int_equal(put(f, "home/bad", "x"), refused[i].result);
                assert_int_equal(unlinkat(f->w->home, "bad", 0), 0);
        }
}

/* ---- races ---- */

#define WRITERS 4
struct race {
        const struct fixture *f;
        pthread_barrier_t start;
        char etag[WORKSPACE_ETAG_MAX];
        unsigned rounds;
        int results[WRITERS];
};
struct racer {
        struct race *race;
        unsigned number;
        pthread_t thread;
};

static void *race_run(void *arg) {
        struct racer *me = arg;
        struct race *race = me->race;
        char text[2] = {(char)('a' + me->number), '\0'};

        latch_thread_begin("writer");
        for (unsigned i = 0; i < race->rounds; i++) {
                pthread_barrier_wait(&race->start);
                race->results[me->number] = put_if(race->f, "home/f", text, race->etag);
                pthread_barrier_wait(&race->start);
        }
        latch_thread_end();
        return NULL;
}

static void judge_round(struct race *race, int loss) {
        char winner[2] = "";

        for (unsigned k = 0; k < WRITERS; k++) {
                if (race->results[k] == 0) {
                        assert_string_equal(winner, "");
                        winner[0] = (char)('a' + k);
                } else {
                        assert_int_equal(race->results[k], loss);
                }
        }
        assert_string_not_equal(winner, "");
        assert_string_equal(home_get(race->f, "f"), winner);
}

static void race_rounds(struct race *race, bool fresh, int loss) {
        struct racer racers[WRITERS];

        assert_int_equal(pthread_barrier_init(&race->start, NULL, WRITERS + 1), 0);
        for (unsigned k = 0; k < WRITERS; k++) {
                racers[k] = (struct racer){.race = race, .number = k};
                assert_int_equal(pthread_create(&racers[k].thread, NULL, race_run, &racers[k]), 0);
        }
        for (unsigned i = 0; i < race->rounds; i++) {
                struct workspace_stat st;
                if (fresh) {
                        assert_int_equal(workspace_remove(race->f->w, "home/f", false, NULL), 0);
                        race->etag[0] = '\0';
                } else {
                        assert_int_equal(workspace_stat(race->f->w, "home/f", &st), 0);
                        strcpy(race->etag, st.etag);
                }
                pthread_barrier_wait(&race->start);
                pthread_barrier_wait(&race->start);
                judge_round(race, loss);
        }
        for (unsigned k = 0; k < WRITERS; k++)
                assert_int_equal(pthread_join(racers[k].thread, NULL), 0);
        pthread_barrier_destroy(&race->start);
}

static void test_of_writers_with_one_etag_one_wins(void **state) {
        struct race race = {.f = *state, .rounds = 150};

        home_put(race.f, "f", "first");
        race_rounds(&race, false, -ESTALE);
        race_rounds(&race, true, -EEXIST);
        assert_int_equal(put(race.f, "home/f", "x"), 0);
        assert_int_equal(staging_entries(race.f), 0);
}

struct flipper {
        const struct fixture *f;
        atomic_bool end;
        char *a, *b;
        size_t n;
};

static void *flip(void *arg) {
        struct flipper *fl = arg;

        latch_thread_begin("flipper");
        for (unsigned i = 0; !atomic_load(&fl->end); i++)
                CHECK(workspace_write(fl->f->w, "home/f", i % 2 ? fl->a : fl->b, fl->n, NULL,
                                      NULL) == 0);
        latch_thread_end();
        return NULL;
}

static void test_a_reader_sees_one_version_whole(void **state) {
        struct fixture *f = *state;
        struct flipper fl = {.f = f, .n = 200000};
        unsigned saw_a = 0, saw_b = 0;
        pthread_t thread;

        fl.a = malloc(fl.n);
        fl.b = malloc(fl.n);
        assert_true(fl.a && fl.b);
        memset(fl.a, 'a', fl.n);
        memset(fl.b, 'b', fl.n);
        assert_int_equal(workspace_write(f->w, "home/f", fl.a, fl.n, NULL, NULL), 0);
        assert_int_equal(pthread_create(&thread, NULL, flip, &fl), 0);
        for (unsigned i = 0; i < 100000 && (i < 500 || saw_a < 20 || saw_b < 20); i++) {
                char *data;
                size_t n;
                assert_int_equal(workspace_read(f->w, "home/f", 0, SIZE_MAX, &data, &n, NULL), 0);
                assert_int_equal(n, fl.n);
                assert_memory_equal(data, data[0] == 'a' ? fl.a : fl.b, n);
                *(data[0] == 'a' ? &saw_a : &saw_b) += 1;
                free(data);
        }
        atomic_store(&fl.end, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(saw_a >= 20 && saw_b >= 20);
        free(fl.a);
        free(fl.b);
}

/* ---- faults ---- */

static void test_no_fault_leaves_half_a_file(void **state) {
        struct fixture *f = *state;
        static const int errors[] = {ENOSPC, EIO, EDQUOT};

        for (size_t e = 0; e < ELEMENTS(errors); e++) {
                bool struck = true;
                for (unsigned nth = 1; struck; nth++) {
                        const char *call = "";
                        home_put(f, "f", "old");
                        fault_arm(nth, errors[e]);
                        int r = put(f, "home/f", "new");
                        struck = fault_disarm(&call);
                        const char *now = home_get(f, "f");
                        if (!struck) {
                                assert_true(nth > 3); /* write and two fsync at the least */
                                assert_int_equal(r, 0);
                        } else if (strstr(call, "alloc")) {
                                assert_int_equal(r, -ENOMEM);
                        } else {
                                assert_int_equal(r, -errors[e]);
                        }
                        assert_true(strcmp(now, "new") == 0 || (r != 0 && strcmp(now, "old") == 0));
                        assert_int_equal(staging_entries(f), 0);
                }
        }
}

struct change {
        struct fixture *f;
        int (*make)(const struct fixture *f);
};

static int change_run(void *arg) {
        const struct change *c = arg;

        return c->make(c->f);
}

static int save_new(const struct fixture *f) {
        return put(f, "home/f", "new");
}

static void only_f_is_listed(const struct fixture *f) {
        _cleanup_(freep) struct workspace_stat *list = NULL;
        size_t n;

        assert_int_equal(workspace_list(f->w, "home", 10, &list, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(list[0].name, "f");
}

static void test_each_system_call_of_a_save_may_fail(void **state) {
        struct fixture *f = *state;
        struct change c = {f, save_new};
        struct inject in = {.struck = true, .error = EIO};
        unsigned refused = 0;
        bool renamed = false;

        if (!INJECT_WORKS)
                skip_because("calls are made to fail on x86-64 alone");
        for (in.nth = 1; in.struck; in.nth++) {
                home_put(f, "f", "old");
                inject_run(&in, change_run, &c);
                const char *now = home_get(f, "f");
                /* Sweeping is not what was asked for: its failure costs nothing. */
                assert_true(in.result == 0 || in.result == -EIO);
                assert_string_equal(now, in.result == 0 || renamed ? "new" : "old");
                if (in.struck && (in.call == SYS_renameat || in.call == SYS_renameat2))
                        renamed = true; /* from the next on, it has happened */
                refused += in.result != 0;
                only_f_is_listed(f);
        }
        assert_int_equal(in.result, 0);
        assert_true(renamed && refused >= 12);
        assert_int_equal(put(f, "home/f", "x"), 0);
        assert_int_equal(staging_entries(f), 0);
}

static void test_killed_in_a_save_leaves_old_or_new(void **state) {
        struct fixture *f = *state;
        struct change c = {f, save_new};
        struct inject in = {.struck = true};
        unsigned old = 0, new = 0, left = 0;

        if (!INJECT_WORKS)
                skip_because("calls are made to fail on x86-64 alone");
        for (in.nth = 1; in.struck; in.nth++) {
                assert_int_equal(put(f, "home/f", "old"),
                                 0); /* also sweeps what the last one left */
                assert_int_equal(staging_entries(f), 0);
                inject_run(&in, change_run, &c);
                bool is_new = strcmp(home_get(f, "f"), "new") == 0;
                assert_true(is_new || strcmp(home_get(f, "f"), "old") == 0);
                *(is_new ? &new : &old) += 1;
                left += staging_entries(f);
                only_f_is_listed(f);
        }
        assert_true(old >= 12 && new >= 2);
        assert_true(left >= 4); /* or the sweeping above was never put to the test */
}

static int remove_tree(const struct fixture *f) {
        return workspace_remove(f->w, "home/t", true, NULL);
}

static void test_killed_in_a_removal_leaves_all_or_nothing(void **state) {
        struct fixture *f = *state;
        struct change c = {f, remove_tree};
        struct inject in = {.struck = true};
        unsigned all = 0, none = 0;

        if (!INJECT_WORKS)
                skip_because("calls are made to fail on x86-64 alone");
        for (in.nth = 1; in.struck; in.nth++) {
                if (home_get(f, "t/d/b")[0] == '\0') {
                        assert_int_equal(workspace_mkdir(f->w, "home/t"), 0);
                        assert_int_equal(workspace_mkdir(f->w, "home/t/d"), 0);
                        home_put(f, "t/a", "a");
                        home_put(f, "t/d/b", "b");
                        assert_int_equal(staging_entries(f), 0);
                }
                inject_run(&in, change_run, &c);
                struct stat st;
                if (fstatat(f->w->home, "t", &st, AT_SYMLINK_NOFOLLOW) == 0) {
                        assert_string_equal(home_get(f, "t/a"), "a");
                        assert_string_equal(home_get(f, "t/d/b"), "b");
                        all++;
                } else {
                        none++;
                }
        }
        assert_true(all >= 5 && none >= 5);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_fixture(test_a_save_is_read_back),
                with_fixture(test_mode_is_kept_and_read_only_is_respected),
                with_fixture(test_where_no_file_can_be),
                with_fixture(test_names_are_only_names),
                with_fixture(test_if_match),
                with_fixture(test_a_save_through_a_link_keeps_the_link),
                with_fixture(test_of_writers_with_one_etag_one_wins),
                with_fixture(test_a_reader_sees_one_version_whole),
                with_fixture(test_no_fault_leaves_half_a_file),
                with_fixture(test_each_system_call_of_a_save_may_fail),
                with_fixture(test_killed_in_a_save_leaves_old_or_new),
                with_fixture(test_killed_in_a_removal_leaves_all_or_nothing),
        };

        become_ordinary();
        return cmocka_run_group_tests_name("workspace write", tests, NULL, NULL);
}
