/* The contract is in line.h. */
#include "line.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "line_peer.h"
#include "relay.h"
#include "ring/ring.h"
#include "ring/wire.h"

#define ACK_EVERY (32u << 10)
#define TYPE_MAX  4096u
#define END_NS    (5 * UINT64_C(1000000000))

enum { COLS = 80, ROWS = 24 };

/* ---- what comes ---- */

static void look_for_mark(struct line *l, const char *data, size_t n) {
        for (size_t i = 0; l->mark && i < n; i++) {
                if (l->matched == 0) {
                        const char *at = memchr(data + i, l->mark[0], n - i);
                        if (!at)
                                return;
                        i = (size_t)(at - data);
                }
                l->matched = data[i] == l->mark[l->matched] ? l->matched + 1
                                                            : data[i] == l->mark[0];
                if (l->mark[l->matched] == '\0')
                        l->mark = NULL;
        }
}

void line_take(struct line *l, const char *data, size_t n) {
        l->last_ns = clock_mono_ns();
        if (l->first_ns == 0)
                l->first_ns = l->last_ns;
        l->bytes += n;
        look_for_mark(l, data, n);
}

static void say(struct line *l, json_t *message) {
        int r = ws_send_json(l->ws, message);

        if (r < 0)
                l->error = r;
}

static void ask(struct line *l, const char *method, json_t *params) {
        l->asked++;
        say(l, json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)l->asked,
                         "method", method, "params", params));
}

static void on_binary(void *arg, const unsigned char *data, size_t n) {
        struct line *l = arg;
        struct wire_head h = {0};
        bool whole = wire_take(data, n, &h);

        if (whole && h.kind == WIRE_SNAPSHOT)
                return; /* it counts nowhere */
        if (!whole || h.kind != RING_OUTPUT) {
                l->error = -EPROTO;
                return;
        }
        line_take(l, (const char *)data + WIRE_HEAD, n - WIRE_HEAD);
        if (l->bytes - l->acked < ACK_EVERY)
                return;
        l->acked = l->bytes;
        say(l,
            json_pack("{s:s, s:s, s:{s:I, s:I}}", "jsonrpc", "2.0", "method", "session.ack",
                      "params", "channel", (json_int_t)l->channel, "offset", (json_int_t)l->acked));
}

static void on_reply(struct line *l, const json_t *message) {
        const json_t *error = json_object_get(message, "error"),
                     *result = json_object_get(message, "result"),
                     *channel = json_object_get(result, "channel");
        const char *session = json_string_value(json_object_get(result, "session")),
                   *words = json_string_value(json_object_get(error, "message"));

        l->answered = json_integer_value(json_object_get(message, "id"));
        if (error) {
                fprintf(stderr, "latch-bench: the server refused: %s\n", words ? words : "");
                l->error = -EREMOTEIO;
        }
        if (channel)
                l->channel = (uint32_t)json_integer_value(channel);
        if (session && str_copy(l->session, sizeof l->session, session) < 0)
                l->error = -EPROTO;
}

static void on_text(void *arg, const char *text, size_t n) {
        json_t *message = json_loadb(text, n, 0, NULL);
        const char *method = json_string_value(json_object_get(message, "method"));

        if (!method)
                on_reply(arg, message);
        else if (str_eq(method, "session.exit"))
                ((struct line *)arg)->ended = true;
        json_decref(message);
}

static int relay_turn(struct line *l) {
        static char data[256 << 10];
        ssize_t n;

        while ((n = recv(l->fd, data, sizeof data, MSG_DONTWAIT)) > 0)
                line_take(l, data, (size_t)n);
        if (n == 0)
                return -ECONNRESET;
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int line_turn(struct line *l) {
        int r = l->ws ? ws_turn(l->ws) : relay_turn(l);

        return l->error < 0 ? l->error : r;
}

int line_fd(const struct line *l) {
        return l->ws ? ws_fd(l->ws) : l->fd;
}

int line_wait(struct line *l, uint64_t until_ns) {
        short events = l->ws && ws_wants_to_write(l->ws) ? POLLIN | POLLOUT : POLLIN;
        int r = fd_wait(line_fd(l), events, until_ns);

        return r < 0 ? r : line_turn(l);
}

/* ---- beginning and end ---- */

static bool is_latch(const struct line_place *place) {
        return place->site && place->wire == LINE_LATCH;
}

static int connect_server(const struct line_place *place, struct line *l) {
        static const struct ws_events events = {.text = on_text, .binary = on_binary};
        const struct ws_target t = {place->site->host, place->site->port, "/v1/ws",
                                    "latch.v1",        place->token,      place->deadline_ns};
        int status = 0, r = ws_open(&t, &events, l, &l->ws, &status);

        if (r == -EACCES)
                fprintf(stderr, "latch-bench: the socket was refused with status %d\n", status);
        return r;
}

static int await_reply(struct line *l) {
        int r = 0;

        while (r == 0 && l->answered < l->asked)
                r = line_wait(l, l->place->deadline_ns);
        return r;
}

static void ask_for_shell(struct line *l) {
        ask(l, "session.open",
            json_pack("{s:s, s:i, s:i}", "kind", "shell", "cols", COLS, "rows", ROWS));
}

int line_ask(const struct line_place *place, struct line *l) {
        int r = 0;

        *l = LINE_NONE;
        l->place = place;
        if (is_latch(place))
                r = connect_server(place, l);
        l->asked_ns = clock_mono_ns();
        if (!place->site)
                r = relay_start(place->argv, &l->fd, &l->relay);
        else if (!is_latch(place))
                r = line_peer_connect(place, l);
        else if (r == 0)
                ask_for_shell(l);
        return r < 0 ? r : l->error;
}

int line_open(const struct line_place *place, struct line *l) {
        int r = line_ask(place, l);

        while (r == 0 && l->first_ns == 0)
                r = line_wait(l, place->deadline_ns);
        return r;
}

int line_watch(const struct line_place *place, const char *session, struct line *l) {
        int r;

        *l = LINE_NONE;
        l->place = place;
        r = connect_server(place, l);
        if (r == 0)
                ask(l, "session.attach",
                    json_pack("{s:s, s:s, s:i, s:i}", "session", session, "role", "viewer", "cols",
                              COLS, "rows", ROWS));
        while (r == 0 && l->answered < l->asked)
                r = line_wait(l, place->deadline_ns);
        return r;
}

int line_spare(struct line *l, char *ret) {
        struct line own = *l;
        int r;

        ask_for_shell(l);
        r = await_reply(l);
        if (r < 0)
                return r;
        memcpy(ret, l->session, sizeof l->session);
        ask(l, "session.detach", json_pack("{s:I}", "channel", (json_int_t)l->channel));
        r = await_reply(l);
        memcpy(l->session, own.session, sizeof l->session);
        l->channel = own.channel;
        return r;
}

int line_close(struct line *l, const char *session) {
        ask(l, "session.close", json_pack("{s:s}", "session", session));
        return await_reply(l);
}

void line_leave(struct line *l) {
        l->ws = ws_close(l->ws);
        l->fd = fd_close(l->fd);
        relay_end(&l->relay);
}

void line_end(struct line *l) {
        uint64_t until_ns = clock_mono_ns() + END_NS;

        if (l->ws && l->session[0] && !l->ended && line_close(l, l->session) < 0)
                l->ended = true; /* the server's end will be its */
        while (l->ws && l->session[0] && !l->ended && line_wait(l, until_ns) == 0)
                ;
        line_leave(l);
}

/* ---- what is typed ---- */

int line_type(struct line *l, const void *data, size_t n) {
        unsigned char message[WIRE_HEAD + TYPE_MAX];
        struct wire_head h = {WIRE_INPUT, l->channel, l->typed};

        if (n > TYPE_MAX)
                return -EMSGSIZE;
        l->typed += n;
        if (!l->ws)
                return send(l->fd, data, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -EPIPE;
        if (!is_latch(l->place))
                return line_peer_type(l, data, n);
        wire_put(message, h);
        memcpy(message + WIRE_HEAD, data, n);
        return ws_send_binary(l->ws, message, WIRE_HEAD + n);
}

int line_run(struct line *l, const char *command, const char *mark) {
        int r;

        l->mark = mark;
        l->matched = 0;
        r = line_type(l, command, strlen(command));
        while (r == 0 && l->mark)
                r = line_wait(l, l->place->deadline_ns);
        return r;
}
