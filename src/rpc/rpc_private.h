/* rpc_private.h - what the files of this room share: a decoded call, a method in the registry, replies.
 *
 * Threads: a call and a reply are one thread's at a time; methods are const once added.
 * Lock:    none may be held: everything here allocates or calls front.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "base/macros.h"
#include "registry/registry.h"
#include "rpc/rpc.h"

#define RPC_ID_MAX      512 /* bytes of an id as JSON text, NUL included; a longer one is refused */
#define RPC_DEPTH_MAX   64
#define RPC_METHODS_MAX 512

/* JSON-RPC's own codes (https://www.jsonrpc.org/specification#error_object). */
enum rpc_number {
        RPC_PARSE = -32700,
        RPC_REQUEST = -32600,
        RPC_METHOD = -32601,
        RPC_PARAMS = -32602,
        RPC_SERVER = -32000, /* with data.code */
};

struct rpc_wrong;

/* Each number is atomic for itself. */
struct rpc_outcomes {
        _Atomic uint64_t n[RPC_OUTCOMES];
};
void rpc_outcome_add(struct rpc_outcomes *o, const struct rpc_wrong *w); /* NULL: ok */

struct rpc {
        struct pool *pool;
        struct sessions *sessions;
        const struct config *config;
        struct audit *audit;
        struct registry *methods; /* of rpc_method_item */
        uint64_t queued_ns;
        _Atomic uint64_t number;
        _Atomic uint64_t strange;
        struct rpc_outcomes acks;
};

struct rpc_method_item {
        struct registry_item item;
        struct rpc_outcomes outcomes;
        struct rpc_method m; /* its strings lie behind it */
        char strings[];
};

extern const struct rpc_method rpc_method_ack; /* carried out where it is read; free */

void rpc_method_reclaim(struct registry_item *item); /* the registry's */

/* A request or notification taken apart. */
struct rpc_call {
        char id[RPC_ID_MAX]; /* as JSON text; "null" if there is none or it could not be read */
        bool notification;   /* valid, and without an id: no reply */
        size_t text_n;       /* bytes of its text */
        json_t *root;        /* owned */
        const char *method;  /* root's */
        size_t method_n;
        json_t *params; /* root's, or the call's own {}; owned */
};

/* What is wrong, for the reply. */
struct rpc_wrong {
        int number;        /* JSON-RPC's error code */
        const char *code;  /* data.code, or NULL */
        char message[256]; /* valid UTF-8 */
        json_t *data;      /* further members of data, or NULL; owned */
};

/* 0; or -EBADMSG with *ret_wrong set: then ret->id is what the reply needs and there must be one. ret is to
 * be freed with rpc_call_done either way. */
_must_use_ int rpc_decode(const char *text, size_t n, struct rpc_call *ret,
                          struct rpc_wrong *ret_wrong);
void rpc_call_done(struct rpc_call *c);

/* 0, or -EINVAL and *ret_wrong names the parameter. */
_must_use_ int rpc_params_check(const struct rpc_method *m, const json_t *params,
                                struct rpc_wrong *ret_wrong);

void rpc_wrong_set(struct rpc_wrong *w, int number, const char *code, const char *fmt, ...)
        _printf_(4, 5);
/* What a handler returned, turned into the reply's error; takes r->data. */
void rpc_wrong_of(struct rpc_request *r, int error, struct rpc_wrong *ret);
void rpc_wrong_retry(struct rpc_wrong *w, unsigned retry_after_ms);
void rpc_wrong_done(struct rpc_wrong *w);

/* One text to the port. Without memory for the whole of it: a short error with the same id. */
void rpc_reply_result(struct port *p, const char *id, json_t *result);
void rpc_reply_wrong(struct port *p, const char *id, const struct rpc_wrong *w);
