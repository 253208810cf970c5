/* world.h - what the tests of rpc stand on: a client that keeps what it is told, a gate that handlers wait
 * at, methods, accounts. Real pool, registry and accounts; a session here is a strand and a name, for those
 * of src/session need programs that run (tests/e2e has the two together).
 *
 * Threads: replies come from any; the rest: the test's own. Included once a program.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "latch/heap.h"
#include "latch/thread.h"
#include "rpc/rpc.h"

#define DEADLINE_NS (UINT64_C(20) * 1000000000)
#define FOR_EVER_MS 60000u

/* ---- sessions ---- */

#define SESSIONS 3

struct session {
        struct pool_strand strand;
        atomic_uint refs;
};
static struct session all_sessions[SESSIONS];
static atomic_uint acks;

struct session *sessions_find(struct sessions *ss, const struct account *owner, const char *id) {
        (void)ss;
        (void)owner;
        if (strncmp(id, "session", 7) != 0 || id[7] < '0' || id[7] >= '0' + SESSIONS || id[8])
                return NULL;
        return session_ref(&all_sessions[id[7] - '0']);
}

struct session *session_ref(struct session *s) {
        atomic_fetch_add(&s->refs, 1);
        return s;
}

struct session *session_unref(struct session *s) {
        if (s)
                atomic_fetch_sub(&s->refs, 1);
        return NULL;
}

struct pool_strand *session_strand(struct session *s) {
        return &s->strand;
}

struct session *port_session(struct port *p, uint32_t channel) {
        (void)p;
        return channel >= 1 && channel <= SESSIONS ? session_ref(&all_sessions[channel - 1]) : NULL;
}

bool sessions_ack(struct sessions *ss, struct port *p, uint32_t channel, uint64_t offset) {
        (void)ss;
        (void)p;
        if (channel != 1 || offset > 1000)
                return false;
        atomic_fetch_add(&acks, 1);
        return true;
}

/* ---- a client: a port that keeps what it is told ---- */

struct client {
        struct port port;
        atomic_uint refs;
        struct latch_mutex lock;
        struct latch_cond more;
        json_t *texts LATCH_GUARDED_BY(outbox); /* an array, in the order of arrival */
};

static inline void client_send(struct port *p, const char *json, size_t n) {
        struct client *c = CONTAINER_OF(p, struct client, port);
        json_error_t e;
        json_t *text = json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

        CHECK(text);
        LATCH_WITH(outbox, &c->lock) {
                CHECK(json_array_append_new(c->texts, text) == 0);
                latch_cond_broadcast(&c->more);
        }
}

static inline struct port *client_ref(struct port *p) {
        atomic_fetch_add(&CONTAINER_OF(p, struct client, port)->refs, 1);
        return p;
}

static inline struct port *client_unref(struct port *p) {
        struct client *c = CONTAINER_OF(p, struct client, port);

        LATCH_WITH(outbox, &c->lock) {
                atomic_fetch_sub(&c->refs, 1);
                latch_cond_broadcast(&c->more);
        }
        return NULL;
}

static const struct port_ops client_ops = {
        .send_text = client_send, .ref = client_ref, .unref = client_unref};

static inline void client_init(struct client *c, struct identity *i) {
        *c = (struct client){.port = {.ops = &client_ops, .identity = i}, .refs = 1};
        latch_mutex_init(&c->lock, LATCH_CLASS_outbox);
        latch_cond_init(&c->more);
        LATCH_WITH(outbox, &c->lock) {
                c->texts = json_array();
        }
}

/* Waits for n texts in all. */
static inline void client_await(struct client *c, size_t n) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (json_array_size(c->texts) < n)
                CHECK(latch_cond_wait_until(&c->more, &c->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

/* Waits until nothing is under way: every job has let the port go. */
static inline void client_settle(struct client *c) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (atomic_load(&c->refs) > 1)
                CHECK(latch_cond_wait_until(&c->more, &c->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

static inline size_t client_count(struct client *c) {
        LATCH_GUARD(outbox, &c->lock);
        return json_array_size(c->texts);
}

/* A reference. */
static inline json_t *client_text(struct client *c, size_t i) {
        LATCH_GUARD(outbox, &c->lock);
        return json_incref(json_array_get(c->texts, i));
}

/* The reply to this id, which is there exactly once; a reference. */
static inline json_t *client_reply(struct client *c, json_int_t id) {
        json_t *found = NULL, *one;
        size_t i;

        LATCH_GUARD(outbox, &c->lock);
        json_array_foreach(c->texts, i, one) {
                json_t *of = json_object_get(one, "id");
                if (!json_is_integer(of) || json_integer_value(of) != id)
                        continue;
                CHECK(!found);
                found = json_incref(one);
        }
        CHECK(found);
        return found;
}

static inline json_int_t reply_number(struct client *c, json_int_t id) {
        json_t *reply = client_reply(c, id);
        json_int_t n = json_integer_value(json_object_get(json_object_get(reply, "error"), "code"));

        json_decref(reply);
        return n;
}

static inline void assert_reply_code(struct client *c, json_int_t id, const char *code) {
        json_t *reply = client_reply(c, id);
        json_t *error = json_object_get(reply, "error");

        assert_int_equal(json_integer_value(json_object_get(error, "code")), -32000);
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(error, "data"), "code")), code);
        json_decref(reply);
}

static inline void client_done(struct client *c) {
        client_settle(c);
        assert_int_equal(atomic_load(&c->refs), 1);
        assert_int_equal(atomic_load(&c->port.requests), 0);
        LATCH_WITH(outbox, &c->lock) {
                json_decref(c->texts);
        }
        latch_cond_done(&c->more);
        latch_mutex_done(&c->lock);
}

/* ---- a gate that handlers wait at ---- */

struct gate {
        struct latch_mutex lock;
        struct latch_cond change;
        bool open LATCH_GUARDED_BY(outbox);
        unsigned waiting LATCH_GUARDED_BY(outbox);
};

static inline void gate_init(struct gate *g) {
        *g = (struct gate){0};
        latch_mutex_init(&g->lock, LATCH_CLASS_outbox);
        latch_cond_init(&g->change);
}

static inline void gate_done(struct gate *g) {
        latch_cond_done(&g->change);
        latch_mutex_done(&g->lock);
}

static inline void gate_pass(struct gate *g) {
        LATCH_GUARD(outbox, &g->lock);
        g->waiting++;
        latch_cond_broadcast(&g->change);
        while (!g->open)
                latch_cond_wait(&g->change, &g->lock);
        g->waiting--;
}

static inline void gate_open(struct gate *g) {
        LATCH_GUARD(outbox, &g->lock);
        g->open = true;
        latch_cond_broadcast(&g->change);
}

static inline void gate_await(struct gate *g, unsigned n) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &g->lock);
        while (g->waiting < n)
                CHECK(latch_cond_wait_until(&g->change, &g->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

/* ---- the world ---- */

struct world {
        struct config config; /* nothing is too often, but where a test says so */
        struct registry *accounts, *identities;
        struct account *account;
        struct identity *identity;
        struct pool *pool;
        struct rpc *rpc;
        struct gate gate;
        struct latch_mutex lock;
        json_t *log LATCH_GUARDED_BY(outbox); /* what handlers did, in order */
        atomic_uint calls;
};
static struct world w;

static inline void reclaim_account(struct registry_item *item) {
        free(CONTAINER_OF(item, struct account, item));
}

static inline void reclaim_identity(struct registry_item *item) {
        struct identity *i = CONTAINER_OF(item, struct identity, item);

        account_unref(i->account);
        free(i);
}

static inline int echo(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        atomic_fetch_add(&world->calls, 1);
        *ret = json_incref(r->params);
        return 0;
}

static inline int nothing(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        (void)ret;
        atomic_fetch_add(&world->calls, 1);
        return 0;
}

static inline int failing(struct rpc_request *r, json_t **ret) {
        (void)ret;
        r->data = json_pack("{s:s}", "session", "an id");
        return rpc_fail(r, -EBUSY, "busy", "\"%s\" is running", "home/a.py");
}

static inline int waiting(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        (void)ret;
        gate_pass(&world->gate);
        return 0;
}

/* Notes begin and end, so that an overlap shows. */
static inline int noting(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);
        json_int_t n = json_integer_value(json_object_get(r->params, "n"));

        (void)ret;
        CHECK(r->session);
        LATCH_WITH(outbox, &world->lock) {
                CHECK(json_array_append_new(world->log, json_integer(n)) == 0);
        }
        sched_yield();
        LATCH_WITH(outbox, &world->lock) {
                CHECK(json_array_append_new(world->log, json_integer(-n)) == 0);
        }
        return 0;
}

static inline void say_later(struct rpc_request *r) {
        const char *text = "{\"jsonrpc\":\"2.0\",\"method\":\"later\"}";

        CHECK(strcmp(r->after_arg, "kept") == 0);
        r->port->ops->send_text(r->port, text, strlen(text));
}

static inline int followed(struct rpc_request *r, json_t **ret) {
        (void)ret;
        r->after_reply = say_later;
        r->after_arg = (void *)"kept";
        return 0;
}

static inline void add_methods(void) {
        const struct rpc_method methods[] = {
                {.name = "echo",
                 .params = {{"s", 's', false}, {"i", 'i', false}, {"o", 'o', false}},
                 .handle = echo},
                {.name = "nothing", .handle = nothing},
                {.name = "failing", .handle = failing},
                {.name = "waiting", .handle = waiting},
                {.name = "followed", .handle = followed},
                {.name = "teach", .least = ROLE_TEACHER, .handle = nothing},
                {.name = "session.note",
                 .order = RPC_BY_SESSION,
                 .params = {{"session", 's', true}, {"n", 'i', true}},
                 .handle = noting},
                {.name = "session.wait",
                 .order = RPC_BY_SESSION,
                 .params = {{"session", 's', true}},
                 .handle = waiting},
                {.name = "channel.note",
                 .order = RPC_BY_CHANNEL,
                 .params = {{"channel", 'i', true}, {"n", 'i', true}},
                 .handle = noting},
        };

        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                struct rpc_method m = methods[i];
                m.context = &w;
                assert_int_equal(rpc_add(w.rpc, &m), 0);
        }
}

static inline void make_identity(void) {
        assert_int_equal(registry_new(8, reclaim_account, &w.accounts), 0);
        assert_int_equal(registry_new(8, reclaim_identity, &w.identities), 0);
        w.account = calloc(1, sizeof *w.account);
        w.identity = calloc(1, sizeof *w.identity);
        assert_true(w.account && w.identity);
        registry_item_init(w.accounts, &w.account->item, &w.account->user_id,
                           sizeof w.account->user_id);
        registry_item_init(w.identities, &w.identity->item, w.identity->hash,
                           sizeof w.identity->hash);
        strcpy(w.account->name, "ann");
        pool_turn_init(&w.account->turn);
        w.identity->account = account_ref(w.account);
        w.identity->expires_ms = UINT64_MAX;
}

static inline void open_world(const struct pool_limits *limits, unsigned queued_ms) {
        w = (struct world){0};
        atomic_store(&acks, 0);
        for (size_t i = 0; i < SESSIONS; i++)
                pool_strand_init(&all_sessions[i].strand);
        w.config.requests_per_minute = 100000000;
        gate_init(&w.gate);
        latch_heap_allow(LATCH_CLASS_outbox); /* what is sent goes into lists here */
        latch_mutex_init(&w.lock, LATCH_CLASS_outbox);
        LATCH_WITH(outbox, &w.lock) {
                w.log = json_array();
        }
        make_identity();
        assert_int_equal(pool_new(limits, &w.pool), 0);
        assert_int_equal(rpc_new(&(struct rpc_deps){.pool = w.pool,
                                                    .config = &w.config,
                                                    .queued_ms = queued_ms},
                                 &w.rpc),
                         0);
        add_methods();
}

static inline void close_world(void) {
        assert_int_equal(pool_drain(w.pool, 20000), 0);
        w.pool = pool_free(w.pool);
        w.rpc = rpc_free(w.rpc);
        for (size_t i = 0; i < SESSIONS; i++)
                assert_int_equal(atomic_load(&all_sessions[i].refs), 0);
        identity_unref(w.identity);
        account_unref(w.account);
        registry_free(w.identities);
        registry_free(w.accounts);
        LATCH_WITH(outbox, &w.lock) {
                json_decref(w.log);
        }
        latch_mutex_done(&w.lock);
        gate_done(&w.gate);
}

static const struct pool_limits two_workers = {
        .workers = 2, .queued = 4096, .queued_per_turn = 4096};

static inline void say(struct client *c, const char *fmt, ...) _printf_(2, 3);
static inline void say(struct client *c, const char *fmt, ...) {
        char text[4096];
        va_list args;

        va_start(args, fmt);
        int n = vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        CHECK(n > 0 && (size_t)n < sizeof text);
        rpc_receive(w.rpc, &c->port, text, (size_t)n);
}

static inline void ask(struct client *c, json_int_t id, const char *method, const char *params) {
        say(c, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"%s\",\"params\":%s}", (long long)id,
            method, params);
}
