/* Tests of front over real sockets: HTTP. */
#include "fixture.h"

static struct server s;
static struct reply r;

static void test_login_gives_a_token_and_a_cookie(void **state) {
        char token[TOKEN_TEXT_MAX], line[256];

        (void)state;
        post(&s, "/api/login", "", "{\"username\":\"ann\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 200);
        take_token(&r, token);
        assert_non_null(strstr(r.body, "\"user\":{\"name\":\"ann\",\"role\":\"student\"}"));
        snprintf(line, sizeof line,
                 "Set-Cookie: latch_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%u",
                 token, s.config.token_lifetime_s);
        assert_true(has_header(&r, line));
        assert_true(has_header(&r, "Cache-Control: no-store"));

        snprintf(line, sizeof line, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        ask(&s, line, &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "\"name\":\"ann\""));
        snprintf(line, sizeof line, "GET /api/me HTTP/1.1\r\nCookie: a=b; latch_session=%s\r\n",
                 token);
        assert_int_equal(status_of(&s, line), 200);
}

static void test_login_refuses(void **state) {
        static const struct {
                const char *body;
                int status;
        } cases[] = {
                {"{\"username\":\"ann\",\"password\":\"wrong horse\"}", 401},
                {"{\"username\":\"nobody\",\"password\":\"correct horse\"}", 401},
                {"{\"link\":\"none\"}", 401},
                {"{\"username\":\"ann\"}", 400},
                {"{\"username\":\"ann\",\"password\":\"correct horse\",\"link\":\"x\"}", 400},
                {"{\"username\":\"ann\",\"password\":1}", 400},
                {"{\"username\":\"ann\",\"username\":\"bob\",\"password\":\"x\"}", 400},
                {"[]", 400},
                {"not json", 400},
                {"", 400},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                post(&s, "/api/login", "", cases[i].body, &r);
                assert_int_equal(r.status, cases[i].status);
                assert_non_null(strstr(r.body, "{\"error\":{\"code\":\""));
                assert_null(strstr(r.head, "Set-Cookie"));
        }
}

static void test_nested_json_is_refused_before_it_is_parsed(void **state) {
        char body[4000];

        (void)state;
        memset(body, '[', sizeof body - 1);
        body[sizeof body - 1] = '\0';
        post(&s, "/api/login", "", body, &r);
        assert_int_equal(r.status, 400);
}

static void test_bodies_have_a_size(void **state) {
        static char big[2 << 20];

        (void)state;
        memset(big, ' ', sizeof big - 1);
        post(&s, "/api/login", "", big, &r);
        assert_int_equal(r.status, 413);
        assert_int_equal(status_of(&s, "POST /api/login HTTP/1.1\r\n"), 411);
        assert_int_equal(
                status_of(&s, "POST /api/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"), 411);
}

static void test_logout_ends_the_token(void **state) {
        char token[TOKEN_TEXT_MAX], head[256];

        (void)state;
        sign_in(&s, token);
        snprintf(head, sizeof head, "Authorization: Bearer %s\r\n", token);
        post(&s, "/api/logout", head, "", &r);
        assert_int_equal(r.status, 204);
        assert_non_null(strstr(r.head, "Set-Cookie: latch_session=; Path=/"));
        snprintf(head, sizeof head, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", token);
        assert_int_equal(status_of(&s, head), 401);
}

static void test_renew_ends_the_old_token(void **state) {
        char old[TOKEN_TEXT_MAX], new[TOKEN_TEXT_MAX], head[256];

        (void)state;
        sign_in(&s, old);
        snprintf(head, sizeof head, "Authorization: Bearer %s\r\n", old);
        post(&s, "/api/renew", head, "", &r);
        assert_int_equal(r.status, 200);
        take_token(&r, new);
        assert_string_not_equal(old, new);
        snprintf(head, sizeof head, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", old);
        assert_int_equal(status_of(&s, head), 401);
        snprintf(head, sizeof head, "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\n", new);
        assert_int_equal(status_of(&s, head), 200);
}

static void test_who_may_what(void **state) {
        static const char *const methods[] = {"GET",    "HEAD",  "POST",   "PUT",
                                              "DELETE", "PATCH", "OPTIONS"};
        static const struct {
                const char *path;
                int status[7]; /* nobody's, by method */
        } cases[] = {
                {"/", {200, 200, 405, 405, 405, 405, 405}},
                {"/nothing", {404, 404, 404, 404, 404, 404, 404}},
                {"/api/login", {405, 405, 411, 405, 405, 405, 405}},
                {"/api/logout", {405, 405, 401, 405, 405, 405, 405}},
                {"/api/renew", {405, 405, 401, 405, 405, 405, 405}},
                {"/api/me", {401, 401, 405, 405, 405, 405, 405}},
                {"/api/files/home/x", {401, 401, 405, 401, 401, 405, 405}},
                {"/api/files", {404, 404, 404, 404, 404, 404, 404}},
                {"/api/tickets", {405, 405, 401, 405, 405, 405, 405}},
                {"/metrics", {401, 401, 405, 405, 405, 405, 405}},
                {"/healthz", {200, 200, 405, 405, 405, 405, 405}},
                {"/readyz", {200, 200, 405, 405, 405, 405, 405}},
                {"/v1/ws", {401, 405, 405, 405, 405, 405, 405}},
                {"/v1/echo", {426, 405, 405, 405, 405, 405, 405}},
                {"/v1/ws/x", {404, 404, 404, 404, 404, 404, 404}},
                {"/.htpasswd", {404, 404, 404, 404, 404, 404, 404}},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                for (size_t m = 0; m < ELEMENTS(methods); m++) {
                        char head[256];

                        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\n", methods[m],
                                 cases[i].path);
                        ask(&s, head, &r);
                        if (r.status != cases[i].status[m])
                                fail_msg("%s %s: %d", methods[m], cases[i].path, r.status);
                        if (r.status == 405)
                                assert_non_null(strstr(r.head, "\r\nAllow: "));
                        if (r.status == 401)
                                assert_non_null(strstr(r.head, "\r\nWWW-Authenticate: Bearer"));
                        if (m == 1)
                                assert_int_equal(r.n, 0);
                        assert_null(strstr(r.head, "Access-Control"));
                }
        }
        ask(&s, "POST /api/me HTTP/1.1\r\n", &r);
        assert_true(has_header(&r, "Allow: GET, HEAD"));
        ask(&s, "POST /api/files/home/x HTTP/1.1\r\n", &r);
        assert_true(has_header(&r, "Allow: GET, HEAD, PUT, DELETE"));
}

static void test_a_cookie_needs_a_page_of_ours(void **state) {
        char token[TOKEN_TEXT_MAX], ours[512], head[1024];
        const struct {
                const char *more;
                int get, put;
        } cases[] = {
                {"", 404, 403},
                {ours, 404, 201},
                {"Origin: http://evil.example\r\n", 403, 403},
                {"Origin: null\r\n", 403, 403},
                {"Sec-Fetch-Site: cross-site\r\n", 403, 403},
                {"Sec-Fetch-Site: same-origin\r\n", 404, 403},
        };

        (void)state;
        sign_in(&s, token);
        snprintf(ours, sizeof ours, "Origin: http://%s\r\n", s.address);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                snprintf(head, sizeof head,
                         "GET /api/files/home/o%zu HTTP/1.1\r\nCookie: latch_session=%s\r\n%s", i,
                         token, cases[i].more);
                assert_int_equal(status_of(&s, head), cases[i].get);
                snprintf(
                        head, sizeof head,
                        "PUT /api/files/home/o%zu HTTP/1.1\r\nContent-Length: 0\r\nCookie: latch_session=%s\r\n%s",
                        i, token, cases[i].more);
                assert_int_equal(status_of(&s, head), cases[i].put);
        }
        /* A bearer token is no cookie: nobody's page sends it by itself. */
        snprintf(
                head, sizeof head,
                "GET /api/me HTTP/1.1\r\nAuthorization: Bearer %s\r\nOrigin: http://evil.example\r\n",
                token);
        assert_int_equal(status_of(&s, head), 200);
        post(&s, "/api/login", "Origin: http://evil.example\r\n",
             "{\"username\":\"ann\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 403);
}

static void test_what_a_proxy_might_read_otherwise(void **state) {
        static const struct {
                const char *head;
                int status;
        } cases[] = {
                {"GET /healthz HTTP/1.0\r\n", 505},
                {"BREW /healthz HTTP/1.1\r\n", 400},
                {"TRACE /healthz HTTP/1.1\r\n", 400},
                {"PROPFIND /healthz HTTP/1.1\r\n", 501},
                {"GET /healthz HTTP/1.1\r\nHost: two.example\r\n", 400},
                {"POST /api/login HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n", 400},
                {"POST /api/login HTTP/1.1\r\nContent-Length: 3abc\r\n", 400},
                {"POST /api/login HTTP/1.1\r\nContent-Length: +3\r\n", 400},
                {"POST /api/login HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                 400},
                {"POST /api/login HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", 400},
                {"GET /healthz HTTP/1.1\r\nA B: c\r\n", 400},
                {"GET /healthz%00.js HTTP/1.1\r\n", 404},
        };
        char many[4096] = "GET /healthz HTTP/1.1\r\n";

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ask(&s, cases[i].head, &r);
                if (r.status != cases[i].status)
                        fail_msg("%s: %d", cases[i].head, r.status);
                assert_non_null(strstr(r.body, "{\"error\":{\"code\":\""));
        }
        for (int i = 0; i < 70; i++)
                snprintf(many + strlen(many), sizeof many - strlen(many), "X-%d: y\r\n", i);
        assert_int_equal(status_of(&s, many), 431);
}

static void test_an_absent_host_is_refused(void **state) {
        static const char request[] = "GET /healthz HTTP/1.1\r\n\r\n";
        int fd = client_open(&s);

        (void)state;
        client_send(fd, request, sizeof request - 1);
        client_reply(fd, &r);
        assert_int_equal(r.status, 400);
}

static void test_assets(void **state) {
        (void)state;
        ask(&s, "GET / HTTP/1.1\r\n", &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(
                r.head, "\r\nContent-Security-Policy: default-src 'none'; script-src 'self';"));
        assert_true(has_header(&r, "X-Content-Type-Options: nosniff"));
        assert_true(has_header(&r, "Referrer-Policy: no-referrer"));
        assert_true(has_header(&r, "Cross-Origin-Opener-Policy: same-origin"));
        assert_true(has_header(&r, "Cache-Control: no-cache"));

        char etag[128], head[512];
        const char *e = strstr(r.head, "\r\nETag: ");
        assert_non_null(e);
        snprintf(etag, sizeof etag, "%.*s", (int)strcspn(e + 8, "\r"), e + 8);
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nIf-None-Match: %s\r\n", etag);
        ask(&s, head, &r);
        assert_int_equal(r.status, 304);
        assert_int_equal(r.n, 0);
}

static void test_compressed_assets_say_so(void **state) {
        const struct web_asset *a = NULL;
        char head[512];

        (void)state;
        for (size_t i = 0; i < web_assets_n && !a; i++)
                if (web_assets[i].gzip)
                        a = &web_assets[i];
        assert_non_null(a);
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nAccept-Encoding: br, gzip\r\n", a->path);
        ask(&s, head, &r);
        assert_int_equal(r.status, 200);
        assert_true(has_header(&r, "Content-Encoding: gzip"));
        assert_int_equal(r.n, a->n);
        assert_memory_equal(r.body, a->data, a->n);
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nAccept-Encoding: identity\r\n", a->path);
        assert_int_equal(status_of(&s, head), 406);
}

static void test_health(void **state) {
        (void)state;
        ask(&s, "GET /healthz HTTP/1.1\r\n", &r);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "\"users_apart\":\"namespace\""));
        ask(&s, "GET /readyz HTTP/1.1\r\n", &r);
        assert_int_equal(r.status, 200);
        assert_int_equal(r.body[0], '{');
}

static int set_up(void **state) {
        (void)state;
        latch_thread_begin("test");
        server_defaults(&s);
        s.config.failures_per_minute = 1000;
        server_open(&s);
        server_listen(&s);
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
                cmocka_unit_test(test_login_gives_a_token_and_a_cookie),
                cmocka_unit_test(test_login_refuses),
                cmocka_unit_test(test_nested_json_is_refused_before_it_is_parsed),
                cmocka_unit_test(test_bodies_have_a_size),
                cmocka_unit_test(test_logout_ends_the_token),
                cmocka_unit_test(test_renew_ends_the_old_token),
                cmocka_unit_test(test_who_may_what),
                cmocka_unit_test(test_a_cookie_needs_a_page_of_ours),
                cmocka_unit_test(test_what_a_proxy_might_read_otherwise),
                cmocka_unit_test(test_an_absent_host_is_refused),
                cmocka_unit_test(test_assets),
                cmocka_unit_test(test_compressed_assets_say_so),
                cmocka_unit_test(test_health),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
