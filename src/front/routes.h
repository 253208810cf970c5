/* routes.h - the one table of what HTTP can be asked for: who may ask, what it costs, how long a body.
 *
 * Refused unless the table allows it: a request is judged, its route found, its method, identity, cost and
 * the length of its body settled, all before any handler runs. docs/protocol.md has the same table, and a
 * test compares them.
 *
 * Threads: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "front/http.h"

enum method {
        METHOD_GET = 1,
        METHOD_HEAD = 2,
        METHOD_POST = 4,
        METHOD_PUT = 8,
        METHOD_DELETE = 16
};

enum route_who {
        WHO_ANYONE,
        WHO_DIAGNOSTICS, /* anyone, where [diagnostics] switched it on; else it is not there */
        WHO_SIGNED_IN,   /* by bearer token or cookie */
        WHO_TEACHER,     /* or admin */
        WHO_ADMIN,
        WHO_METRICS, /* an admin; or, where server.metrics_loopback is on, whoever asks from loopback */
};

/* A WebSocket: handle says what to do with a request that is none. */
enum route_socket {
        SOCKET_NONE,
        SOCKET_LATCH, /* latch.v1 */
        SOCKET_RAW,   /* one session's bytes */
        SOCKET_ECHO,
};

/* How long a body may be, in bytes; longer ones are 413 before a handler sees them. */
#define BODY_NONE   0
#define BODY_SMALL  4096
#define BODY_UPLOAD (-1) /* limits.upload_bytes */

struct route {
        const char *path; /* that ends with '/' and is longer than it: all paths below */
        unsigned methods; /* of this row: a path may have several */
        enum route_who who;
        enum route_socket socket;
        unsigned cost; /* request units, of the user's or the address's; 0: free */
        long body;
        void (*handle)(struct request *r);
};

extern const struct route routes[];
extern const size_t routes_n;

extern const struct route route_asset; /* what "/" and all that the binary carries is served by */

const char *route_who_name(enum route_who who); /* as docs/protocol.md has it: "signed in" */
unsigned route_method(const char *name);        /* 0: none of the table's */

const char *route_method_name(unsigned method); /* of one bit */

/* The row for this path and method. NULL: then *ret_allow are the methods that the path has, 0 if it is
 * no path at all. ret_rest: what follows a route that ends with '/'. */
const struct route *route_find(const char *path, unsigned method, const char **ret_rest,
                               unsigned *ret_allow);

/* "GET, HEAD" */
#define ROUTE_ALLOW_MAX 64
void route_allow(unsigned allowed, char to[ROUTE_ALLOW_MAX]);

/* Handlers. */
void http_login(struct request *r); /* http_auth.c */
void http_logout(struct request *r);
void http_renew(struct request *r);
void http_ticket(struct request *r);
void http_me(struct request *r);
void http_files_get(struct request *r); /* http_files.c; HEAD, too */
void http_files_put(struct request *r); /* http_save.c */
void http_files_delete(struct request *r);
void http_zip(struct request *r);     /* http_zip.c */
void http_upload(struct request *r);  /* http_upload.c */
void http_asset(struct request *r);   /* http_assets.c */
void http_healthz(struct request *r); /* health.c */
void http_readyz(struct request *r);
void http_metrics(struct request *r);   /* metrics.c */
void http_no_socket(struct request *r); /* ws.c: asked for without an upgrade */
