/* Tests of who connects and does not ask, or asks slowly, over real sockets. */
#include "fixture.h"

static struct server s;
static struct reply r;

static unsigned waiting(void) {
        unsigned n = 0;

        LATCH_WITH(lobby, &s.front->lobby.lock) {
                n = s.front->lobby.n;
        }
        return n;
}

/* Reads to the end: true if nothing came before it. */
static bool ends_silently(int fd) {
        char c;
        bool silent = client_read(fd, &c, 1) == 0;

        close(fd);
        return silent;
}

/* Whoever said something: the kernel lets him in at once. */
static int open_with_a_byte(void) {
        int fd = client_open(&s);

        client_send(fd, "G", 1);
        return fd;
}

static void test_silence_has_a_deadline(void **state) {
        uint64_t began = clock_mono_ms();
        int fd = client_open(&s);

        (void)state;
        assert_true(ends_silently(fd));
        assert_in_range(clock_mono_ms() - began, 400, WAIT_MS / 2);
        wait_for(waiting() == 0);
}

static void test_slow_headers_have_one_deadline_for_all(void **state) {
        static const char head[] = "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ";
        uint64_t began = clock_mono_ms();
        int fd = client_open(&s);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        (void)state;
        client_send(fd, head, sizeof head - 1);
        while (poll(&p, 1, 20) == 0) /* a byte now and then, for ever if it may */
                client_send(fd, "y", 1);
        assert_in_range(clock_mono_ms() - began, 400, WAIT_MS / 2);
        client_reply(fd, &r);
        assert_int_equal(r.status, 408);
        assert_non_null(strstr(r.body, "{\"error\":{\"code\":\"timeout\""));
        wait_for(waiting() == 0);
}

static void test_headers_in_single_bytes_are_served(void **state) {
        static const char head[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        int fd = client_open(&s);

        (void)state;
        for (size_t i = 0; i < sizeof head - 1; i++)
                client_send(fd, head + i, 1);
        client_reply(fd, &r);
        assert_int_equal(r.status, 200);
}

static void test_half_a_request_and_an_end(void **state) {
        int fd = client_open(&s);

        (void)state;
        client_send(fd, "GET / HT", 8);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_true(ends_silently(fd));
        fd = client_open(&s);
        client_send(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 34);
        assert_int_equal(shutdown(fd, SHUT_WR), 0); /* a whole one is served */
        client_reply(fd, &r);
        assert_int_equal(r.status, 200);
        wait_for(waiting() == 0);
}

#define ROOM (LOBBY_MAX + 6u) /* with six sockets that are not open */

/* One more than may wait: the one that has waited longest goes, at once. */
static void test_the_oldest_makes_room(void **state) {
        int fds[ROOM + 1];
        uint64_t began;

        (void)state;
        s.front->head_ns = 60000000000ull;
        for (unsigned i = 0; i < ROOM; i++) {
                fds[i] = open_with_a_byte();
                wait_for(waiting() == i + 1);
        }
        began = clock_mono_ms();
        fds[ROOM] = open_with_a_byte();
        assert_true(ends_silently(fds[0]));
        assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        assert_true(ends_silently(fds[1])); /* that request stood there for a moment, too */
        assert_true(clock_mono_ms() - began < WAIT_MS / 2);
        wait_for(waiting() == ROOM - 1);
        for (unsigned i = 2; i <= ROOM; i++)
                close(fds[i]);
        wait_for(waiting() == 0);
        s.front->head_ns = 500000000u;
}

static void test_frames_with_the_request_are_refused(void **state) {
        char all[1024];
        int fd = client_open(&s);

        (void)state;
        snprintf(all, sizeof all, "GET /v1/echo HTTP/1.1\r\nHost: x\r\n" UPGRADE "\r\n%s",
                 "\x81\x81mask");
        client_send(fd, all, strlen(all));
        client_reply(fd, &r);
        assert_int_equal(r.status, 400);
        assert_non_null(strstr(r.body, "wait for the 101"));
}

static void test_a_stop_does_not_wait_for_them(void **state) {
        int silent = client_open(&s), half = client_open(&s);
        uint64_t began;

        (void)state;
        s.front->head_ns = 60000000000ull;
        client_send(half, "GET / HT", 8);
        wait_for(waiting() == 2);
        began = clock_mono_ms();
        front_stop(s.front, 1012);
        assert_true(clock_mono_ms() - began < 2500);
        close(silent);
        close(half);
}

static int set_up(void **state) {
        (void)state;
        latch_thread_begin("test");
        server_start(&s);
        s.front->head_ns = 500000000u;
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        server_stop(&s);
        latch_rcu_barrier();
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_silence_has_a_deadline),
                cmocka_unit_test(test_slow_headers_have_one_deadline_for_all),
                cmocka_unit_test(test_headers_in_single_bytes_are_served),
                cmocka_unit_test(test_half_a_request_and_an_end),
                cmocka_unit_test(test_the_oldest_makes_room),
                cmocka_unit_test(test_frames_with_the_request_are_refused),
                cmocka_unit_test(test_a_stop_does_not_wait_for_them),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
