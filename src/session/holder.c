/* The contract is in session/holder.h. */
#include "session/holder.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/fd.h"
#include "latch/lock.h"

static const struct shape {
        enum hold_type type;
        size_t size, fds;
} shapes[] = {
        {HOLD_HELLO, sizeof(struct hold_hello), 3},
        {HOLD_STARTED, sizeof(struct hold_head), 1},
        {HOLD_FAILED, sizeof(struct hold_failed), 0},
        {HOLD_INPUT_ACK, sizeof(struct hold_mark), 0},
        {HOLD_INPUT_REFUSED, sizeof(struct hold_mark), 0},
        {HOLD_INPUT_AT, sizeof(struct hold_mark), 0},
        {HOLD_EXIT, sizeof(struct hold_exit), 0},
        {HOLD_RESIZED, sizeof(struct hold_resize), 0},
        {HOLD_SNAPSHOT, sizeof(struct hold_mark), 1},
        {HOLD_NO_SNAPSHOT, sizeof(struct hold_mark), 0},
        {HOLD_EXPIRES, sizeof(struct hold_mark), 0},
        {HOLD_TITLE, sizeof(struct hold_title), 0},
        {HOLD_CWD, sizeof(struct hold_cwd), 0},
};

static const struct shape *shape_of(uint32_t type) {
        for (size_t i = 0; i < ELEMENTS(shapes); i++)
                if (shapes[i].type == type)
                        return &shapes[i];
        return NULL;
}

void holder_message_done(struct holder_message *m) {
        for (size_t i = 0; i < HOLDER_FDS; i++)
                m->fds[i] = fd_close(m->fds[i]);
}

int holder_receive(int fd, struct holder_message *ret) {
        struct holder_message m = {.fds = {-1, -1, -1}};
        size_t nfds = HOLDER_FDS;
        ssize_t n = fd_recv(fd, &m.u, sizeof m.u, m.fds, &nfds, MSG_DONTWAIT);

        /* A holder that ended before it read all that we sent: the kernel says so once, ahead of what it
         * has sent us, which may be its exit. */
        if (n == -ECONNRESET) {
                nfds = HOLDER_FDS;
                n = fd_recv(fd, &m.u, sizeof m.u, m.fds, &nfds, MSG_DONTWAIT);
        }
        if (n == 0 || n == -ECONNRESET)
                return -EPIPE;
        if (n < 0)
                return n == -EMSGSIZE ? -EPROTO : (int)n;
        const struct shape *shape = (size_t)n >= sizeof m.u.head ? shape_of(m.u.head.type) : NULL;
        if (!shape || shape->size != (size_t)n || shape->fds != nfds || m.u.head.zero != 0) {
                holder_message_done(&m);
                return -EPROTO;
        }
        *ret = m;
        return 0;
}

int holder_send(int fd, const void *message, size_t n, const void *tail, size_t tail_n) {
        struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)message, .iov_len = n},
                               {.iov_base = (void *)(uintptr_t)tail, .iov_len = tail_n}};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = tail_n > 0 ? 2 : 1};
        ssize_t k;

        latch_blocking("sendmsg");
        do
                k = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
        return 0;
}

int holder_tell(int fd, enum hold_type type) {
        return holder_send(fd, &(struct hold_head){.type = type}, sizeof(struct hold_head), NULL,
                           0);
}

void holder_dismiss(int fd, uint64_t until_ns) {
        struct holder_message m;
        int r = holder_tell(fd, HOLD_FORGET);

        while (r != -EPIPE && clock_mono_ns() < until_ns) {
                r = holder_receive(fd, &m);
                if (r == 0)
                        holder_message_done(&m);
                else if (r != -EPIPE && holder_wait(fd, POLLIN, until_ns) < 0)
                        return;
        }
}

int holder_wait(int fd, short events, uint64_t until_ns) {
        struct pollfd p = {.fd = fd, .events = events};

        latch_blocking("poll");
        for (;;) {
                uint64_t now = clock_mono_ns();
                int left_ms = now >= until_ns ? 0 : (int)((until_ns - now) / 1000000 + 1);
                int r = poll(&p, 1, left_ms);
                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}
