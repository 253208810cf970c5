/* pump_turn.c - one socket's turn at the pump.
 *
 * What a viewer gives is written after everything that was queued before it was given: the reply to an
 * open stands in the outbox before its channel has anything to give, so the outbox is emptied once more
 * between taking and sending.
 */
#include "front/pump_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "front/way.h"
#include "ring/wire.h"
#include "session/session.h"
#include "session/viewer.h"

#define ROOM        (FRAMES_HEADER_MAX + WIRE_HEAD)
#define RAW_CHANNEL 1u /* a raw socket has one */

enum { OP_TEXT = 1, OP_BINARY = 2, OP_PING = 9 };

enum outcome { OUT_SENT, OUT_BLOCKED, OUT_DEAD };

/* What was queued meanwhile joins what is on its way. */
static void collect(struct sock *c) {
        struct outbox_frame *f = outbox_take(&c->outbox);

        if (!f)
                return;
        if (c->out)
                c->out_last->next = f;
        else
                c->out = f;
        while (f->next)
                f = f->next;
        c->out_last = f;
}

/* n bytes have left; frames that are out are freed. How many bytes are over. */
static size_t account(struct sock *c, size_t n, uint64_t now_ns) {
        while (c->out && n > 0) {
                struct outbox_frame *f = c->out;
                size_t rest = f->n - c->out_at;

                if (f->data)
                        atomic_store(&c->progress_ns, now_ns);
                if (n < rest) {
                        c->out_at += n;
                        return 0;
                }
                n -= rest;
                c->out_at = 0;
                c->close_sent |= f->close;
                c->out = outbox_sent(&c->outbox, f);
        }
        return n;
}

/* What of p->iov did not leave waits with the socket: this, and never more, is what a slow one costs. */
static bool keep_rest(struct pump *p, struct sock *c, size_t sent) {
        struct outbox_frame *f;
        size_t n = 0, skip = sent;

        for (int i = 0; i < p->iov_n; i++)
                n += p->iov[i].iov_len;
        if (n == sent)
                return true;
        f = outbox_frame_new(n - sent);
        if (!f)
                return false;
        f->data = true;
        n = 0;
        for (int i = 0; i < p->iov_n; i++) {
                size_t from = MIN(skip, p->iov[i].iov_len), part = p->iov[i].iov_len - from;

                skip -= from;
                memcpy(f->bytes + n, (char *)p->iov[i].iov_base + from, part);
                n += part;
        }
        if (c->out)
                c->out_last->next = f;
        else
                c->out = f;
        c->out_last = f;
        return true;
}

/* The frames on their way, then p->iov if all of them fit. How many vectors; *ret_all whether it is all. */
static int vectors(struct pump *p, struct sock *c, struct iovec *iov, bool *ret_all) {
        size_t at = c->out_at;
        int n = 0;

        for (struct outbox_frame *f = c->out; f; f = f->next, at = 0) {
                if (n == PUMP_IOV) {
                        *ret_all = false;
                        return n;
                }
                iov[n++] = (struct iovec){f->bytes + at, f->n - at};
        }
        *ret_all = n + p->iov_n <= PUMP_IOV;
        if (*ret_all && p->iov_n) {
                memcpy(iov + n, p->iov, sizeof *iov * (size_t)p->iov_n);
                n += p->iov_n;
        }
        return n;
}

static size_t total(const struct iovec *iov, int n) {
        size_t sum = 0;

        for (int i = 0; i < n; i++)
                sum += iov[i].iov_len;
        return sum;
}

static enum outcome lost(struct sock *c) {
        c->dead = true;
        sock_cut(c);
        return OUT_DEAD;
}

/* Sends what is on its way and what lies in p->iov, or keeps what the socket does not take. */
static enum outcome flush(struct pump *p, struct sock *c, uint64_t now_ns) {
        while (c->out || p->iov_n) {
                struct iovec iov[PUMP_IOV];
                bool all;
                int n = vectors(p, c, iov, &all);
                struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)n};
                ssize_t sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
                size_t over;

                if (sent < 0 && errno == EINTR)
                        continue;
                if (sent < 0 && errno != EAGAIN)
                        return lost(c);
                over = account(c, sent < 0 ? 0 : (size_t)sent, now_ns);
                if (over)
                        atomic_store(&c->progress_ns, now_ns);
                if (sent >= 0 && (size_t)sent == total(iov, n)) {
                        if (all)
                                p->iov_n = 0;
                        continue;
                }
                if (!keep_rest(p, c, over))
                        return lost(c); /* a torn frame must not go on */
                p->iov_n = 0;
                c->blocked = true;
                c->waiting_bytes = -1;
                return OUT_BLOCKED;
        }
        return OUT_SENT;
}

/* Puts the frame's header before the n bytes that lie at start, which has room for it. */
static void frame_up(struct pump *p, unsigned opcode, unsigned char *start, size_t n) {
        unsigned char head[FRAMES_HEADER_MAX];
        size_t h = frames_header(head, opcode, n);

        memcpy(start - h, head, h);
        p->iov[p->iov_n++] = (struct iovec){start - h, h + n};
}

/* What lies at payload becomes a frame of latch.v1. */
static void add_latch(struct pump *p, unsigned char *payload, const struct viewer_out *o) {
        unsigned char *start = payload - WIRE_HEAD;

        if (o->what == VIEWER_TEXT) {
                frame_up(p, OP_TEXT, payload, o->n);
                return;
        }
        wire_put(start, (struct wire_head){o->kind, o->channel, o->offset});
        frame_up(p, OP_BINARY, start, o->n + WIRE_HEAD);
}

/* The same for a socket without words: the exit is the close frame's, once all before it is written. */
static void add_raw(struct pump *p, struct sock *c, unsigned char *payload,
                    const struct viewer_out *o) {
        if (o->what == VIEWER_DATA) {
                c->raw_owed = o->offset + o->n;
                frame_up(p, OP_BINARY, payload, o->n);
        } else if (o->gap_to) {
                int n = snprintf((char *)payload, VIEWER_BUFFER_MIN, "gap %" PRIu64 " %" PRIu64,
                                 o->offset, o->gap_to);

                frame_up(p, OP_PING, payload, (size_t)n);
        }
        c->raw_over |= o->exit;
}

/* All that was taken is written. */
static void settle_raw(struct pump *p, struct sock *c) {
        if (c->raw_owed)
                (void)sessions_ack(p->sessions, &c->port, RAW_CHANNEL, c->raw_owed);
        c->raw_owed = 0;
        if (c->raw_over)
                sock_close(c, 1000, "the session has ended");
}

struct gathered {
        size_t at;    /* of scratch in use */
        size_t bytes; /* taken */
        bool nap;     /* a batch that will have a successor soon */
        bool full;    /* there may be more at once */
};

/* Everything one viewer has, as far as there is room. */
static void take_from(struct pump *p, struct sock *c, struct viewer *v, struct gathered *g) {
        for (;;) {
                struct viewer_out o = {.what = VIEWER_NOTHING};
                size_t room = PUMP_SCRATCH - g->at, cap;
                bool same;

                if (p->iov_n == PUMP_IOV || room < ROOM + VIEWER_BUFFER_MIN) {
                        g->full = true;
                        return;
                }
                cap = MIN(room - ROOM, PUMP_FRAME_BYTES - WIRE_HEAD);
                if (viewer_take(v, p->scratch + g->at + ROOM, cap, &o) < 0)
                        return; /* its session ends as lost; the exit notice comes with a wake */
                if (o.what == VIEWER_NOTHING)
                        return;
                if (c->raw)
                        add_raw(p, c, p->scratch + g->at + ROOM, &o);
                else
                        add_latch(p, p->scratch + g->at + ROOM, &o);
                g->at += ROOM + o.n;
                g->bytes += o.n;
                if (o.what != VIEWER_DATA)
                        continue;
                same = c->last_kind == o.kind;
                c->last_kind = o.kind;
                /* Asking again would arm the holder's wake-up for every few KiB of a flood: nap instead.
                 * Kinds that alternate come in small pieces however much there is: go on. */
                if (same && o.n < cap && g->bytes > PUMP_NAP_OVER) {
                        g->nap = true;
                        return;
                }
        }
}

/* Fills p->iov from the channels, beginning with another one each time. */
static void gather(struct pump *p, struct sock *c, struct gathered *g) {
        struct viewer *viewers[PORT_CHANNELS_MAX];
        size_t n = port_viewers(&c->port, viewers);

        *g = (struct gathered){.at = 0};
        p->iov_n = 0;
        for (size_t i = 0; i < n && !g->full; i++)
                take_from(p, c, viewers[(c->next_viewer + i) % n], g);
        c->next_viewer++;
        for (size_t i = 0; i < n; i++)
                viewer_unref(viewers[i]);
}

/* Both close frames are out of the way: the socket has nothing to live for. To one that we listen to no
 * more we say that there is nothing to come, and its own end wakes the reader. */
static void end_if_closed(struct sock *c) {
        if (!c->close_sent)
                return;
        if (atomic_load(&c->close_received))
                sock_cut(c);
        else if (atomic_load(&c->deaf))
                shutdown(c->fd, SHUT_WR);
}

/* Output, batch after batch. */
static void pour(struct pump *p, struct sock *c, uint64_t now_ns) {
        size_t bytes = 0;

        for (;;) {
                struct gathered g;

                if (now_ns < c->nap_until_ns) {
                        pump_nap(p, c, c->nap_until_ns);
                        return;
                }
                gather(p, c, &g);
                collect(c);
                /* Queued meanwhile: nothing follows a close frame. */
                if (c->out && c->out_last->close)
                        p->iov_n = 0;
                if (!c->out && !p->iov_n) {
                        settle_raw(p, c); /* the exit alone */
                        return;
                }
                if (flush(p, c, now_ns) != OUT_SENT || c->close_sent)
                        return;
                settle_raw(p, c);
                bytes += g.bytes;
                if (g.nap) {
                        pump_nap(p, c, now_ns + PUMP_NAP_NS);
                        return;
                }
                if (!g.full)
                        return;
                if (bytes >= PUMP_TURN_BYTES) {
                        pump_queue(p, c);
                        return;
                }
        }
}

void pump_turn(struct pump *p, struct sock *c, uint64_t now_ns) {
        p->iov_n = 0;
        if (c->blocked)
                return; /* EPOLLOUT brings us back */
        if (!way_take(&c->way))
                return; /* who has it wakes us */
        collect(c);
        if (flush(p, c, now_ns) == OUT_SENT && !c->close_sent && !c->echo) {
                settle_raw(p, c);
                pour(p, c, now_ns);
        }
        end_if_closed(c);
        CHECK(!way_leave(&c->way)); /* only we ask */
}
