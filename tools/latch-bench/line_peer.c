/* The contract is in line_peer.h. */
#include "line_peer.h"

#include <errno.h>
#include <stdio.h>

#include <jansson.h>

#include "base/str.h"

/* ---- a shell's bytes as they are ---- */

static void on_plain_text(void *arg, const char *text, size_t n) {
        line_take(arg, text, n);
}

static void on_plain_binary(void *arg, const unsigned char *data, size_t n) {
        line_take(arg, (const char *)data, n);
}

/* ---- terminado: ["stdout", TEXT], ["stdin", TEXT] ---- */

static void on_terminado_text(void *arg, const char *text, size_t n) {
        json_t *message = json_loadb(text, n, 0, NULL), *output = json_array_get(message, 1);
        const char *kind = json_string_value(json_array_get(message, 0));
        struct line *l = arg;

        if (!kind)
                l->error = -EPROTO;
        else if (str_eq(kind, "stdout") && json_is_string(output))
                line_take(l, json_string_value(output), json_string_length(output));
        else if (str_eq(kind, "disconnect"))
                l->error = -ECONNRESET;
        json_decref(message);
}

static void on_terminado_binary(void *arg, const unsigned char *data, size_t n) {
        (void)data;
        (void)n;
        ((struct line *)arg)->error = -EPROTO;
}

/* ---- both ---- */

int line_peer_connect(const struct line_place *place, struct line *l) {
        static const struct ws_events plain = {on_plain_text, on_plain_binary},
                                      terminado = {on_terminado_text, on_terminado_binary};
        const struct ws_target t = {
                place->site->host, place->site->port, "/terminal", "terminal", NULL,
                place->deadline_ns};
        int status = 0,
            r = ws_open(&t, place->wire == LINE_PLAIN ? &plain : &terminado, l, &l->ws, &status);

        if (r == -EACCES)
                fprintf(stderr, "latch-bench: the socket was refused with status %d\n", status);
        return r;
}

int line_peer_type(struct line *l, const void *data, size_t n) {
        if (l->place->wire == LINE_PLAIN)
                return ws_send_binary(l->ws, data, n);
        return ws_send_json(l->ws, json_pack("[s, s%]", "stdin", data, n));
}
