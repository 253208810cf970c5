/* conn.c - see conn.h. */
#include "front/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "front/pump_private.h"

#define OUTBOX_FRAMES 4096u

enum { OP_TEXT = 1 };

static struct conn *of_port(struct port *p) {
        return CONTAINER_OF(p, struct conn, port);
}

static void port_send_text(struct port *p, const char *json, size_t n) {
        conn_send(of_port(p), OP_TEXT, json, n);
}

static void port_wake(struct port *p) {
        struct conn *c = of_port(p);

        pump_wake(c->pump, c);
}

static struct port *port_ref(struct port *p) {
        conn_ref(of_port(p));
        return p;
}

static struct port *port_unref(struct port *p) {
        if (p)
                conn_unref(of_port(p));
        return NULL;
}

static const struct port_ops conn_port_ops = {
        .send_text = port_send_text,
        .wake = port_wake,
        .ref = port_ref,
        .unref = port_unref,
};

/* The last reference is gone: nobody writes, reads or wakes any more. */
static void conn_end(struct conn *c) {
        while (c->out)
                c->out = outbox_sent(&c->outbox, c->out);
        outbox_done(&c->outbox);
        frames_done(&c->frames);
        fd_close(c->fd);
        if (!c->echo)
                port_done(&c->port);
        registry_item_unref(&c->item);
}

void conn_reclaim(struct registry_item *item) {
        free(CONTAINER_OF(item, struct conn, item));
}

int conn_new(const struct conn_options *o, struct conn **ret) {
        struct conn *c = calloc(1, sizeof *c);
        int r;

        if (!c) {
                fd_close(o->fd);
                return -ENOMEM;
        }
        c->number = o->number;
        c->pump = o->pump;
        c->fd = o->fd;
        c->echo = !o->identity;
        c->waiting_bytes = -1;
        atomic_store(&c->heard_ns, clock_mono_ns());
        c->progress_ns = c->pinged_ns = clock_mono_ns();
        outbox_init(&c->outbox, o->outbox_bytes, OUTBOX_FRAMES);
        frames_init(&c->frames, o->message_bytes, o->budget);
        if (!c->echo)
                port_init(&c->port, &conn_port_ops, o->identity);
        latch_ref_init(&c->ref);
        registry_item_init(o->registry, &c->item, &c->number, sizeof c->number);
        r = registry_add(o->registry, &c->item);
        if (r < 0) {
                if (!c->echo)
                        port_close(&c->port);
                conn_unref(c);
                return r;
        }
        *ret = c;
        return 0;
}

struct conn *conn_ref(struct conn *c) {
        latch_ref_get(&c->ref);
        return c;
}

struct conn *conn_of_item(struct registry_item *item) {
        struct conn *c = CONTAINER_OF(item, struct conn, item);

        return latch_ref_get_unless_zero(&c->ref) ? c : NULL;
}

struct conn *conn_unref(struct conn *c) {
        if (c && latch_ref_put(&c->ref))
                conn_end(c);
        return NULL;
}

void conn_send(struct conn *c, unsigned opcode, const void *data, size_t n) {
        int r = outbox_add(&c->outbox, opcode, data, n);

        if (r == -EPIPE)
                return;
        if (r < 0) {
                conn_close(c, 1008, "more waits for this client than it takes");
                return;
        }
        pump_wake(c->pump, c);
}

void conn_close(struct conn *c, unsigned code, const char *reason) {
        int r = outbox_close(&c->outbox, code, reason);

        if (r == -EPIPE)
                return;
        if (r < 0) {
                conn_cut(c);
                return;
        }
        atomic_store(&c->close_code, code);
        pump_wake(c->pump, c);
}

void conn_cut(struct conn *c) {
        shutdown(c->fd, SHUT_RDWR);
}
