/* rpc.h - JSON-RPC 2.0: one registry of methods (name, schema, role, handler), decode, dispatch, encode.
 *
 * A request gets exactly one reply by construction: handlers return, and rpc_run alone answers.
 *
 * Threads: rpc_receive: the connection's. Handlers: a worker of the pool, under no lock.
 * RCU:     methods are found without a lock and may come and go under load.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"
#include "pool/pool.h"
#include "session/port.h"
#include "session/session.h"

/* A handler's view of the request that it carries out. */
struct rpc_request {
        struct port *port;       /* the socket it came from; alive for the call */
        struct account *account; /* of the port's identity */
        struct session *session; /* of a method that goes by session or channel; rpc's reference */
        json_t *params;          /* an object that the method's schema has passed; borrowed */
        uint64_t number;         /* for log lines: req= */

        /* Set by the handler. after_reply: of success; runs once the reply is queued, before the next thing. */
        void (*after_reply)(struct rpc_request *r);
        void *after_arg;
        char code[24];     /* a wire code of data.code that says more than errno; "" = by errno */
        char message[256]; /* what to tell the user */
        json_t *data;      /* further members of error.data; stolen */
};

/* 0 and *ret (a new reference; NULL means {}), or -errno: turned into the wire's code by the one table
 * rpc_error_of, unless r->code is set. */
typedef int rpc_handler(struct rpc_request *r, json_t **ret);

/* The handler's words for an error: `return rpc_fail(r, -EBUSY, "busy", "that file is running");` code
 * may be NULL. */
int rpc_fail(struct rpc_request *r, int error, const char *code, const char *fmt, ...)
        _printf_(4, 5);

/* One letter a type: s string without NUL, S string that may hold one (read its length, too), i integer >= 0,
 * n number, b boolean, o object of strings, a array of strings, O object that the handler looks into. */
struct rpc_param {
        const char *name;
        char type;
        bool required;
};
#define RPC_PARAMS_MAX 16

/* Whose strand a request goes to: session.* requests of one session are carried out in order. */
enum rpc_order { RPC_ANY, RPC_BY_SESSION, RPC_BY_CHANNEL };

struct rpc_method {
        const char *name;
        enum role least; /* role that is needed */
        unsigned cost;   /* request units of the user's; 0 counts as 1, only session.ack is free */
        enum rpc_order order;
        bool others; /* BY_SESSION, asked by a teacher or admin: anybody's is found; the handler judges */
        /* Ends with name NULL; others are refused (-32602). */
        struct rpc_param params[RPC_PARAMS_MAX];
        rpc_handler *handle;
        void *context; /* for the handler: rpc_context(r) */
};
void *rpc_context(const struct rpc_request *r);

struct rpc;
struct audit;
struct rpc_deps {
        struct pool *pool;
        struct sessions *sessions;
        const struct config *config; /* limits.requests_per_minute; outlives the rpc */
        unsigned queued_ms;  /* a request that waits longer for a worker is answered "timeout" */
        struct audit *audit; /* of refusals */
};
_must_use_ int rpc_new(const struct rpc_deps *deps, struct rpc **ret);
struct rpc *rpc_free(struct rpc *rpc);
/* m is copied. 0, -EEXIST, -EUSERS, -ENOMEM. */
_must_use_ int rpc_add(struct rpc *rpc, const struct rpc_method *m);
bool rpc_remove(struct rpc *rpc, const char *name);

/* One text message from a client: decoded, judged, queued; replies go to the port. Notifications
 * (session.ack) are carried out at once. Never blocks. */
void rpc_receive(struct rpc *rpc, struct port *port, const char *text, size_t n);

/* How calls ended, for those who watch. "ok", then the wire's codes. */
#define RPC_OUTCOMES 16
const char *rpc_outcome_name(unsigned i); /* NULL behind the last */

/* Each method there is, session.ack included, with how often its calls ended how. 0, -ENOMEM. */
typedef void rpc_visit(const struct rpc_method *m, const uint64_t outcomes[RPC_OUTCOMES],
                       void *arg);
_must_use_ int rpc_each(struct rpc *rpc, rpc_visit *visit, void *arg);
uint64_t rpc_strange(const struct rpc *rpc); /* texts that were no call of any method */

/* The one table: errno to the wire's code and words. */
const char *rpc_error_of(int error);
