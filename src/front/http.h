/* http.h - one HTTP request while it is served, its body, and its one answer.
 *
 * Threads: the connection's own. Lock: none may be held (all of it is I/O).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <civetweb.h>
#include <jansson.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "base/net.h"

struct front;
struct route;

struct request {
        struct front *front;
        struct mg_connection *conn;
        const struct mg_request_info *ri;
        const struct route *route; /* NULL until one is found */
        const char *rest;          /* of the path, behind the route's; still %XX */
        struct identity *identity; /* referenced, or NULL */
        bool by_cookie;
        char address[ADDRESS_TEXT_MAX]; /* the client's, through trusted proxies */
        bool head;                      /* the answer has no body */
        uint64_t number;                /* req= in log lines, X-Request-Id */
        uint64_t began_ns;
        int status;         /* once answered */
        int error;          /* -errno, for the log; 0: nothing went wrong */
        bool cut;           /* the answer ended short of what its head had promised */
        bool noted;         /* its refusal stands in the audit log */
        atomic_uint *share; /* of the threads for requests, one of which this one has; NULL: none */
        bool body_read;     /* nothing of the request's body is left unread */
};

struct answer {
        int status;
        const char *type;    /* Content-Type; NULL: no body */
        const char *headers; /* more of them, each with its CRLF; NULL: none */
        const void *body;
        size_t n;
        bool chunked; /* the length is not known: no Content-Length, sent by sending.h */
};

/* Each of these answers, once, in one piece. What the client does not take is its own loss. */
void http_answer(struct request *r, const struct answer *a);
void http_json(struct request *r, int status, json_t *body, const char *headers); /* steals body */
/* {"error":{"code","message"}} */
void http_error(struct request *r, int status, const char *code, const char *message);
void http_error_more(struct request *r, int status, const char *code, const char *message,
                     const char *headers);
/* An errno of a room below, by rpc's table of codes. */
void http_errno(struct request *r, int error);
const char *http_words(int error); /* what http_errno would say */

/* Whoever asked is signed in no longer, or the server stops: what is under way ends where it is. */
bool http_is_over(const struct request *r);

/* The head alone, for an answer whose n bytes are sent elsewhere. 0 or -errno. */
_must_use_ int http_begin(struct request *r, const struct answer *a);

/* The body piece by piece, none of it kept: take(arg, piece, n) is given at most HTTP_PIECE_BYTES at once,
 * and ends it with what it returns below 0. 0; -ECANCELED: it was answered with what was wrong; else what
 * take returned, and nothing is answered yet. */
#define HTTP_PIECE_BYTES 262144u
typedef int http_take(void *arg, const char *piece, size_t n);
_must_use_ int http_body_stream(struct request *r, uint64_t limit, http_take *take, void *arg);

/* A JSON object of a small body. NULL: it was answered. */
_must_use_ json_t *http_body_json(struct request *r, size_t limit);

/* So that a refusal arrives though its body was not read: waits for the client's end, at most 2 s. A quarter
 * of the threads for requests waits so for one user, and for strangers together; one more is not waited for. */
void http_linger(struct request *r);

const char *http_header(const struct request *r, const char *name);
