/* Unit tests for src/front/judge.c: which requests are looked at at all, and whose pages they come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/macros.h"
#include "front/judge.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* method, path, version, then pairs of headers up to NULL */
static struct mg_request_info make(const char *method, const char *version,
                                   const char *const *headers) {
        struct mg_request_info ri = {
                .request_method = method,
                .http_version = version,
                .local_uri_raw = "/x",
                .content_length = -1,
        };

        for (; headers[0]; headers += 2)
                ri.http_headers[ri.num_headers++] = (struct mg_header){headers[0], headers[1]};
        return ri;
}

static int verdict(const struct mg_request_info *ri) {
        struct refusal r = {0, NULL, NULL};

        if (judge_request(ri, &r))
                return 0;
        assert_non_null(r.code);
        assert_non_null(r.message);
        return r.status;
}

static void test_methods_and_versions(void **state) {
        static const char *const host[] = {"Host", "h", NULL};
        static const struct {
                const char *method, *version;
                int status;
        } cases[] = {
                {"GET", "1.1", 0},     {"HEAD", "1.1", 0},      {"POST", "1.1", 0},
                {"PUT", "1.1", 0},     {"DELETE", "1.1", 0},    {"OPTIONS", "1.1", 0},
                {"PATCH", "1.1", 0},   {"CONNECT", "1.1", 501}, {"TRACE", "1.1", 501},
                {"get", "1.1", 501},   {"GET", "1.0", 505},     {"GET", "2.0", 505},
                {"MKCOL", "1.1", 501},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct mg_request_info ri = make(cases[i].method, cases[i].version, host);

                assert_int_equal(verdict(&ri), cases[i].status);
        }
}

static void test_headers(void **state) {
        static const struct {
                const char *headers[9];
                int status;
        } cases[] = {
                {{"Host", "a.example:8080"}, 0},
                {{"Host", "[::1]:80"}, 0},
                {{NULL}, 400},
                {{"Host", ""}, 400},
                {{"Host", "a b"}, 400},
                {{"Host", "a/b"}, 400},
                {{"Host", "a@b"}, 400},
                {{"Host", "a", "host", "a"}, 400},
                {{"Host", "a", "Content-Length", "12"}, 0},
                {{"Host", "a", "Content-Length", "012"}, 0},
                {{"Host", "a", "Content-Length", ""}, 400},
                {{"Host", "a", "Content-Length", "12 "}, 400},
                {{"Host", "a", "Content-Length", "-1"}, 400},
                {{"Host", "a", "Content-Length", "+1"}, 400},
                {{"Host", "a", "Content-Length", "0x10"}, 400},
                {{"Host", "a", "Content-Length", "1,1"}, 400},
                {{"Host", "a", "Content-Length", "99999999999999999999"}, 400},
                {{"Host", "a", "Content-Length", "1", "content-length", "1"}, 400},
                {{"Host", "a", "Content-Length", "1", "Transfer-Encoding", "chunked"}, 400},
                {{"Host", "a", "Transfer-Encoding", "chunked"}, 411},
                {{"Host", "a", "Transfer-Encoding", "identity"}, 411},
                {{"Host", "a", "Authorization", "Bearer a", "Authorization", "Bearer b"}, 400},
                {{"Host", "a", "Origin", "http://a", "Origin", "http://b"}, 400},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct mg_request_info ri = make("GET", "1.1", cases[i].headers);

                if (verdict(&ri) != cases[i].status)
                        fail_msg("case %zu: %d", i, verdict(&ri));
        }
}

static void test_the_64th_header_is_one_too_many(void **state) {
        static const char *const host[] = {"Host", "h", NULL};
        struct mg_request_info ri = make("GET", "1.1", host);

        (void)state;
        while (ri.num_headers < MG_MAX_HEADERS - 1)
                ri.http_headers[ri.num_headers++] = (struct mg_header){"X", "y"};
        assert_int_equal(verdict(&ri), 0);
        ri.http_headers[ri.num_headers++] = (struct mg_header){"X", "y"};
        assert_int_equal(verdict(&ri), 431);
}

static void test_paths(void **state) {
        static const char *const host[] = {"Host", "h", NULL};
        static char long_path[20000];
        struct mg_request_info ri = make("GET", "1.1", host);

        (void)state;
        ri.local_uri_raw = NULL;
        assert_int_equal(verdict(&ri), 400);
        ri.local_uri_raw = "x";
        assert_int_equal(verdict(&ri), 400);
        memset(long_path, '/', sizeof long_path - 1);
        ri.local_uri_raw = long_path;
        assert_int_equal(verdict(&ri), 414);
}

static void test_upgrades(void **state) {
        static const struct {
                const char *method;
                const char *headers[13];
                int status;
        } cases[] = {
#define UP "Host", "a", "Connection", "keep-alive, Upgrade", "Upgrade", "websocket"
                {"GET", {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", KEY}, 0},
                {"POST", {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", KEY}, 400},
                {"GET", {UP, "Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", KEY}, 426},
                {"GET", {UP, "Sec-WebSocket-Key", KEY}, 426},
                {"GET", {UP, "Sec-WebSocket-Version", "13"}, 400},
                {"GET", {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", ""}, 400},
                {"GET",
                 {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key",
                  "dGhlIHNhbXBsZSBub25jZQ="},
                 400},
                {"GET",
                 {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key",
                  "dGhlIHNhbXBsZSBub25jZQ==="},
                 400},
                {"GET",
                 {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key",
                  "dGhlIHNhbXBsZSBub25j=Q=="},
                 400},
                {"GET",
                 {UP, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key",
                  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
                 400},
                /* civetweb takes anything that has the words in it. */
                {"GET",
                 {"Host", "a", "Connection", "not-upgrade", "Upgrade", "websocket",
                  "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", KEY},
                 400},
                {"GET",
                 {"Host", "a", "Connection", "Upgrade", "Upgrade", "xwebsocketx",
                  "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", KEY},
                 400},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct mg_request_info ri = make(cases[i].method, "1.1", cases[i].headers);

                assert_true(judge_wants_socket(&ri));
                if (verdict(&ri) != cases[i].status)
                        fail_msg("case %zu: %d", i, verdict(&ri));
        }
}

static void test_origins(void **state) {
        static const struct {
                const char *origin, *host, *public_url;
                bool same;
        } cases[] = {
                {"http://a.example", "a.example", "", true},
                {"https://a.example", "a.example", "", true},
                {"http://A.EXAMPLE:81", "a.example:81", "", true},
                {"http://a.example:81", "a.example", "", false},
                {"http://a.example", "a.example:81", "", false},
                {"http://a.example.evil", "a.example", "", false},
                {"http://evil/a.example", "a.example", "", false},
                {"http://xa.example", "a.example", "", false},
                {"ftp://a.example", "a.example", "", false},
                {"null", "a.example", "", false},
                {"", "a.example", "", false},
                {"https://ide.example", "127.0.0.1:8090", "https://ide.example", true},
                {"http://ide.example", "127.0.0.1:8090", "https://ide.example", false},
                {"http://ide.example", "ide.example", "https://ide.example", false},
                {"https://ide.example", "ide.example", "https://ide.example", true},
                {"http://127.0.0.1:8090", "127.0.0.1:8090", "https://ide.example", true},
                {"https://evil.example", "127.0.0.1:8090", "https://ide.example", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (judge_origin(cases[i].origin, cases[i].host, cases[i].public_url) !=
                    cases[i].same)
                        fail_msg("case %zu", i);
}

static void test_same_site(void **state) {
        static const struct {
                const char *headers[7];
                bool safe, unsafe;
        } cases[] = {
                {{"Host", "a"}, true, false},
                {{"Host", "a", "Origin", "http://a"}, true, true},
                {{"Host", "a", "Origin", "http://b"}, false, false},
                {{"Host", "a", "Sec-Fetch-Site", "same-origin"}, true, false},
                {{"Host", "a", "Sec-Fetch-Site", "none"}, true, false},
                {{"Host", "a", "Sec-Fetch-Site", "cross-site"}, false, false},
                {{"Host", "a", "Sec-Fetch-Site", "cross-site", "Origin", "http://a"}, false, false},
                {{"Host", "a", "Sec-Fetch-Site", "same-origin", "Origin", "http://a"}, true, true},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct mg_request_info ri = make("GET", "1.1", cases[i].headers);

                assert_int_equal(judge_same_site(&ri, false, ""), cases[i].safe);
                assert_int_equal(judge_same_site(&ri, true, ""), cases[i].unsafe);
        }
}

static void test_lists(void **state) {
        (void)state;
        assert_true(judge_lists("a, B ,c", "b"));
        assert_true(judge_lists("b", "b"));
        assert_true(judge_lists(",, b", "b"));
        assert_false(judge_lists("ab", "b"));
        assert_false(judge_lists("b c", "b"));
        assert_false(judge_lists("", "b"));
        assert_false(judge_lists(NULL, "b"));
}

static void test_one_cookie_is_ours(void **state) {
        static const struct {
                const char *header, *value;
        } cases[] = {
                {"latch_session=abc", "abc"},
                {"a=b; latch_session=abc", "abc"},
                {"a=b;latch_session=abc;c", "abc"},
                {"latch_session=1234567", "1234567"},
                {"latch_session=12345678", NULL},
                {"latch_session=", NULL},
                {"xlatch_session=abc", NULL},
                {"latch_sessio=abc", NULL},
                {"; ;latch_session=a", "a"},
                {"", NULL},
                {NULL, NULL},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char to[8] = "";

                assert_int_equal(judge_cookie(cases[i].header, to, sizeof to),
                                 cases[i].value != NULL);
                assert_string_equal(to, cases[i].value ? cases[i].value : "");
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_methods_and_versions),
                cmocka_unit_test(test_headers),
                cmocka_unit_test(test_the_64th_header_is_one_too_many),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_upgrades),
                cmocka_unit_test(test_origins),
                cmocka_unit_test(test_same_site),
                cmocka_unit_test(test_one_cookie_is_ours),
                cmocka_unit_test(test_lists),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
