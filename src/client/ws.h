/* ws.h - a WebSocket as a client speaks it (RFC 6455): masked frames, no extensions, non-blocking.
 *
 * Threads: one. Errors: 0 or -errno; -EPROTO: the server said what RFC 6455 does not allow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/macros.h"

struct ws;

/* Called by ws_turn, for whole messages. */
struct ws_events {
        void (*text)(void *arg, const char *text, size_t n);
        void (*binary)(void *arg, const unsigned char *data, size_t n);
};

/* Connects to host:port (IPv4), upgrades `path` to `subprotocol` with a bearer token (NULL: the path has a
 * ticket), all before the deadline (clock_mono_ns). *ret_status is the HTTP status of a refusal (-EACCES), else untouched. */
struct ws_target {
        const char *host;
        unsigned port;
        const char *path, *subprotocol, *token;
        uint64_t deadline_ns;
};
_must_use_ int ws_open(const struct ws_target *t, const struct ws_events *events, void *arg,
                       struct ws **ret, int *ret_status);
struct ws *ws_close(struct ws *w); /* NULL is fine; returns NULL */

int ws_fd(const struct ws *w);
bool ws_wants_to_write(const struct ws *w);
/* The code of the server's close frame, 0 if there was none. */
unsigned ws_close_code(const struct ws *w);

/* Queues a message and sends what goes at once. -ENOBUFS above 16 MiB waiting. JSON is a text; its reference is
 * taken, and NULL is -ENOMEM, as whoever could not make it has it. */
_must_use_ int ws_send_json(struct ws *w, json_t *message);
_must_use_ int ws_send_binary(struct ws *w, const void *data, size_t n);

/* Reads, answers pings, gives messages to the events, writes: what goes without waiting, at most 1 MiB; ask
 * poll(2) whether there is more. -ECONNRESET once the server has closed. */
_must_use_ int ws_turn(struct ws *w);

/* A TCP connection to an IPv4 address, before the deadline; *ret is non-blocking. */
_must_use_ int tcp_connect(const char *host, unsigned port, uint64_t deadline_ns, int *ret);
/* Waits for poll(2) events. 0, -ETIMEDOUT. */
_must_use_ int fd_wait(int fd, short events, uint64_t deadline_ns);
