/* rpc_error.c - errno to the wire's code and words: the one table. The contract is in rpc/rpc.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "rpc/rpc_private.h"

static const struct error_row {
        int error;
        int number;
        const char *code;
        const char *words;
} error_rows[] = {
        {EINVAL, RPC_PARAMS, "invalid", "a parameter is not valid"},
        {EILSEQ, RPC_PARAMS, "invalid", "a parameter is not valid UTF-8"},
        {ENAMETOOLONG, RPC_PARAMS, "invalid", "a name is too long"},
        {ENOENT, RPC_SERVER, "not_found", "there is no such thing here"},
        {ESRCH, RPC_SERVER, "not_found", "there is no such thing here"},
        {ELOOP, RPC_SERVER, "not_found", "its links lead nowhere"},
        {EACCES, RPC_SERVER, "forbidden", "you may not do this"},
        {EPERM, RPC_SERVER, "forbidden", "you may not do this"},
        {EXDEV, RPC_SERVER, "forbidden", "the path leads out of your workspace"},
        {EEXIST, RPC_SERVER, "exists", "it exists already"},
        {ENOTEMPTY, RPC_SERVER, "conflict", "the folder is not empty"},
        {EISDIR, RPC_SERVER, "conflict", "it is a folder"},
        {ENOTDIR, RPC_SERVER, "conflict", "it is not a folder"},
        {ENODEV, RPC_SERVER, "conflict", "it is neither a file nor a folder"},
        {ESTALE, RPC_SERVER, "conflict", "it has changed meanwhile"},
        {EROFS, RPC_SERVER, "read_only", "you may read this, but not change it"},
        {EFBIG, RPC_SERVER, "too_large", "it is too large"},
        {EMSGSIZE, RPC_SERVER, "too_large", "it is too large"},
        {E2BIG, RPC_SERVER, "too_large", "it is too large"},
        {EUSERS, RPC_SERVER, "limit_reached", "there are too many already"},
        {EDQUOT, RPC_SERVER, "limit_reached", "your space is used up"},
        {EBUSY, RPC_SERVER, "busy", "it is busy; try again"},
        {EAGAIN, RPC_SERVER, "busy", "the server is busy; try again"},
        {ENOSPC, RPC_SERVER, "unavailable", "the server's disk is full"},
        {ENOMEM, RPC_SERVER, "unavailable", "the server is out of memory"},
        {EMFILE, RPC_SERVER, "unavailable", "the server has too many files open"},
        {ENFILE, RPC_SERVER, "unavailable", "the server has too many files open"},
        {ESHUTDOWN, RPC_SERVER, "unavailable", "the server is shutting down"},
        {EPIPE, RPC_SERVER, "unavailable", "a part of the server is not there"},
        {ECONNRESET, RPC_SERVER, "unavailable", "a part of the server is not there"},
        {ECONNREFUSED, RPC_SERVER, "unavailable", "a part of the server is not there"},
        {ETIMEDOUT, RPC_SERVER, "timeout", "it took too long"},
};
static const struct error_row error_internal = {0, RPC_SERVER, "internal",
                                                "the server made a mistake"};

static const struct error_row *error_row(int error) {
        int e = error < 0 ? -error : error;

        for (size_t i = 0; i < ELEMENTS(error_rows); i++)
                if (error_rows[i].error == e)
                        return &error_rows[i];
        return &error_internal;
}

const char *rpc_error_of(int error) {
        return error_row(error)->code;
}

/* Bytes of the UTF-8 character at s, 0 for none. */
static size_t utf8_char(const char *s, size_t n) {
        for (size_t k = 1; k <= MIN(n, (size_t)4); k++)
                if (utf8_valid(s, k))
                        return k;
        return 0;
}

/* A message that was cut, or made of what a user gave, still has to be UTF-8. The parser of JSON, too, quotes
 * half a character where one ends inside an escape. */
static void mend_utf8(char *s) {
        size_t n = strlen(s);

        for (int i = 0; i < 3 && n > 0 && !utf8_valid(s, n); i++)
                s[--n] = '\0';
        for (size_t i = 0, k; i < n; i += MAX(k, (size_t)1)) {
                k = utf8_char(s + i, n - i);
                if (k == 0)
                        s[i] = '?';
        }
}

int rpc_fail(struct rpc_request *r, int error, const char *code, const char *fmt, ...) {
        va_list args;

        va_start(args, fmt);
        vsnprintf(r->message, sizeof r->message, fmt, args);
        va_end(args);
        snprintf(r->code, sizeof r->code, "%s", code ? code : "");
        return error;
}

void rpc_wrong_set(struct rpc_wrong *w, int number, const char *code, const char *fmt, ...) {
        va_list args;

        *w = (struct rpc_wrong){.number = number, .code = code};
        va_start(args, fmt);
        vsnprintf(w->message, sizeof w->message, fmt, args);
        va_end(args);
        mend_utf8(w->message);
}

void rpc_wrong_of(struct rpc_request *r, int error, struct rpc_wrong *ret) {
        const struct error_row *row = error_row(error);

        mend_utf8(r->message);
        if (r->code[0])
                rpc_wrong_set(ret, RPC_SERVER, r->code, "%s",
                              r->message[0] ? r->message : row->words);
        else
                rpc_wrong_set(ret, row->number, row->number == RPC_SERVER ? row->code : NULL, "%s",
                              r->message[0] ? r->message : row->words);
        ret->data = TAKE_PTR(r->data);
}

/* Without memory the hint is left out: the code alone still says that trying again helps. */
void rpc_wrong_retry(struct rpc_wrong *w, unsigned retry_after_ms) {
        if (!w->data)
                w->data = json_object();
        if (json_object_set_new(w->data, "retry_after_ms", json_integer(retry_after_ms)) < 0)
                w->data = (json_decref(w->data), NULL);
}

void rpc_wrong_done(struct rpc_wrong *w) {
        json_decref(w->data);
        w->data = NULL;
}
