/* Tests of front over real sockets: what every answer carries, who of another origin may read it, and what is
 * counted. */
#include "fixture.h"

static struct server s;
static struct reply r;
static char token[TOKEN_TEXT_MAX], admin[TOKEN_TEXT_MAX];

#define LAB   "Origin: https://lab.example.org\r\n"
#define OTHER "Origin: https://other.example.org\r\n"

static void assert_guarded(const char *what) {
        static const char *const lines[] = {
                "X-Content-Type-Options: nosniff",
                "Referrer-Policy: no-referrer",
                "X-Frame-Options: DENY",
                "Cross-Origin-Resource-Policy: same-origin",
                "Strict-Transport-Security: max-age=31536000",
        };

        for (size_t i = 0; i < ELEMENTS(lines); i++)
                if (!has_header(&r, lines[i]))
                        fail_msg("%s: no %s in\n%s", what, lines[i], r.head);
        assert_non_null(strstr(r.head, "\r\nContent-Security-Policy: "));
        assert_non_null(strstr(r.head, "default-src 'none'"));
        assert_non_null(strstr(r.head, "frame-ancestors 'none'"));
        assert_non_null(strstr(r.head, "\r\nCache-Control: "));
        assert_null(strstr(strstr(r.head, "Cache-Control: ") + 1, "Cache-Control: "));
        assert_null(strstr(strstr(r.head, "Security-Policy: ") + 1, "Security-Policy: "));
}

static void as(const char *who, const char *line, const char *headers, struct reply *to) {
        char head[1024];

        snprintf(head, sizeof head, "%s HTTP/1.1\r\nAuthorization: Bearer %s\r\n%s", line, who,
                 headers);
        ask(&s, head, to);
}

static void put(const char *name, const char *body) {
        char head[512];

        snprintf(head, sizeof head,
                 "PUT /api/files/home/%s HTTP/1.1\r\nAuthorization: Bearer %s\r\n"
                 "Content-Length: %zu\r\n",
                 name, token, strlen(body));
        ask_body(&s, head, body, strlen(body), &r);
        assert_in_range(r.status, 200, 201);
}

static void test_every_answer_is_guarded(void **state) {
        static const struct {
                const char *head;
                int status;
        } cases[] = {
                {"GET / HTTP/1.1\r\n", 200},
                {"GET /healthz HTTP/1.1\r\n", 200},
                {"GET /none HTTP/1.1\r\n", 404},
                {"GET /api/me HTTP/1.1\r\n", 401},
                {"DELETE /healthz HTTP/1.1\r\n", 405},
                {"GET /healthz HTTP/1.0\r\n", 505},
                {"BREW /healthz HTTP/1.1\r\n", 400},
                {"GET /healthz HTTP/1.1\r\nContent-Length: x\r\n", 411},
                {"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n", 413},
                {"POST /api/login HTTP/1.1\r\n", 411},
                {"POST /api/login HTTP/1.1\r\nContent-Length: 5000\r\n", 413},
                {"GET /v1/ws HTTP/1.1\r\n", 401},
                {"GET /v1/echo HTTP/1.1\r\n", 426},
                {"GET /v1/echo HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: x\r\n", 400},
                {"GET /healthz HTTP/1.1\r\nbad header\r\n", 400},
                {"OPTIONS /healthz HTTP/1.1\r\n", 405},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ask(&s, cases[i].head, &r);
                if (r.status != cases[i].status)
                        fail_msg("%s: %d, not %d", cases[i].head, r.status, cases[i].status);
                assert_guarded(cases[i].head);
                if (r.status >= 400)
                        assert_non_null(strstr(r.body, "{\"error\":{\"code\":\""));
        }
        put("a.txt", "text");
        as(token, "GET /api/files/home/a.txt", "", &r);
        assert_int_equal(r.status, 200);
        assert_guarded("a file");
        as(token, "GET /api/files/home/a.txt", "If-None-Match: *\r\n", &r);
        assert_int_equal(r.status, 304);
        assert_guarded("304");
        as(token, "GET /api/files/home/a.txt", "Range: bytes=1-2\r\n", &r);
        assert_int_equal(r.status, 206);
        assert_guarded("206");
        as(token, "DELETE /api/files/home/a.txt", "", &r);
        assert_int_equal(r.status, 204);
        assert_guarded("204");
}

/* HEAD: the length of GET's body, and none. */
static void test_head_is_get_without_the_body(void **state) {
        static const char *const paths[] = {
                "/",       "/healthz", "/api/me", "/api/files/home/b.txt", "/api/files/home/none",
                "/metrics"};

        (void)state;
        put("b.txt", "some text");
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                char line[200], length[64];
                struct reply *get = calloc(1, sizeof *get);

                assert_non_null(get);
                snprintf(line, sizeof line, "GET %s", paths[i]);
                as(token, line, "", get);
                snprintf(line, sizeof line, "HEAD %s", paths[i]);
                as(token, line, "", &r);
                assert_int_equal(r.status, get->status);
                assert_int_equal(r.n, 0);
                assert_guarded(line);
                snprintf(length, sizeof length, "Content-Length: %zu", get->n);
                assert_true(has_header(get, length));
                assert_true(has_header(&r, length));
                free(get);
        }
}

/* Nothing of a user's is a page of ours: whatever its name says it is. */
static void test_no_file_is_a_page_of_this_origin(void **state) {
        static const struct {
                const char *name;
                bool shown;
        } files[] = {
                {"a.html", false}, {"a.htm", false}, {"a.xhtml", false}, {"a.svg", false},
                {"a.xml", false},  {"a.js", false},  {"a.mjs", false},   {"a.pdf", false},
                {"a.wasm", false}, {"a.swf", false}, {"a.mht", false},   {"a.xsl", false},
                {"a.txt", true},   {"a.png", true},  {"a", false},       {"a.html.", false},
                {"a.HTML", false}, {"a.SVG", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(files); i++) {
                char line[100];

                put(files[i].name, "<html><script>alert(1)</script>");
                snprintf(line, sizeof line, "GET /api/files/home/%s", files[i].name);
                as(token, line, "", &r);
                assert_int_equal(r.status, 200);
                assert_guarded(line);
                assert_non_null(strstr(r.head, "Content-Security-Policy: sandbox; "));
                if (!files[i].shown && !strstr(r.head, "\r\nContent-Disposition: attachment;"))
                        fail_msg("%s is shown", files[i].name);
        }
}

static void test_only_listed_origins_hear_of_cors(void **state) {
        static const char preflight[] = "OPTIONS /api/files/home/x HTTP/1.1\r\n"
                                        "Access-Control-Request-Method: PUT\r\n";
        char head[512];

        (void)state;
        snprintf(head, sizeof head, "%s" LAB, preflight);
        ask(&s, head, &r);
        assert_int_equal(r.status, 204);
        assert_true(has_header(&r, "Access-Control-Allow-Origin: https://lab.example.org"));
        assert_true(has_header(&r, "Access-Control-Allow-Methods: GET, HEAD, PUT, DELETE"));
        assert_true(has_header(&r, "Vary: Origin"));
        assert_null(strstr(r.head, "Allow-Credentials"));

        snprintf(head, sizeof head, "%s" OTHER, preflight);
        ask(&s, head, &r);
        assert_int_equal(r.status, 405);
        assert_null(strstr(r.head, "Access-Control"));
        ask(&s, preflight, &r);
        assert_null(strstr(r.head, "Access-Control"));

        as(token, "GET /api/me", LAB, &r);
        assert_int_equal(r.status, 200);
        assert_true(has_header(&r, "Access-Control-Allow-Origin: https://lab.example.org"));
        as("none", "GET /api/me", LAB, &r); /* a page has to see why, too */
        assert_int_equal(r.status, 401);
        assert_true(has_header(&r, "Access-Control-Allow-Origin: https://lab.example.org"));
        as(token, "GET /api/me", OTHER, &r);
        assert_int_equal(r.status, 200);
        assert_null(strstr(r.head, "Access-Control"));
        assert_true(has_header(&r, "Vary: Origin"));
}

static void test_a_listed_origin_gets_a_token_and_no_cookie(void **state) {
        static const char body[] = "{\"username\":\"ann\",\"password\":\"correct horse\"}";
        char head[512];

        (void)state;
        post(&s, "/api/login", LAB, body, &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "\"token\""));
        assert_null(strstr(r.head, "Set-Cookie"));
        post(&s, "/api/login", OTHER, body, &r);
        assert_int_equal(r.status, 403);
        snprintf(head, sizeof head, "GET /api/me HTTP/1.1\r\nCookie: latch_session=%s\r\n" LAB,
                 token);
        assert_int_equal(status_of(&s, head), 403);
}

static unsigned long counted(const char *line) {
        const char *at;

        as(admin, "GET /metrics", "", &r);
        assert_int_equal(r.status, 200);
        at = strstr(r.body, line);
        return at ? strtoul(at + strlen(line), NULL, 10) : 0;
}

static void test_metrics_count_what_was_answered(void **state) {
        static const char health[] =
                "\nlatch_http_requests_total{route=\"/healthz\",methods=\"GET, "
                "HEAD\",status=\"2xx\"} ",
                          calls[] = "\nlatch_rpc_calls_total{method=\"fs.none\",outcome=\"ok\"} ";
        unsigned long before = counted(health);
        int fd;

        (void)state;
        for (int i = 0; i < 5; i++)
                assert_int_equal(status_of(&s, "GET /healthz HTTP/1.1\r\n"), 200);
        assert_int_equal(counted(health), before + 5);
        assert_int_equal(counted(calls), 0);
        assert_int_equal(counted("\nlatch_sockets "), 0);
        fd = ws_open(&s, "/v1/ws", token);
        assert_int_equal(counted("\nlatch_sockets "), 1);
        assert_int_equal(counted("\nlatch_users_present "), 1);
        assert_int_equal(counted("\nlatch_http_requests "), 1); /* this one */
        assert_int_equal(counted("\nlatch_lock_level "), 1);
        assert_int_equal(counted("\nlatch_lock_violations_total "), 0);
        unsigned long taken = counted("\nlatch_lock_taken_total{class=\"registry\"} ");
        assert_true(taken > 0);
        assert_true(
                counted("\nlatch_lock_hold_seconds_bucket{class=\"registry\",le=\"6.4e-08\"} ") <=
                counted("\nlatch_lock_hold_seconds_count{class=\"registry\"} "));
        assert_true(counted("\nlatch_lock_hold_seconds_bucket{class=\"registry\",le=\"+Inf\"} ") >
                    0);
        close(fd);
        assert_true(has_header(&r, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
}

static void test_metrics_are_for_admins_or_this_machine(void **state) {
        (void)state;
        assert_int_equal(status_of(&s, "GET /metrics HTTP/1.1\r\n"), 401);
        as(token, "GET /metrics", "", &r);
        assert_int_equal(r.status, 403);
        s.config.metrics_loopback = true;
        assert_int_equal(status_of(&s, "GET /metrics HTTP/1.1\r\n"), 200);
        /* A proxy on this machine that asks for somebody says so, trusted or not. */
        assert_int_equal(status_of(&s, "GET /metrics HTTP/1.1\r\nX-Forwarded-For: 192.0.2.1\r\n"),
                         401);
        assert_int_equal(status_of(&s, "GET /metrics HTTP/1.1\r\nX-Forwarded-For: 127.0.0.1\r\n"),
                         401);
        s.config.metrics_loopback = false;
}

static int set_up(void **state) {
        struct store_user u;

        (void)state;
        latch_thread_begin("test");
        server_defaults(&s);
        strcpy(s.config.public_url, "https://code.example.org");
        strcpy(s.config.cors_origins, "https://x.example.org, https://lab.example.org");
        server_open(&s);
        assert_int_equal(auth_user_add(s.auth, "root", ROLE_ADMIN, "correct horse", &u), 0);
        server_listen(&s);
        sign_in(&s, token);
        post(&s, "/api/login", "", "{\"username\":\"root\",\"password\":\"correct horse\"}", &r);
        take_token(&r, admin);
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
                cmocka_unit_test(test_every_answer_is_guarded),
                cmocka_unit_test(test_head_is_get_without_the_body),
                cmocka_unit_test(test_no_file_is_a_page_of_this_origin),
                cmocka_unit_test(test_only_listed_origins_hear_of_cors),
                cmocka_unit_test(test_a_listed_origin_gets_a_token_and_no_cookie),
                cmocka_unit_test(test_metrics_count_what_was_answered),
                cmocka_unit_test(test_metrics_are_for_admins_or_this_machine),
        };

        return cmocka_run_group_tests_name("answers", tests, set_up, tear_down);
}
