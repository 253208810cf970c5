/* serve.c - see serve.h. */
#include "front/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "front/arrive.h"
#include "front/cors.h"
#include "front/forwarded.h"
#include "front/judge.h"
#include "front/routes.h"
#include "front/ws.h"

void serve_begin(struct front *f, struct mg_connection *conn, const struct mg_request_info *ri,
                 struct request *ret) {
        *ret = (struct request){
                .front = f,
                .conn = conn,
                .ri = ri,
                .rest = "",
                .head = str_eq(ri->request_method, "HEAD"),
                .number = front_number(f),
                .began_ns = clock_mono_ns(),
        };
        forwarded_address(ri, &f->proxies, ret->address);
}

/* 401, 403 and 429 are for the record, unless a handler knew more. */
static void note_refusal(const struct request *r) {
        bool unknown = r->status == 401;

        if (r->noted || (!unknown && r->status != 403 && r->status != 429))
                return;
        audit_note(r->front->deps.audit,
                   &(struct audit_event){.what = unknown ? "auth.refused" : "request.refused",
                                         .user = r->identity ? r->identity->account->name : NULL,
                                         .address = r->address,
                                         .object = r->route ? r->route->path : NULL,
                                         .error = r->status == 429 ? -EAGAIN : -EACCES});
}

void serve_count(const struct request *r) {
        size_t row = !r->route                  ? ROUTE_IS_NONE
                     : r->route == &route_asset ? ROUTE_IS_ASSET
                                                : (size_t)(r->route - routes);
        int class = r->status / 100 - 1;

        if (class >= 0 && class < STATUS_CLASSES)
                atomic_fetch_add_explicit(&r->front->counters.answered[row][class], 1,
                                          memory_order_relaxed);
}

/* The route, never the path or the query: those may hold what is nobody else's business. */
void serve_log(const struct request *r) {
        char number[20];

        serve_count(r);
        note_refusal(r);
        snprintf(number, sizeof number, "%llx", (unsigned long long)r->number);
        log_event(r->status >= 500 || r->cut ? LOG_WARN : LOG_INFO, "http.request",
                  LOG_S("req", number), LOG_S("method", r->ri->request_method),
                  LOG_S("route", r->route ? r->route->path : "-"), LOG_I("status", r->status),
                  LOG_I("us", (clock_mono_ns() - r->began_ns) / 1000),
                  LOG_S("user", r->identity ? r->identity->account->name : NULL),
                  LOG_S("address", r->address),
                  LOG_S("error", r->error ? strerrorname_np(-r->error) : NULL));
}

/* RFC 6750 2.1; a bearer token goes before the cookie, and a bad one is not saved by it. */
static bool token_of(struct request *r, char to[TOKEN_TEXT_MAX]) {
        const char *authorization = http_header(r, "Authorization");

        if (!authorization) {
                r->by_cookie = true;
                return judge_cookie(http_header(r, "Cookie"), to, TOKEN_TEXT_MAX);
        }
        return !strncasecmp(authorization, "Bearer ", 7) &&
               str_copy(to, TOKEN_TEXT_MAX, authorization + 7 + strspn(authorization + 7, " ")) ==
                       0;
}

/* Units of the user's, or of the address's while nobody is known. False: it was answered. */
static bool pay(struct request *r, unsigned units) {
        const struct front_deps *d = &r->front->deps;
        char header[64];
        unsigned retry_ms = 0;
        bool paid;

        if (r->identity)
                paid = account_take_request(r->identity->account, d->config->requests_per_minute,
                                            units, &retry_ms);
        else
                paid = auth_take_address(d->auth, r->address, units, &retry_ms);
        if (paid)
                return true;
        counters_limited(&r->front->counters, r->identity ? LIMITED_USER : LIMITED_ADDRESS);
        snprintf(header, sizeof header, "Retry-After: %u\r\n", retry_ms / 1000 + 1);
        http_error_more(r, 429, "rate_limited", "too many requests; try again later", header);
        return false;
}

/* What follows ticket= in the query of a socket's beginning; anywhere else it is no sign-in. */
static bool ticket_of(const struct request *r, char to[TICKET_TEXT_MAX]) {
        const char *query = r->ri->query_string;
        static const char name[] = "ticket=";

        if (!r->route->socket || !judge_wants_socket(r->ri) || http_header(r, "Authorization"))
                return false;
        while (query && !str_starts(query, name)) {
                query = strchr(query, '&');
                query = query ? query + 1 : NULL;
        }
        if (!query)
                return false;
        query += strlen(name);
        size_t n = strcspn(query, "&");
        snprintf(to, TICKET_TEXT_MAX, "%.*s", (int)MIN(n, (size_t)TICKET_TEXT_MAX), query);
        return true;
}

static int authenticate(struct request *r) {
        struct auth *auth = r->front->deps.auth;
        char ticket[TICKET_TEXT_MAX], token[TOKEN_TEXT_MAX] = "";
        int e = -EACCES;

        if (ticket_of(r, ticket))
                return auth_redeem(auth, ticket, &r->identity);
        if (token_of(r, token))
                e = auth_authenticate(auth, token, &r->identity);
        explicit_bzero(token, sizeof token);
        return e;
}

/* False: it was answered. */
static bool identify(struct request *r) {
        int e = authenticate(r);

        r->error = e;
        if (e == -EACCES && pay(r, 1))
                http_error_more(r, 401, "unauthorized", "sign in first",
                                "WWW-Authenticate: Bearer realm=\"latch\"\r\n");
        else if (e < 0 && e != -EACCES)
                http_error_more(r, 503, "unavailable", "it cannot be told who you are; try again",
                                "Retry-After: 1\r\n");
        else if (e == 0)
                auth_seen(r->front->deps.auth, r->identity, r->address);
        return e == 0;
}

static void answer_no_route(struct request *r, unsigned allowed) {
        char names[ROUTE_ALLOW_MAX], header[ROUTE_ALLOW_MAX + 16];

        if (!allowed) {
                http_error(r, 404, "not_found", "there is nothing at this address");
                return;
        }
        route_allow(allowed, names);
        snprintf(header, sizeof header, "Allow: %s\r\n", names);
        http_error_more(r, 405, "method_not_allowed", "not with this method", header);
}

static bool find_route(struct request *r, unsigned method) {
        unsigned allowed;

        r->route = route_find(r->ri->local_uri_raw, method, &r->rest, &allowed);
        if (r->route && r->route->who == WHO_DIAGNOSTICS && !r->front->deps.config->echo) {
                r->route = NULL;
                allowed = 0;
        }
        if (!r->route && pay(r, 1) && !(allowed && cors_preflight(r, allowed)))
                answer_no_route(r, allowed);
        return r->route != NULL;
}

/* False: it was answered. */
static bool admit_page(struct request *r, unsigned method) {
        bool unsafe = !(method & (METHOD_GET | METHOD_HEAD)) || judge_wants_socket(r->ri);

        if (!r->by_cookie || judge_same_site(r->ri, unsafe, r->front->deps.config->public_url))
                return true;
        http_error(r, 403, "forbidden", "the request comes from another site's page");
        return false;
}

/* Who asks on this machine, and for nobody else: what a proxy passes on says so. */
static bool from_loopback(const struct request *r) {
        return str_starts(r->ri->remote_addr, "127.") && str_starts(r->address, "127.") &&
               !http_header(r, "X-Forwarded-For") && !http_header(r, "Forwarded");
}

/* False: it was answered. */
static bool admit_who(struct request *r, unsigned method) {
        enum role least = ROLE_STUDENT;

        switch (r->route->who) {
        case WHO_ANYONE:
        case WHO_DIAGNOSTICS: return true;
        case WHO_SIGNED_IN: break;
        case WHO_TEACHER: least = ROLE_TEACHER; break;
        case WHO_METRICS:
                if (r->front->deps.config->metrics_loopback && from_loopback(r))
                        return true;
                least = ROLE_ADMIN;
                break;
        case WHO_ADMIN: least = ROLE_ADMIN; break;
        }
        if (!identify(r) || !admit_page(r, method))
                return false;
        if (r->identity->account->role >= least)
                return true;
        http_error(r, 403, "forbidden", "this is for those with another role");
        return false;
}

/* False: it was answered. */
static bool admit_body(struct request *r) {
        unsigned long long limit = r->route->body == BODY_UPLOAD
                                           ? r->front->deps.config->upload_bytes
                                           : (unsigned long long)r->route->body;

        if (r->ri->content_length <= 0 || (unsigned long long)r->ri->content_length <= limit)
                return true;
        http_error(r, 413, "too_large",
                   limit ? "the body is over the limit" : "this request has no body");
        return false;
}

/* Half of the threads for requests is the most that one user has, and that strangers with something to send
 * have together: whoever dawdles leaves the others theirs. False: it was answered. */
static bool admit_share(struct request *r) {
        struct front *f = r->front;
        atomic_uint *share = r->identity                 ? &r->identity->account->http
                             : r->ri->content_length > 0 ? &f->strangers
                                                         : NULL;

        if (!share || judge_wants_socket(r->ri))
                return true;
        if (front_take(share, MAX(f->deps.config->http_threads / 2, 1u))) {
                r->share = share;
                return true;
        }
        counters_limited(&f->counters, LIMITED_THREADS);
        http_error_more(r, 429, "limit_reached", "too many requests are under way; try again",
                        "Retry-After: 1\r\n");
        return false;
}

/* False: it was answered. */
static bool admit(struct request *r) {
        unsigned method = route_method(r->ri->request_method);

        return find_route(r, method) && admit_who(r, method) &&
               (r->route->cost == 0 || pay(r, r->route->cost)) && admit_body(r) && admit_share(r);
}

/* True: it is to become a WebSocket, and nothing was answered. */
static bool handle(struct request *r) {
        struct refusal refusal;

        if (!judge_request(r->ri, &refusal)) {
                http_error_more(r, refusal.status, refusal.code, refusal.message,
                                refusal.status == 426 ? "Upgrade: websocket\r\n"
                                                        "Sec-WebSocket-Version: 13\r\n"
                                                      : NULL);
                return false;
        }
        if (atomic_load(&r->front->stopping)) {
                http_error_more(r, 503, "unavailable", "the server is shutting down",
                                "Retry-After: 5\r\n");
                return false;
        }
        if (!admit(r))
                return false;
        if (r->route->socket && judge_wants_socket(r->ri))
                return ws_seat(r);
        r->route->handle(r);
        return false;
}

/* No second request on this connection, and civetweb does not drain what it has not read. The share is given
 * back before the connection's end: who waits for that between two requests has never more than one. */
static int finish(struct request *r, bool linger) {
        if (r->share)
                atomic_fetch_sub(r->share, 1);
        serve_log(r);
        mg_disable_connection_keep_alive(r->conn);
        if (linger)
                http_linger(r);
        identity_unref(r->identity);
        return r->status ? r->status : 500;
}

/* All threads for requests are busy. Few of those who hear so are waited for. */
static int serve_crowd(struct request *r) {
        struct front *f = r->front;
        bool linger = atomic_fetch_add(&f->crowd, 1) < CROWD_MAX / 2;
        int status;

        counters_limited(&f->counters, LIMITED_THREADS);
        http_error_more(r, 503, "busy", "too many requests are under way; try again",
                        "Retry-After: 1\r\n");
        status = finish(r, linger);
        atomic_fetch_sub(&f->crowd, 1);
        return status;
}

static int serve_request(struct request *r) {
        int status;

        if (!front_take(&r->front->requests, r->front->deps.config->http_threads))
                return serve_crowd(r);
        CHECK(!handle(r));
        status = finish(r, true);
        atomic_fetch_sub(&r->front->requests, 1);
        return status;
}

/* Whoever asks for an upgrade where there is none is answered as if he had not asked for it. */
static bool wants_socket_here(const struct request *r) {
        const struct route *route;
        const char *rest;
        unsigned allowed;

        if (!judge_wants_socket(r->ri) || !r->ri->local_uri_raw)
                return false;
        route = route_find(r->ri->local_uri_raw, METHOD_GET, &rest, &allowed);
        return route && route->socket;
}

/* It keeps none of the threads that are for sockets: only while there is one for requests it is waited for. */
static int finish_beginning(struct request *r) {
        struct front *f = r->front;
        bool linger = front_take(&f->requests, f->deps.config->http_threads);
        int status = finish(r, linger);

        if (linger)
                atomic_fetch_sub(&f->requests, 1);
        return status;
}

int serve(struct front *f, struct mg_connection *conn) {
        const struct guest *g = guest_of(conn);
        struct request r;

        if (g && g->refused)
                return 1; /* it was answered, or let go */
        serve_begin(f, conn, mg_get_request_info(conn), &r);
        if (!g) {
                http_errno(&r, -EMFILE);
                return finish(&r, true);
        }
        if (!wants_socket_here(&r))
                return serve_request(&r);
        if (!handle(&r))
                return finish_beginning(&r);
        identity_unref(r.identity);
        return 0;
}
