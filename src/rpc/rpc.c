/* rpc.c - a text's way to one reply: decoded, judged, queued, carried out, answered.
 *
 * What is refused is answered on the connection's thread; what is queued is answered by job_run alone.
 * A job refers to all that it needs (port, account, session, method), so it is carried out whatever goes
 * away meanwhile. The contract is in rpc/rpc.h.
 */
#include "rpc/rpc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "rpc/rpc_private.h"

/* Received and not answered: requests of one socket; bytes of one account's, but one request always goes in. */
#define RPC_UNDER_WAY_MAX 128u
#define RPC_BYTES_MAX     (16u << 20)

struct rpc_job {
        struct pool_job job;
        struct rpc_request request;     /* port, account and session are referenced */
        struct rpc_method_item *method; /* referenced */
        struct rpc_call call;           /* owned */
        uint64_t received_ns;
        bool answered;
};

/* An acknowledgement is carried out where it is read: it must not wait behind the requests whose output it
 * makes room for. */
const struct rpc_method rpc_method_ack = {
        .name = "session.ack",
        .params = {{"channel", 'i', true}, {"offset", 'i', true}},
};

/* ---- life ---- */

void *rpc_context(const struct rpc_request *r) {
        return CONTAINER_OF(r, const struct rpc_job, request)->method->m.context;
}

int rpc_new(const struct rpc_deps *deps, struct rpc **ret) {
        struct rpc *rpc = calloc(1, sizeof *rpc);

        if (!rpc)
                return -ENOMEM;
        rpc->pool = deps->pool;
        rpc->sessions = deps->sessions;
        rpc->config = deps->config;
        rpc->audit = deps->audit;
        rpc->queued_ns = deps->queued_ms * UINT64_C(1000000);
        int r = registry_new(RPC_METHODS_MAX, rpc_method_reclaim, &rpc->methods);
        if (r < 0) {
                free(rpc);
                return r;
        }
        json_object_seed(0); /* before the first object: not twice by two threads */
        *ret = rpc;
        return 0;
}

struct rpc *rpc_free(struct rpc *rpc) {
        struct registry_item **items;
        size_t n;

        if (!rpc)
                return NULL;
        int r = registry_list(rpc->methods, &items, &n);
        CHECK(r == 0);
        for (size_t i = 0; i < n; i++)
                registry_remove(rpc->methods, items[i]);
        registry_list_free(items, n);
        registry_free(rpc->methods);
        free(rpc);
        return NULL;
}

/* ---- places ---- */

/* Takes a place among the requests of the socket, and of the account. False: there are too many. */
static bool enter(struct port *port, size_t bytes) {
        struct account *account = port->identity->account;

        if (atomic_fetch_add(&port->requests, 1) >= RPC_UNDER_WAY_MAX) {
                atomic_fetch_sub(&port->requests, 1);
                return false;
        }
        size_t before = atomic_fetch_add(&account->requested, bytes);
        if (before == 0 || before + bytes <= RPC_BYTES_MAX)
                return true;
        atomic_fetch_sub(&account->requested, bytes);
        atomic_fetch_sub(&port->requests, 1);
        return false;
}

static void leave(struct port *port, size_t bytes) {
        atomic_fetch_sub(&port->identity->account->requested, bytes);
        atomic_fetch_sub(&port->requests, 1);
}

/* ---- carrying out ---- */

#define REQ_TEXT 24
static const char *req_text(const struct rpc_job *j, char to[REQ_TEXT]) {
        snprintf(to, REQ_TEXT, "%llx", (unsigned long long)j->request.number);
        return to;
}

static void log_wrong(const struct rpc_job *j, int error, const struct rpc_wrong *w) {
        enum log_level level = str_eq(w->code, "internal")      ? LOG_ERROR
                               : str_eq(w->code, "unavailable") ? LOG_WARN
                               : error == -EAGAIN               ? LOG_WARN /* the system is short */
                                                                : LOG_DEBUG;
        char req[REQ_TEXT];

        log_event(level, "rpc.error", LOG_S("req", req_text(j, req)),
                  LOG_S("user", j->request.account->name), LOG_S("method", j->method->m.name),
                  LOG_S("code", w->code), LOG_E(error), LOG_S("message", w->message));
}

static void log_done(const struct rpc_job *j) {
        char req[REQ_TEXT];

        log_event(LOG_DEBUG, "rpc.done", LOG_S("req", req_text(j, req)),
                  LOG_S("user", j->request.account->name), LOG_S("method", j->method->m.name),
                  LOG_I("us", (clock_mono_ns() - j->received_ns) / 1000));
}

/* The one place that answers what was queued. */
static void answer(struct rpc_job *j, int error, json_t *result) {
        struct rpc_wrong w = {0};

        CHECK(!j->answered);
        j->answered = true;
        if (error < 0) {
                rpc_wrong_of(&j->request, error, &w);
                log_wrong(j, error, &w);
        } else {
                log_done(j);
        }
        rpc_outcome_add(&j->method->outcomes, error < 0 ? &w : NULL);
        if (!j->call.notification && error < 0)
                rpc_reply_wrong(j->request.port, j->call.id, &w);
        else if (!j->call.notification)
                rpc_reply_result(j->request.port, j->call.id, result);
        rpc_wrong_done(&w);
}

/* Once the strand is let go: with the last reference to the session the strand is gone, too. */
static void job_free(struct pool_job *job) {
        struct rpc_job *j = CONTAINER_OF(job, struct rpc_job, job);
        struct port *port = j->request.port;

        rpc_call_done(&j->call);
        session_unref(j->request.session);
        account_unref(j->request.account);
        registry_item_unref(&j->method->item);
        free(j);
        port->ops->unref(port);
}

static void job_run(struct pool_job *job) {
        struct rpc_job *j = CONTAINER_OF(job, struct rpc_job, job);
        json_t *result = NULL;
        int r = job->late ? -ETIMEDOUT : j->method->m.handle(&j->request, &result);

        answer(j, r, result);
        if (r == 0 && j->request.after_reply)
                j->request.after_reply(&j->request);
        json_decref(result);
        json_decref(j->request.data);
        j->request.data = NULL;
        leave(j->request.port, j->call.text_n);
}

/* ---- judging ---- */

static struct rpc_method_item *find_method(struct rpc *rpc, const struct rpc_call *c) {
        struct registry_item *item = registry_find(rpc->methods, c->method, c->method_n);

        return item ? CONTAINER_OF(item, struct rpc_method_item, item) : NULL;
}

static int find_session(struct rpc *rpc, struct port *port, const struct rpc_method *m,
                        const json_t *params, struct session **ret, struct rpc_wrong *ret_wrong) {
        const char *id = json_string_value(json_object_get(params, "session"));
        json_int_t channel = json_integer_value(json_object_get(params, "channel"));

        struct account *account = port->identity->account;
        bool any = m->others && atomic_load(&account->role) >= ROLE_TEACHER;

        if (m->order == RPC_BY_SESSION)
                *ret = sessions_find(rpc->sessions, any ? NULL : account, id);
        else if (m->order == RPC_BY_CHANNEL)
                *ret = channel <= UINT32_MAX ? port_session(port, (uint32_t)channel) : NULL;
        if (m->order == RPC_ANY || *ret)
                return 0;
        rpc_wrong_set(ret_wrong, RPC_SERVER, "not_found",
                      m->order == RPC_BY_SESSION ? "there is no such session"
                                                 : "there is no such channel");
        return -ENOENT;
}

/* What names a method is paid for, whatever comes of it. */
static int pay(struct rpc *rpc, struct account *account, const struct rpc_method *m,
               struct rpc_wrong *ret_wrong) {
        unsigned retry_ms;

        if (account_take_request(account, rpc->config->requests_per_minute, m->cost, &retry_ms))
                return 0;
        rpc_wrong_set(ret_wrong, RPC_SERVER, "rate_limited", "too many requests; try again later");
        rpc_wrong_retry(ret_wrong, retry_ms);
        return -EAGAIN;
}

/* 0, and *ret_session (may be NULL) is referenced; or what is wrong. */
static int judge(struct rpc *rpc, struct port *port, const struct rpc_method_item *item,
                 const json_t *params, struct session **ret_session, struct rpc_wrong *ret_wrong) {
        struct account *account = port->identity->account;

        if (!identity_valid(port->identity)) {
                rpc_wrong_set(ret_wrong, RPC_SERVER, "forbidden", "you are not signed in any more");
                return -EACCES;
        }
        if (!item) {
                rpc_wrong_set(ret_wrong, RPC_METHOD, NULL, "there is no such method");
                return -EOPNOTSUPP;
        }
        if (account->role < item->m.least) {
                rpc_wrong_set(ret_wrong, RPC_SERVER, "forbidden", "%s is for %ss", item->m.name,
                              role_name(item->m.least));
                return -EACCES;
        }
        int r = pay(rpc, account, &item->m, ret_wrong);
        if (r == 0)
                r = rpc_params_check(&item->m, params, ret_wrong);
        if (r < 0)
                return r;
        return find_session(rpc, port, &item->m, params, ret_session, ret_wrong);
}

static struct rpc_job *job_new(struct rpc *rpc, struct port *port, struct rpc_call *c) {
        struct rpc_job *j = calloc(1, sizeof *j);

        if (!j)
                return NULL;
        j->received_ns = clock_mono_ns();
        j->call = *c;
        *c = (struct rpc_call){.id = "null"};
        j->request = (struct rpc_request){
                .port = port->ops->ref(port),
                .account = account_ref(port->identity->account),
                .params = j->call.params,
                .number = atomic_fetch_add(&rpc->number, 1) + 1,
        };
        j->job = (struct pool_job){
                .run = job_run,
                .after = job_free,
                .turn = &j->request.account->turn,
                .deadline_ns = j->received_ns + rpc->queued_ns,
        };
        return j;
}

/* What may not be done, or not so often, is for the record; what is merely wrong is not. */
static void note_refusal(struct rpc *rpc, const struct port *port, const char *method,
                         const struct rpc_wrong *w) {
        bool forbidden = str_eq(w->code, "forbidden");

        if (!forbidden && !str_eq(w->code, "rate_limited") && !str_eq(w->code, "busy"))
                return;
        audit_note(rpc->audit, &(struct audit_event){.what = "request.refused",
                                                     .user = port->identity->account->name,
                                                     .address = port->address,
                                                     .object = method,
                                                     .error = forbidden ? -EACCES : -EAGAIN});
}

/* outcomes: of the method, if it is one. */
static void refuse(struct rpc *rpc, struct port *port, const struct rpc_call *c,
                   struct rpc_outcomes *outcomes, struct rpc_wrong *w) {
        note_refusal(rpc, port, c->method, w);
        if (outcomes)
                rpc_outcome_add(outcomes, w);
        if (!c->notification)
                rpc_reply_wrong(port, c->id, w);
        rpc_wrong_done(w);
}

static void refuse_busy(struct rpc *rpc, struct port *port, const struct rpc_call *c,
                        struct rpc_outcomes *outcomes, int error) {
        struct rpc_wrong w;

        if (error == -ESHUTDOWN) {
                rpc_wrong_set(&w, RPC_SERVER, "unavailable", "the server is shutting down");
        } else {
                rpc_wrong_set(&w, RPC_SERVER, "busy", "there are too many requests at once");
                rpc_wrong_retry(&w, pool_retry_after_ms(rpc->pool));
        }
        refuse(rpc, port, c, outcomes, &w);
}

/* Takes the references of method and session. */
static void submit(struct rpc *rpc, struct port *port, struct rpc_call *c,
                   struct rpc_method_item *method, struct session *session) {
        const size_t bytes = c->text_n;
        bool entered = enter(port, bytes);
        struct rpc_job *j = entered ? job_new(rpc, port, c) : NULL;

        if (!j) {
                if (entered)
                        leave(port, bytes);
                refuse_busy(rpc, port, c, &method->outcomes, -EBUSY);
                session_unref(session);
                registry_item_unref(&method->item);
                return;
        }
        j->method = method;
        j->request.session = session;
        j->job.strand = session ? session_strand(session) : NULL;
        int r = pool_submit(rpc->pool, &j->job);
        if (r < 0) {
                refuse_busy(rpc, port, &j->call, &method->outcomes, r);
                leave(port, bytes);
                job_free(&j->job);
        }
}

static void receive_ack(struct rpc *rpc, struct port *port, const struct rpc_call *c) {
        json_int_t channel = json_integer_value(json_object_get(c->params, "channel"));
        json_int_t offset = json_integer_value(json_object_get(c->params, "offset"));
        struct rpc_wrong w;

        if (rpc_params_check(&rpc_method_ack, c->params, &w) < 0) {
                refuse(rpc, port, c, &rpc->acks, &w);
        } else if (channel > UINT32_MAX ||
                   !sessions_ack(rpc->sessions, port, (uint32_t)channel, (uint64_t)offset)) {
                rpc_wrong_set(
                        &w, RPC_PARAMS, NULL,
                        "no such channel, or not an offset between the last and what was sent");
                refuse(rpc, port, c, &rpc->acks, &w);
        } else {
                rpc_outcome_add(&rpc->acks, NULL);
                if (!c->notification)
                        rpc_reply_result(port, c->id, NULL);
        }
}

static void dispatch(struct rpc *rpc, struct port *port, struct rpc_call *c) {
        if (c->method_n == strlen(rpc_method_ack.name) && str_eq(c->method, rpc_method_ack.name)) {
                receive_ack(rpc, port, c);
                return;
        }

        struct rpc_method_item *method = find_method(rpc, c);
        struct session *session = NULL;
        struct rpc_wrong w;

        if (judge(rpc, port, method, c->params, &session, &w) == 0) {
                submit(rpc, port, c, method, session);
                return;
        }
        refuse(rpc, port, c, method ? &method->outcomes : NULL, &w);
        if (method)
                registry_item_unref(&method->item);
        else
                atomic_fetch_add(&rpc->strange, 1);
}

void rpc_receive(struct rpc *rpc, struct port *port, const char *text, size_t n) {
        struct rpc_call call;
        struct rpc_wrong w;

        if (rpc_decode(text, n, &call, &w) == 0) {
                dispatch(rpc, port, &call);
        } else {
                atomic_fetch_add(&rpc->strange, 1);
                rpc_reply_wrong(port, call.id, &w);
                rpc_wrong_done(&w);
        }
        rpc_call_done(&call);
}
