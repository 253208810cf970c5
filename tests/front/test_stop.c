/* Tests of front's start and stop: whatever clients do, both end in time. */
#include <dirent.h>
#include <signal.h>

#include "fixture.h"

/* A stop gives clients a second; where it waits for one, it takes the 8 s that a request may. */
#define STOP_WITHIN_MS 6000

static struct server s;
static struct frame f;

static int set_up(void **state) {
        (void)state;
        server_start(&s);
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        server_stop(&s);
        return 0;
}

static uint64_t stop(unsigned code) {
        uint64_t began = clock_mono_ms();

        front_stop(s.front, code);
        return clock_mono_ms() - began;
}

static void test_an_idle_server_stops_at_once(void **state) {
        (void)state;
        assert_true(stop(1012) < 900);
}

static void test_each_socket_is_told_why(void **state) {
        char token[TOKEN_TEXT_MAX];
        int fds[3];

        (void)state;
        sign_in(&s, token);
        for (size_t i = 0; i < ELEMENTS(fds); i++) {
                fds[i] = ws_open(&s, "/v1/ws", token);
                ws_read(fds[i], &f);
        }
        assert_true(stop(1012) < STOP_WITHIN_MS); /* nobody answers the close frames */
        for (size_t i = 0; i < ELEMENTS(fds); i++)
                assert_int_equal(ws_read_close(fds[i]), 1012);
}

static void test_the_code_is_the_callers(void **state) {
        int fd = ws_open(&s, "/v1/echo", NULL);

        (void)state;
        assert_true(stop(1001) < STOP_WITHIN_MS);
        assert_int_equal(ws_read_close(fd), 1001);
}

/* One of each kind of client that a thread waits for. */
static void test_clients_that_say_nothing_delay_nothing(void **state) {
        static const char half[] =
                "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc";
        static const char line[] = "GET / HT";
        int silent = client_open(&s), head = client_open(&s), body = client_open(&s);
        int frame = ws_open(&s, "/v1/echo", NULL);

        (void)state;
        client_send(head, line, sizeof line - 1);
        client_send(body, half, sizeof half - 1);
        client_send(frame, "\x82\xfe\x40\x00\x01\x02\x03\x04zz", 10); /* the rest never comes */
        wait_for(atomic_load(&s.front->numbers) >= 2);
        assert_true(stop(1012) < STOP_WITHIN_MS);
        close(silent);
        close(head);
        close(body);
        assert_int_equal(ws_read_close(frame), 1012);
}

static void test_a_client_that_reads_nothing_delays_nothing(void **state) {
        static char big[60000];
        int fd = ws_open(&s, "/v1/echo", NULL);

        (void)state;
        for (int i = 0; i < 120; i++)
                ws_send(fd, 0x82, big, sizeof big);
        assert_true(stop(1012) < STOP_WITHIN_MS);
        close(fd);
}

static void test_nobody_is_admitted_any_more(void **state) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s.port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)state;
        assert_true(stop(1012) < STOP_WITHIN_MS);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), -1);
        assert_int_equal(errno, ECONNREFUSED);
        close(fd);
}

static unsigned descriptors(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

static void test_no_descriptor_stays_open(void **state) {
        unsigned before;
        char token[TOKEN_TEXT_MAX];

        (void)state;
        sign_in(&s, token);
        before = descriptors();
        for (int i = 0; i < 30; i++) {
                int fd = ws_open(&s, "/v1/ws", token);

                if (i & 1)
                        ws_send(fd, 0x88, "", 0);
                close(fd);
                wait_for(atomic_load(&s.front->sockets) == 0 &&
                         registry_count(s.front->socks) == 0);
        }
        latch_rcu_barrier();
        wait_for(descriptors() <= before); /* once the last sock has gone */
}

/* A port that is taken, an address that is none: in words, and nothing is left behind. */
static void test_addresses_that_cannot_be_had(void **state) {
        static const char *const bad[] = {"127.0.0.1:99999", "nowhere:0", "1.2.3.4:1", "127.0.0.1"};
        char address[64], taken[64], *error = NULL;
        struct front_deps deps = s.front->deps;
        struct front *f2;

        (void)state;
        assert_int_equal(front_new(&deps, &f2), 0);
        snprintf(taken, sizeof taken, "%s", s.address);
        snprintf(s.config.listen, sizeof s.config.listen, "%s", taken);
        assert_int_equal(front_listen(f2, address, sizeof address, &error), -EINVAL);
        assert_non_null(strstr(error, taken));
        assert_non_null(strstr(error, "in use"));
        free(error);
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                snprintf(s.config.listen, sizeof s.config.listen, "%s", bad[i]);
                assert_int_equal(front_listen(f2, address, sizeof address, &error), -EINVAL);
                assert_non_null(error);
                free(error);
        }
        front_free(f2);
}

/* A signal with a handler, sent to the process, must not land on a thread of civetweb's (facts). */
static void on_signal(int number) {
        (void)number;
}

static void test_signals_pass_the_connections_by(void **state) {
        struct sigaction act = {.sa_handler = on_signal}, before;
        int fd = ws_open(&s, "/v1/echo", NULL);

        (void)state;
        assert_int_equal(sigaction(SIGUSR1, &act, &before), 0);
        for (int i = 0; i < 200; i++)
                assert_int_equal(kill(getpid(), SIGUSR1), 0);
        ws_send(fd, 0x81, "alive", 5);
        ws_read(fd, &f);
        assert_string_equal(f.data, "alive");
        close(fd);
        assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("test");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_rcu_barrier();
        latch_thread_end();
        return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_an_idle_server_stops_at_once),
                TEST(test_each_socket_is_told_why),
                TEST(test_the_code_is_the_callers),
                TEST(test_clients_that_say_nothing_delay_nothing),
                TEST(test_a_client_that_reads_nothing_delays_nothing),
                TEST(test_nobody_is_admitted_any_more),
                TEST(test_no_descriptor_stays_open),
                TEST(test_addresses_that_cannot_be_had),
                TEST(test_signals_pass_the_connections_by),
        };

        return cmocka_run_group_tests(tests, begin, end);
}
