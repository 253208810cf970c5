/* http_assets.c - the browser IDE, as it lies in the binary. */
#include "base/str.h"
#include "front/assets.h"
#include "front/entity.h"
#include "front/routes.h"

/* The strictest that the page draws under without a complaint of the browser (docs/dependencies.md): its
 * styles are a file or the CSSOM's, and it never makes markup of a string. */
#define POLICY                                                                                     \
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "                \
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "        \
        "require-trusted-types-for 'script'; trusted-types 'none'"

static const struct web_asset *find(const char *path) {
        for (size_t i = 0; i < web_assets_n; i++)
                if (str_eq(web_assets[i].path, path))
                        return &web_assets[i];
        return NULL;
}

static char *headers_of(const struct web_asset *a) {
        return str_printf("ETag: %s\r\nCache-Control: %s\r\n%s"
                          "Content-Security-Policy: " POLICY "\r\n"
                          "Cross-Origin-Opener-Policy: same-origin\r\n"
                          "Cross-Origin-Resource-Policy: same-origin\r\n"
                          "X-Frame-Options: DENY\r\nVary: Accept-Encoding\r\n",
                          a->etag,
                          a->immutable ? "public, max-age=31536000, immutable" : "no-cache",
                          a->gzip ? "Content-Encoding: gzip\r\n" : "");
}

void http_asset(struct request *r) {
        const struct web_asset *a = find(r->rest);
        struct answer answer = {.status = 200};
        _cleanup_(freep) char *headers = NULL;

        CHECK(a); /* the route was found by this table */
        if (a->gzip && !entity_accepts(http_header(r, "Accept-Encoding"), "gzip")) {
                http_error(r, 406, "not_acceptable",
                           "this comes compressed only: let the client accept gzip");
                return;
        }
        headers = headers_of(a);
        if (!headers) {
                http_error(r, 503, "unavailable", "the server is out of memory");
                return;
        }
        answer.headers = headers;
        if (entity_listed(http_header(r, "If-None-Match"), a->etag, false)) {
                answer.status = 304;
        } else {
                answer.type = a->mime;
                answer.body = a->data;
                answer.n = a->n;
        }
        http_answer(r, &answer);
}
