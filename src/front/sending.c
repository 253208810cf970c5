/* sending.c - see sending.h. */
#include "front/sending.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "front/front_private.h"

#define LOOK_MS 200 /* how soon a stop is noticed */

/* All of it, at most 64 KiB, to a duplicate of the connection's socket. 0; -ETIMEDOUT: it was not taken within
 * front's take_ns, or it is over; -errno. */
static int send_all(struct request *r, int sock, const void *data, size_t n) {
        uint64_t until_ns = clock_mono_ns() + r->front->take_ns;
        const char *at = data;

        while (n > 0) {
                struct pollfd p = {.fd = sock, .events = POLLOUT};
                ssize_t sent = send(sock, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent > 0) {
                        at += sent;
                        n -= (size_t)sent;
                        continue;
                }
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (http_is_over(r) || clock_mono_ns() > until_ns)
                        return -ETIMEDOUT;
                if (poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int flush(struct chunks *c) {
        char head[16];
        int n = snprintf(head, sizeof head, "%zx\r\n", c->n), e;

        if (c->n == 0)
                return 0;
        if (http_is_over(c->r))
                return -ECANCELED;
        e = send_all(c->r, c->sock, head, (size_t)n);
        if (e == 0)
                e = send_all(c->r, c->sock, c->piece, c->n);
        if (e == 0)
                e = send_all(c->r, c->sock, "\r\n", 2);
        c->n = 0;
        return e;
}

int chunks_add(struct chunks *c, const void *data, size_t n) {
        const char *at = data;
        int e = 0;

        while (e == 0 && n > 0) {
                size_t k = MIN(n, sizeof c->piece - c->n);

                memcpy(c->piece + c->n, at, k);
                c->n += k;
                at += k;
                n -= k;
                if (c->n == sizeof c->piece)
                        e = flush(c);
        }
        return e;
}

int chunks_end(struct chunks *c) {
        int e = flush(c);

        return e == 0 ? send_all(c->r, c->sock, "0\r\n\r\n", 5) : e;
}
