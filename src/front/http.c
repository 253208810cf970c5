/* http.c - see http.h: answers. */
#include "front/http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "front/condition.h"
#include "front/cors.h"
#include "front/front_private.h"
#include "front/judge.h"
#include "rpc/rpc.h"

#define HEAD_MAX 4096u

const char *http_header(const struct request *r, const char *name) {
        return judge_header(r->ri, name);
}

static const char *reason_of(int status) {
        static const struct {
                int status;
                const char *reason;
        } reasons[] = {
                {101, "Switching Protocols"},
                {200, "OK"},
                {201, "Created"},
                {204, "No Content"},
                {206, "Partial Content"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {406, "Not Acceptable"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {411, "Length Required"},
                {412, "Precondition Failed"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {416, "Range Not Satisfiable"},
                {417, "Expectation Failed"},
                {426, "Upgrade Required"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {505, "HTTP Version Not Supported"},
                {507, "Insufficient Storage"},
        };

        for (size_t i = 0; i < ELEMENTS(reasons); i++)
                if (reasons[i].status == status)
                        return reasons[i].reason;
        return "Unknown";
}

/* No answer is a page, but those that bring a policy of their own (the IDE, files). */
#define API_POLICY                                                                                 \
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"                  \
        "Cross-Origin-Opener-Policy: same-origin\r\n"                                              \
        "Cross-Origin-Resource-Policy: same-origin\r\n"                                            \
        "X-Frame-Options: DENY\r\n"

static bool says(const struct answer *a, const char *header) {
        return a->headers && strcasestr(a->headers, header);
}

static int add_policy(const struct request *r, const struct answer *a, struct buf *to) {
        int e = says(a, "Content-Security-Policy:") ? 0 : buf_adds(to, API_POLICY);

        if (e == 0 && str_starts(r->front->deps.config->public_url, "https://"))
                e = buf_adds(to, "Strict-Transport-Security: max-age=31536000\r\n");
        if (e == 0 && !says(a, "Cache-Control:"))
                e = buf_adds(to, "Cache-Control: no-store\r\n");
        return e == 0 ? cors_headers(r, to) : e;
}

static int add_head(const struct request *r, const struct answer *a, struct buf *to) {
        char date[CONDITION_DATE_MAX];
        int e;

        condition_date_text((int64_t)(clock_real_ms() / 1000), date); /* RFC 9110 6.6.1 */
        e = buf_addf(to,
                     "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\nX-Request-Id: %llx\r\n"
                     "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n",
                     a->status, reason_of(a->status), date, (unsigned long long)r->number);
        if (e == 0 && a->type)
                e = buf_addf(to, "Content-Type: %s\r\n", a->type);
        if (e == 0 && a->chunked)
                e = buf_adds(to, "Transfer-Encoding: chunked\r\n");
        else if (e == 0 && a->status != 204 && a->status != 304)
                e = buf_addf(to, "Content-Length: %zu\r\n", a->n);
        if (e == 0)
                e = add_policy(r, a, to);
        if (e == 0 && a->headers)
                e = buf_adds(to, a->headers);
        if (e == 0)
                e = buf_adds(to, "\r\n");
        return e;
}

/* Whole, or the client is gone or too slow: either way the connection ends after this. */
static int put(struct request *r, const char *data, size_t n) {
        int sent = mg_write(r->conn, data, n);

        return sent > 0 && (size_t)sent == n ? 0 : -EPIPE;
}

void http_answer(struct request *r, const struct answer *a) {
        struct buf out = BUF_INIT(HEAD_MAX + a->n);
        int e = add_head(r, a, &out);

        CHECK(r->status == 0);
        r->status = a->status;
        if (e == 0 && !r->head)
                e = buf_add(&out, a->body, a->n);
        if (e == 0)
                e = put(r, out.data, out.n);
        else
                r->status =
                        500; /* no memory for an answer: the log says so, the client sees an end */
        buf_done(&out);
}

bool http_is_over(const struct request *r) {
        return atomic_load(&r->front->stopping) || (r->identity && !identity_valid(r->identity));
}

int http_begin(struct request *r, const struct answer *a) {
        struct buf out = BUF_INIT(HEAD_MAX);
        int e = add_head(r, a, &out);

        CHECK(r->status == 0);
        r->status = a->status;
        if (e == 0)
                e = put(r, out.data, out.n);
        buf_done(&out);
        return e;
}

void http_json(struct request *r, int status, json_t *body, const char *headers) {
        char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;

        json_decref(body);
        if (text)
                http_answer(r, &(struct answer){.status = status,
                                                .type = "application/json",
                                                .headers = headers,
                                                .body = text,
                                                .n = strlen(text)});
        else
                http_answer(r, &(struct answer){.status = 503});
        free(text);
}

void http_error_more(struct request *r, int status, const char *code, const char *message,
                     const char *headers) {
        http_json(r, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", message),
                  headers);
}

void http_error(struct request *r, int status, const char *code, const char *message) {
        http_error_more(r, status, code, message, NULL);
}

static const struct error_row {
        int error, status;
        const char *message;
} error_rows[] = {
        {-EINVAL, 400, "that path is none"},
        {-ENAMETOOLONG, 400, "a name is too long"},
        {-ENOENT, 404, "there is no such file"},
        {-ENOTDIR, 404, "there is no such file"},
        {-ELOOP, 404, "its links lead nowhere"},
        {-EXDEV, 404, "there is no such file"},
        {-EACCES, 403, "you may not do this"},
        {-EPERM, 403, "you may not do this"},
        {-EROFS, 403, "you may read this, but not change it"},
        {-EISDIR, 409, "it is a folder"},
        {-ENOTEMPTY, 409, "the folder is not empty"},
        {-ENODEV, 409, "it is not a file"},
        {-EEXIST, 412, "it exists already"},
        {-ESTALE, 412, "it has changed meanwhile"},
        {-EFBIG, 413, "it is too large"},
        {-EDQUOT, 507, "your space is used up"},
        {-ENOSPC, 507, "the server's disk is full"},
        {-ENOMEM, 503, "the server is out of memory"},
        {-EMFILE, 503, "the server has too many files open"},
        {-ENFILE, 503, "the server has too many files open"},
        {-EBUSY, 503, "the server is busy; try again"},
};

static const struct error_row *error_row(int error) {
        static const struct error_row internal = {0, 500, "the server made a mistake"};

        for (size_t i = 0; i < ELEMENTS(error_rows); i++)
                if (error_rows[i].error == error)
                        return &error_rows[i];
        return &internal;
}

const char *http_words(int error) {
        return error_row(error)->message;
}

void http_errno(struct request *r, int error) {
        const struct error_row *row = error_row(error);

        r->error = error;
        http_error_more(r, row->status, rpc_error_of(error), row->message,
                        row->status == 503 ? "Retry-After: 1\r\n" : NULL);
}
