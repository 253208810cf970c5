/* cors.c - see cors.h. */
#include "front/cors.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/str.h"
#include "front/front_private.h"
#include "front/judge.h"
#include "front/routes.h"

const char *cors_origin(const struct request *r) {
        const char *origins = r->front->deps.config->cors_origins;
        const char *origin = *origins ? http_header(r, "Origin") : NULL;

        return origin && judge_lists(origins, origin) ? origin : NULL;
}

int cors_headers(const struct request *r, struct buf *to) {
        const char *origin = cors_origin(r);

        if (!*r->front->deps.config->cors_origins)
                return 0;
        if (!origin)
                return buf_adds(to, "Vary: Origin\r\n");
        return buf_addf(to,
                        "Vary: Origin\r\nAccess-Control-Allow-Origin: %s\r\n"
                        "Access-Control-Expose-Headers: Allow, Content-Disposition, Content-Range, "
                        "ETag, Retry-After, X-Request-Id\r\n",
                        origin);
}

bool cors_preflight(struct request *r, unsigned allowed) {
        char names[ROUTE_ALLOW_MAX], headers[ROUTE_ALLOW_MAX + 256];

        if (!str_eq(r->ri->request_method, "OPTIONS") ||
            !http_header(r, "Access-Control-Request-Method") || !cors_origin(r))
                return false;
        route_allow(allowed, names);
        snprintf(headers, sizeof headers,
                 "Access-Control-Allow-Methods: %s\r\n"
                 "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match, "
                 "If-None-Match, If-Range, Range\r\n"
                 "Access-Control-Max-Age: 600\r\n",
                 names);
        http_answer(r, &(struct answer){.status = 204, .headers = headers});
        return true;
}
