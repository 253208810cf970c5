/* direct.c - see direct.h. */
#include "front/direct.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "front/pump_private.h"
#include "front/way.h"

enum { OP_CLOSE = 8 };

/* Nothing is queued, under way or forbidden. The close frame is one of those until it has left. */
static bool is_clear(struct sock *c, size_t n) {
        return !c->out && !c->close_sent && atomic_load(&c->outbox.waiting) == 0 &&
               n <= c->outbox.limit_bytes;
}

/* A frame of which some has left must be the next thing that leaves. */
static void keep_rest(struct sock *c, unsigned opcode, const void *data, size_t n, size_t sent) {
        struct outbox_frame *f = outbox_begun(&c->outbox, opcode, data, n);

        if (!f) {
                sock_cut(c);
                return;
        }
        c->out = c->out_last = f;
        c->out_at = sent;
        pump_wake(c->pump, c);
}

static bool send_now(struct sock *c, unsigned opcode, const void *data, size_t n) {
        unsigned char head[FRAMES_HEADER_MAX];
        size_t h = frames_header(head, opcode, n);
        struct iovec iov[2] = {{head, h}, {(void *)data, n}};
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t sent;

        if (!is_clear(c, h + n))
                return false;
        sent = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
        if (sent < 0) {
                sock_cut(c); /* its thread wakes up, and the pump hears of it */
                return true;
        }
        if (opcode < OP_CLOSE)
                atomic_store(&c->progress_ns, clock_mono_ns());
        if ((size_t)sent < h + n)
                keep_rest(c, opcode, data, n, (size_t)sent);
        return true;
}

bool direct_send(struct sock *c, unsigned opcode, const void *data, size_t n) {
        bool done;

        if (!way_try(&c->way))
                return false;
        done = send_now(c, opcode, data, n);
        if (way_leave(&c->way))
                pump_wake(c->pump, c);
        return done;
}
