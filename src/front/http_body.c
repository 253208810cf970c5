/* http_body.c - see http.h: a request's body, with a size and a pace. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_depth.h"
#include "front/arrive.h"
#include "front/front_private.h"
#include "front/http.h"
#include "front/peer.h"

#define PIECE_BYTES 16384u
#define SMALL_BYTES 65536u /* larger ones are not held: http_body_stream */
#define LINGER_MS   2000u
#define JSON_DEPTH  8u /* a connection's stack is small */

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

static int watch_peer(struct request *r, struct watch **ret) {
        int fd = guest_dup(guest_of(r->conn));

        return fd < 0 ? fd : watch_new(r->front->watchdog, fd, ret);
}

/* PIECE_BYTES, or what has come already if that is more. civetweb reads all that it is asked for. */
static size_t piece_size(const struct request *r, size_t n) {
        int there = 0;

        if (n <= PIECE_BYTES || ioctl(guest_of(r->conn)->fd, SIOCINQ, &there) < 0)
                there = 0;
        return MIN(n, MAX((size_t)there, (size_t)PIECE_BYTES));
}

/* A piece, with a deadline. How many, -ETIMEDOUT, -ECONNRESET. */
static int read_piece(struct request *r, struct watch *w, char *to, size_t n) {
        int got;

        watch_until(w, clock_mono_ns() + r->front->piece_ns);
        got = mg_read(r->conn, to, piece_size(r, n));
        watch_until(w, 0);
        if (watch_fired(w))
                return -ETIMEDOUT;
        return got > 0 ? got : -ECONNRESET;
}

/* The declared length. 0, -ETIMEDOUT, -ECONNRESET, -ENOMEM. */
static int read_watched(struct request *r, size_t length, struct buf *to) {
        _cleanup_(watch_freep) struct watch *w = NULL;
        int e = length > 0 ? watch_peer(r, &w) : buf_reserve(to, 0);

        while (e == 0 && to->n < length) {
                size_t want = MIN(length - to->n, (size_t)PIECE_BYTES);
                int n = buf_reserve(to, want);

                if (n == 0)
                        n = read_piece(r, w, to->data + to->n, want);
                if (n < 0)
                        return n;
                to->n += (size_t)n;
                to->data[to->n] = '\0';
        }
        return e;
}

/* As much as fits the piece, so that few and large ones go to take. */
static int fill_piece(struct request *r, struct watch *w, char *piece, size_t want) {
        size_t n = 0;

        while (n < want) {
                int got = read_piece(r, w, piece + n, want - n);

                if (got < 0)
                        return got;
                n += (size_t)got;
        }
        return 0;
}

/* *ret_read: the client's part failed, not take's. */
static int pass_on(struct request *r, struct watch *w, http_take *take, void *arg, bool *ret_read) {
        _cleanup_(freep) char *piece = malloc(HTTP_PIECE_BYTES);
        uint64_t left = (uint64_t)r->ri->content_length;

        *ret_read = true;
        if (!piece)
                return -ENOMEM;
        while (left > 0) {
                size_t n = (size_t)MIN(left, (uint64_t)HTTP_PIECE_BYTES);
                int e = fill_piece(r, w, piece, n);

                if (e == 0 && r->identity && !identity_valid(r->identity))
                        e = -EKEYREVOKED;
                if (e < 0)
                        return e;
                left -= n;
                r->body_read = left == 0;
                e = take(arg, piece, n);
                if (e < 0) {
                        *ret_read = false;
                        return e;
                }
        }
        r->body_read = true;
        return 0;
}

static bool answer_broken(struct request *r, int error) {
        if (error == -ENOMEM || error == -EMFILE)
                http_errno(r, error);
        else if (error == -EKEYREVOKED)
                http_error(r, 401, "unauthorized", "this sign-in has ended meanwhile");
        else if (error == -ETIMEDOUT)
                http_error(r, 408, "timeout", "the body came too slowly");
        else
                http_error(r, 400, "bad_request", "the body did not come whole");
        return false;
}

static bool length_fits(struct request *r, uint64_t limit) {
        if (r->ri->content_length < 0)
                return wrong(r, 411, "length_required", "send the body with a Content-Length");
        if ((uint64_t)r->ri->content_length > limit)
                return wrong(r, 413, "too_large", "the body is over the limit");
        return true;
}

int http_body_stream(struct request *r, uint64_t limit, http_take *take, void *arg) {
        _cleanup_(watch_freep) struct watch *w = NULL;
        bool read = true;
        int e;

        if (!length_fits(r, limit) || !answer_expect(r))
                return -ECANCELED;
        e = watch_peer(r, &w);
        if (e == 0)
                e = pass_on(r, w, take, arg, &read);
        if (e == 0 || !read)
                return e;
        (void)answer_broken(r, e);
        return -ECANCELED;
}

/* The whole body, at most limit bytes; *ret is the caller's, to wipe if need be and buf_done. False: it was
 * answered with what was wrong (411, 413, 417, 408, 400, 503). */
static bool read_body(struct request *r, size_t limit, struct buf *ret) {
        long long length = r->ri->content_length;
        struct buf body = BUF_INIT(limit);
        int e;

        CHECK(limit <= SMALL_BYTES);
        if (!length_fits(r, limit))
                return false;
        e = answer_expect(r) ? read_watched(r, (size_t)length, &body) : -ECANCELED;
        if (e == 0) {
                r->body_read = true;
                *ret = body;
                return true;
        }
        buf_done(&body);
        return e == -ECANCELED ? false : answer_broken(r, e);
}

json_t *http_body_json(struct request *r, size_t limit) {
        struct buf body;
        json_t *j = NULL;

        if (!read_body(r, limit, &body))
                return NULL;
        if (!json_deeper(body.data, body.n, JSON_DEPTH))
                j = json_loadb(body.data, body.n, JSON_REJECT_DUPLICATES, NULL);
        /* It may hold a password. */
        explicit_bzero(body.data, body.n);
        buf_done(&body);
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
        struct front *f = r->front;
        const struct guest *g = guest_of(r->conn);
        atomic_uint *lingering = r->identity ? &r->identity->account->lingering : &f->lingering;

        if (!g || !more_comes(r, g->fd) ||
            !front_take(lingering, MAX(f->deps.config->http_threads / 4, 1u)))
                return;
        if (shutdown(g->fd, SHUT_WR) == 0)
                peer_drain(g->fd, LINGER_MS, &f->stopping);
        atomic_fetch_sub(lingering, 1);
}
