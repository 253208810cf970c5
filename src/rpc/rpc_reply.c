/* rpc_reply.c - replies as text, compact. Whatever fails here, one text goes out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "rpc/rpc_private.h"

#define REPLY_LIMIT                                                                                \
        (256u << 20) /* what a handler may build is limited by the handler; this by memory */

/* {"jsonrpc":"2.0","id":ID,"KEY":VALUE}. False without memory, or if value holds what is no UTF-8. */
static bool send_value(struct port *p, const char *id, const char *key, const json_t *value) {
        struct buf b = BUF_INIT(REPLY_LIMIT);
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        bool ok = text && buf_addf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id, key) == 0 &&
                  buf_adds(&b, text) == 0 && buf_adds(&b, "}") == 0;

        if (ok)
                p->ops->send_text(p, b.data, b.n);
        buf_done(&b);
        free(text);
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
