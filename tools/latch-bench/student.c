/* The contract is in student.h. */
#include "student.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "http.h"
#include "ring/ring.h"
#include "ring/wire.h"

#define OUTPUT_MAX (1u << 20)
#define ACK_EVERY  (16u << 10) /* the protocol asks for one at least every 32 KiB */

void student_init(struct student *s) {
        memset(s, 0, sizeof *s);
        s->output = BUF_INIT(OUTPUT_MAX);
}

void student_done(struct student *s) {
        s->ws = ws_close(s->ws);
        buf_done(&s->output);
}

bool student_failed(const struct student *s) {
        return s->trouble[0] != '\0';
}

/* The first trouble is the one that tells. */
static void trouble(struct student *s, const char *fmt, ...) _printf_(2, 3);
static void trouble(struct student *s, const char *fmt, ...) {
        va_list args;

        if (student_failed(s))
                return;
        va_start(args, fmt);
        (void)vsnprintf(s->trouble, sizeof s->trouble, fmt, args);
        va_end(args);
}

void student_sign_in(struct student *s, const struct site *site, uint64_t deadline_ns) {
        json_t *body = json_pack("{s:s, s:s}", "username", s->name, "password", s->password);
        json_t *answer = NULL;
        int status = 0;
        int r = body ? http_post(site, "/api/login", body, deadline_ns, &status, &answer) : -ENOMEM;
        const char *token = json_string_value(json_object_get(answer, "token"));

        if (r < 0)
                trouble(s, "sign-in: %s", strerror(-r));
        else if (status != 200 || !token || str_copy(s->token, sizeof s->token, token) < 0)
                trouble(s, "sign-in: status %d", status);
        json_decref(answer);
        json_decref(body);
}

/* ---- what the server says ---- */

static void run_ended(struct student *s, const json_t *params) {
        uint64_t end = (uint64_t)json_integer_value(json_object_get(params, "offset"));
        const char *verdict = json_string_value(json_object_get(params, "verdict"));
        const json_t *code = json_object_get(params, "code");

        if (s->exit_ns != 0) {
                trouble(s, "two exits of one run");
                return;
        }
        s->exit_ns = clock_mono_ns();
        s->state = STUDENT_ENDED;
        if (end != s->output.n)
                trouble(s, "exit at %" PRIu64 ", but %zu bytes of output came", end, s->output.n);
        else if (!verdict || strcmp(verdict, "exited") != 0 || !json_is_integer(code) ||
                 json_integer_value(code) != 0)
                trouble(s, "verdict %s, code %d: %.100s", verdict ? verdict : "missing",
                        (int)json_integer_value(code), s->output.data ? s->output.data : "");
        else
                s->exited_well = true;
}

static void on_notification(struct student *s, const char *method, const json_t *params) {
        const json_t *channel = json_object_get(params, "channel");

        if (str_eq(method, "hello")) {
                if (s->state == STUDENT_CONNECTED)
                        s->state = STUDENT_GREETED;
        } else if (channel && (uint32_t)json_integer_value(channel) != s->channel) {
                trouble(s, "%s of a channel that is not ours", method);
        } else if (str_eq(method, "session.exit")) {
                run_ended(s, params);
        } else if (str_eq(method, "session.gap")) {
                trouble(s, "output was skipped");
        }
}

static void on_listed(struct student *s, const json_t *list) {
        const json_t *entry;
        char own[64];
        size_t i;

        (void)snprintf(own, sizeof own, "by-%s", s->name);
        json_array_foreach(list, i, entry) {
                const char *name = json_string_value(json_object_get(entry, "name"));
                if (name && str_eq(name, own))
                        s->own_files++;
                else if (name && str_starts(name, "by-"))
                        s->others_files++;
        }
        s->state = STUDENT_LISTED;
}

static void on_reply(struct student *s, const json_t *message, int64_t id) {
        const json_t *error = json_object_get(message, "error");
        const json_t *result = json_object_get(message, "result");

        if (id != s->request) {
                trouble(s, "a reply to %" PRId64 ", which was not asked", id);
                return;
        }
        s->request = 0;
        s->answered++;
        if (error) {
                const char *words = json_string_value(json_object_get(error, "message"));
                trouble(s, "refused: %s", words ? words : "without words");
        } else if (s->state == STUDENT_GREETED) {
                s->state = STUDENT_WRITTEN;
        } else if (json_is_array(result)) {
                on_listed(s, result);
        } else {
                s->channel = (uint32_t)json_integer_value(json_object_get(result, "channel"));
        }
}

static void on_text(void *arg, const char *text, size_t n) {
        struct student *s = arg;
        json_t *message = json_loadb(text, n, 0, NULL);
        const json_t *id = json_object_get(message, "id");
        const char *method = json_string_value(json_object_get(message, "method"));

        if (method)
                on_notification(s, method, json_object_get(message, "params"));
        else if (json_is_integer(id))
                on_reply(s, message, json_integer_value(id));
        else
                trouble(s, "neither reply nor notification: %.100s", text);
        json_decref(message);
}

static void send_json(struct student *s, json_t *message) {
        int r = ws_send_json(s->ws, message);

        if (r < 0)
                trouble(s, "sending: %s", strerror(-r));
}

static void acknowledge(struct student *s) {
        s->acked = s->output.n;
        send_json(s,
                  json_pack("{s:s, s:s, s:{s:i, s:I}}", "jsonrpc", "2.0", "method", "session.ack",
                            "params", "channel", (int)s->channel, "offset", (json_int_t)s->acked));
}

static void on_binary(void *arg, const unsigned char *data, size_t n) {
        struct student *s = arg;
        struct wire_head h;

        if (!wire_take(data, n, &h) || h.kind != RING_OUTPUT) {
                trouble(s, "a frame of kind %u", n ? data[0] : 0u);
                return;
        }
        if (h.channel != s->channel || h.offset != s->output.n || s->exit_ns != 0) {
                trouble(s, "output of channel %u at %" PRIu64 " where %zu was next", h.channel,
                        h.offset, s->output.n);
                return;
        }
        if (s->first_ns == 0)
                s->first_ns = clock_mono_ns();
        if (buf_add(&s->output, data + WIRE_HEAD, n - WIRE_HEAD) < 0)
                trouble(s, "more than %u bytes of output", OUTPUT_MAX);
        else if (s->output.n - s->acked >= ACK_EVERY)
                acknowledge(s);
}

/* ---- what we say ---- */

void student_connect(struct student *s, const struct site *site, uint64_t deadline_ns) {
        static const struct ws_events events = {.text = on_text, .binary = on_binary};
        const struct ws_target t = {site->host, site->port, "/v1/ws",
                                    "latch.v1", s->token,   deadline_ns};
        int status = 0;
        int r = ws_open(&t, &events, s, &s->ws, &status);

        if (r == -EACCES)
                trouble(s, "the socket was refused with status %d", status);
        else if (r < 0)
                trouble(s, "connecting: %s", strerror(-r));
        else
                s->state = STUDENT_CONNECTED;
}

static void ask(struct student *s, const char *method, json_t *params) {
        if (student_failed(s)) {
                json_decref(params);
                return;
        }
        s->request = ++s->last_id;
        s->asked++;
        send_json(s, json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
                               (json_int_t)s->request, "method", method, "params", params));
}

void student_write(struct student *s, const char *path, const char *program) {
        ask(s, "fs.write",
            json_pack("{s:s, s:s, s:s}", "path", path, "data", program, "encoding", "utf8"));
}

void student_run(struct student *s, const char *path) {
        buf_clear(&s->output);
        s->acked = s->first_ns = s->exit_ns = 0;
        s->channel = 0;
        s->exited_well = false;
        s->state = STUDENT_WRITTEN;
        s->opened_ns = clock_mono_ns();
        ask(s, "session.open",
            json_pack("{s:s, s:s, s:i, s:i}", "kind", "run", "path", path, "cols", 80, "rows", 24));
}

void student_list_home(struct student *s) {
        s->own_files = s->others_files = 0;
        ask(s, "fs.list", json_pack("{s:s}", "path", "home"));
}

/* ---- waiting ---- */

static bool settled(const struct student *s, enum student_state state) {
        return student_failed(s) || s->state >= state;
}

static size_t unsettled(const struct student *all, size_t n, enum student_state state) {
        size_t left = 0;

        for (size_t i = 0; i < n; i++)
                left += !settled(&all[i], state);
        return left;
}

static void turn(struct student *s) {
        int r = ws_turn(s->ws);

        if (r == -ECONNRESET)
                trouble(s, "the server closed the socket (%u)", ws_close_code(s->ws));
        else if (r < 0)
                trouble(s, "socket: %s", strerror(-r));
}

/* Level-triggered: one that failed is taken out, or it would wake us for ever. */
static int watch(int epoll, struct student *s, int op) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};

        if (student_failed(s) || !s->ws)
                return op == EPOLL_CTL_ADD ? 0
                                           : epoll_ctl(epoll, EPOLL_CTL_DEL, ws_fd(s->ws), NULL);
        if (ws_wants_to_write(s->ws))
                e.events |= EPOLLOUT;
        return epoll_ctl(epoll, op, ws_fd(s->ws), &e);
}

int students_until(struct student *all, size_t n, enum student_state state, uint64_t deadline_ns) {
        _cleanup_(fd_closep) int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event events[64];

        if (epoll < 0)
                return -errno;
        for (size_t i = 0; i < n; i++) {
                if (!student_failed(&all[i]))
                        turn(&all[i]); /* what came with the upgrade lies in no kernel buffer */
                if (watch(epoll, &all[i], EPOLL_CTL_ADD) < 0)
                        return -errno;
        }
        while (unsettled(all, n, state) > 0) {
                uint64_t now = clock_mono_ns();
                if (now >= deadline_ns)
                        return -ETIMEDOUT;
                int k = epoll_wait(epoll, events, ELEMENTS(events),
                                   (int)((deadline_ns - now) / 1000000 + 1));
                if (k < 0) /* EINTR, too: somebody wants us to end */
                        return -errno;
                for (int i = 0; i < k; i++) {
                        turn(events[i].data.ptr);
                        if (watch(epoll, events[i].data.ptr, EPOLL_CTL_MOD) < 0)
                                return -errno;
                }
        }
        return 0;
}
