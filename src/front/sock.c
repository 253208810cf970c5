/* sock.c - see sock.h. */
#include "front/sock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "front/direct.h"
#include "front/peer.h"
#include "front/pump_private.h"
#include "ring/wire.h"
#include "session/viewer.h"

#define OUTBOX_FRAMES 4096u
/* What may wait is not queued beyond these: replies have room still. */
#define OFFER_FRAMES 512u
#define OFFER_BYTES  (256u << 10)

enum { OP_TEXT = 1, OP_BINARY = 2, OP_PING = 9 };

static struct sock *of_port(struct port *p) {
        return CONTAINER_OF(p, struct sock, port);
}

static void port_send_text(struct port *p, const char *json, size_t n) {
        sock_send(of_port(p), OP_TEXT, json, n);
}

static int port_offer_text(struct port *p, const char *json, size_t n) {
        struct sock *c = of_port(p);

        if (atomic_load(&c->outbox.frames) >= OFFER_FRAMES ||
            atomic_load(&c->outbox.bytes) + n > OFFER_BYTES)
                return -ENOBUFS;
        int r = outbox_add(&c->outbox, OP_TEXT, json, n);
        if (r == 0)
                pump_wake(c->pump, c);
        return r;
}

/* What stands before a picture. A raw socket has no words for it: a ping tells who counts, and the terminal is reset. */
static size_t data_head(struct sock *c, const struct viewer_out *o, unsigned char to[WIRE_HEAD]) {
        static const char reset[] = "\033c";
        const size_t reset_n = sizeof reset - 1;
        char words[64];

        if (!c->raw) {
                wire_put(to, (struct wire_head){o->kind, o->channel, o->offset});
                return WIRE_HEAD;
        }
        int n = snprintf(words, sizeof words, "snapshot %" PRIu64 " %zu", o->offset,
                         reset_n + o->n);
        sock_send(c, OP_PING, words, (size_t)n);
        memcpy(to, reset, reset_n);
        return reset_n;
}

static void port_send_data(struct port *p, const struct viewer_out *o, const void *bytes) {
        struct buf frame = BUF_INIT(WIRE_HEAD + o->n);
        unsigned char head[WIRE_HEAD];
        size_t head_n = data_head(of_port(p), o, head);

        if (buf_reserve(&frame, head_n + o->n) == 0 && buf_add(&frame, head, head_n) == 0 &&
            buf_add(&frame, bytes, o->n) == 0)
                sock_send(of_port(p), OP_BINARY, frame.data, frame.n);
        else
                sock_close(of_port(p), 1013, "the server has no memory for more just now");
        buf_done(&frame);
}

static void port_wake(struct port *p) {
        struct sock *c = of_port(p);

        pump_wake(c->pump, c);
}

static struct port *port_ref(struct port *p) {
        sock_ref(of_port(p));
        return p;
}

static struct port *port_unref(struct port *p) {
        if (p)
                sock_unref(of_port(p));
        return NULL;
}

static const struct port_ops sock_port_ops = {
        .send_text = port_send_text,
        .offer_text = port_offer_text,
        .send_data = port_send_data,
        .wake = port_wake,
        .ref = port_ref,
        .unref = port_unref,
};

/* The last reference is gone: nobody writes, reads or wakes any more. */
static void sock_end(struct sock *c) {
        while (c->out)
                c->out = outbox_sent(&c->outbox, c->out);
        outbox_done(&c->outbox);
        frames_done(&c->frames);
        peer_close(c->fd);
        if (!c->echo)
                port_done(&c->port);
        registry_item_unref(&c->item);
}

void sock_reclaim(struct registry_item *item) {
        free(CONTAINER_OF(item, struct sock, item));
}

int sock_new(const struct sock_options *o, struct sock **ret) {
        struct sock *c = malloc(sizeof *c);
        int r;

        if (!c) {
                peer_close(o->fd);
                return -ENOMEM;
        }
        memset(c, 0, offsetof(struct sock, in));
        c->number = o->number;
        c->pump = o->pump;
        c->fd = o->fd;
        c->echo = !o->identity;
        c->raw = o->raw;
        c->waiting_bytes = -1;
        atomic_store(&c->heard_ns, clock_mono_ns());
        c->pinged_ns = clock_mono_ns();
        atomic_store(&c->progress_ns, c->pinged_ns);
        outbox_init(&c->outbox, o->outbox_bytes, OUTBOX_FRAMES);
        frames_init(&c->frames, o->message_bytes, o->budget);
        if (!c->echo)
                port_init(&c->port, &sock_port_ops, o->identity, o->address);
        latch_ref_init(&c->ref);
        registry_item_init(o->registry, &c->item, &c->number, sizeof c->number);
        r = registry_add(o->registry, &c->item);
        if (r < 0) {
                if (!c->echo)
                        port_close(&c->port);
                sock_unref(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct sock *sock_ref(struct sock *c) {
        latch_ref_get(&c->ref);
        return c;
}

struct sock *sock_of_item(struct registry_item *item) {
        struct sock *c = CONTAINER_OF(item, struct sock, item);

        return latch_ref_get_unless_zero(&c->ref) ? c : NULL;
}

struct sock *sock_unref(struct sock *c) {
        if (c && latch_ref_put(&c->ref))
                sock_end(c);
        return NULL;
}

void sock_send(struct sock *c, unsigned opcode, const void *data, size_t n) {
        int r;

        if (direct_send(c, opcode, data, n))
                return;
        r = outbox_add(&c->outbox, opcode, data, n);
        if (r == -EPIPE)
                return;
        if (r < 0) {
                sock_close(c, 1008, "more waits for this client than it takes");
                return;
        }
        pump_wake(c->pump, c);
}

void sock_close(struct sock *c, unsigned code, const char *reason) {
        int r = outbox_close(&c->outbox, code, reason);

        if (r == -EPIPE)
                return;
        if (r < 0) {
                sock_cut(c);
                return;
        }
        atomic_store(&c->close_code, code);
        pump_wake(c->pump, c);
}

void sock_cut(struct sock *c) {
        shutdown(c->fd, SHUT_RDWR);
}
