/* reader.c - see reader.h. */
#include "front/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "front/pump_private.h"
#include "front/raw.h"
#include "ring/wire.h"

enum { OP_TEXT = 1, OP_BINARY = 2, OP_PONG = 10 };

/* A binary message of latch.v1: false if it is none. */
static bool take_input(struct sock *c, const struct reader_to *to, const struct frames_event *e) {
        struct wire_head h;

        if (!wire_take(e->data, e->n, &h) || h.kind != WIRE_INPUT)
                return false;
        sessions_input(to->sessions, &c->port, h.channel, h.offset, e->data + WIRE_HEAD,
                       e->n - WIRE_HEAD);
        return true;
}

static void take_message(struct sock *c, const struct reader_to *to, const struct frames_event *e) {
        if (atomic_load(&c->close_code))
                return; /* we have said goodbye: only the answer to that counts */
        if (c->echo)
                sock_send(c, e->what == FRAMES_TEXT ? OP_TEXT : OP_BINARY, e->data, e->n);
        else if (c->raw)
                raw_type(c, to->typing, e->data, e->n);
        else if (e->what == FRAMES_TEXT)
                rpc_receive(to->rpc, &c->port, (const char *)e->data, e->n);
        else if (!take_input(c, to, e))
                sock_close(c, 1003, "a binary message is not kind 2 with its header");
}

/* False: nothing that comes after this is read as frames. */
static bool take_event(struct sock *c, const struct reader_to *to, const struct frames_event *e) {
        switch (e->what) {
        case FRAMES_MORE:
        case FRAMES_PONG: return true;
        case FRAMES_PING: sock_send(c, OP_PONG, e->data, e->n); return true;
        case FRAMES_CLOSE:
                atomic_store(&c->close_received, true);
                sock_close(c, e->code, "");
                pump_wake(c->pump, c);
                return false;
        case FRAMES_BAD:
                atomic_store(&c->deaf, true);
                sock_close(c, e->code, e->reason);
                pump_wake(c->pump, c);
                return false;
        default: take_message(c, to, e); return true;
        }
}

static bool take_bytes(struct sock *c, const struct reader_to *to, size_t n) {
        size_t at = 0;

        while (at < n) {
                struct frames_event e;
                size_t used;

                frames_feed(&c->frames, c->in + at, n - at, &used, &e);
                at += used;
                if (!take_event(c, to, &e))
                        return false;
        }
        return true;
}

struct pace {
        uint64_t frame, since_ns; /* the frame under way, and when it was first seen so */
};

/* A frame that stalls, or takes for ever, is given up; the pump cuts the socket a second later. */
static void judge_pace(struct sock *c, struct pace *pace) {
        uint64_t now = clock_mono_ns();

        if (!frames_inside(&c->frames))
                return;
        if (pace->frame != c->frames.begun || pace->since_ns == 0)
                *pace = (struct pace){c->frames.begun, now};
        if (now - atomic_load(&c->heard_ns) >= READER_STALL_NS ||
            now - pace->since_ns >= READER_FRAME_NS)
                sock_close(c, 1008, "a frame was not finished");
}

/* Whoever has spoken, or stayed, is to be cared for by the pump, and read from in one call a message: that waits, for the
 * pump sends with MSG_DONTWAIT, and after a second looks around. */
static bool join(struct sock *c, const struct reader_to *to) {
        struct timeval look = {.tv_sec = 1};

        if (fcntl(c->fd, F_SETFL, O_RDWR) < 0 ||
            setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look) < 0)
                return false;
        pump_later(c->pump, c);
        to->stays(to->data);
        return true;
}

/* Whoever goes before he joined need not wait until it is written down. */
static void let_go(struct sock *c) {
        if (atomic_load(&c->outbox.frames) == 0)
                (void)shutdown(c->fd, SHUT_WR);
}

void reader_run(struct sock *c, const struct reader_to *to) {
        struct pace pace = {0};
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        bool listens = true, joined = false;

        (void)poll(&p, 1, READER_JOIN_MS);
        for (;;) {
                ssize_t n = recv(c->fd, c->in, sizeof c->in, joined ? 0 : MSG_DONTWAIT);

                if (n == 0 && !joined)
                        let_go(c);
                if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                        return;
                joined = joined || join(c, to);
                if (!joined)
                        return;
                if (to->typing)
                        typing_again(to->typing);
                if (n > 0) {
                        atomic_store(&c->heard_ns, clock_mono_ns());
                        listens = listens && take_bytes(c, to, (size_t)n);
                }
                if (listens)
                        judge_pace(c, &pace);
        }
}
