/* http_place.c - see http_place.h. */
#include "front/http_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "front/front_private.h"
#include "front/uri.h"
#include "rpc/rpc.h"

void place_done(struct http_place *p) {
        free(p->path);
        workspace_close(p->ws);
}

bool place_open(struct request *r, struct http_place *p) {
        const struct account *a = r->identity->account;
        int e;

        p->path = uri_decode(r->rest);
        e = !p->path ? -EINVAL : workspace_path_check(p->path, strlen(p->path));
        if (e == 0)
                e = workspace_open_account(r->front->deps.config->data, r->front->deps.store, a,
                                           &p->ws);
        if (e == 0)
                e = workspace_limit(p->ws, r->front->deps.quota, a->name);
        if (e == 0)
                return true;
        http_errno(r, e);
        return false;
}

void place_note(const struct request *r, const char *what, const char *path, int error) {
        audit_note(r->front->deps.audit, &(struct audit_event){.what = what,
                                                               .user = r->identity->account->name,
                                                               .address = r->address,
                                                               .object = path,
                                                               .error = error});
}

struct validators validators_of(const struct workspace_stat *st, char etag[HTTP_ETAG_MAX]) {
        (void)snprintf(etag, HTTP_ETAG_MAX, "\"%s\"", st->etag);
        return (struct validators){.etag = etag, .modified_s = (int64_t)st->mtime_s};
}

void conditions_of(const struct request *r, struct conditions *c) {
        c->match = http_header(r, "If-Match");
        c->none = http_header(r, "If-None-Match");
        c->modified_s = http_header(r, "If-Modified-Since");
        c->unmodified_s = http_header(r, "If-Unmodified-Since");
}

void http_conflict(struct request *r, int error, const struct workspace_stat *now) {
        const char *code = rpc_error_of(error);
        const char *message = error == -EEXIST ? "it exists already" : "it has changed meanwhile";
        char headers[HTTP_ETAG_MAX + 16];

        if (!now) {
                http_error(r, 412, code, message);
                return;
        }
        (void)snprintf(headers, sizeof headers, "ETag: \"%s\"\r\n", now->etag);
        http_json(r, 412,
                  json_pack("{s:{s:s,s:s,s:s,s:I,s:f}}", "error", "code", code, "message", message,
                            "etag", now->etag, "size", (json_int_t)now->size, "mtime",
                            now->mtime_s),
                  headers);
}
