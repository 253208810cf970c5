/* What is said to the server, and heard. The contract is in attach.h, that of the wire in docs/protocol.md. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "attach.h"
#include "base/clock.h"
#include "command.h"
#include "ring/ring.h"
#include "ring/wire.h"
#include "terminal.h"

#define CONNECT_NS  UINT64_C(3000000000)
#define ANSWER_MS   3000u
#define ACK_BYTES   16384u
#define INPUT_BYTES 16384u /* of one frame; a holder takes 32 KiB */
#define CLOSE_ENDS  1001u

/* ---- out ---- */

/* params: stolen. id 0: no answer is wanted. */
static int ask(const struct attach *a, int id, const char *method, json_t *params) {
        return ws_send_json(a->ws,
                            json_pack("{s:s, s:s, s:o, s:o*}", "jsonrpc", "2.0", "method", method,
                                      "params", params, "id", id ? json_integer(id) : NULL));
}

static int ask_attach(const struct attach *a, bool viewer) {
        json_t *since = a->began ? json_integer((json_int_t)a->received) : NULL;
        unsigned cols, rows;

        terminal_size(&cols, &rows);
        return ask(a, 1, "session.attach",
                   json_pack("{s:s, s:s, s:s, s:i, s:i, s:o*}", "session", a->session, "client",
                             a->client, "role", viewer ? "viewer" : "driver", "cols", (int)cols,
                             "rows", (int)rows, "since", since));
}

int wire_resize(struct attach *a) {
        unsigned cols, rows;

        if (!a->channel)
                return 0;
        terminal_size(&cols, &rows);
        return ask(a, 0, "session.resize",
                   json_pack("{s:i, s:i, s:i}", "channel", (int)a->channel, "cols", (int)cols,
                             "rows", (int)rows));
}

int wire_detach(struct attach *a) {
        return a->channel
                       ? ask(a, 2, "session.detach", json_pack("{s:i}", "channel", (int)a->channel))
                       : 0;
}

static int acknowledge(struct attach *a) {
        a->acked = a->received;
        return ask(a, 0, "session.ack",
                   json_pack("{s:i, s:I}", "channel", (int)a->channel, "offset",
                             (json_int_t)a->received));
}

static int send_piece(const struct attach *a, const char *data, size_t n) {
        unsigned char frame[WIRE_HEAD + INPUT_BYTES];

        wire_put(frame, (struct wire_head){WIRE_INPUT, a->channel, a->input_sent});
        memcpy(frame + WIRE_HEAD, data, n);
        return ws_send_binary(a->ws, frame, WIRE_HEAD + n);
}

int wire_input(struct attach *a) {
        int r = 0;

        while (r == 0 && a->channel && !a->input_full &&
               a->input_sent < a->input_base + a->input.n) {
                size_t at = (size_t)(a->input_sent - a->input_base);
                size_t n = MIN(a->input.n - at, (size_t)INPUT_BYTES);

                r = send_piece(a, a->input.data + at, n);
                a->input_sent += n;
        }
        return r;
}

/* ---- in: output ---- */

/* Through the filter while it is the past. Then all that is held back goes out ahead of the present. */
static int show(struct attach *a, const char *data, size_t n) {
        uint64_t past = a->head > a->received ? MIN(a->head - a->received, (uint64_t)n) : 0;
        _cleanup_(freep) char *text = malloc(n + 2 * QUESTION_MAX);
        size_t k = 0;

        if (!text)
                return -ENOMEM;
        if (past > 0)
                k = questions_drop(&a->questions, data, (size_t)past, text);
        if (past < n || a->received + n >= a->head)
                k += questions_end(&a->questions, text + k);
        memcpy(text + k, data + past, n - (size_t)past);
        a->received += n;
        return terminal_write(text, k + n - (size_t)past);
}

static void fail(struct attach *a, int error) {
        if (a->over || error == 0)
                return;
        a->over = true;
        a->status = error;
        snprintf(a->words, sizeof a->words, "%s", strerror(-error));
}

static void on_binary(void *arg, const unsigned char *data, size_t n) {
        struct attach *a = arg;
        struct wire_head h;
        int r = 0;

        if (!wire_take(data, n, &h) || a->over)
                return;
        const char *bytes = (const char *)data + WIRE_HEAD;
        n -= WIRE_HEAD;
        if (h.kind == WIRE_SNAPSHOT) {
                a->received = h.offset;
                a->questions = (struct questions){.n = 0};
                r = terminal_clear();
                if (r == 0)
                        r = terminal_write(bytes, n);
        } else if (h.kind == RING_OUTPUT || h.kind == RING_STDERR) {
                r = show(a, bytes, n);
        } else {
                a->received = h.offset + n;
        }
        if (r == 0 && a->received - a->acked >= ACK_BYTES)
                (void)!acknowledge(a); /* a broken socket says so in its turn */
        fail(a, r);
}

/* ---- in: notices ---- */

static void on_exit_(struct attach *a, const json_t *p) {
        const char *name = json_string_value(json_object_get(p, "signal"));
        const char *verdict = json_string_value(json_object_get(p, "verdict"));
        int code = (int)json_integer_value(json_object_get(p, "code")), sig = 0;
        bool plain = str_eq(verdict, "exited");

        for (int i = 1; name && i < NSIG; i++)
                if (str_eq(sigabbrev_np(i), name))
                        sig = i;
        a->over = true;
        if (str_eq(verdict, "lost")) {
                a->status = EXIT_FAILURE;
                snprintf(a->words, sizeof a->words, "lost: nobody knows how it ended");
        } else if (name) {
                a->status = 128 + sig;
                snprintf(a->words, sizeof a->words, "ended by SIG%.20s (%.20s)", name,
                         verdict ? verdict : "?");
        } else {
                a->status = code;
                snprintf(a->words, sizeof a->words, "exited with code %d%s%.20s%s", code,
                         plain ? "" : " (", plain || !verdict ? "" : verdict, plain ? "" : ")");
        }
}

static void on_gap(struct attach *a, const json_t *p) {
        uint64_t to = (uint64_t)json_integer_value(json_object_get(p, "to"));
        char words[96];

        snprintf(words, sizeof words, "%" PRIu64 " bytes of output are not kept any more",
                 to - a->received);
        if (a->received > 0)
                attach_remark(words);
        a->received = a->acked = to;
}

static void take_input(struct attach *a, uint64_t offset) {
        size_t n = offset > a->input_base
                           ? (size_t)MIN(offset - a->input_base, (uint64_t)a->input.n)
                           : 0;

        buf_drop(&a->input, n);
        a->input_base += n;
        a->input_sent = MAX(a->input_sent, a->input_base);
        a->input_full = false;
}

static void on_refused(struct attach *a, const json_t *p) {
        uint64_t offset = (uint64_t)json_integer_value(json_object_get(p, "offset"));
        const char *code = json_string_value(json_object_get(p, "code"));

        take_input(a, offset);
        a->input_sent = a->input_base;
        a->input_full = str_eq(code, "full");
        if (!a->input_full && !str_eq(code, "hole"))
                buf_clear(&a->input); /* nobody is to have it */
}

static void on_driver(struct attach *a, bool driver) {
        if (a->driver != driver)
                attach_remark(driver ? "you drive" : "another drives: what you type is not sent");
        a->driver = driver;
}

static void on_expiring(struct attach *a, uint64_t in_ms) {
        char words[80];

        snprintf(words, sizeof words, "unused, it ends in %" PRIu64 " s: press a key to keep it",
                 (in_ms + 999) / 1000);
        if (in_ms > 0 && a->driver)
                attach_remark(words);
}

static void on_notice(struct attach *a, const char *method, const json_t *p) {
        if ((uint32_t)json_integer_value(json_object_get(p, "channel")) != a->channel)
                return;
        if (str_eq(method, "session.exit"))
                on_exit_(a, p);
        else if (str_eq(method, "session.gap"))
                on_gap(a, p);
        else if (str_eq(method, "session.input_ack"))
                take_input(a, (uint64_t)json_integer_value(json_object_get(p, "offset")));
        else if (str_eq(method, "session.input_refused"))
                on_refused(a, p);
        else if (str_eq(method, "session.expiring"))
                on_expiring(a, (uint64_t)json_integer_value(json_object_get(p, "in_ms")));
        else if (str_eq(method, "session.driver"))
                on_driver(a, json_is_true(json_object_get(p, "driver")));
}

/* ---- in: the answer to attach ---- */

static void on_refusal(struct attach *a, const json_t *error) {
        const char *code =
                json_string_value(json_object_get(json_object_get(error, "data"), "code"));
        const char *words = json_string_value(json_object_get(error, "message"));

        if (str_eq(code, "unavailable") || str_eq(code, "timeout") || str_eq(code, "busy")) {
                a->again = true;
                return;
        }
        a->over = true;
        a->status = -ECANCELED;
        snprintf(a->words, sizeof a->words, "%s", words ? words : "the server's answer is none");
}

static void on_attached(struct attach *a, const json_t *r) {
        a->channel = (uint32_t)json_integer_value(json_object_get(r, "channel"));
        a->received = a->acked = (uint64_t)json_integer_value(json_object_get(r, "offset"));
        a->head = (uint64_t)json_integer_value(json_object_get(r, "head"));
        take_input(a, (uint64_t)json_integer_value(json_object_get(r, "input_offset")));
        a->input_sent = a->input_base;
        a->driver = json_is_true(json_object_get(r, "driver"));
        a->began = true;
}

static void on_text(void *arg, const char *text, size_t n) {
        struct attach *a = arg;
        json_auto_t *m = json_loadb(text, n, 0, NULL);
        const char *method = json_string_value(json_object_get(m, "method"));

        if (a->over)
                return;
        if (method)
                on_notice(a, method, json_object_get(m, "params"));
        else if (json_integer_value(json_object_get(m, "id")) != 1)
                return;
        else if (json_object_get(m, "error"))
                on_refusal(a, json_object_get(m, "error"));
        else
                on_attached(a, json_object_get(m, "result"));
}

/* ---- the connection ---- */

/* What it was asked for, and has been told to go elsewhere, is not asked for again. */
static int give_up(struct attach *a, int error, char *words) {
        if (error == -ECANCELED && words)
                snprintf(a->words, sizeof a->words, "%s", words);
        free(words);
        if (error == -ECANCELED)
                return error;
        return a->began || (error != -ENOENT && error != -ECONNREFUSED) ? -EAGAIN : error;
}

/* HOST:PORT as bound; every address is this machine's, too. */
static int connect_to(struct attach *a, const char *address, const char *ticket) {
        static const struct ws_events events = {.text = on_text, .binary = on_binary};
        _cleanup_(freep) char *path = str_printf("/v1/ws?ticket=%s", ticket);
        char host[64];
        unsigned port;
        int status = 0;

        if (!path)
                return -ENOMEM;
        if (sscanf(address, "%63[^:]:%u", host, &port) != 2)
                return -EPROTO;
        return ws_open(&(struct ws_target){.host = str_eq(host, "0.0.0.0") ? "127.0.0.1" : host,
                                           .port = port,
                                           .path = path,
                                           .subprotocol = "latch.v1",
                                           .deadline_ns = clock_mono_ns() + CONNECT_NS},
                       &events, a, &a->ws, &status);
}

int wire_open(struct attach *a) {
        json_auto_t *reply = NULL;
        char *words = NULL;
        int r = command_request(
                a->config,
                json_pack("{s:s, s:s}", "command", "session.attach", "session", a->session),
                ANSWER_MS, &reply, &words);
        const char *ticket = json_string_value(json_object_get(reply, "ticket"));
        const char *address = json_string_value(json_object_get(reply, "address"));

        if (r < 0)
                return give_up(a, r, words);
        r = ticket && address ? connect_to(a, address, ticket) : -EPROTO;
        if (r == 0)
                r = ask_attach(a, !a->driver);
        if (r < 0)
                wire_close(a);
        return r < 0 ? -EAGAIN : 0;
}

void wire_close(struct attach *a) {
        a->ws = ws_close(a->ws);
        a->channel = 0;
        a->input_full = a->again = false;
}

int wire_turn(struct attach *a) {
        int r = ws_turn(a->ws);

        if (r == 0 && a->again)
                r = -EAGAIN;
        if (r == 0 && a->channel && a->received > a->acked)
                r = acknowledge(a);
        if (r < 0 && !a->over && ws_close_code(a->ws) == CLOSE_ENDS) {
                a->over = true;
                a->status = -ECANCELED;
                snprintf(a->words, sizeof a->words, "the server has ended, and its sessions");
        }
        return r < 0 || a->over ? r : wire_input(a);
}
