/* The contract is in ws.h. */
#include "client/ws.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"

#define WAITING_MAX (16u << 20)
#define HEAD_MAX    (16u << 10)
#define TURN_READS  16 /* of 64 KiB: whoever asks has others to look after, too */

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct ws {
        int fd;
        const struct ws_events *events;
        void *arg;
        struct buf in, out, message; /* message: the fragments so far */
        unsigned message_op;
        unsigned close_code;
        bool closed;
};

int fd_wait(int fd, short events, uint64_t deadline_ns) {
        for (;;) {
                uint64_t now = clock_mono_ns();
                if (now >= deadline_ns)
                        return -ETIMEDOUT;
                uint64_t ms = MIN((deadline_ns - now) / 1000000 + 1, (uint64_t)60000);
                struct pollfd p = {.fd = fd, .events = events};
                int r = poll(&p, 1, (int)ms);
                if (r > 0)
                        return 0;
                if (r < 0) /* EINTR, too: somebody wants us to end */
                        return -errno;
        }
}

int tcp_connect(const char *host, unsigned port, uint64_t deadline_ns, int *ret) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        _cleanup_(fd_closep) int fd =
                socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int one = 1, error = 0;
        socklen_t n = sizeof error;

        if (fd < 0)
                return -errno;
        if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
                return -EINVAL;
        if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS)
                return -errno;
        int r = fd_wait(fd, POLLOUT, deadline_ns);
        if (r < 0)
                return r;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                return -errno;
        if (error)
                return -error;
        *ret = TAKE_FD(fd);
        return 0;
}

/* ---- the upgrade ---- */

static int send_upgrade(struct ws *w, const struct ws_target *t) {
        unsigned char key[16];
        char key_text[BASE64_CHARS(sizeof key) + 1];

        random_bytes(key, sizeof key);
        base64_encode(key, sizeof key, key_text);
        int r = buf_addf(
                &w->out,
                "GET %s HTTP/1.1\r\nHost: %s:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
                "Sec-WebSocket-Protocol: %s\r\n%s%s%s\r\n",
                t->path, t->host, t->port, key_text, t->subprotocol,
                t->token ? "Authorization: Bearer " : "", t->token ? t->token : "",
                t->token ? "\r\n" : "");
        while (r == 0 && w->out.n > 0) {
                ssize_t k = send(w->fd, w->out.data, w->out.n, MSG_NOSIGNAL);
                if (k > 0)
                        buf_drop(&w->out, (size_t)k);
                else if (errno == EAGAIN)
                        r = fd_wait(w->fd, POLLOUT, t->deadline_ns);
                else
                        r = -errno;
        }
        return r;
}

/* Reads what has come into w->in. -ECONNRESET at the end of the stream, -EAGAIN nothing there. */
static int read_some(struct ws *w) {
        int r = buf_reserve(&w->in, 65536);

        if (r < 0)
                return r;
        ssize_t k = recv(w->fd, w->in.data + w->in.n, 65536, 0);
        if (k == 0)
                return -ECONNRESET;
        if (k < 0)
                return -errno;
        w->in.n += (size_t)k;
        w->in.data[w->in.n] = '\0';
        return 0;
}

/* The answer's head; what follows it stays in w->in. */
static int read_upgrade(struct ws *w, const struct ws_target *t, int *ret_status) {
        const char *end = NULL;
        int status;

        while (!(end = w->in.n ? strstr(w->in.data, "\r\n\r\n") : NULL)) {
                int r = w->in.n > HEAD_MAX ? -EPROTO : fd_wait(w->fd, POLLIN, t->deadline_ns);
                if (r == 0)
                        r = read_some(w);
                if (r < 0 && r != -EAGAIN && r != -EINTR)
                        return r;
        }
        if (sscanf(w->in.data, "HTTP/1.1 %d ", &status) != 1)
                return -EPROTO;
        if (status != 101) {
                *ret_status = status;
                return -EACCES;
        }
        const char *protocol = strcasestr(w->in.data, "\r\nSec-WebSocket-Protocol:");
        if (!protocol || protocol > end || !strstr(protocol, t->subprotocol))
                return -EPROTO;
        buf_drop(&w->in, (size_t)(end + 4 - w->in.data));
        return 0;
}

int ws_open(const struct ws_target *t, const struct ws_events *events, void *arg, struct ws **ret,
            int *ret_status) {
        struct ws *w = malloc(sizeof *w);

        if (!w)
                return -ENOMEM;
        *w = (struct ws){.fd = -1, .events = events, .arg = arg};
        w->in = w->out = w->message = BUF_INIT(WAITING_MAX);
        int r = tcp_connect(t->host, t->port, t->deadline_ns, &w->fd);
        if (r == 0)
                r = send_upgrade(w, t);
        if (r == 0)
                r = read_upgrade(w, t, ret_status);
        if (r < 0) {
                ws_close(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct ws *ws_close(struct ws *w) {
        if (!w)
                return NULL;
        fd_close(w->fd);
        buf_done(&w->in);
        buf_done(&w->out);
        buf_done(&w->message);
        free(w);
        return NULL;
}

int ws_fd(const struct ws *w) {
        return w->fd;
}

bool ws_wants_to_write(const struct ws *w) {
        return w->out.n > 0;
}

unsigned ws_close_code(const struct ws *w) {
        return w->close_code;
}

/* ---- frames out ---- */

static int flush(struct ws *w) {
        size_t sent = 0;
        int r = 0;

        while (sent < w->out.n) {
                ssize_t k = send(w->fd, w->out.data + sent, w->out.n - sent, MSG_NOSIGNAL);
                if (k > 0) {
                        sent += (size_t)k;
                        continue;
                }
                if (errno == EPIPE) /* what the server said before it closed is still to be read */
                        sent = w->out.n;
                else if (errno != EAGAIN && errno != EINTR)
                        r = -errno;
                if (errno != EINTR)
                        break;
        }
        buf_drop(&w->out, sent);
        return r;
}

static size_t put_length(unsigned char *head, size_t n) {
        if (n < 126) {
                head[1] = (unsigned char)n;
                return 2;
        }
        if (n <= UINT16_MAX) {
                uint16_t length = htobe16((uint16_t)n);
                head[1] = 126;
                memcpy(head + 2, &length, sizeof length);
                return 4;
        }
        uint64_t length = htobe64(n);
        head[1] = 127;
        memcpy(head + 2, &length, sizeof length);
        return 10;
}

static int send_frame(struct ws *w, unsigned op, const void *data, size_t n) {
        unsigned char head[14] = {(unsigned char)(0x80 | op)}, *mask;
        size_t head_n = put_length(head, n);

        head[1] |= 0x80;
        mask = head + head_n;
        random_bytes(mask, 4);
        int r = buf_reserve(&w->out, head_n + 4 + n);
        if (r == 0)
                r = buf_add(&w->out, head, head_n + 4);
        if (r == 0)
                r = buf_add(&w->out, data, n);
        if (r < 0)
                return r;
        unsigned char *body = (unsigned char *)w->out.data + w->out.n - n;
        for (size_t i = 0; i < n; i++)
                body[i] ^= mask[i % 4];
        return flush(w);
}

int ws_send_json(struct ws *w, json_t *message) {
        _cleanup_(freep) char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;

        json_decref(message);
        return text ? send_frame(w, OP_TEXT, text, strlen(text)) : -ENOMEM;
}

int ws_send_binary(struct ws *w, const void *data, size_t n) {
        return send_frame(w, OP_BINARY, data, n);
}

/* ---- frames in ---- */

struct frame {
        bool last;
        unsigned op;
        size_t head_n, n;
};

/* 1 a whole frame stands at the start of w->in, 0 not yet, -EPROTO. */
static int next_frame(const struct ws *w, struct frame *f) {
        const unsigned char *p = (const unsigned char *)w->in.data;
        uint64_t n;

        if (w->in.n < 2)
                return 0;
        if ((p[0] & 0x70) || (p[1] & 0x80)) /* no extension was agreed on; servers do not mask */
                return -EPROTO;
        f->last = p[0] & 0x80;
        f->op = p[0] & 15;
        n = p[1];
        f->head_n = n < 126 ? 2 : n == 126 ? 4 : 10;
        if (w->in.n < f->head_n)
                return 0;
        if (f->head_n == 4) {
                uint16_t length;
                memcpy(&length, p + 2, sizeof length);
                n = be16toh(length);
        } else if (f->head_n == 10) {
                memcpy(&n, p + 2, sizeof n);
                n = be64toh(n);
        }
        if (n > WAITING_MAX / 2)
                return -EPROTO;
        f->n = (size_t)n;
        return w->in.n >= f->head_n + f->n;
}

static int give_message(struct ws *w, const struct frame *f, const char *data) {
        bool first = f->op != OP_CONTINUE;

        if (first == (w->message_op != 0))
                return -EPROTO;
        if (first)
                w->message_op = f->op;
        int r = buf_add(&w->message, data, f->n);
        if (r < 0 || !f->last)
                return r;
        if (w->message_op == OP_TEXT)
                w->events->text(w->arg, w->message.data, w->message.n);
        else
                w->events->binary(w->arg, (const unsigned char *)w->message.data, w->message.n);
        w->message_op = 0;
        buf_clear(&w->message);
        return 0;
}

static int take_frame(struct ws *w, const struct frame *f) {
        const char *data = w->in.data + f->head_n;

        switch (f->op) {
        case OP_CONTINUE:
        case OP_TEXT:
        case OP_BINARY: return give_message(w, f, data);
        case OP_PING: return send_frame(w, OP_PONG, data, f->n);
        case OP_PONG: return 0;
        case OP_CLOSE:
                w->closed = true;
                if (f->n >= 2)
                        w->close_code = (unsigned)(unsigned char)data[0] << 8 |
                                        (unsigned char)data[1];
                return send_frame(w, OP_CLOSE, data, MIN(f->n, (size_t)2));
        default: return -EPROTO;
        }
}

static int take_frames(struct ws *w) {
        struct frame f;
        int r;

        while ((r = next_frame(w, &f)) > 0 && !w->closed) {
                r = take_frame(w, &f);
                if (r < 0)
                        return r;
                buf_drop(&w->in, f.head_n + f.n);
        }
        return MIN(r, 0);
}

int ws_turn(struct ws *w) {
        int r = take_frames(w); /* some may have come with the upgrade's answer */

        for (int i = 0; r == 0 && !w->closed && i < TURN_READS; i++) {
                r = read_some(w);
                if (r == 0)
                        r = take_frames(w);
        }
        if (r == -EAGAIN || r == -EINTR)
                r = 0;
        if (r == 0)
                r = flush(w);
        return r == 0 && w->closed ? -ECONNRESET : r;
}
