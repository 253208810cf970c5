/* Tests of front over real sockets: WebSockets, from the refusal to the end. */
#include <fcntl.h>

#include "fixture.h"

static struct server s;
static struct reply r;
static struct frame f;
static char token[TOKEN_TEXT_MAX];
static char bearer[256];

static int upgrade(const char *path, const char *headers) {
        int fd = -1, status = ws_upgrade(&s, path, headers, &fd, &r);

        if (status == 101)
                close(fd);
        return status;
}

static unsigned open_sockets(void) {
        return atomic_load(&s.front->sockets);
}

static void set_times(uint64_t ping_ns, uint64_t silent_ns, uint64_t stall_ns) {
        atomic_store(&s.pump->times.ping_ns, ping_ns);
        atomic_store(&s.pump->times.silent_ns, silent_ns);
        atomic_store(&s.pump->times.stall_ns, stall_ns);
}

static void test_hello_comes_first(void **state) {
        int fd = ws_open(&s, "/v1/ws", token);

        (void)state;
        ws_read(fd, &f);
        assert_int_equal(f.opcode, 1);
        assert_string_equal(f.data,
                            "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"protocol\":1,"
                            "\"server\":\"latchd/" LATCH_VERSION
                            "\",\"user\":{\"name\":\"ann\",\"role\":\"student\"},"
                            "\"limits\":{\"message_bytes\":65536,\"window_bytes\":262144,"
                            "\"input_bytes\":65536,\"viewers_per_session\":8}}}");
        ws_send(fd, 0x88, "\x03\xe8", 2);
        assert_int_equal(ws_read_close(fd), 1000);
        wait_for(open_sockets() == 0);
}

static void take_ticket(const char *headers, char to[512]) {
        post(&s, "/api/tickets", headers, "", &r);
        assert_int_equal(r.status, 200);
        const char *p = strstr(r.body, "\"ticket\":\"");
        assert_non_null(p);
        p += strlen("\"ticket\":\"");
        snprintf(to, 512, "/v1/ws?since=0&ticket=%.*s&x=y", (int)strcspn(p, "\""), p);
        assert_non_null(strstr(r.body, "\"expires_in\":30"));
}

static void test_a_ticket_opens_one_socket(void **state) {
        char path[512], cookie[512];

        (void)state;
        take_ticket(bearer, path);
        assert_int_equal(upgrade(path, ""), 101);
        assert_int_equal(upgrade(path, ""), 401);
        /* No cookie is used, so a page's origin does not matter; and no cookie saves a bad ticket. */
        take_ticket(bearer, path);
        assert_int_equal(upgrade(path, "Origin: http://elsewhere.example\r\n"), 101);
        snprintf(cookie, sizeof cookie, "Cookie: latch_session=%s\r\nOrigin: http://%s\r\n", token,
                 s.address);
        assert_int_equal(upgrade(path, cookie), 401);
        /* Not a sign-in for anything else. */
        take_ticket(bearer, path);
        snprintf(cookie, sizeof cookie, "GET /api/me%s HTTP/1.1\r\n", strchr(path, '?'));
        assert_int_equal(status_of(&s, cookie), 401);
        assert_int_equal(upgrade("/v1/ws?ticket=", ""), 401);
        assert_int_equal(upgrade("/v1/ws?noticket=x", ""), 401);
        post(&s, "/api/tickets", "", "", &r);
        assert_int_equal(r.status, 401);
        wait_for(open_sockets() == 0);
}

static void test_refusals_are_answers_with_a_body(void **state) {
        static const char key[] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        char long_key[256], cookie[512];

        (void)state;
        assert_int_equal(upgrade("/v1/ws", ""), 401);
        assert_non_null(strstr(r.body, "{\"error\":{\"code\":\"unauthorized\""));
        assert_int_equal(upgrade("/v1/ws", "Authorization: Bearer AAAA\r\n"), 401);
        snprintf(cookie, sizeof cookie, "Cookie: latch_session=%s\r\n", token);
        assert_int_equal(upgrade("/v1/ws", cookie), 403);
        snprintf(cookie, sizeof cookie,
                 "Cookie: latch_session=%s\r\nOrigin: http://evil.example\r\n", token);
        assert_int_equal(upgrade("/v1/ws", cookie), 403);
        snprintf(cookie, sizeof cookie, "Cookie: latch_session=%s\r\nOrigin: http://%s\r\n", token,
                 s.address);
        assert_int_equal(upgrade("/v1/ws", cookie), 101);
        snprintf(cookie, sizeof cookie, "%sSec-WebSocket-Protocol: other.v1\r\n", bearer);
        assert_int_equal(upgrade("/v1/ws", cookie), 400);
        assert_non_null(strstr(r.body, "latch.v1"));
        assert_int_equal(upgrade("/v1/echo", key), 400); /* two keys */
        memset(long_key, 'A', sizeof long_key);
        snprintf(cookie, sizeof cookie,
                 "GET /v1/echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.80s\r\n",
                 long_key);
        assert_int_equal(status_of(&s, cookie), 400);
        assert_int_equal(
                status_of(
                        &s,
                        "GET /v1/echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
                426);
        assert_int_equal(upgrade("/v1/attach/x", bearer), 404);
        assert_int_equal(upgrade("/api/nothing", bearer), 404);
        wait_for(open_sockets() == 0);
}

static void test_the_subprotocol_is_this_clients_own(void **state) {
        char headers[512];
        int fd;

        (void)state;
        /* As many as there are threads: one of them had each slot before. */
        for (int i = 0; i < 16; i++) {
                snprintf(headers, sizeof headers, "%sSec-WebSocket-Protocol: x, latch.v1\r\n",
                         bearer);
                assert_int_equal(ws_upgrade(&s, "/v1/ws", headers, &fd, &r), 101);
                assert_true(has_header(&r, "Sec-WebSocket-Protocol: latch.v1"));
                close(fd);
                assert_int_equal(ws_upgrade(&s, "/v1/ws", bearer, &fd, &r), 101);
                assert_null(strstr(r.head, "Sec-WebSocket-Protocol"));
                close(fd);
                wait_for(open_sockets() == 0);
        }
}

static void test_limits_of_sockets(void **state) {
        int fds[8], extra;

        (void)state;
        for (int i = 0; i < 4; i++)
                fds[i] = ws_open(&s, "/v1/ws", token);
        assert_int_equal(upgrade("/v1/ws", bearer), 429);
        assert_non_null(strstr(r.head, "\r\nRetry-After: "));
        for (int i = 4; i < 6; i++)
                fds[i] = ws_open(&s, "/v1/echo", NULL);
        assert_int_equal(upgrade("/v1/echo", ""), 503);
        assert_non_null(strstr(r.head, "\r\nRetry-After: "));
        assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        close(fds[0]);
        wait_for(open_sockets() == 5);
        extra = ws_open(&s, "/v1/ws", token);
        for (int i = 1; i < 6; i++)
                close(fds[i]);
        close(extra);
        wait_for(open_sockets() == 0);
        wait_for(registry_count(s.front->socks) == 0);
}

static void test_echo(void **state) {
        static char big[60000];
        int fd = ws_open(&s, "/v1/echo", NULL);

        (void)state;
        for (size_t i = 0; i < sizeof big; i++)
                big[i] = (char)('a' + i % 26);
        ws_send(fd, 0x81, "hello", 5);
        ws_read(fd, &f);
        assert_int_equal(f.opcode, 1);
        assert_string_equal(f.data, "hello");
        ws_send(fd, 0x02, big, 30000);
        ws_send(fd, 0x89, "there?", 6);
        ws_send(fd, 0x80, big + 30000, 30000);
        ws_read(fd, &f);
        assert_int_equal(f.opcode, 10);
        assert_string_equal(f.data, "there?");
        ws_read(fd, &f);
        assert_int_equal(f.opcode, 2);
        assert_int_equal(f.n, sizeof big);
        assert_memory_equal(f.data, big, sizeof big);
        ws_send(fd, 0x88, "\x0b\xb8", 2);
        assert_int_equal(ws_read_close(fd), 3000);
}

static void test_close_codes_of_broken_clients(void **state) {
        static char big[70000];
        static const struct {
                unsigned first;
                const char *data;
                size_t n;
                unsigned code;
        } cases[] = {
                {0xc1, "x", 1, 1002},          {0x83, "x", 1, 1002},    {0x81, "\xff", 1, 1007},
                {0x82, big, sizeof big, 1009}, {0x88, "\x03", 1, 1002}, {0x88, "", 0, 1000},
                {0x80, "x", 1, 1002},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int fd = ws_open(&s, "/v1/echo", NULL);

                ws_send(fd, cases[i].first, cases[i].data, cases[i].n);
                assert_int_equal(ws_read_close(fd), cases[i].code);
        }
        int fd = ws_open(&s, "/v1/echo", NULL);
        client_send(fd, "\x81\x01x", 3); /* not masked */
        assert_int_equal(ws_read_close(fd), 1002);
        wait_for(open_sockets() == 0);
}

static void test_binary_that_is_no_input_is_1003(void **state) {
        static const struct {
                const char *data;
                size_t n;
        } cases[] = {
                {"", 0},
                {"\x02\0\0\0\1\0\0\0\0\0\0\0\0\0\0", 15},
                {"\x01\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0x", 17},
                {"\x02\1\0\0\1\0\0\0\0\0\0\0\0\0\0\0x", 17},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                int fd = ws_open(&s, "/v1/ws", token);

                ws_send(fd, 0x82, cases[i].data, cases[i].n);
                assert_int_equal(ws_read_close(fd), 1003);
        }
        wait_for(open_sockets() == 0);
}

static void test_requests_are_answered(void **state) {
        static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"no.such\"}";
        int fd = ws_open(&s, "/v1/ws", token);

        (void)state;
        ws_read(fd, &f);
        ws_send(fd, 0x81, request, sizeof request - 1);
        ws_read(fd, &f);
        assert_non_null(strstr(f.data, "\"id\":7"));
        assert_non_null(strstr(f.data, "-32601"));
        ws_send(fd, 0x81, "{", 1);
        ws_read(fd, &f);
        assert_non_null(strstr(f.data, "-32700"));
        close(fd);
        wait_for(open_sockets() == 0);
}

/* The connection's thread has a stack of 100 KiB. */
static void test_deep_nesting_is_an_error_and_no_crash(void **state) {
        static char deep[60000];
        int fd = ws_open(&s, "/v1/ws", token);

        (void)state;
        memset(deep, '[', sizeof deep);
        ws_read(fd, &f);
        ws_send(fd, 0x81, deep, sizeof deep);
        ws_read(fd, &f);
        assert_non_null(strstr(f.data, "-32700"));
        close(fd);
        wait_for(open_sockets() == 0);
}

static void sign_out(const char *mine) {
        char head[256];

        snprintf(head, sizeof head, "Authorization: Bearer %s\r\n", mine);
        post(&s, "/api/logout", head, "", &r);
        assert_int_equal(r.status, 204);
}

static void test_signing_out_closes_the_sockets(void **state) {
        char mine[TOKEN_TEXT_MAX];
        uint64_t began;
        int fd;

        (void)state;
        sign_in(&s, mine);
        fd = ws_open(&s, "/v1/ws", mine);
        sign_out(mine);
        began = clock_mono_ms();
        ws_read(fd, &f); /* hello */
        ws_read(fd, &f);
        assert_string_equal(f.data, "{\"jsonrpc\":\"2.0\",\"method\":\"user.signed_out\","
                                    "\"params\":{\"why\":\"signed_out\"}}");
        ws_read(fd, &f);
        assert_int_equal(f.opcode, 8);
        assert_int_equal((unsigned char)f.data[0] << 8 | (unsigned char)f.data[1], 1008);
        assert_string_equal(f.data + 2, "no longer signed in");
        assert_true(clock_mono_ms() - began < 1000);
        close(fd);
        wait_for(open_sockets() == 0);
}

static struct sock *the_only_sock(void) {
        struct registry_item **items;
        struct sock *c;
        size_t n;

        wait_for(registry_count(s.front->socks) == 1);
        assert_int_equal(registry_list(s.front->socks, &items, &n), 0);
        c = sock_of_item(items[0]);
        assert_non_null(c);
        registry_list_free(items, n);
        return c;
}

/* One that is under way while its socket is signed out is answered before the end, but not waited for long. */
static void test_answers_that_are_due_come_before_the_end(void **state) {
        char mine[TOKEN_TEXT_MAX];

        (void)state;
        for (int answered = 0; answered < 2; answered++) {
                sign_in(&s, mine);
                int fd = ws_open(&s, "/v1/ws", mine);
                struct sock *c = the_only_sock();
                ws_read(fd, &f); /* hello */
                atomic_fetch_add(&c->port.requests, 1);
                sign_out(mine);
                uint64_t began = clock_mono_ns();
                if (answered) {
                        poll(NULL, 0, PUMP_CARE_NS / 1000000 + 50); /* it was looked at */
                        assert_int_equal(atomic_load(&c->close_code), 0);
                        sock_send(c, 1, "answer", 6);
                        atomic_fetch_sub(&c->port.requests, 1);
                        ws_read(fd, &f);
                        assert_string_equal(f.data, "answer");
                }
                ws_read(fd, &f);
                assert_non_null(strstr(f.data, "user.signed_out"));
                assert_int_equal(ws_read_close(fd), 1008);
                assert_true(answered || clock_mono_ns() - began >= 400000000u);
                if (!answered)
                        atomic_fetch_sub(&c->port.requests, 1);
                sock_unref(c);
                wait_for(open_sockets() == 0);
        }
}

static void test_a_client_that_vanishes_is_let_go(void **state) {
        struct linger hard = {.l_onoff = 1, .l_linger = 0};
        int fd = ws_open(&s, "/v1/ws", token);

        (void)state;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
        close(fd); /* a reset, without a word */
        wait_for(open_sockets() == 0);
        wait_for(registry_count(s.front->socks) == 0);
}

/* Frames for a client that reads nothing are kept up to a limit, and cost nobody else a thing. */
static void test_a_client_that_reads_nothing(void **state) {
        static char big[60000];
        int stalled = ws_open(&s, "/v1/echo", NULL), other = ws_open(&s, "/v1/echo", NULL);
        uint64_t worst = 0;

        (void)state;
        assert_int_equal(fcntl(stalled, F_SETFL, O_NONBLOCK), 0);
        for (int i = 0; i < 400; i++) {
                uint64_t began = clock_mono_ns(), took;
                unsigned char head[FRAMES_HEADER_MAX + 4] = {0};
                size_t h = frames_header(head, 2, sizeof big);

                head[1] |= 0x80;
                /* Whole frames while the socket takes them; then it is the server that has stopped. */
                if (i < 20) {
                        client_send(stalled, head, h + 4);
                        client_send(stalled, big, sizeof big);
                }
                ws_send(other, 0x81, "x", 1);
                ws_read(other, &f);
                assert_string_equal(f.data, "x");
                took = clock_mono_ns() - began;
                worst = took > worst ? took : worst;
        }
        assert_true(worst < 1000000000u);
        close(stalled);
        ws_send(other, 0x88, "\x03\xe8", 2);
        assert_int_equal(ws_read_close(other), 1000);
        wait_for(open_sockets() == 0);
}

/* One message of an echo that nobody reads. */
static void send_big(int fd) {
        static char big[60000];
        unsigned char head[FRAMES_HEADER_MAX + 4] = {0};
        size_t h = frames_header(head, 2, sizeof big);

        head[1] |= 0x80;
        client_send(fd, head, h + 4);
        client_send(fd, big, sizeof big);
}

/* civetweb hands a connection's number, and its slot, to the next client: what is still sent to the one before
 * must not arrive there. */
static void test_a_late_write_reaches_no_stranger(void **state) {
        int before = ws_open(&s, "/v1/echo", NULL), after[4];
        struct sock *c = the_only_sock();

        (void)state;
        close(before);
        wait_for(open_sockets() == 0);
        for (size_t i = 0; i < ELEMENTS(after); i++)
                after[i] = ws_open(&s, "/v1/echo", NULL);
        sock_send(c, 1, "late", 4);
        sock_close(c, 1000, "late");
        sock_cut(c);
        for (size_t i = 0; i < ELEMENTS(after); i++) {
                ws_send(after[i], 0x81, "mine", 4);
                ws_read(after[i], &f);
                assert_string_equal(f.data, "mine");
                ws_send(after[i], 0x88, "\x03\xe8", 2);
                assert_int_equal(ws_read_close(after[i]), 1000);
        }
        sock_unref(c);
        wait_for(open_sockets() == 0);
}

static void test_an_outbox_that_overflows_closes_its_socket(void **state) {
        int fd = ws_open(&s, "/v1/echo", NULL);
        struct sock *c = the_only_sock();
        size_t most = 0;

        (void)state;
        /* The server's kernel buffers fill, then its outbox; then it hangs up. */
        while (open_sockets() > 0) {
                send_big(fd);
                most = MAX(most, atomic_load(&c->outbox.bytes));
        }
        assert_int_equal(atomic_load(&c->close_code), 1008);
        assert_true(most > 0 && most <= c->outbox.limit_bytes + 200);
        sock_unref(c);
        close(fd);
}

static void test_silence_is_asked_and_then_given_up(void **state) {
        int fd;

        (void)state;
        set_times(300000000u, 1500000000u, PUMP_STALL_NS);
        fd = ws_open(&s, "/v1/echo", NULL);
        for (int i = 0; i < 6; i++) { /* who answers stays, for longer than the silence allowed */
                ws_read(fd, &f);
                assert_int_equal(f.opcode, 9);
                ws_send(fd, 0x8a, f.data, f.n);
        }
        assert_int_equal(ws_read_close(fd), 1008);
        wait_for(open_sockets() == 0);
        set_times(PUMP_PING_NS, PUMP_SILENT_NS, PUMP_STALL_NS);
}

/* Until the kernel takes no more of what comes back. */
static void fill(struct sock *c, int fd) {
        size_t before = 0, now;

        while ((now = atomic_load(&c->outbox.bytes)) < 200000 || now != before) {
                before = now;
                if (now < 400000)
                        send_big(fd);
                else
                        poll(NULL, 0, 50); /* the same after a while: nothing moves */
        }
}

static void test_data_that_nobody_takes_is_no_progress(void **state) {
        int fd = ws_open(&s, "/v1/echo", NULL);
        struct sock *c = the_only_sock();

        (void)state;
        fill(c, fd);
        set_times(PUMP_PING_NS, PUMP_SILENT_NS, 700000000u);
        wait_for(atomic_load(&c->close_code) != 0);
        assert_int_equal(atomic_load(&c->close_code), 1008);
        wait_for(open_sockets() == 0); /* the close frame cannot leave: it is cut */
        sock_unref(c);
        close(fd);
        set_times(PUMP_PING_NS, PUMP_SILENT_NS, PUMP_STALL_NS);
}

static int set_up(void **state) {
        (void)state;
        latch_thread_begin("test");
        server_start(&s);
        sign_in(&s, token);
        snprintf(bearer, sizeof bearer, "Authorization: Bearer %s\r\n", token);
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
                cmocka_unit_test(test_hello_comes_first),
                cmocka_unit_test(test_a_ticket_opens_one_socket),
                cmocka_unit_test(test_refusals_are_answers_with_a_body),
                cmocka_unit_test(test_the_subprotocol_is_this_clients_own),
                cmocka_unit_test(test_limits_of_sockets),
                cmocka_unit_test(test_echo),
                cmocka_unit_test(test_close_codes_of_broken_clients),
                cmocka_unit_test(test_binary_that_is_no_input_is_1003),
                cmocka_unit_test(test_requests_are_answered),
                cmocka_unit_test(test_deep_nesting_is_an_error_and_no_crash),
                cmocka_unit_test(test_signing_out_closes_the_sockets),
                cmocka_unit_test(test_answers_that_are_due_come_before_the_end),
                cmocka_unit_test(test_a_client_that_vanishes_is_let_go),
                cmocka_unit_test(test_a_client_that_reads_nothing),
                cmocka_unit_test(test_a_late_write_reaches_no_stranger),
                cmocka_unit_test(test_an_outbox_that_overflows_closes_its_socket),
                cmocka_unit_test(test_silence_is_asked_and_then_given_up),
                cmocka_unit_test(test_data_that_nobody_takes_is_no_progress),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
