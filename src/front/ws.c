/* ws.c - see ws.h. */
#include "front/ws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "front/arrive.h"
#include "front/judge.h"
#include "front/pump_private.h"
#include "front/raw.h"
#include "front/reader.h"
#include "front/routes.h"
#include "front/serve.h"

#define SUBPROTOCOL "latch.v1"

enum { OP_TEXT = 1 };

struct seat {
        struct front *front;
        const struct route *route;
        struct identity *identity; /* NULL: echo */
        struct raw *raw;           /* NULL: it is no raw socket */
        uint64_t number;           /* of the request, and of the socket */
        uint64_t began_ns;
        char address[ADDRESS_TEXT_MAX];
        bool counted, counted_user;
        struct sock *sock; /* once it is open */
};

bool ws_seat(struct request *r) {
        struct guest *g = guest_of(r->conn);
        struct raw *raw = NULL;
        struct seat *s;

        /* RFC 6455 4.1. What came with the request lies where civetweb shows it to nobody. */
        if (g->early) {
                http_error(r, 400, "bad_request", "wait for the 101 before the first frame");
                return false;
        }
        if (r->route->socket == SOCKET_RAW && !raw_asked(r, &raw))
                return false;
        s = calloc(1, sizeof *s);
        if (!s) {
                raw_free(raw);
                http_errno(r, -ENOMEM);
                return false;
        }
        s->raw = raw;
        s->front = r->front;
        s->route = r->route;
        s->identity = r->identity ? identity_ref(r->identity) : NULL;
        s->number = r->number;
        s->began_ns = r->began_ns;
        memcpy(s->address, r->address, sizeof s->address);
        g->seat = s;
        return true;
}

/* NULL: there is room, and it is taken. */
static const struct refusal *take_room(struct seat *s) {
        static const struct refusal full = {503, "busy", "all sockets of this server are taken"};
        static const struct refusal user_full = {429, "limit_reached",
                                                 "you have too many sockets open"};
        const struct config *c = s->front->deps.config;

        s->counted = front_take(&s->front->sockets, c->max_sockets);
        if (!s->counted)
                return &full;
        if (!s->identity)
                return NULL;
        s->counted_user = front_take(&s->identity->account->sockets, c->sockets_per_user);
        return s->counted_user ? NULL : &user_full;
}

/* civetweb answers with what stands here, and leaves there what the client before was given. A raw socket
 * speaks none; what /v1/echo is offered besides does not matter. */
static bool choose_subprotocol(const struct mg_request_info *ri, enum route_socket socket) {
        struct mg_request_info *to = (struct mg_request_info *)ri;
        bool offered = false, known = false;

        for (int i = 0; i < ri->num_headers; i++) {
                if (strcasecmp(ri->http_headers[i].name, "Sec-WebSocket-Protocol") != 0)
                        continue;
                offered = true;
                known |= judge_lists(ri->http_headers[i].value, SUBPROTOCOL);
        }
        to->acceptedWebSocketSubprotocol = known && socket != SOCKET_RAW ? SUBPROTOCOL : NULL;
        return socket != SOCKET_LATCH || known || !offered;
}

static void fill(struct request *r, const struct seat *s, int status) {
        r->number = s->number;
        r->began_ns = s->began_ns;
        r->route = s->route;
        r->identity = s->identity;
        r->status = status;
}

static int refuse(struct request *r, const struct seat *s, const struct refusal *why) {
        http_error_more(r, why->status, why->code, why->message,
                        why->status == 400 ? NULL : "Retry-After: 5\r\n");
        fill(r, s, why->status);
        serve_log(r);
        return 1;
}

int ws_connect(const struct mg_connection *conn, void *cbdata) {
        static const struct refusal strange = {400, "bad_request",
                                               "the subprotocol is " SUBPROTOCOL};
        struct seat *s = guest_of(conn)->seat;
        const struct refusal *why;
        struct request r;

        CHECK(s); /* nothing gets here but by begin_request */
        serve_begin(cbdata, (struct mg_connection *)conn, mg_get_request_info(conn), &r);
        if (!choose_subprotocol(r.ri, s->route->socket))
                return refuse(&r, s, &strange);
        why = take_room(s);
        if (why) {
                counters_limited(&s->front->counters, LIMITED_SOCKETS);
                return refuse(&r, s, why);
        }
        fill(&r, s, 101);
        serve_count(&r); /* it is logged when it stays, and when it ends */
        return 0;
}

static int open_sock(struct guest *g, struct sock **ret) {
        const struct seat *s = g->seat;
        struct front *f = s->front;
        const struct config *c = f->deps.config;

        return sock_new(
                &(struct sock_options){.registry = f->socks,
                                       .pump = f->deps.pump,
                                       .identity = s->identity,
                                       .raw = s->raw != NULL,
                                       .address = s->address,
                                       .budget = &f->budget,
                                       .number = s->number,
                                       .fd = TAKE_FD(g->fd),
                                       .message_bytes = c->message_bytes,
                                       /* A file in base64 and what else waits beside it. */
                                       .outbox_bytes = c->file_bytes * 3 + c->message_bytes},
                ret);
}

static void send_hello(struct sock *c, const struct config *config) {
        const struct account *a = c->port.identity->account;
        json_t *hello = json_pack(
                "{s:s,s:s,s:{s:i,s:s,s:{s:s,s:s},s:{s:I,s:I,s:I,s:I}}}", "jsonrpc", "2.0", "method",
                "hello", "params", "protocol", 1, "server", "latchd/" LATCH_VERSION, "user", "name",
                a->name, "role", role_name(a->role), "limits", "message_bytes",
                (json_int_t)config->message_bytes, "window_bytes", (json_int_t)config->window_bytes,
                "input_bytes", (json_int_t)config->input_bytes, "viewers_per_session",
                (json_int_t)config->viewers_per_session);
        char *text = hello ? json_dumps(hello, JSON_COMPACT) : NULL;

        if (text)
                sock_send(c, OP_TEXT, text, strlen(text));
        else
                sock_close(c, 1013, "no memory");
        json_decref(hello);
        free(text);
}

static const char *user_of(const struct seat *s) {
        return s->identity ? s->identity->account->name : NULL;
}

/* reader_to.stays: most that come and go at once are not worth two lines. */
static void log_open(const void *seat) {
        const struct seat *s = seat;
        char number[20];

        snprintf(number, sizeof number, "%llx", (unsigned long long)s->number);
        log_event(LOG_INFO, "socket.open", LOG_S("socket", number), LOG_S("route", s->route->path),
                  LOG_S("user", user_of(s)), LOG_S("address", s->address));
}

static void log_end(const struct seat *s) {
        char number[20];

        snprintf(number, sizeof number, "%llx", (unsigned long long)s->number);
        log_event(LOG_INFO, "socket.end", LOG_S("socket", number), LOG_S("route", s->route->path),
                  LOG_S("user", user_of(s)), LOG_S("address", s->address),
                  LOG_I("code", atomic_load(&s->sock->close_code)),
                  LOG_I("ms", (clock_mono_ns() - s->began_ns) / 1000000));
}

void ws_ready(struct mg_connection *conn, void *cbdata) {
        struct front *f = cbdata;
        struct seat *s = guest_of(conn)->seat;
        struct typing *typing = NULL;
        struct sock *c;
        int r = open_sock(guest_of(conn), &c);

        /* Once we are through, civetweb's own reading of frames ends before it begins. */
        mg_disable_connection_keep_alive(conn);
        if (r < 0) {
                log_event(LOG_WARN, "socket.open", LOG_E(r));
                return;
        }
        s->sock = c;
        if (s->raw)
                typing = raw_begin(s->raw, c);
        else if (!c->echo)
                send_hello(c, f->deps.config);
        if (atomic_load(&f->stopping)) /* front_stop may have looked before we were there */
                front_say_goodbye(f, c);
        reader_run(c, &(struct reader_to){f->deps.rpc, f->deps.sessions, typing, log_open, s});
        typing_free(typing);
        if (!c->echo)
                port_close(&c->port);
        registry_remove(f->socks, &c->item);
        pump_leave(c->pump, c);
        log_end(s);
}

void http_no_socket(struct request *r) {
        http_error_more(r, 426, "upgrade_required", "this address is for a WebSocket",
                        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
}

void ws_leave(struct seat *s) {
        if (!s)
                return;
        sock_unref(s->sock);
        raw_free(s->raw);
        if (s->counted)
                atomic_fetch_sub(&s->front->sockets, 1);
        if (s->counted_user)
                atomic_fetch_sub(&s->identity->account->sockets, 1);
        identity_unref(s->identity);
        free(s);
}
