/* rpc_reply.c - replies as text, compact. Whatever fails here, one text goes out. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "rpc/rpc_private.h"

#define REPLY_LIMIT                                                                                \
        (256u << 20) /* what a handler may build is limited by the handler; this by memory */

/* jansson 2.14 goes on after an object's key that found no room: what was refused once is remembered. */
struct sink {
        struct buf buf;
        bool failed;
};

static int sink_add(const char *text, size_t n, void *to) {
        struct sink *s = to;

        s->failed = s->failed || buf_add(&s->buf, text, n) < 0;
        return s->failed ? -1 : 0;
}

/* {"jsonrpc":"2.0","id":ID,"KEY":VALUE}. False without memory, or if value holds what is no UTF-8. */
static bool send_value(struct port *p, const char *id, const char *key, const json_t *value) {
        struct sink s = {.buf = BUF_INIT(REPLY_LIMIT)};
        bool ok = buf_addf(&s.buf, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id, key) == 0 &&
                  json_dump_callback(value, sink_add, &s, JSON_COMPACT | JSON_ENCODE_ANY) == 0 &&
                  !s.failed && buf_adds(&s.buf, "}") == 0;

        if (ok)
                p->ops->send_text(p, s.buf.data, s.buf.n);
        buf_done(&s.buf);
        return ok;
}

static void send_last_resort(struct port *p, const char *id, int number, const char *code) {
        char text[RPC_ID_MAX + 200];
        int n;

        if (number == RPC_SERVER)
                n = snprintf(
                        text, sizeof text,
                        "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":\"the server is out of "
                        "memory\",\"data\":{\"code\":\"%s\"}}}",
                        id, number, code);
        else
                n = snprintf(
                        text, sizeof text,
                        "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":\"refused\"}}",
                        id, number);
        CHECK(n > 0 && (size_t)n < sizeof text);
        p->ops->send_text(p, text, (size_t)n);
}

void rpc_reply_result(struct port *p, const char *id, json_t *result) {
        json_t *empty = result ? NULL : json_object();

        if (!(result || empty) || !send_value(p, id, "result", result ? result : empty))
                send_last_resort(p, id, RPC_SERVER, "internal");
        json_decref(empty);
}

static json_t *error_of(const struct rpc_wrong *w) {
        json_t *error = json_pack("{s:i, s:s}", "code", w->number, "message", w->message);
        json_t *data = w->code ? json_pack("{s:s}", "code", w->code) : json_object();

        if (error && data && (!w->data || json_object_update_missing(data, w->data) == 0) &&
            (json_object_size(data) == 0 || json_object_set(error, "data", data) == 0)) {
                json_decref(data);
                return error;
        }
        json_decref(data);
        json_decref(error);
        return NULL;
}

void rpc_reply_wrong(struct port *p, const char *id, const struct rpc_wrong *w) {
        json_t *error = error_of(w);

        if (!error || !send_value(p, id, "error", error))
                send_last_resort(p, id, w->number, w->code ? w->code : "internal");
        json_decref(error);
}
