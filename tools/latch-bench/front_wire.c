/* front_wire.c - see front.h: blocking sockets, upgrades and frames made ahead, so that the client's own
 * work is small beside the server's. */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "client/ws.h"
#include "front.h"

#define PATIENCE_S 20
#define HEAD_MAX   2048u

int front_connect(const struct site *site, uint64_t deadline_ns, int *ret) {
        const struct timeval patience = {.tv_sec = PATIENCE_S};
        _cleanup_(fd_closep) int fd = -1;
        int r = tcp_connect(site->host, site->port, deadline_ns, &fd);

        if (r == 0)
                r = fd_set_nonblock(fd, false);
        if (r < 0)
                return r;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

int front_send(int fd, const void *data, size_t n) {
        const char *at = data;

        while (n > 0) {
                ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                at += k;
                n -= (size_t)k;
        }
        return 0;
}

int front_ask_upgrade(int fd, const struct site *site) {
        char head[512];
        int n = snprintf(head, sizeof head,
                         "GET /v1/echo HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         site->host, site->port);

        return n < 0 || (size_t)n >= sizeof head ? -EINVAL : front_send(fd, head, (size_t)n);
}

/* Nothing follows the answer's head: nobody has sent a frame yet. */
int front_take_upgrade(int fd) {
        char head[HEAD_MAX];
        size_t n = 0;

        while (n < sizeof head - 1) {
                ssize_t k = recv(fd, head + n, sizeof head - 1 - n, 0);
                if (k <= 0)
                        return k < 0 ? -errno : -ECONNRESET;
                n += (size_t)k;
                head[n] = '\0';
                if (strstr(head, "\r\n\r\n"))
                        return strncmp(head, "HTTP/1.1 101 ", 13) == 0 ? 0 : -EPROTO;
        }
        return -EPROTO;
}

static size_t put_head(unsigned char *to, size_t n, unsigned mask_bit) {
        uint16_t length = htobe16((uint16_t)n);

        to[0] = 0x82; /* binary, whole */
        to[1] = (unsigned char)(mask_bit | (n < 126 ? n : 126));
        if (n < 126)
                return 2;
        memcpy(to + 2, &length, sizeof length);
        return 4;
}

int front_frame(size_t n, struct front_frame *ret) {
        static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
        struct front_frame f = {.out = malloc(n + 8), .in = malloc(n + 4)};

        if (!f.out || !f.in) {
                front_frame_done(&f);
                return -ENOMEM;
        }
        f.in_n = put_head(f.in, n, 0);
        f.out_n = put_head(f.out, n, 0x80);
        memcpy(f.out + f.out_n, mask, sizeof mask);
        f.out_n += sizeof mask;
        for (size_t i = 0; i < n; i++) {
                f.in[f.in_n + i] = (unsigned char)(i * 7);
                f.out[f.out_n + i] = f.in[f.in_n + i] ^ mask[i % 4];
        }
        f.in_n += n;
        f.out_n += n;
        *ret = f;
        return 0;
}

void front_frame_done(struct front_frame *f) {
        free(f->out);
        free(f->in);
        *f = (struct front_frame){0};
}

int front_exchange(int fd, const struct front_frame *f, unsigned char *to) {
        size_t n = 0;
        int r = front_send(fd, f->out, f->out_n);

        while (r == 0 && n < f->in_n) {
                ssize_t k = recv(fd, to + n, f->in_n - n, 0);
                if (k <= 0)
                        r = k < 0 ? -errno : -ECONNRESET;
                else
                        n += (size_t)k;
        }
        return r == 0 && memcmp(to, f->in, f->in_n) != 0 ? -EPROTO : r;
}
