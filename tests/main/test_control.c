/* Unit tests for src/main/control.c and people.c: real store, accounts and folders, asked over the socket. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/level.h"
#include "latch/lock.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "main/control.h"
#include "people/people.h"
#include "store/datadir.h"
#include "workspace/workspace.h"

struct world {
        struct config config;
        struct reload reload;
        struct store *store;
        struct auth *auth;
        struct people people;
        struct control *control;
        int lock;
};
static struct world w;

static int open_world(void **state) {
        const char *argv[] = {"latchd", "--data", NULL};
        char dir[] = "/tmp/latch-control-XXXXXX", *words = NULL;

        (void)state;
        if (!mkdtemp(dir) || chmod(dir, 0755) < 0)
                return -1;
        argv[2] = dir;
        assert_int_equal(config_load(3, (char **)argv, &w.config, &words), 0);
        assert_int_equal(datadir_prepare(dir, geteuid(), getegid(), &words), 0);
        assert_int_equal(datadir_lock(dir, &w.lock), 0);
        assert_int_equal(workspace_prepare(dir), 0);
        assert_int_equal(store_open(dir, &w.store, &words), 0);
        assert_int_equal(auth_new(w.store, &w.config, &w.auth), 0);
        w.people = (struct people){.config = &w.config, .store = w.store, .auth = w.auth};
        assert_int_equal(control_open(&(struct control_deps){.config = &w.config,
                                                             .people = &w.people,
                                                             .reload = &w.reload},
                                      &w.control),
                         0);
        return 0;
}

static int close_world(void **state) {
        char command[600];

        (void)state;
        if (w.control)
                control_close(w.control);
        w.control = control_free(w.control);
        w.auth = auth_free(w.auth);
        latch_rcu_barrier();
        w.store = store_close(w.store);
        w.lock = fd_close(w.lock);
        snprintf(command, sizeof command, "rm -rf '%s'", w.config.data);
        return system(command) == 0 ? 0 : -1;
}

static int dial(void) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        snprintf(a.sun_path, sizeof a.sun_path, "%.90s/control.sock", w.config.data);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        return fd;
}

static void turn(void) {
        for (int i = 0; i < 3; i++) /* admit, hear */
                control_dispatch(w.control);
}

/* The answer that is there now, or NULL; a closed connection is an empty object. */
static json_t *answer_on(int fd) {
        static char text[DATADIR_MESSAGE_MAX];
        ssize_t n = recv(fd, text, sizeof text, MSG_DONTWAIT);

        if (n < 0)
                return NULL;
        return n == 0 ? json_object() : json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
}

static json_t *ask(const char *text) {
        int fd = dial();

        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
        turn();
        json_t *reply = answer_on(fd);
        assert_non_null(reply);
        close(fd);
        return reply;
}

static void assert_ok(const char *text) {
        json_t *reply = ask(text);

        if (!json_is_true(json_object_get(reply, "ok")))
                fail_msg("%s: %s", text, json_string_value(json_object_get(reply, "error")));
        json_decref(reply);
}

static void assert_refused(const char *text, const char *words) {
        json_t *reply = ask(text);
        const char *error = json_string_value(json_object_get(reply, "error"));

        assert_true(json_is_false(json_object_get(reply, "ok")));
        if (!error || !strstr(error, words))
                fail_msg("%s: %s", text, error);
        json_decref(reply);
}

static void test_a_user_is_made_whole(void **state) {
        struct store_user user;
        struct stat home;
        char path[600];

        (void)state;
        assert_ok(
                "{\"command\":\"user.add\",\"name\":\"ann\",\"role\":\"student\",\"password\":\"long enough\"}");
        assert_int_equal(store_user_by_name(w.store, "ann", &user), 0);
        snprintf(path, sizeof path, "%s/users/ann/home", w.config.data);
        assert_int_equal(stat(path, &home), 0);
        assert_true(S_ISDIR(home.st_mode));
        if (geteuid() == 0)
                assert_int_equal(home.st_uid, user.uid);

        struct auth_grant grant;
        unsigned retry;
        assert_int_equal(auth_sign_in(w.auth, "ann", "long enough", "127.0.0.1", &grant, &retry),
                         0);
        identity_unref(grant.identity);
}

static void test_what_cannot_be_is_said_in_words(void **state) {
        (void)state;
        assert_ok(
                "{\"command\":\"user.add\",\"name\":\"ann\",\"role\":\"student\",\"password\":\"long enough\"}");
        assert_refused(
                "{\"command\":\"user.add\",\"name\":\"ann\",\"role\":\"student\",\"password\":\"long enough\"}",
                "already");
        assert_refused(
                "{\"command\":\"user.add\",\"name\":\"../x\",\"role\":\"student\",\"password\":\"long enough\"}",
                "a-z");
        assert_refused(
                "{\"command\":\"user.add\",\"name\":\"bob\",\"role\":\"king\",\"password\":\"long enough\"}",
                "role");
        assert_refused(
                "{\"command\":\"user.add\",\"name\":\"bob\",\"role\":\"student\",\"password\":\"short\"}",
                "8");
        assert_refused("{\"command\":\"user.add\"}", "needs");
        assert_refused("{\"command\":\"fly\"}", "no such command");
        assert_refused("{\"command\":5}", "no such command");
        assert_refused("[]", "no such command");
        assert_refused("nonsense", "no such command");
}

static void test_a_folder_that_failed_is_made_by_asking_again(void **state) {
        char path[600];

        (void)state;
        assert_ok(
                "{\"command\":\"user.add\",\"name\":\"ann\",\"role\":\"student\",\"password\":\"long enough\"}");
        snprintf(path, sizeof path, "%s/users/ann/home", w.config.data);
        assert_int_equal(rmdir(path), 0);
        assert_refused(
                "{\"command\":\"user.add\",\"name\":\"ann\",\"role\":\"student\",\"password\":\"long enough\"}",
                "already");
        assert_int_equal(access(path, F_OK), 0);
}

static void test_lists_come_in_pages(void **state) {
        char last[USER_NAME_MAX + 1] = "", text[128];
        size_t seen = 0;
        bool more = true;

        (void)state;
        for (int i = 0; i < 450; i++) {
                struct store_user u = {.role = ROLE_TEACHER};
                snprintf(u.name, sizeof u.name, "user%03d", (i * 7) % 450);
                assert_int_equal(store_user_add(w.store, &u, w.config.uid_base, w.config.uid_count),
                                 0);
        }
        for (int pages = 0; more; pages++) {
                size_t i;
                json_t *one;
                snprintf(text, sizeof text, "{\"command\":\"user.list\",\"after\":\"%s\"}", last);
                json_t *reply = ask(text);
                assert_true(json_is_true(json_object_get(reply, "ok")));
                json_array_foreach(json_object_get(reply, "users"), i, one) {
                        const char *name = json_string_value(json_object_get(one, "name"));
                        assert_true(strcmp(name, last) > 0);
                        snprintf(last, sizeof last, "%s", name);
                        assert_string_equal(json_string_value(json_object_get(one, "role")),
                                            "teacher");
                        seen++;
                }
                more = json_is_true(json_object_get(reply, "more"));
                json_decref(reply);
                assert_true(pages < 4);
        }
        assert_int_equal(seen, 450);
}

static void test_a_stop_is_answered_when_it_is_done(void **state) {
        const char *text = "{\"command\":\"stop\",\"end_sessions\":true}";
        bool end_sessions = false;
        int fd = dial();

        (void)state;
        assert_false(control_stop_wanted(w.control, &end_sessions));
        assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
        turn();
        assert_true(control_stop_wanted(w.control, &end_sessions));
        assert_true(end_sessions);
        assert_null(answer_on(fd));
        assert_refused("{\"command\":\"stop\"}", "already");
        control_close(w.control);
        assert_null(answer_on(fd));
        w.control = control_free(w.control);
        json_t *reply = answer_on(fd);
        assert_true(json_is_true(json_object_get(reply, "ok")));
        json_decref(reply);
        close(fd);
}

/* What a reload does is test_reload's; here is what latchctl is told of it. */
static void test_a_reload_is_answered_with_what_changed(void **state) {
        char data[600], *argv[] = {(char[]){"latchd"},   (char[]){"--data"},   data,
                                   (char[]){"--config"}, (char[]){"/nowhere"}, NULL};

        (void)state;
        snprintf(data, sizeof data, "%s", w.config.data);
        w.reload = (struct reload){3, argv, &w.config};
        w.config.runs_per_minute = 7;
        w.config.workers = 5;
        json_t *reply = ask("{\"command\":\"reload\"}");
        _cleanup_(freep) char *text = json_dumps(reply, JSON_SORT_KEYS | JSON_COMPACT);
        assert_string_equal(
                text,
                "{\"changes\":["
                "{\"from\":\"5\",\"live\":false,\"setting\":\"server.workers\",\"to\":\"4\"},"
                "{\"from\":\"7\",\"live\":true,\"setting\":\"limits.runs_per_minute\",\"to\":\"64\"}"
                "],\"ok\":true}");
        json_decref(reply);
        w.reload.argc = 5;
        reply = ask("{\"command\":\"reload\"}");
        assert_non_null(strstr(json_string_value(json_object_get(reply, "refused")), "/nowhere"));
        json_decref(reply);
}

static void test_the_level_of_locks_is_switched_and_said(void **state) {
        (void)state;
        assert_int_equal(latch_set_level(1), 0);
        json_t *reply = ask("{\"command\":\"locks.level\",\"level\":2}");
        assert_int_equal(json_integer_value(json_object_get(reply, "was")), 1);
        assert_int_equal(json_integer_value(json_object_get(reply, "is")), 2);
        json_decref(reply);
        assert_int_equal(latch_level(), 2);
        assert_refused("{\"command\":\"locks.level\",\"level\":3}", "0 to 2");
        assert_refused("{\"command\":\"locks.level\"}", "0 to 2");
        assert_int_equal(latch_level(), 2);
}

static const json_t *named(const json_t *list, const char *name) {
        const json_t *one;
        size_t i;

        json_array_foreach(list, i, one)
                if (str_eq(json_string_value(json_object_get(one, "name")), name))
                        return one;
        return NULL;
}

static void test_locks_are_counted_and_traced(void **state) {
        char next[96];

        (void)state;
        assert_int_equal(latch_set_level(2), 0);
        assert_ok("{\"command\":\"user.add\",\"name\":\"lea\",\"role\":\"student\","
                  "\"password\":\"long enough\"}"); /* hashed behind the gate */
        json_t *reply = ask("{\"command\":\"locks\"}");
        const json_t *class = named(json_object_get(reply, "classes"), "auth_gate");
        assert_int_equal(json_integer_value(json_object_get(reply, "level")), 2);
        assert_true(json_integer_value(json_object_get(class, "taken")) > 0);
        json_decref(reply);

        reply = ask("{\"command\":\"locks.trace\"}");
        const json_t *events = json_object_get(reply, "events");
        json_int_t all = json_integer_value(json_object_get(reply, "next"));
        assert_true(all > 0 && json_array_size(events) == (size_t)all);
        const json_t *last = json_array_get(events, (size_t)all - 1);
        assert_non_null(strchr(json_string_value(json_object_get(last, "place")), ':'));
        assert_false(json_is_true(json_object_get(reply, "more")));
        (void)snprintf(next, sizeof next, "{\"command\":\"locks.trace\",\"at\":1,\"trace\":%d}",
                       (int)json_integer_value(json_object_get(reply, "trace")));
        json_decref(reply);
        assert_refused(next, "begin anew"); /* it was read to its end */
        assert_int_equal(latch_set_level(1), 0);
}

static struct latch_mutex held;
static pthread_barrier_t step;
static void *hold_it(void *arg) {
        latch_thread_begin("holder");
        LATCH_WITH(quota, &held) {
                pthread_barrier_wait(&step);
                pthread_barrier_wait(&step);
        }
        latch_thread_end();
        return arg;
}

static void test_who_holds_is_told(void **state) {
        pthread_t t;

        (void)state;
        latch_mutex_init(&held, LATCH_CLASS_quota);
        assert_int_equal(pthread_barrier_init(&step, NULL, 2), 0);
        assert_int_equal(pthread_create(&t, NULL, hold_it, NULL), 0);
        pthread_barrier_wait(&step);
        json_t *reply = ask("{\"command\":\"locks.waits\"}");
        const char *text = json_string_value(json_object_get(reply, "text"));
        assert_non_null(strstr(text, "  thread     holder (tid "));
        assert_non_null(strstr(text, "    holds    quota at 0x"));
        assert_true(json_is_true(json_object_get(reply, "whole")));
        json_decref(reply);
        pthread_barrier_wait(&step);
        assert_int_equal(pthread_join(t, NULL), 0);
        latch_mutex_done(&held);
}

static void test_the_silent_keep_nobody_out(void **state) {
        int silent[40];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(silent); i++) {
                silent[i] = dial();
                turn();
        }
        assert_refused("{\"command\":\"fly\"}", "no such command");
        json_t *gone = answer_on(silent[0]); /* the oldest had to make room */
        assert_int_equal(json_object_size(gone), 0);
        json_decref(gone);
        for (size_t i = 0; i < ELEMENTS(silent); i++)
                close(silent[i]);
        turn();
        assert_refused("{\"command\":\"fly\"}", "no such command");
}

static void test_a_message_too_long_ends_the_connection(void **state) {
        static char text[DATADIR_MESSAGE_MAX + 1];
        int fd = dial();

        (void)state;
        memset(text, ' ', sizeof text);
        assert_int_equal(send(fd, text, sizeof text, 0), sizeof text);
        turn();
        json_t *gone = answer_on(fd);
        assert_int_equal(json_object_size(gone), 0);
        json_decref(gone);
        close(fd);
}

/* The socket's mode keeps others out; if it did not, the peer's uid would. */
static void test_only_root_and_ourselves_are_heard(void **state) {
        char path[600];
        int status, ends[2];

        (void)state;
        snprintf(path, sizeof path, "%s/control.sock", w.config.data);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        if (geteuid() != 0)
                skip();
        assert_int_equal(chmod(path, 0777), 0);
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
                char c;
                if (setgid(70001) < 0 || setuid(70001) < 0)
                        _exit(1);
                int fd = dial();
                const char *text = "{\"command\":\"stop\"}";
                if (send(fd, text, strlen(text), 0) < 0 || write(ends[1], "x", 1) != 1)
                        _exit(2);
                ssize_t n = recv(fd, &c, 1, 0); /* closed, with no word */
                _exit(n == 0 || (n < 0 && errno == ECONNRESET) ? 0 : 3);
        }
        char c;
        assert_int_equal(read(ends[0], &c, 1), 1);
        turn();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        bool end_sessions;
        assert_false(control_stop_wanted(w.control, &end_sessions));
        close(ends[0]);
        close(ends[1]);
}

static void test_the_first_user_is_made_once(void **state) {
        const struct people p = w.people;
        struct people_first first;
        struct auth_grant grant;
        unsigned retry;
        bool made;

        (void)state;
        assert_int_equal(people_make_first(&p, &made, &first), 0);
        assert_true(made);
        assert_true(strlen(first.password) >= 20);
        assert_int_equal(auth_sign_in(w.auth, "admin", first.password, "127.0.0.1", &grant, &retry),
                         0);
        identity_unref(grant.identity);
        assert_int_equal(auth_sign_in_link(w.auth, first.link, "127.0.0.1", &grant, &retry), 0);
        assert_int_equal(grant.identity->account->role, ROLE_ADMIN);
        identity_unref(grant.identity);
        assert_int_equal(people_make_first(&p, &made, &first), 0);
        assert_false(made);
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("test");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_thread_end();
        return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_a_user_is_made_whole),
                TEST(test_what_cannot_be_is_said_in_words),
                TEST(test_a_folder_that_failed_is_made_by_asking_again),
                TEST(test_lists_come_in_pages),
                TEST(test_a_stop_is_answered_when_it_is_done),
                TEST(test_a_reload_is_answered_with_what_changed),
                TEST(test_the_level_of_locks_is_switched_and_said),
                TEST(test_locks_are_counted_and_traced),
                TEST(test_who_holds_is_told),
                TEST(test_the_silent_keep_nobody_out),
                TEST(test_a_message_too_long_ends_the_connection),
                TEST(test_only_root_and_ourselves_are_heard),
                TEST(test_the_first_user_is_made_once),
        };

        return cmocka_run_group_tests_name("control", tests, begin, end);
}
