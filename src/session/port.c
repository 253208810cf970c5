/* port.c - the channels of one socket. The contract is in session/port.h. */
#include "session/port.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "session/viewer_private.h"

void port_init(struct port *p, const struct port_ops *ops, struct identity *identity,
               const char *address) {
        memset(p, 0, sizeof *p);
        p->ops = ops;
        p->identity = identity_ref(identity);
        CHECK(str_copy(p->address, sizeof p->address, address) == 0);
        atomic_init(&p->requests, 0);
        latch_mutex_init(&p->lock, LATCH_CLASS_port);
}

void port_done(struct port *p) {
        LATCH_WITH(port, &p->lock)
                CHECK(p->channels == 0);
        latch_mutex_done(&p->lock);
        p->identity = identity_unref(p->identity);
}

void port_close(struct port *p) {
        struct viewer *left[PORT_CHANNELS_MAX];
        struct port_closer *closer = NULL;
        size_t n = 0;

        LATCH_WITH(port, &p->lock) {
                CHECK(!p->closed);
                p->closed = true;
                n = p->channels;
                memcpy(left, p->viewers, n * sizeof *left);
                p->channels = 0;
                closer = TAKE_PTR(p->closers);
        }
        for (size_t i = 0; i < n; i++) {
                viewer_leave(left[i], VIEWER_VANISHES);
                viewer_unref(left[i]);
        }
        while (closer) {
                struct port_closer *next = closer->next;
                closer->closed(closer);
                closer = next;
        }
}

int port_at_close(struct port *p, struct port_closer *c) {
        LATCH_GUARD(port, &p->lock);

        if (p->closed)
                return -EPIPE;
        c->next = p->closers;
        p->closers = c;
        return 0;
}

struct port_closer *port_closer(struct port *p, void (*closed)(struct port_closer *c)) {
        LATCH_GUARD(port, &p->lock);

        for (struct port_closer *c = p->closers; c; c = c->next)
                if (c->closed == closed)
                        return c;
        return NULL;
}

bool port_is_closed(struct port *p) {
        LATCH_GUARD(port, &p->lock);
        return p->closed;
}

size_t port_viewers(struct port *p, struct viewer *ret[PORT_CHANNELS_MAX]) {
        size_t n = 0;

        LATCH_WITH(port, &p->lock) {
                for (; n < p->channels; n++)
                        ret[n] = viewer_ref(p->viewers[n]);
        }
        return n;
}

static struct viewer *find_locked(struct port *p, uint32_t channel) LATCH_MUST_HOLD(port) {
        for (size_t i = 0; i < p->channels; i++)
                if (p->viewers[i]->channel == channel)
                        return p->viewers[i];
        return NULL;
}

struct viewer *port_find(struct port *p, uint32_t channel) {
        LATCH_GUARD(port, &p->lock);
        struct viewer *v = find_locked(p, channel);

        return v ? viewer_ref(v) : NULL;
}

struct session *port_session(struct port *p, uint32_t channel) {
        LATCH_GUARD(port, &p->lock);
        struct viewer *v = find_locked(p, channel);

        return v ? session_ref(v->session) : NULL;
}

bool port_has_room(struct port *p) {
        LATCH_GUARD(port, &p->lock);
        return p->channels < PORT_CHANNELS_MAX;
}

int port_add(struct port *p, struct viewer *v) {
        LATCH_GUARD(port, &p->lock);

        if (p->closed)
                return -EPIPE;
        if (p->channels == PORT_CHANNELS_MAX || p->last_channel == UINT32_MAX)
                return -EUSERS;
        v->channel = ++p->last_channel;
        p->viewers[p->channels++] = viewer_ref(v);
        return 0;
}

void port_remove(struct port *p, struct viewer *v) {
        bool was = false;

        LATCH_WITH(port, &p->lock) {
                for (size_t i = 0; i < p->channels && !was; i++) {
                        if (p->viewers[i] != v)
                                continue;
                        p->viewers[i] = p->viewers[--p->channels];
                        was = true;
                }
        }
        if (was)
                viewer_unref(v);
}
