/* http_files.c - GET, HEAD, PUT and DELETE of one file, as raw bytes. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "front/entity.h"
#include "front/file_type.h"
#include "front/front_private.h"
#include "front/peer.h"
#include "front/routes.h"
#include "front/uri.h"
#include "workspace/workspace.h"

#define PIECE_BYTES 65536u
#define STALL_NS    30000000000ull /* the client takes nothing */
#define LOOK_MS     200            /* how soon a stop is noticed */

#define FILE_HEADERS                                                                               \
        "Content-Security-Policy: sandbox; default-src 'none'\r\n"                                 \
        "Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
        "Accept-Ranges: bytes\r\nCache-Control: no-cache\r\n"

struct target {
        char *path;
        struct workspace *ws;
};

static void target_done(struct target *t) {
        free(t->path);
        workspace_close(t->ws);
}

/* False: it was answered. */
static bool target_open(struct request *r, struct target *t) {
        const struct account *a = r->identity->account;
        int e;

        t->path = uri_decode(r->rest);
        e = !t->path ? -EINVAL : workspace_path_check(t->path, strlen(t->path));
        if (e == 0)
                e = workspace_open(r->front->deps.config->data, a->name, a->uid, &t->ws);
        if (e == 0)
                return true;
        http_errno(r, e);
        return false;
}

static void quote_etag(const char *etag, char to[WORKSPACE_ETAG_MAX + 2]) {
        snprintf(to, WORKSPACE_ETAG_MAX + 2, "\"%s\"", etag);
}

/* RFC 6266, 8187: the name in any characters. */
static char *disposition(const struct workspace_stat *st) {
        bool shown = file_type_shown(st->name);
        struct buf b = BUF_INIT(2048);
        int e = buf_adds(&b, shown ? "inline; filename*=UTF-8''" : "attachment; filename*=UTF-8''");

        for (const char *p = st->name; e == 0 && *p; p++) {
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

/* A piece of the file to a client that may be slow. 0 or -errno. */
static int send_piece(struct request *r, int sock, const char *data, size_t n) {
        uint64_t moved_ns = clock_mono_ns();

        while (n > 0) {
                struct pollfd p = {.fd = sock, .events = POLLOUT};
                ssize_t sent = send(sock, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (sent > 0) {
                        data += sent;
                        n -= (size_t)sent;
                        moved_ns = clock_mono_ns();
                        continue;
                }
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (atomic_load(&r->front->stopping) || clock_mono_ns() - moved_ns > STALL_NS)
                        return -ETIMEDOUT;
                if (poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)
                        return -errno;
        }
        return 0;
}

/* The head has promised n bytes: what cannot be kept ends the connection short of them. */
static void stream(struct request *r, int file, uint64_t from, uint64_t n) {
        _cleanup_(fd_closep) int sock = peer_dup(r->ri);
        _cleanup_(freep) char *piece = malloc(PIECE_BYTES);

        while (sock >= 0 && piece && n > 0) {
                ssize_t got = pread(file, piece, MIN(n, (uint64_t)PIECE_BYTES), (off_t)from);

                if (got <= 0 || send_piece(r, sock, piece, (size_t)got) < 0)
                        return;
                from += (uint64_t)got;
                n -= (uint64_t)got;
        }
}

/* True: the client's conditions let it have the file. */
static bool may_get(struct request *r, const char *etag) {
        const char *match = http_header(r, "If-Match"), *none = http_header(r, "If-None-Match");
        char headers[WORKSPACE_ETAG_MAX + 64];

        if (match && !entity_listed(match, etag)) {
                http_errno(r, -ESTALE);
                return false;
        }
        if (!entity_listed(none, etag))
                return true;
        snprintf(headers, sizeof headers, "ETag: %s\r\nCache-Control: no-cache\r\n", etag);
        http_answer(r, &(struct answer){.status = 304, .headers = headers});
        return false;
}

static enum entity_range range_of(struct request *r, const char *etag, uint64_t size,
                                  uint64_t *ret_from, uint64_t *ret_n) {
        const char *same = http_header(r, "If-Range");

        *ret_from = 0;
        *ret_n = size;
        if (r->head || (same && !str_eq(same, etag)))
                return ENTITY_WHOLE;
        return entity_range(http_header(r, "Range"), size, ret_from, ret_n);
}

static void give(struct request *r, int file, const struct workspace_stat *st) {
        char etag[WORKSPACE_ETAG_MAX + 2], part[96] = "";
        _cleanup_(freep) char *shown = disposition(st), *headers = NULL;
        struct answer a = {.status = 200, .type = file_type(st->name)};
        uint64_t from, n;
        enum entity_range range;

        quote_etag(st->etag, etag);
        if (!may_get(r, etag))
                return;
        range = range_of(r, etag, st->size, &from, &n);
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
                headers = str_printf(FILE_HEADERS "ETag: %s\r\nContent-Disposition: %s\r\n%s", etag,
                                     shown, part);
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
        _cleanup_(target_done) struct target t = {0};
        _cleanup_(fd_closep) int file = -1;
        struct workspace_stat st;
        int e;

        if (!target_open(r, &t))
                return;
        e = workspace_open_file(t.ws, t.path, &file, &st);
        if (e < 0)
                http_errno(r, e);
        else
                give(r, file, &st);
}

/* What the conditions of a change mean for workspace_write: NULL any, "" must not exist, or an etag. 0, or
 * -ESTALE: they do not hold now. The write checks again what it is given. */
static int conditions(struct request *r, const struct workspace_stat *now,
                      const char **ret_if_match) {
        const char *match = http_header(r, "If-Match"), *none = http_header(r, "If-None-Match");
        char etag[WORKSPACE_ETAG_MAX + 2] = "";

        *ret_if_match = NULL;
        if (now)
                quote_etag(now->etag, etag);
        if (match) {
                if (!now || !entity_listed(match, etag))
                        return -ESTALE;
                *ret_if_match = now->etag;
        }
        if (none) {
                if (now && entity_listed(none, etag))
                        return -ESTALE;
                if (strchr(none, '*'))
                        *ret_if_match = "";
        }
        return 0;
}

/* What stands there now: ret_found false where nothing does. False: it was answered. */
static bool look(struct request *r, struct target *t, struct workspace_stat *ret, bool *ret_found) {
        int e = workspace_stat(t->ws, t->path, ret);

        *ret_found = e == 0;
        if (e == 0 || e == -ENOENT)
                return true;
        http_errno(r, e);
        return false;
}

static void note(const struct request *r, const char *what, const struct target *t, int error) {
        audit_note(r->front->deps.audit, &(struct audit_event){.what = what,
                                                               .user = r->identity->account->name,
                                                               .address = r->address,
                                                               .object = t->path,
                                                               .error = error});
}

static void put(struct request *r, struct target *t, const struct buf *body) {
        struct workspace_stat before, after;
        char etag[WORKSPACE_ETAG_MAX + 2], headers[WORKSPACE_ETAG_MAX + 32];
        const char *if_match;
        bool found;
        int e;

        if (!look(r, t, &before, &found))
                return;
        e = conditions(r, found ? &before : NULL, &if_match);
        if (e == 0)
                e = workspace_write(t->ws, t->path, body->data, body->n, if_match, &after);
        note(r, "fs.write", t, e);
        if (e < 0) {
                http_errno(r, e);
                return;
        }
        quote_etag(after.etag, etag);
        snprintf(headers, sizeof headers, "ETag: %s\r\n", etag);
        http_json(r, found ? 200 : 201,
                  json_pack("{s:I,s:s}", "size", (json_int_t)after.size, "etag", after.etag),
                  headers);
}

void http_files_put(struct request *r) {
        _cleanup_(target_done) struct target t = {0};
        struct buf body;

        if (!target_open(r, &t) || !http_body(r, r->front->deps.config->file_bytes, &body))
                return;
        put(r, &t, &body);
        http_body_done(r, &body);
}

void http_files_delete(struct request *r) {
        _cleanup_(target_done) struct target t = {0};
        struct workspace_stat now;
        const char *if_match;
        bool found;
        int e;

        if (!target_open(r, &t) || !look(r, &t, &now, &found))
                return;
        e = found ? conditions(r, &now, &if_match) : -ENOENT;
        if (e == 0)
                e = workspace_remove(t.ws, t.path, false);
        note(r, "fs.remove", &t, e);
        if (e < 0)
                http_errno(r, e);
        else
                http_answer(r, &(struct answer){.status = 204});
}
