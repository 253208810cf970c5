/* Tests of front over real sockets: whole files, and bodies that come in a bad way. */
#include <fcntl.h>

#include "fixture.h"

static struct server s;
static struct reply r;
static char bearer[256];

static void file_ask(const char *method, const char *path, const char *headers, const char *body,
                     size_t n) {
        char head[2048];

        snprintf(head, sizeof head, "%s /api/files/%s HTTP/1.1\r\n%sContent-Length: %zu\r\n%s",
                 method, path, bearer, n, headers);
        ask_body(&s, head, body, n, &r);
}

static void take_etag(char to[128]) {
        const char *e = strstr(r.head, "\r\nETag: ");

        assert_non_null(e);
        snprintf(to, 128, "%.*s", (int)strcspn(e + 8, "\r"), e + 8);
}

static void test_files_are_written_and_read(void **state) {
        static char big[250000];
        char etag[128];

        (void)state;
        for (size_t i = 0; i < sizeof big; i++)
                big[i] = (char)(i * 31 + i / 251);
        file_ask("PUT", "home/big.bin", "", big, sizeof big);
        assert_int_equal(r.status, 201);
        take_etag(etag);
        file_ask("GET", "home/big.bin", "", "", 0);
        assert_int_equal(r.status, 200);
        assert_int_equal(r.n, sizeof big);
        assert_memory_equal(r.body, big, sizeof big);
        assert_non_null(strstr(r.head, etag));
        assert_true(has_header(
                &r,
                "Content-Security-Policy: sandbox; default-src 'none'; frame-ancestors 'none'"));
        assert_true(has_header(&r, "Cross-Origin-Resource-Policy: same-origin"));
        assert_true(has_header(&r, "X-Content-Type-Options: nosniff"));
        assert_true(has_header(&r, "Content-Disposition: attachment; filename*=UTF-8''big.bin"));
        file_ask("HEAD", "home/big.bin", "", "", 0);
        assert_int_equal(r.status, 200);
        assert_true(has_header(&r, "Content-Length: 250000"));
        assert_int_equal(r.n, 0);
        file_ask("PUT", "home/big.bin", "", "x", 1);
        assert_int_equal(r.status, 200);
        file_ask("DELETE", "home/big.bin", "", "", 0);
        assert_int_equal(r.status, 204);
        file_ask("GET", "home/big.bin", "", "", 0);
        assert_int_equal(r.status, 404);
        file_ask("DELETE", "home/big.bin", "", "", 0);
        assert_int_equal(r.status, 404);
        file_ask("GET", "home", "", "", 0);
        assert_int_equal(r.status, 409);
}

static void test_conditions_are_kept(void **state) {
        char etag[128], header[256];

        (void)state;
        file_ask("PUT", "home/c.txt", "If-Match: \"x\"\r\n", "1", 1);
        assert_int_equal(r.status, 412);
        file_ask("PUT", "home/c.txt", "If-None-Match: *\r\n", "1", 1);
        assert_int_equal(r.status, 201);
        take_etag(etag);
        file_ask("PUT", "home/c.txt", "If-None-Match: *\r\n", "2", 1);
        assert_int_equal(r.status, 412);
        file_ask("PUT", "home/c.txt", "If-Match: \"other\"\r\n", "2", 1);
        assert_int_equal(r.status, 412);
        snprintf(header, sizeof header, "If-Match: \"other\", %s\r\n", etag);
        file_ask("PUT", "home/c.txt", header, "22", 2);
        assert_int_equal(r.status, 200);
        file_ask("PUT", "home/c.txt", header, "333", 3);
        assert_int_equal(r.status, 412);
        file_ask("DELETE", "home/c.txt", header, "", 0);
        assert_int_equal(r.status, 412);
        file_ask("GET", "home/c.txt", "", "", 0);
        assert_string_equal(r.body, "22");
        take_etag(etag);
        snprintf(header, sizeof header, "If-None-Match: %s\r\n", etag);
        file_ask("GET", "home/c.txt", header, "", 0);
        assert_int_equal(r.status, 304);
        assert_true(has_header(&r, "X-Content-Type-Options: nosniff"));
}

static void test_ranges(void **state) {
        (void)state;
        file_ask("PUT", "home/r.txt", "", "0123456789", 10);
        assert_int_equal(r.status, 201);
        file_ask("GET", "home/r.txt", "Range: bytes=2-4\r\n", "", 0);
        assert_int_equal(r.status, 206);
        assert_string_equal(r.body, "234");
        assert_true(has_header(&r, "Content-Range: bytes 2-4/10"));
        file_ask("GET", "home/r.txt", "Range: bytes=-3\r\n", "", 0);
        assert_string_equal(r.body, "789");
        file_ask("GET", "home/r.txt", "Range: bytes=10-\r\n", "", 0);
        assert_int_equal(r.status, 416);
        assert_true(has_header(&r, "Content-Range: bytes */10"));
        file_ask("GET", "home/r.txt", "Range: bytes=2-4\r\nIf-Range: \"old\"\r\n", "", 0);
        assert_int_equal(r.status, 200);
}

static void test_paths_lead_nowhere_else(void **state) {
        static const char *const bad[] = {
                "../x",     "home/../../x",  "home/%2e%2e/x", "home//x",
                "home/./x", "home/%00",      "home/x%2",      "home/%zz",
                "",         "%2fetc/passwd", "home/%ff",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                file_ask("GET", bad[i], "", "", 0);
                if (r.status != 400 && !(bad[i][0] == '\0' && r.status == 409))
                        fail_msg("GET %s: %d", bad[i], r.status);
                file_ask("PUT", bad[i], "", "x", 1);
                if (r.status < 400 || r.status >= 500)
                        fail_msg("PUT %s: %d", bad[i], r.status);
        }
        file_ask("PUT", "home/a%20%25%C3%A4%3F.txt", "", "x", 1);
        assert_int_equal(r.status, 201);
        file_ask("GET", "home/a%20%25%C3%A4%3F.txt", "", "", 0);
        assert_int_equal(r.status, 200);
        assert_true(has_header(
                &r, "Content-Disposition: inline; filename*=UTF-8''a%20%25%C3%A4%3F.txt"));
}

static void test_a_file_over_the_limit_is_refused_in_words(void **state) {
        static char big[310000];

        (void)state;
        file_ask("PUT", "home/huge", "", big, sizeof big);
        assert_int_equal(r.status, 413);
        assert_non_null(strstr(r.body, "\"too_large\""));
        file_ask("GET", "home/huge", "", "", 0);
        assert_int_equal(r.status, 404);
}

static void test_a_client_may_ask_whether_to_go_on(void **state) {
        char head[512], got[26] = "";
        int fd = client_open(&s);

        (void)state;
        snprintf(head, sizeof head,
                 "PUT /api/files/home/e.txt HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 3\r\n"
                 "Expect: 100-continue\r\n\r\n",
                 s.address, bearer);
        client_send(fd, head, strlen(head));
        client_read_exactly(fd, got, 25);
        assert_string_equal(got, "HTTP/1.1 100 Continue\r\n\r\n");
        client_send(fd, "abc", 3);
        client_reply(fd, &r);
        assert_int_equal(r.status, 201);
}

static void test_a_body_that_ends_early_is_answered(void **state) {
        char head[512];
        int fd = client_open(&s);

        (void)state;
        snprintf(
                head, sizeof head,
                "PUT /api/files/home/s.txt HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 30\r\n\r\nabc",
                s.address, bearer);
        client_send(fd, head, strlen(head));
        shutdown(fd, SHUT_WR);
        client_reply(fd, &r);
        assert_int_equal(r.status, 400);
        file_ask("GET", "home/s.txt", "", "", 0);
        assert_int_equal(r.status, 404);
}

static void test_a_body_that_stalls_is_answered(void **state) {
        char head[512];
        int fd = client_open(&s);
        uint64_t began = clock_mono_ms();

        (void)state;
        snprintf(
                head, sizeof head,
                "PUT /api/files/home/t.txt HTTP/1.1\r\nHost: %s\r\n%sContent-Length: 30\r\n\r\nabc",
                s.address, bearer);
        client_send(fd, head, strlen(head));
        client_reply(fd, &r);
        assert_int_equal(r.status, 408);
        assert_true(clock_mono_ms() - began < 5000);
        file_ask("GET", "home/t.txt", "", "", 0);
        assert_int_equal(r.status, 404);
}

static void test_a_conflict_names_the_other_version(void **state) {
        char etag[128], header[256], name[160];

        (void)state;
        file_ask("PUT", "home/k.txt", "", "first", 5);
        take_etag(etag);
        file_ask("PUT", "home/k.txt", "If-Match: \"old\"\r\n", "x", 1);
        assert_int_equal(r.status, 412);
        snprintf(header, sizeof header, "ETag: %s", etag);
        assert_true(has_header(&r, header));
        snprintf(name, sizeof name, "\"etag\":%s", etag);
        assert_non_null(strstr(r.body, name));
        assert_non_null(strstr(r.body, "\"size\":5"));
        file_ask("PUT", "home/k.txt", "If-None-Match: *\r\n", "x", 1);
        assert_int_equal(r.status, 412);
        assert_non_null(strstr(r.body, "\"exists\""));
        assert_true(has_header(&r, header));
        file_ask("DELETE", "home/k.txt", "If-Match: W/\"a\"\r\n", "", 0);
        assert_int_equal(r.status, 412);
}

static void test_dates_are_conditions(void **state) {
        char date[64], header[160];
        const char *p;

        (void)state;
        file_ask("PUT", "home/d.txt", "", "0123", 4);
        file_ask("HEAD", "home/d.txt", "Range: bytes=1-2\r\n", "", 0);
        assert_int_equal(r.status, 200);
        assert_true(has_header(&r, "Content-Length: 4"));
        assert_int_equal(r.n, 0);
        p = strstr(r.head, "\r\nLast-Modified: ");
        assert_non_null(p);
        snprintf(date, sizeof date, "%.29s", p + strlen("\r\nLast-Modified: "));
        snprintf(header, sizeof header, "If-Modified-Since: %s\r\n", date);
        file_ask("GET", "home/d.txt", header, "", 0);
        assert_int_equal(r.status, 304);
        assert_non_null(strstr(r.head, "\r\nETag: "));
        assert_null(strstr(r.head, "\r\nContent-Length: "));
        file_ask("PUT", "home/d.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "x",
                 1);
        assert_int_equal(r.status, 412);
        snprintf(header, sizeof header, "If-Unmodified-Since: %s\r\n", date);
        file_ask("PUT", "home/d.txt", header, "new", 3);
        assert_int_equal(r.status, 200);
}

static void test_names_that_are_not_utf8(void **state) {
        (void)state;
        file_ask("PUT", "home/b%5CxE4r", "", "x", 1);
        assert_int_equal(r.status, 201);
        file_ask("GET", "home/b%5CxE4r", "", "", 0);
        assert_int_equal(r.status, 200);
        assert_true(has_header(&r, "Content-Disposition: attachment; filename*=UTF-8''b%5CxE4r"));
        file_ask("DELETE", "home/b%5CxE4r", "", "", 0);
        assert_int_equal(r.status, 204);
        file_ask("PUT", "home/%5CxC3%5CxA4", "", "x", 1); /* needs no escape */
        assert_int_equal(r.status, 400);
}

/* How much of a file comes that fits into no buffer of the kernel's, to a client that takes little of it for
 * slow_ms and then all there is. */
static uint64_t take_slowly(uint64_t slow_ms) {
        static char to[65536], all[1024];
        uint64_t n = 0, until = clock_mono_ms() + slow_ms;
        size_t got = 1;
        int fd = client_open(&s);

        snprintf(all, sizeof all, "GET /api/files/home/big.bin HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 bearer);
        client_send(fd, all, strlen(all));
        while (got > 0) {
                bool slow = clock_mono_ms() < until;

                got = client_read(fd, to, slow ? 512 : sizeof to);
                n += got;
                if (slow)
                        poll(NULL, 0, 20);
        }
        close(fd);
        return n;
}

static void test_a_download_has_a_pace(void **state) {
        const uint64_t size = 256u << 20;
        char path[256];
        int fd;

        (void)state;
        snprintf(path, sizeof path, "%s/users/ann/home/big.bin", s.dir);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, (off_t)size), 0);
        close(fd);
        assert_true(take_slowly(0) > size);
        atomic_store(&s.front->take_ns, 300000000u);
        assert_true(take_slowly(1500) < size);
        atomic_store(&s.front->take_ns, 30000000000ull);
        assert_int_equal(remove(path), 0);
}

static int set_up(void **state) {
        char token[TOKEN_TEXT_MAX];

        (void)state;
        latch_thread_begin("test");
        server_defaults(&s);
        server_open(&s);
        server_listen(&s);
        s.front->piece_ns = 1000000000u; /* no request has come yet */
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
                cmocka_unit_test(test_files_are_written_and_read),
                cmocka_unit_test(test_conditions_are_kept),
                cmocka_unit_test(test_ranges),
                cmocka_unit_test(test_paths_lead_nowhere_else),
                cmocka_unit_test(test_a_file_over_the_limit_is_refused_in_words),
                cmocka_unit_test(test_a_client_may_ask_whether_to_go_on),
                cmocka_unit_test(test_a_body_that_ends_early_is_answered),
                cmocka_unit_test(test_a_body_that_stalls_is_answered),
                cmocka_unit_test(test_a_conflict_names_the_other_version),
                cmocka_unit_test(test_dates_are_conditions),
                cmocka_unit_test(test_names_that_are_not_utf8),
                cmocka_unit_test(test_a_download_has_a_pace),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
