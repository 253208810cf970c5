/* Tests of front over real sockets: who asks too often, or too much at once, hears so. */
#include "fixture.h"

static struct server s;
static struct reply r;

static void start_with(unsigned user_units, unsigned address_units) {
        server_defaults(&s);
        s.config.requests_per_minute = user_units;
        s.config.address_requests_per_minute = address_units;
        server_open(&s);
        server_listen(&s);
}

/* Asks until the answer is 429: all answers before were this one, and as many as 600 units, and what came
 * back of them meanwhile, allow. */
static void ask_until_refused(const char *head, int status, unsigned units) {
        uint64_t began = clock_mono_ms();
        unsigned n = 0;

        for (;; n++) {
                ask(&s, head, &r);
                if (r.status == 429)
                        break;
                assert_int_equal(r.status, status);
                assert_true(n < 100000);
        }
        assert_non_null(strstr(r.body, "\"rate_limited\""));
        assert_true(has_header(&r, "Retry-After: 1"));
        assert_true(n * units <= 600 + (clock_mono_ms() - began) / 100 + 1);
        assert_true((n + 1) * units > 600 - 10); /* what was spent before */
}

static void ask_until_none(const char *head) {
        while (status_of(&s, head) != 429)
                ;
}

static void test_one_user_s_requests_are_counted_over_all_routes(void **state) {
        char token[TOKEN_TEXT_MAX], me[200], file[200];

        (void)state;
        start_with(600, 60000);
        sign_in(&s, token);
        snprintf(me, sizeof me, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        snprintf(file, sizeof file,
                 "GET /api/files/home/none HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        ask_until_refused(me, 200, 5);
        while (status_of(&s, file) == 404) /* a single unit may have come back */
                ;
        assert_int_equal(status_of(&s, me), 429);
        /* Another's requests, and those of nobody, are counted apart. */
        assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        server_stop(&s);
}

static void test_one_address_s_requests_are_counted_before_sign_in(void **state) {
        char token[TOKEN_TEXT_MAX], me[200];

        (void)state;
        start_with(60000, 600);
        sign_in(&s, token);
        ask_until_refused("GET /readyz HTTP/1.1\r\n", 200, 2);
        /* What is not there, and whoever is nobody, costs as well. */
        ask_until_none("GET /nothing HTTP/1.1\r\n");
        ask_until_none("GET /api/me HTTP/1.1\r\n");
        post(&s, "/api/login", "", "{\"username\":\"ann\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 429);
        /* Those who are known are not held back by their neighbours. */
        snprintf(me, sizeof me, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        assert_int_equal(status_of(&s, me), 200);
        server_stop(&s);
}

/* The fixture has six threads for requests: three are the most that one user gets. */
static void sign_in_two(char ann[TOKEN_TEXT_MAX], char bob[TOKEN_TEXT_MAX]) {
        server_add_user(&s, "bob", "correct horse");
        sign_in(&s, ann);
        post(&s, "/api/login", "", "{\"username\":\"bob\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 200);
        take_token(&r, bob);
}

/* A request whose body never comes whole. */
static int begin_put(const char *token) {
        char head[300];
        int fd = client_open(&s);

        snprintf(head, sizeof head,
                 "PUT /api/files/home/slow HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                 "Content-Length: 1000\r\n\r\nhalf",
                 s.address, token);
        client_send(fd, head, strlen(head));
        return fd;
}

static void test_one_request_too_many_hears_so_at_once(void **state) {
        int busy[6], socket, fd;
        char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];
        uint64_t began;

        (void)state;
        server_start(&s);
        sign_in_two(token, other);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                busy[i] = begin_put(i % 2 ? token : other);
        wait_for(atomic_load(&s.front->requests) == ELEMENTS(busy));
        began = clock_mono_ms();
        for (int i = 0; i < 100; i++) {
                ask(&s, "GET /healthz HTTP/1.1\r\n", &r);
                assert_int_equal(r.status, 503);
                assert_true(has_header(&r, "Retry-After: 1"));
                assert_non_null(strstr(r.body, "\"busy\""));
        }
        assert_true(clock_mono_ms() - began < 5000);
        /* It is one, too, if it asks for an upgrade where there is none. */
        assert_int_equal(ws_upgrade(&s, "/healthz", "", &fd, &r), 503);
        assert_true(has_header(&r, "Retry-After: 1"));
        /* Sockets have threads of their own. */
        socket = ws_open(&s, "/v1/ws", token);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                close(busy[i]);
        wait_for(atomic_load(&s.front->requests) == 0);
        assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        assert_int_equal(ws_upgrade(&s, "/healthz", "", &fd, &r), 200);
        close(socket);
        server_stop(&s);
}

/* One user's slow requests, or a stranger's, leave others their threads. */
static void test_nobody_has_all_the_threads(void **state) {
        int busy[3], strangers[3];
        char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX], me[200];

        (void)state;
        server_start(&s);
        sign_in_two(token, other);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                busy[i] = begin_put(token);
        wait_for(atomic_load(&s.front->requests) == ELEMENTS(busy));
        snprintf(me, sizeof me, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        ask(&s, me, &r);
        assert_int_equal(r.status, 429);
        assert_non_null(strstr(r.body, "\"limit_reached\""));
        assert_true(has_header(&r, "Retry-After: 1"));
        snprintf(me, sizeof me, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", other);
        assert_int_equal(status_of(&s, me), 200);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                close(busy[i]);
        wait_for(atomic_load(&s.front->requests) == 0);

        for (size_t i = 0; i < ELEMENTS(strangers); i++) {
                char head[200];

                strangers[i] = client_open(&s);
                snprintf(head, sizeof head,
                         "POST /api/login HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n{",
                         s.address);
                client_send(strangers[i], head, strlen(head));
        }
        wait_for(atomic_load(&s.front->strangers) == ELEMENTS(strangers));
        post(&s, "/api/login", "", "{\"username\":\"ann\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 429);
        assert_int_equal(status_of(&s, me), 200);
        for (size_t i = 0; i < ELEMENTS(strangers); i++)
                close(strangers[i]);
        wait_for(atomic_load(&s.front->strangers) == 0);
        sign_in(&s, token);
        server_stop(&s);
}

/* Who has sent what nobody reads, and for whom no thread waits, has his answer whole, and then an end that is no reset. */
static void check_an_end_without_a_thread(const char *token) {
        static char body[30000];
        char head[400], rest[2000];
        int fd = client_open(&s);
        size_t n = 0;
        ssize_t got;

        snprintf(head, sizeof head,
                 "PUT /api/files/../x HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                 "Content-Length: 60000\r\n\r\n",
                 s.address, token);
        client_send(fd, head, strlen(head));
        client_send(fd, body, sizeof body);
        while ((got = recv(fd, rest + n, sizeof rest - 1 - n, 0)) > 0)
                n += (size_t)got;
        assert_int_equal(got, 0);
        rest[n] = '\0';
        assert_non_null(strstr(rest, "HTTP/1.1 400 "));
        assert_non_null(strstr(rest, "\"error\""));
        close(fd);
}

/* Who was answered and does not hang up is waited for, by few threads, and may ask other things meanwhile. */
static void test_who_lingers_may_ask_on(void **state) {
        char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX], head[400], me[200], c;
        int open[12];

        (void)state;
        server_start(&s);
        sign_in_two(token, other);
        snprintf(me, sizeof me, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        for (size_t i = 0; i < ELEMENTS(open); i++) {
                bool known = i % 2 == 0;

                open[i] = client_open(&s);
                snprintf(head, sizeof head,
                         "PUT /api/files/../x HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
                         "Content-Length: 100\r\n\r\n",
                         s.address, known ? token : "none");
                client_send(open[i], head, strlen(head));
                client_read_exactly(open[i], &c, 1);
                assert_int_equal(status_of(&s, me), 200);
                assert_in_range(atomic_load(&s.front->lingering), 0, 1);
        }
        wait_for(atomic_load(&s.front->requests) <= 2); /* who is waited for, as long as that is */
        check_an_end_without_a_thread(token);
        for (size_t i = 0; i < ELEMENTS(open); i++)
                close(open[i]);
        wait_for(atomic_load(&s.front->requests) == 0);
        assert_int_equal(atomic_load(&s.front->lingering), 0);
        server_stop(&s);
}

static void test_sockets_leave_requests_their_threads(void **state) {
        int open[6];
        int fd;

        (void)state;
        server_start(&s);
        for (size_t i = 0; i < ELEMENTS(open); i++)
                open[i] = ws_open(&s, "/v1/echo", NULL);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(ws_upgrade(&s, "/v1/echo", "", &fd, &r), 503);
                assert_true(has_header(&r, "Retry-After: 5"));
                assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        }
        for (size_t i = 0; i < ELEMENTS(open); i++)
                close(open[i]);
        server_stop(&s);
}

/* Those who are refused and go on sending take no more threads than there are for them. */
static void test_a_crowd_that_does_not_go_away(void **state) {
        int busy[6], crowd[120];
        char token[TOKEN_TEXT_MAX], other[TOKEN_TEXT_MAX];

        (void)state;
        server_start(&s);
        sign_in_two(token, other);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                busy[i] = begin_put(i % 2 ? token : other);
        wait_for(atomic_load(&s.front->requests) == ELEMENTS(busy));
        for (size_t i = 0; i < ELEMENTS(crowd); i++)
                crowd[i] = begin_put(token);
        for (int i = 0; i < 20; i++)
                assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 503);
        for (size_t i = 0; i < ELEMENTS(crowd); i++)
                close(crowd[i]);
        for (size_t i = 0; i < ELEMENTS(busy); i++)
                close(busy[i]);
        server_stop(&s);
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("main");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_user_s_requests_are_counted_over_all_routes),
                cmocka_unit_test(test_one_address_s_requests_are_counted_before_sign_in),
                cmocka_unit_test(test_one_request_too_many_hears_so_at_once),
                cmocka_unit_test(test_nobody_has_all_the_threads),
                cmocka_unit_test(test_who_lingers_may_ask_on),
                cmocka_unit_test(test_sockets_leave_requests_their_threads),
                cmocka_unit_test(test_a_crowd_that_does_not_go_away),
        };

        return cmocka_run_group_tests_name("limits", tests, begin, end);
}
