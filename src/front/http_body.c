/* http_body.c - see http.h: a request's body, with a size and a pace. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "base/clock.h"
#include "base/json_depth.h"
#include "front/arrive.h"
#include "front/front_private.h"
#include "front/http.h"
#include "front/peer.h"

#define PIECE_BYTES     16384u
#define SMALL_BYTES     65536u /* bodies up to here need no share of the memory for bodies */
#define LARGEST_AT_ONCE 4u
#define LINGER_MS       2000u
#define JSON_DEPTH      8u /* a connection's stack is small */

static bool wrong(struct request *r, int status, const char *code, const char *message) {
        http_error(r, status, code, message);
        return false;
}

/* RFC 9110 10.1.1: the client waits for our word before it sends. */
static bool answer_expect(struct request *r) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        const char *expect = http_header(r, "Expect");

        if (!expect)
                return true;
        if (strcasecmp(expect, "100-continue") != 0)
                return wrong(r, 417, "bad_request", "that expectation is not known here");
        return mg_write(r->conn, go_on, sizeof go_on - 1) > 0 ||
               wrong(r, 408, "timeout", "the client is gone");
}

/* Reads the declared length, piece by piece, each with a deadline. 0, -ETIMEDOUT, -ECONNRESET, -ENOMEM. */
static int read_pieces(struct request *r, struct watch *w, size_t length, struct buf *to) {
        while (to->n < length) {
                size_t want = MIN(length - to->n, (size_t)PIECE_BYTES);
                int e = buf_reserve(to, want), n;

                if (e < 0)
                        return e;
                watch_until(w, clock_mono_ns() + r->front->piece_ns);
                n = mg_read(r->conn, to->data + to->n, want);
                watch_until(w, 0);
                if (watch_fired(w))
                        return -ETIMEDOUT;
                if (n <= 0)
                        return -ECONNRESET;
                to->n += (size_t)n;
                to->data[to->n] = '\0';
        }
        return 0;
}

static int read_watched(struct request *r, size_t length, struct buf *to) {
        _cleanup_(watch_freep) struct watch *w = NULL;
        int fd, e;

        if (length == 0)
                return buf_reserve(to, 0);
        fd = peer_dup(r->ri);
        if (fd < 0)
                return fd;
        e = watch_new(r->front->watchdog, fd, &w);
        return e < 0 ? e : read_pieces(r, w, length, to);
}

/* A share of the memory that all bodies have together; some of the largest fit in any case. */
static bool take_share(struct request *r, size_t n) {
        struct frames_budget *b = &r->front->bodies;
        size_t most = MAX(b->limit, r->front->deps.config->file_bytes * LARGEST_AT_ONCE);

        if (n <= SMALL_BYTES || atomic_fetch_add(&b->used, n) + n <= most)
                return true;
        atomic_fetch_sub(&b->used, n);
        http_error_more(r, 503, "busy", "too much is being sent to this server; try again",
                        "Retry-After: 1\r\n");
        return false;
}

static void give_share(struct request *r, size_t n) {
        if (n > SMALL_BYTES)
                atomic_fetch_sub(&r->front->bodies.used, n);
}

static bool answer_broken(struct request *r, int error) {
        if (error == -ENOMEM || error == -EMFILE)
                http_errno(r, error);
        else if (error == -ETIMEDOUT)
                http_error(r, 408, "timeout", "the body came too slowly");
        else
                http_error(r, 400, "bad_request", "the body did not come whole");
        return false;
}

bool http_body(struct request *r, size_t limit, struct buf *ret) {
        long long length = r->ri->content_length;
        struct buf body = BUF_INIT(limit);
        int e;

        if (length < 0)
                return wrong(r, 411, "length_required", "send the body with a Content-Length");
        if ((unsigned long long)length > limit)
                return wrong(r, 413, "too_large", "the body is over the limit");
        if (!take_share(r, (size_t)length))
                return false;
        e = answer_expect(r) ? read_watched(r, (size_t)length, &body) : -ECANCELED;
        if (e == 0) {
                r->body_read = true;
                *ret = body;
                return true;
        }
        buf_done(&body);
        give_share(r, (size_t)length);
        return e == -ECANCELED ? false : answer_broken(r, e);
}

void http_body_done(struct request *r, struct buf *body) {
        give_share(r, (size_t)r->ri->content_length);
        buf_done(body);
}

json_t *http_body_json(struct request *r, size_t limit) {
        struct buf body;
        json_t *j = NULL;

        if (!http_body(r, limit, &body))
                return NULL;
        if (!json_deeper(body.data, body.n, JSON_DEPTH))
                j = json_loadb(body.data, body.n, JSON_REJECT_DUPLICATES, NULL);
        /* It may hold a password. */
        explicit_bzero(body.data, body.n);
        http_body_done(r, &body);
        if (!json_is_object(j)) {
                json_decref(j);
                http_error(r, 400, "bad_request", "the body is no JSON object");
                return NULL;
        }
        return j;
}

/* Something lies in the socket, or is on its way, that nobody will read. */
static bool more_comes(const struct request *r, int fd) {
        int waiting = 0;

        if (!r->body_read && (r->ri->content_length > 0 || http_header(r, "Transfer-Encoding")))
                return true;
        return (!r->body_read && guest_of(r->conn)->early) ||
               (ioctl(fd, SIOCINQ, &waiting) == 0 && waiting > 0);
}

void http_linger(struct request *r) {
        const struct guest *g = guest_of(r->conn);

        if (g && more_comes(r, g->fd) && shutdown(g->fd, SHUT_WR) == 0)
                peer_drain(g->fd, LINGER_MS, &r->front->stopping);
}
