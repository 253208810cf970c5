/* fixture.h - a whole front over a real store, and a client of bare sockets. Included by each test once. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "front/assets.h"
#include "front/front.h"
#include "front/front_private.h"
#include "front/pump_private.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "store/datadir.h"
#include "workspace/workspace.h"

#define WAIT_MS 10000

const struct web_asset web_assets[] __attribute__((weak)) = {
        {"/", "text/html; charset=utf-8", "\"root\"", (const unsigned char *)"<html>", 6, false,
         false},
        {"/a.js", "text/javascript", "\"js\"", (const unsigned char *)"\x1f\x8b", 2, true, true},
};
const size_t web_assets_n __attribute__((weak)) = 2;

struct server {
        struct config config;
        struct store *store;
        struct auth *auth;
        struct pool *pool;
        struct pump *pump;
        struct sessions *sessions;
        struct rpc *rpc;
        struct front *front;
        char dir[64];
        char address[64];
        uint16_t port;
};

_unused_ static void server_defaults(struct server *s) {
        memset(s, 0, sizeof *s);
        config_defaults(&s->config);
        snprintf(s->dir, sizeof s->dir, "/tmp/latch-front-XXXXXX");
        assert_non_null(mkdtemp(s->dir));
        snprintf(s->config.data, sizeof s->config.data, "%s", s->dir);
        snprintf(s->config.listen, sizeof s->config.listen, "127.0.0.1:0");
        s->config.max_sockets = 6;
        s->config.sockets_per_user = 4;
        s->config.http_threads = 6;
        s->config.workers = 2;
        s->config.echo = true;
        s->config.message_bytes = 65536;
        s->config.file_bytes = 300000;
        s->config.upload_bytes = 300000;
}

_unused_ static void server_add_user(struct server *s, const char *name, const char *password) {
        struct store_user u;

        assert_int_equal(auth_user_add(s->auth, name, ROLE_STUDENT, password, &u), 0);
        assert_int_equal(workspace_make_user(s->dir, name, auth_host_uid(&u)), 0);
}

_unused_ static void server_open(struct server *s) {
        struct pool_limits limits = {.workers = 2, .queued = 64, .queued_per_turn = 32};
        char *error = NULL;

        assert_int_equal(store_open(s->dir, &s->store, &error), 0);
        assert_int_equal(auth_new(s->store, &s->config, &s->auth), 0);
        assert_int_equal(workspace_prepare(s->dir), 0);
        server_add_user(s, "ann", "correct horse");
        assert_int_equal(pool_new(&limits, &s->pool), 0);
        assert_int_equal(pump_new(&s->pump), 0);
        struct sessions_deps sd = {
                .config = &s->config, .store = s->store, .auth = s->auth, .pool = s->pool};
        pump_hooks(s->pump, &sd.hooks);
        assert_int_equal(sessions_new(&sd, &s->sessions), 0);
        struct rpc_deps rd = {
                .pool = s->pool, .sessions = s->sessions, .config = &s->config, .queued_ms = 5000};
        assert_int_equal(rpc_new(&rd, &s->rpc), 0);
}

_unused_ static void server_listen(struct server *s) {
        struct front_deps d = {
                .config = &s->config,
                .store = s->store,
                .auth = s->auth,
                .sessions = s->sessions,
                .rpc = s->rpc,
                .pool = s->pool,
                .pump = s->pump,
                .users_apart = "namespace",
        };
        char *error = NULL;

        assert_int_equal(pump_run(s->pump, s->sessions), 0);
        assert_int_equal(front_new(&d, &s->front), 0);
        int r = front_listen(s->front, s->address, sizeof s->address, &error);
        if (r < 0)
                fail_msg("front_listen: %s", error ? error : "?");
        front_admit(s->front);
        s->port = (uint16_t)atoi(strrchr(s->address, ':') + 1);
}

_unused_ static void server_start(struct server *s) {
        server_defaults(s);
        server_open(s);
        server_listen(s);
}

_unused_ static void server_stop(struct server *s) {
        char command[128];

        front_stop(s->front, 1012);
        s->front = front_free(s->front);
        assert_int_equal(pool_drain(s->pool, 1000), 0);
        pump_stop(s->pump);
        s->rpc = rpc_free(s->rpc);
        s->sessions = sessions_free(s->sessions);
        s->pool = pool_free(s->pool);
        s->pump = pump_free(s->pump);
        s->auth = auth_free(s->auth);
        s->store = store_close(s->store);
        snprintf(command, sizeof command, "rm -rf %s", s->dir);
        assert_int_equal(system(command), 0);
}

/* ---- a client ---- */

_unused_ static int client_open(const struct server *s) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(s->port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
        return fd;
}

_unused_ static void client_send(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

                if (sent < 0)
                        return; /* refused early: the answer tells */
                p += sent;
                n -= (size_t)sent;
        }
}

/* Reads what there is, at most n. 0: the end. */
_unused_ static size_t client_read(int fd, void *to, size_t n) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, WAIT_MS) != 1)
                fail_msg("nothing came for %d ms", WAIT_MS);
        ssize_t got = recv(fd, to, n, 0);
        return got < 0 ? 0 : (size_t)got;
}

_unused_ static void client_read_exactly(int fd, void *to, size_t n) {
        for (size_t at = 0; at < n;) {
                size_t got = client_read(fd, (char *)to + at, n - at);

                if (got == 0)
                        fail_msg("the end came after %zu of %zu bytes", at, n);
                at += got;
        }
}

struct reply {
        int status;
        char head[8192];
        char body[400000];
        size_t n;
};

_unused_ static void client_reply(int fd, struct reply *r) {
        static char all[500000];
        size_t n = 0, got;
        char *end;

        while (n < sizeof all - 1 && (got = client_read(fd, all + n, sizeof all - 1 - n)) > 0)
                n += got;
        all[n] = '\0';
        close(fd);
        end = strstr(all, "\r\n\r\n");
        if (!end)
                fail_msg("no answer: \"%s\"", all);
        r->status = atoi(all + strlen("HTTP/1.1 "));
        snprintf(r->head, sizeof r->head, "%.*s\r\n", (int)(end - all), all);
        r->n = n - (size_t)(end + 4 - all);
        memcpy(r->body, end + 4, r->n);
        r->body[r->n] = '\0';
}

/* head: request line and headers but Host, each with CRLF. */
_unused_ static void ask_body(const struct server *s, const char *head, const void *body, size_t n,
                              struct reply *r) {
        char all[8192];
        int fd = client_open(s);

        snprintf(all, sizeof all, "%sHost: %s\r\n\r\n", head, s->address);
        client_send(fd, all, strlen(all));
        client_send(fd, body, n);
        client_reply(fd, r);
}

_unused_ static void ask(const struct server *s, const char *head, struct reply *r) {
        ask_body(s, head, "", 0, r);
}

_unused_ static int status_of(const struct server *s, const char *head) {
        static struct reply r;

        ask(s, head, &r);
        return r.status;
}

_unused_ static void post(const struct server *s, const char *path, const char *headers,
                          const char *body, struct reply *r) {
        char head[4096];

        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nContent-Length: %zu\r\n%s", path,
                 strlen(body), headers);
        ask_body(s, head, body, strlen(body), r);
}

/* Copies the value of "token" from login's answer. */
_unused_ static void take_token(const struct reply *r, char to[TOKEN_TEXT_MAX]) {
        const char *p = strstr(r->body, "\"token\":\"");

        assert_non_null(p);
        p += strlen("\"token\":\"");
        snprintf(to, TOKEN_TEXT_MAX, "%.*s", (int)strcspn(p, "\""), p);
}

_unused_ static void sign_in(const struct server *s, char token[TOKEN_TEXT_MAX]) {
        static struct reply r;

        post(s, "/api/login", "", "{\"username\":\"ann\",\"password\":\"correct horse\"}", &r);
        assert_int_equal(r.status, 200);
        take_token(&r, token);
}

_unused_ static bool has_header(const struct reply *r, const char *line) {
        char with[1024];

        snprintf(with, sizeof with, "\r\n%s\r\n", line);
        return strstr(r->head, with) != NULL;
}

/* ---- a WebSocket ---- */

#define UPGRADE                                                                                    \
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"               \
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* The upgrade's status; the socket stays open if it is 101. */
_unused_ static int ws_upgrade(const struct server *s, const char *path, const char *headers,
                               int *ret_fd, struct reply *r) {
        char all[4096];
        size_t n = 0;
        int fd = client_open(s);

        snprintf(all, sizeof all, "GET %s HTTP/1.1\r\nHost: %s\r\n" UPGRADE "%s\r\n", path,
                 s->address, headers);
        client_send(fd, all, strlen(all));
        memset(r->head, 0, sizeof r->head);
        while (!strstr(r->head, "\r\n\r\n") && n < sizeof r->head - 1) {
                if (client_read(fd, r->head + n, 1) == 0)
                        break;
                n++;
        }
        r->status = atoi(r->head + strlen("HTTP/1.1 "));
        if (r->status != 101) {
                size_t got;

                r->n = 0;
                while ((got = client_read(fd, r->body + r->n, sizeof r->body - 1 - r->n)) > 0)
                        r->n += got;
                r->body[r->n] = '\0';
                close(fd);
                return r->status;
        }
        *ret_fd = fd;
        return 101;
}

_unused_ static int ws_open(const struct server *s, const char *path, const char *token) {
        static struct reply r;
        char headers[256] = "";
        int fd = -1;

        if (token)
                snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", token);
        if (ws_upgrade(s, path, headers, &fd, &r) != 101)
                fail_msg("upgrade: %s %s", r.head, r.body);
        return fd;
}

_unused_ static void ws_send(int fd, unsigned first, const void *data, size_t n) {
        unsigned char head[FRAMES_HEADER_MAX], *masked = malloc(n + 1);
        size_t h = frames_header(head, first & 0x0f, n);
        static const unsigned char mask[4] = {1, 2, 3, 4};

        assert_non_null(masked);
        head[0] = (unsigned char)first;
        head[1] |= 0x80;
        for (size_t i = 0; i < n; i++)
                masked[i] = ((const unsigned char *)data)[i] ^ mask[i & 3];
        client_send(fd, head, h);
        client_send(fd, mask, 4);
        client_send(fd, masked, n);
        free(masked);
}

struct frame {
        unsigned opcode; /* 0: the end of the connection */
        size_t n;
        char data[300000];
};

_unused_ static void ws_read(int fd, struct frame *f) {
        unsigned char head[10];

        f->opcode = 0;
        f->n = 0;
        f->data[0] = '\0';
        if (client_read(fd, head, 1) == 0)
                return;
        client_read_exactly(fd, head + 1, 1);
        assert_int_equal(head[0] & 0xf0, 0x80);
        assert_int_equal(head[1] & 0x80, 0);
        f->opcode = head[0] & 0x0f;
        f->n = head[1];
        if (f->n == 126) {
                client_read_exactly(fd, head + 2, 2);
                f->n = (size_t)head[2] << 8 | head[3];
        } else if (f->n == 127) {
                client_read_exactly(fd, head + 2, 8);
                f->n = 0;
                for (int i = 2; i < 10; i++)
                        f->n = f->n << 8 | head[i];
        }
        assert_true(f->n < sizeof f->data);
        client_read_exactly(fd, f->data, f->n);
        f->data[f->n] = '\0';
}

/* Reads to the close frame, then to the end. Its code, or 0 if none came. */
_unused_ static unsigned ws_read_close(int fd) {
        static struct frame f;
        unsigned code = 0;

        do {
                ws_read(fd, &f);
                if (f.opcode == 8 && !code)
                        code = (unsigned)(unsigned char)f.data[0] << 8 | (unsigned char)f.data[1];
        } while (f.opcode != 0);
        close(fd);
        return code;
}

/* Waits for the event that this condition is the sign of. */
#define wait_for(condition)                                                                        \
        do {                                                                                       \
                uint64_t until_ = clock_mono_ms() + WAIT_MS;                                       \
                while (!(condition)) {                                                             \
                        if (clock_mono_ms() > until_)                                              \
                                fail_msg("%s: not within %d ms", #condition, WAIT_MS);             \
                        poll(NULL, 0, 2);                                                          \
                }                                                                                  \
        } while (0)
