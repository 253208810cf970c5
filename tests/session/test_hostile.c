/* Unit tests for src/session/descriptor.c, greet.c, adopt.c and found.c: holders that send what they should not,
 * or nothing, while a server starts or runs. */
#include <fcntl.h>

#include "double.h"
#include "session/descriptor.h"

static void forget_records(void) {
        struct store_session *list;
        size_t n;

        assert_int_equal(store_session_list(world.store, &list, &n), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(store_session_remove(world.store, list[i].id), 0);
        free(list);
}

static int set_up(void **state) {
        (void)state;
        world_up();
        forget_records();
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        world_down();
        return 0;
}

static struct session *find(const struct holder_double *h) {
        return sessions_find(world.sessions, world.ann, h->id);
}

static bool socket_is_there(const struct holder_double *h) {
        char path[200];

        snprintf(path, sizeof path, "%s/sessions/%s.sock", world.dir, h->id);
        return access(path, F_OK) == 0;
}

static bool record_is(const char *id, enum record_state state, const char *verdict) {
        struct store_session *list;
        size_t n;
        bool found = false;

        assert_int_equal(store_session_list(world.store, &list, &n), 0);
        for (size_t i = 0; i < n; i++)
                found |= str_eq(list[i].id, id) && list[i].state == state &&
                         str_eq(list[i].verdict, verdict);
        free(list);
        return found;
}

static bool lease_is_held(void) {
        struct sessions_stats st;

        sessions_stats(world.sessions, &st);
        return st.leases_taken > st.leases_released;
}

/* ---- descriptors ---- */

static void test_only_the_first_of_a_namespace_is_a_cages_init(void **state) {
        int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
        int event = eventfd(0, EFD_CLOEXEC), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        pid_t cage = double_cage();
        int init = (int)syscall(SYS_pidfd_open, cage, 0);
        int status;

        (void)state;
        assert_true(self >= 0 && event >= 0 && null >= 0 && init >= 0);
        assert_int_equal(descriptor_is_cage_init(init), 0);
        assert_int_equal(descriptor_is_cage_init(self), -EPROTO);
        assert_int_equal(descriptor_is_cage_init(event), -EPROTO);
        assert_int_equal(descriptor_is_cage_init(null), -EPROTO);
        assert_int_equal(descriptor_is_eventfd(event), 0);
        assert_int_equal(descriptor_is_eventfd(null), -EPROTO);
        assert_int_equal(descriptor_is_eventfd(init), -EPROTO);
        assert_int_equal(kill(cage, SIGKILL), 0);
        assert_int_equal(waitpid(cage, &status, 0), cage);
        assert_int_equal(descriptor_is_cage_init(init), -ESRCH);
        fd_close(self);
        fd_close(event);
        fd_close(null);
        fd_close(init);
}

/* A pidfd of the server itself, and then a lie: the server lives, and the cage keeps its lease until it ends. */
static void test_a_server_is_not_made_to_kill_itself(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        int cage = a->pidfd;
        HELD(a)
        a->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        UNTIL(SEEN(a, forgotten));
        UNTIL(record_is(a->id, RECORD_ENDED, "lost"));
        assert_false(lease_is_held());
        fd_close(cage);
        double_free(a);
}

static void test_an_fd_that_is_always_readable_frees_no_lease(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .deaf = true});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        int cage = a->pidfd;
        HELD(a)
        a->pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        sessions_tick(world.sessions, clock_mono_ns());
        assert_true(lease_is_held()); /* its holder is there, and so is the cage */
        double_die(a, true);
        UNTIL(!lease_is_held());
        fd_close(cage);
        double_free(a);
}

/* ---- what it says of its session ---- */

static struct hold_mark expires(uint64_t ms, uint32_t code) {
        return (struct hold_mark){.head.type = HOLD_EXPIRES, .offset = ms, .code = code};
}

static struct hold_title title(const char *text, char behind) {
        struct hold_title m = {.head.type = HOLD_TITLE};

        memset(m.text, behind, sizeof m.text);
        memcpy(m.text, text, strlen(text) + (behind == '\0'));
        return m;
}

/* How it is listed; false if it is not. */
static bool is_listed(const struct holder_double *h, struct session_info *ret) {
        struct session_info *list;
        size_t n;
        bool found = false;

        assert_int_equal(sessions_list(world.sessions, world.ann, &list, &n), 0);
        for (size_t i = 0; i < n && !found; i++)
                if ((found = str_eq(list[i].id, h->id)))
                        *ret = list[i];
        free(list);
        return found;
}

static bool is_called(const struct holder_double *h, const char *name) {
        struct session_info info;

        return is_listed(h, &info) && str_eq(info.title, name);
}

/* False: it is lost for it. Alone, of a terminal or not. */
static bool believed(bool tty, const void *message, size_t n) {
        struct holder_double *h = double_new(&(struct holder_double){.tty = tty});
        struct session *s = double_session(h);
        const struct hold_title behind = title("behind it", '\0');

        HELD(h) {
                double_say(h, message, n, NULL, 0);
                if (tty)
                        double_say(h, &behind, sizeof behind, NULL, 0);
        }
        UNTIL(SEEN(h, forgotten) || is_called(h, "behind it"));
        bool lives = !SEEN(h, forgotten);
        if (lives)
                double_finish(h, HOLD_EXITED, 0);
        UNTIL(record_is(h->id, RECORD_ENDED, lives ? "exited" : "lost"));
        assert_false(is_called(h, "behind it")); /* it is over */
        assert_int_equal(session_close(s), 0);
        session_unref(s);
        double_free(h);
        UNTIL(pool_is_idle());
        return lives;
}

static void test_what_it_says_of_its_end_is_judged(void **state) {
        const struct hold_mark good[] = {expires(60000, 0), expires(1, 0), expires(0, 0)};
        const struct hold_mark bad[] = {expires(60001, 0), expires(UINT64_MAX, 0), expires(5, 1)};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_true(believed(true, &good[i], sizeof good[i]));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(believed(true, &bad[i], sizeof bad[i]));
        assert_false(believed(true, &good[0], sizeof good[0] - 8));
}

static void test_what_it_says_of_its_title_is_judged(void **state) {
        const struct hold_title good[] = {title("", '\0'), title("caf\u00e9 \u2713", '\0')};
        const struct hold_title bad[] = {title("a\033[31m", '\0'), title("a\nb", '\0'),
                                         title("a\302\205", '\0'), title("\xff", '\0'),
                                         title("endless", 'x')};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++)
                assert_true(believed(true, &good[i], sizeof good[i]));
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_false(believed(true, &bad[i], sizeof bad[i]));
        assert_false(believed(false, &good[1], sizeof good[1]));
}

static struct hold_cwd cwd(const char *path, char behind) {
        struct hold_cwd m = {.head.type = HOLD_CWD};

        memset(m.path, behind, sizeof m.path);
        memcpy(m.path, path, strlen(path) + (behind == '\0'));
        return m;
}

static bool is_in(const struct holder_double *h, const char *folder) {
        struct session_info info;

        return is_listed(h, &info) && str_eq(info.cwd, folder);
}

/* On the wire it has the form of the wire; what lies elsewhere, or is too long there, is not said. */
static void test_what_it_says_of_its_folder_is_judged(void **state) {
        char deep[HOLD_CWD_MAX + 1] = "home";
        const struct hold_cwd good[] = {cwd("home", '\0'), cwd("courses/a", '\0')};
        const struct hold_cwd endless = cwd("home/", 'x');
        static const char *const elsewhere[] = {"",           "etc",       "homes",
                                                "/work/home", "home/../x", "home/"};

        (void)state;
        assert_false(believed(true, &endless, sizeof endless));
        assert_false(believed(false, &good[0], sizeof good[0]));
        struct holder_double *h = double_new(&(struct holder_double){.tty = true});
        struct session *s = double_session(h);
        for (size_t i = 0; i < HOLD_CWD_MAX - 4; i++)
                deep[4 + i] = i % 200 == 0 ? '/' : '\xff';
        for (size_t i = 0; i <= ELEMENTS(elsewhere); i++) {
                const struct hold_cwd far =
                        cwd(i < ELEMENTS(elsewhere) ? elsewhere[i] : deep, '\0');
                HELD(h)
                double_say(h, &good[i % 2], sizeof good[0], NULL, 0);
                UNTIL(is_in(h, good[i % 2].path));
                HELD(h)
                double_say(h, &far, sizeof far, NULL, 0);
                UNTIL(is_in(h, ""));
        }
        const struct hold_cwd strange = cwd("home/a\n\xff", '\0');
        HELD(h)
        double_say(h, &strange, sizeof strange, NULL, 0);
        UNTIL(is_in(h, "home/a\n\\xFF"));
        double_finish(h, HOLD_EXITED, 0);
        UNTIL(record_is(h->id, RECORD_ENDED, "exited"));
        assert_true(is_in(h, "home/a\n\\xFF")); /* where it was */
        assert_int_equal(session_close(s), 0);
        session_unref(s);
        double_free(h);
}

/* What the pump cannot watch; and what is there beside it is found as ever. */
static void test_a_bad_holder_stops_no_start(void **state) {
        struct holder_double *bad = double_new(&(struct holder_double){.tty = true});
        struct holder_double *good = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_record(bad, RECORD_RUNNING, false);
        double_record(good, RECORD_RUNNING, false);
        int wake = bad->wake;
        HELD(bad)
        bad->wake = open(world.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        UNTIL(SEEN(bad, forgotten));
        UNTIL(record_is(bad->id, RECORD_ENDED, "lost"));
        struct session *s = find(good);
        assert_non_null(s);
        struct client *c = client_new(world.ann);
        uint32_t n = client_attach(c, s, SESSION_ROLE_DRIVER, "tab", NULL);
        double_write_all(good, RING_OUTPUT, "here", 4);
        AWAIT(c, n, ch->out.n == 4);
        session_unref(s);
        client_free(c);
        fd_close(wake);
        double_free(bad);
        double_free(good);
}

/* ---- waiting for a word ---- */

static void test_an_ended_session_waits_for_its_holder(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .mute = true});
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        double_record(a, RECORD_ENDED, false); /* at offset 0 */
        double_finish(a, HOLD_EXITED, 0);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *s = find(a);
        assert_non_null(s);
        struct client *c = client_new(world.ann);
        assert_int_equal(client_try_attach(c, s, &(struct session_join){0}, &joined, &no), -EAGAIN);
        double_speak(a);
        UNTIL(client_try_attach(c, s, &(struct session_join){.has_since = true}, &joined, &no) ==
              0);
        AWAIT(c, joined.channel, ch->exits == 1);
        assert_int_equal(SEEN(a, forgets), 0);
        assert_int_equal(session_close(s), 0);
        UNTIL(SEEN(a, forgotten));
        assert_false(socket_is_there(a)); /* which the double does not remove itself */
        session_unref(s);
        client_free(c);
        double_free(a);
}

static void test_an_ended_session_whose_holder_dies_mute_can_be_read(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .mute = true});
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        double_record(a, RECORD_ENDED, false);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *s = find(a);
        struct client *c = client_new(world.ann);
        double_die(a, true);
        UNTIL(client_try_attach(c, s, &(struct session_join){0}, &joined, &no) == 0);
        AWAIT(c, joined.channel, ch->exits == 1);
        UNTIL(!socket_is_there(a));
        session_unref(s);
        client_free(c);
        double_free(a);
}

/* Bound, and not listening yet, while the server starts. */
static void *listen_late(void *arg) {
        struct holder_double *h = arg;

        usleep(100000);
        HELD(h)
        CHECK(listen(h->listen_fd, 4) == 0);
        return NULL;
}

static void test_who_listens_late_is_found(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        pthread_t thread;

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        snprintf(at.sun_path, sizeof at.sun_path, "%s/sessions/%s.sock", world.dir, a->id);
        assert_int_equal(unlink(at.sun_path), 0);
        double_die(a, false);
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        HELD(a)
        a->listen_fd = fd;
        assert_int_equal(pthread_create(&thread, NULL, listen_late, a), 0);
        assert_int_equal(sessions_adopt(world.sessions, PATIENCE_MS), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(socket_is_there(a));
        assert_true(lease_is_held());
        double_free(a);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_only_the_first_of_a_namespace_is_a_cages_init),
                TEST(test_a_server_is_not_made_to_kill_itself),
                TEST(test_an_fd_that_is_always_readable_frees_no_lease),
                TEST(test_what_it_says_of_its_end_is_judged),
                TEST(test_what_it_says_of_its_title_is_judged),
                TEST(test_what_it_says_of_its_folder_is_judged),
                TEST(test_a_bad_holder_stops_no_start),
                TEST(test_an_ended_session_waits_for_its_holder),
                TEST(test_an_ended_session_whose_holder_dies_mute_can_be_read),
                TEST(test_who_listens_late_is_found),
        };

        return cmocka_run_group_tests_name("hostile", tests, world_setup, world_teardown);
}
