/* http_files.c - GET and HEAD of one file, as raw bytes. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "front/arrive.h"
#include "front/condition.h"
#include "front/entity.h"
#include "front/file_type.h"
#include "front/front_private.h"
#include "front/http_place.h"
#include "front/routes.h"
#include "workspace/workspace.h"

#define STEP_BYTES (1u << 20) /* between two looks at whether we stop */
#define PACE_BYTES 65536u     /* that a client must take in front's take_ns */
#define LOOK_MS    200        /* how soon a stop is noticed */
#define COMMON_MAX 256

#define FILE_HEADERS                                                                               \
        "Content-Security-Policy: sandbox; default-src 'none'; frame-ancestors 'none'\r\n"         \
        "X-Frame-Options: DENY\r\n"                                                                \
        "Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
        "Accept-Ranges: bytes\r\n"

/* RFC 6266, 8187: the name in any characters. */
static char *disposition(const struct workspace_stat *st) {
        bool shown = file_type_shown(st->name);
        char name[WORKSPACE_NAME_MAX];
        struct buf b = BUF_INIT(4096);
        int e = buf_adds(&b, shown ? "inline; filename*=UTF-8''" : "attachment; filename*=UTF-8''");

        workspace_name_wire(st->name, name);
        for (const char *p = name; e == 0 && *p; p++) {
                if (isalnum((unsigned char)*p) || strchr("-._~", *p))
                        e = buf_add(&b, p, 1);
                else
                        e = buf_addf(&b, "%%%02X", (unsigned char)*p);
        }
        if (e == 0)
                return b.data;
        buf_done(&b);
        return NULL;
}

/* What the socket takes now: from the page cache to the socket, uncopied. civetweb's sockets do not block, and
 * it ignores SIGPIPE (facts). How many; 0 where the file ends; -errno, of which -EAGAIN: the client is slow. */
static ssize_t send_step(int sock, int file, off_t *at, uint64_t n) {
        ssize_t sent = sendfile(sock, file, at, (size_t)MIN(n, (uint64_t)STEP_BYTES));

        return sent < 0 ? -errno : sent;
}

/* The head has promised n bytes: what cannot be kept ends the connection short of them. */
static void stream(struct request *r, int file, uint64_t from, uint64_t n) {
        _cleanup_(fd_closep) int sock = guest_dup(guest_of(r->conn));
        uint64_t until_ns = clock_mono_ns() + r->front->take_ns, paced = 0;
        off_t at = (off_t)from;

        while (sock >= 0 && n > 0 && !http_is_over(r)) {
                struct pollfd p = {.fd = sock, .events = POLLOUT};
                ssize_t sent = send_step(sock, file, &at, n);

                if (sent > 0) {
                        n -= (uint64_t)sent;
                        paced += (uint64_t)sent;
                        if (paced >= PACE_BYTES) {
                                paced = 0;
                                until_ns = clock_mono_ns() + r->front->take_ns;
                        }
                } else if (sent <= 0 && sent != -EAGAIN && sent != -EINTR && sent != -EPIPE &&
                           sent != -ECONNRESET) {
                        r->error = sent < 0 ? (int)sent : -ESTALE; /* the file ends early */
                        r->cut = true;
                        return;
                } else if ((sent != -EAGAIN && sent != -EINTR) || clock_mono_ns() > until_ns ||
                           (poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)) {
                        return;
                }
        }
}

/* True: the client's conditions let it have the file. */
static bool may_get(struct request *r, const struct validators *now, const char *headers) {
        struct conditions c = {.read = true};

        conditions_of(r, &c);
        switch (condition_judge(&c, now)) {
        case CONDITION_HOLDS: return true;
        case CONDITION_SAME:
                http_answer(r, &(struct answer){.status = 304, .headers = headers});
                return false;
        default: http_conflict(r, -ESTALE, NULL); return false;
        }
}

static enum entity_range range_of(struct request *r, const struct validators *now, uint64_t size,
                                  uint64_t *ret_from, uint64_t *ret_n) {
        *ret_from = 0;
        *ret_n = size;
        if (r->head ||
            !condition_range(http_header(r, "If-Range"), now, (int64_t)(clock_real_ms() / 1000)))
                return ENTITY_WHOLE;
        return entity_range(http_header(r, "Range"), size, ret_from, ret_n);
}

/* What 200, 206 and 304 have in common (RFC 9110, 15.4.5). */
static void common_headers(const struct validators *now, char to[COMMON_MAX]) {
        char date[CONDITION_DATE_MAX];

        condition_date_text(now->modified_s, date);
        (void)snprintf(to, COMMON_MAX,
                       "ETag: %s\r\nLast-Modified: %s\r\nCache-Control: no-cache\r\n", now->etag,
                       date);
}

static void give(struct request *r, int file, const struct workspace_stat *st) {
        char etag[HTTP_ETAG_MAX], common[COMMON_MAX], part[96] = "";
        _cleanup_(freep) char *shown = disposition(st), *headers = NULL;
        struct answer a = {.status = 200, .type = file_type(st->name)};
        struct validators now = validators_of(st, etag);
        uint64_t from, n;
        enum entity_range range;

        common_headers(&now, common);
        if (!may_get(r, &now, common))
                return;
        range = range_of(r, &now, st->size, &from, &n);
        if (range == ENTITY_NONE) {
                snprintf(part, sizeof part, "Content-Range: bytes */%" PRIu64 "\r\n", st->size);
                http_error_more(r, 416, "bad_request", "the range lies behind the end", part);
                return;
        }
        if (range == ENTITY_PART) {
                a.status = 206;
                snprintf(part, sizeof part,
                         "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n", from,
                         from + n - 1, st->size);
        }
        if (shown)
                headers = str_printf(FILE_HEADERS "%sContent-Disposition: %s\r\n%s", common, shown,
                                     part);
        if (!headers) {
                http_errno(r, -ENOMEM);
                return;
        }
        a.headers = headers;
        a.n = n;
        if (http_begin(r, &a) == 0 && !r->head)
                stream(r, file, from, n);
}

void http_files_get(struct request *r) {
        _cleanup_(place_done) struct http_place p = {0};
        _cleanup_(fd_closep) int file = -1;
        struct workspace_stat st;
        int e;

        if (!place_open(r, &p))
                return;
        e = workspace_open_file(p.ws, p.path, &file, &st);
        if (e < 0)
                http_errno(r, e);
        else
                give(r, file, &st);
}
