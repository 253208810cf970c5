/* Unit tests for src/rpc: one reply for each request, whoever comes, goes, waits or fails. Real pool,
 * registry and accounts; a session here is a strand and a name, for those of src/session need programs
 * that run (tests/e2e has the two together). */
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
#include "latch/thread.h"
#include "rpc/rpc.h"

#define DEADLINE_NS (UINT64_C(20) * 1000000000)
#define FOR_EVER_MS 60000u
#define WAIT_MS     500u /* long enough for a job to begin on a busy machine */

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

static void client_send(struct port *p, const char *json, size_t n) {
        struct client *c = CONTAINER_OF(p, struct client, port);
        json_error_t e;
        json_t *text = json_loadb(json, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

        CHECK(text);
        LATCH_WITH(outbox, &c->lock) {
                CHECK(json_array_append_new(c->texts, text) == 0);
                latch_cond_broadcast(&c->more);
        }
}

static struct port *client_ref(struct port *p) {
        atomic_fetch_add(&CONTAINER_OF(p, struct client, port)->refs, 1);
        return p;
}

static struct port *client_unref(struct port *p) {
        struct client *c = CONTAINER_OF(p, struct client, port);

        LATCH_WITH(outbox, &c->lock) {
                atomic_fetch_sub(&c->refs, 1);
                latch_cond_broadcast(&c->more);
        }
        return NULL;
}

static const struct port_ops client_ops = {
        .send_text = client_send, .ref = client_ref, .unref = client_unref};

static void client_init(struct client *c, struct identity *i) {
        *c = (struct client){.port = {.ops = &client_ops, .identity = i}, .refs = 1};
        latch_mutex_init(&c->lock, LATCH_CLASS_outbox);
        latch_cond_init(&c->more);
        LATCH_WITH(outbox, &c->lock) {
                c->texts = json_array();
        }
}

/* Waits for n texts in all. */
static void client_await(struct client *c, size_t n) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (json_array_size(c->texts) < n)
                CHECK(latch_cond_wait_until(&c->more, &c->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

/* Waits until nothing is under way: every job has let the port go. */
static void client_settle(struct client *c) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (atomic_load(&c->refs) > 1)
                CHECK(latch_cond_wait_until(&c->more, &c->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

static size_t client_count(struct client *c) {
        LATCH_GUARD(outbox, &c->lock);
        return json_array_size(c->texts);
}

/* A reference. */
static json_t *client_text(struct client *c, size_t i) {
        LATCH_GUARD(outbox, &c->lock);
        return json_incref(json_array_get(c->texts, i));
}

/* The reply to this id, which is there exactly once; a reference. */
static json_t *client_reply(struct client *c, json_int_t id) {
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

static json_int_t reply_number(struct client *c, json_int_t id) {
        json_t *reply = client_reply(c, id);
        json_int_t n = json_integer_value(json_object_get(json_object_get(reply, "error"), "code"));

        json_decref(reply);
        return n;
}

static void assert_reply_code(struct client *c, json_int_t id, const char *code) {
        json_t *reply = client_reply(c, id);
        json_t *error = json_object_get(reply, "error");

        assert_int_equal(json_integer_value(json_object_get(error, "code")), -32000);
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(error, "data"), "code")), code);
        json_decref(reply);
}

static void client_done(struct client *c) {
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

static void gate_init(struct gate *g) {
        *g = (struct gate){0};
        latch_mutex_init(&g->lock, LATCH_CLASS_outbox);
        latch_cond_init(&g->change);
}

static void gate_done(struct gate *g) {
        latch_cond_done(&g->change);
        latch_mutex_done(&g->lock);
}

static void gate_pass(struct gate *g) {
        LATCH_GUARD(outbox, &g->lock);
        g->waiting++;
        latch_cond_broadcast(&g->change);
        while (!g->open)
                latch_cond_wait(&g->change, &g->lock);
        g->waiting--;
}

static void gate_open(struct gate *g) {
        LATCH_GUARD(outbox, &g->lock);
        g->open = true;
        latch_cond_broadcast(&g->change);
}

static void gate_await(struct gate *g, unsigned n) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &g->lock);
        while (g->waiting < n)
                CHECK(latch_cond_wait_until(&g->change, &g->lock, until) == 0 ||
                      clock_mono_ns() < until);
}

/* ---- the world ---- */

struct world {
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

static void reclaim_account(struct registry_item *item) {
        free(CONTAINER_OF(item, struct account, item));
}

static void reclaim_identity(struct registry_item *item) {
        struct identity *i = CONTAINER_OF(item, struct identity, item);

        account_unref(i->account);
        free(i);
}

static int echo(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        atomic_fetch_add(&world->calls, 1);
        *ret = json_incref(r->params);
        return 0;
}

static int nothing(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        (void)ret;
        atomic_fetch_add(&world->calls, 1);
        return 0;
}

static int failing(struct rpc_request *r, json_t **ret) {
        (void)ret;
        r->data = json_pack("{s:s}", "session", "an id");
        return rpc_fail(r, -EBUSY, "busy", "\"%s\" is running", "home/a.py");
}

static int waiting(struct rpc_request *r, json_t **ret) {
        struct world *world = rpc_context(r);

        (void)ret;
        gate_pass(&world->gate);
        return 0;
}

/* Notes begin and end, so that an overlap shows. */
static int noting(struct rpc_request *r, json_t **ret) {
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

static void say_later(struct rpc_request *r) {
        const char *text = "{\"jsonrpc\":\"2.0\",\"method\":\"later\"}";

        CHECK(strcmp(r->after_arg, "kept") == 0);
        r->port->ops->send_text(r->port, text, strlen(text));
}

static int followed(struct rpc_request *r, json_t **ret) {
        (void)ret;
        r->after_reply = say_later;
        r->after_arg = (void *)"kept";
        return 0;
}

static void add_methods(void) {
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

static void make_identity(void) {
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

static void open_world(const struct pool_limits *limits, unsigned queued_ms) {
        w = (struct world){0};
        atomic_store(&acks, 0);
        for (size_t i = 0; i < SESSIONS; i++)
                pool_strand_init(&all_sessions[i].strand);
        gate_init(&w.gate);
        latch_mutex_init(&w.lock, LATCH_CLASS_outbox);
        LATCH_WITH(outbox, &w.lock) {
                w.log = json_array();
        }
        make_identity();
        assert_int_equal(pool_new(limits, &w.pool), 0);
        assert_int_equal(rpc_new(&(struct rpc_deps){w.pool, NULL, queued_ms}, &w.rpc), 0);
        add_methods();
}

static void close_world(void) {
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

static void say(struct client *c, const char *fmt, ...) _printf_(2, 3);
static void say(struct client *c, const char *fmt, ...) {
        char text[4096];
        va_list args;

        va_start(args, fmt);
        int n = vsnprintf(text, sizeof text, fmt, args);
        va_end(args);
        CHECK(n > 0 && (size_t)n < sizeof text);
        rpc_receive(w.rpc, &c->port, text, (size_t)n);
}

static void ask(struct client *c, json_int_t id, const char *method, const char *params) {
        say(c, "{\"jsonrpc\":\"2.0\",\"id\":%lld,\"method\":\"%s\",\"params\":%s}", (long long)id,
            method, params);
}

/* ---- tests ---- */

static void test_results_and_errors_come_back(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "echo", "{\"s\":\"v\"}");
        ask(&c, 2, "nothing", "{}");
        ask(&c, 3, "failing", "{}");
        ask(&c, 4, "unknown", "{}");
        ask(&c, 5, "echo", "{\"x\":1}");
        ask(&c, 6, "teach", "{}");
        ask(&c, 7, "session.note", "{\"session\":\"stranger\",\"n\":1}");
        ask(&c, 8, "channel.note", "{\"channel\":99,\"n\":1}");
        ask(&c, 9, "channel.note", "{\"channel\":4294967297,\"n\":1}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"nothing\"}");
        client_await(&c, 10);

        json_t *reply = client_reply(&c, 1);
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(reply, "result"), "s")), "v");
        json_decref(reply);
        reply = client_reply(&c, 2);
        assert_int_equal(json_object_size(json_object_get(reply, "result")), 0);
        json_decref(reply);
        reply = client_reply(&c, 3);
        json_t *data = json_object_get(json_object_get(reply, "error"), "data");
        assert_string_equal(json_string_value(json_object_get(data, "code")), "busy");
        assert_string_equal(json_string_value(json_object_get(data, "session")), "an id");
        json_decref(reply);
        assert_int_equal(reply_number(&c, 4), -32601);
        assert_int_equal(reply_number(&c, 5), -32602);
        assert_reply_code(&c, 6, "forbidden");
        assert_reply_code(&c, 7, "not_found");
        assert_reply_code(&c, 8, "not_found");
        assert_reply_code(&c, 9, "not_found");
        assert_int_equal(reply_number(&c, 10), 0);
        client_done(&c);
        close_world();
}

static void test_a_notification_is_carried_out_and_not_answered(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"unknown\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"failing\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"x\":1}}");
        say(&c,
            "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\",\"params\":{\"channel\":1,\"offset\":5}}");
        say(&c,
            "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\",\"params\":{\"channel\":9,\"offset\":5}}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\"}");
        client_settle(&c);
        assert_int_equal(client_count(&c), 0);
        assert_int_equal(atomic_load(&w.calls), 1);
        assert_int_equal(atomic_load(&acks), 1);
        client_done(&c);
        close_world();
}

static void test_an_ack_waits_for_no_worker(void **state) {
        const struct pool_limits one = {.workers = 1, .queued = 8, .queued_per_turn = 8};
        struct client c;

        (void)state;
        open_world(&one, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "waiting", "{}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "session.ack", "{\"channel\":1,\"offset\":7}");
        ask(&c, 3, "session.ack", "{\"channel\":1,\"offset\":7000}");
        ask(&c, 4, "session.ack", "{\"channel\":1}");
        client_await(&c, 3);
        assert_int_equal(reply_number(&c, 2), 0);
        assert_int_equal(reply_number(&c, 3), -32602);
        assert_int_equal(reply_number(&c, 4), -32602);
        gate_open(&w.gate);
        client_done(&c);
        close_world();
}

static void test_what_follows_a_reply_comes_after_it(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (int i = 0; i < 50; i++) {
                ask(&c, i, "followed", "{}");
                client_await(&c, (size_t)(2 * i + 2));
                json_t *reply = client_text(&c, (size_t)(2 * i)),
                       *later = client_text(&c, (size_t)(2 * i + 1));
                assert_int_equal(json_integer_value(json_object_get(reply, "id")), i);
                assert_string_equal(json_string_value(json_object_get(later, "method")), "later");
                json_decref(reply);
                json_decref(later);
        }
        client_done(&c);
        close_world();
}

static void test_one_session_s_requests_are_in_order(void **state) {
        const struct pool_limits four = {.workers = 4, .queued = 4096, .queued_per_turn = 4096};
        struct client c;
        char params[64];
        json_t *one;
        size_t i;

        (void)state;
        open_world(&four, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (int n = 1; n <= 100; n++) {
                snprintf(params, sizeof params, "{\"session\":\"session0\",\"n\":%d}", n);
                ask(&c, n, "session.note", params);
        }
        client_await(&c, 100);
        client_settle(&c);
        for (int n = 101; n <= 200; n++) { /* by its channel it is the same session */
                snprintf(params, sizeof params,
                         n % 2 ? "{\"session\":\"session0\",\"n\":%d}" : "{\"channel\":1,\"n\":%d}",
                         n);
                ask(&c, n, n % 2 ? "session.note" : "channel.note", params);
        }
        client_await(&c, 200);
        client_settle(&c);
        LATCH_WITH(outbox, &w.lock) {
                assert_int_equal(json_array_size(w.log), 400);
                json_array_foreach(w.log, i, one)
                        assert_int_equal(json_integer_value(one),
                                         (i % 2 ? -1 : 1) * (json_int_t)(i / 2 + 1));
        }
        client_done(&c);
        close_world();
}

static void test_another_session_s_request_overtakes(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "session.wait", "{\"session\":\"session0\"}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "session.note", "{\"session\":\"session0\",\"n\":1}"); /* has to wait */
        ask(&c, 3, "session.note", "{\"session\":\"session1\",\"n\":2}");
        ask(&c, 4, "nothing", "{}");
        client_await(&c, 2);
        assert_int_equal(reply_number(&c, 3), 0);
        assert_int_equal(reply_number(&c, 4), 0);
        assert_int_equal(client_count(&c), 2);
        gate_open(&w.gate);
        client_await(&c, 4);
        assert_int_equal(reply_number(&c, 1), 0);
        assert_int_equal(reply_number(&c, 2), 0);
        client_done(&c);
        close_world();
}

static void test_a_full_queue_says_busy_at_once(void **state) {
        const struct pool_limits small = {.workers = 1, .queued = 4, .queued_per_turn = 4};
        struct client c;

        (void)state;
        open_world(&small, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 0, "waiting", "{}");
        gate_await(&w.gate, 1);
        for (int i = 1; i <= 10; i++)
                ask(&c, i, "nothing", "{}");
        assert_int_equal(client_count(&c), 6); /* not one of them waits for the worker */
        for (int i = 5; i <= 10; i++) {
                json_t *reply = client_reply(&c, i);
                json_t *data = json_object_get(json_object_get(reply, "error"), "data");
                assert_string_equal(json_string_value(json_object_get(data, "code")), "busy");
                assert_true(json_integer_value(json_object_get(data, "retry_after_ms")) > 0);
                json_decref(reply);
        }
        gate_open(&w.gate);
        client_await(&c, 11);
        for (int i = 0; i <= 4; i++)
                assert_int_equal(reply_number(&c, i), 0);
        client_done(&c);
        close_world();
}

static void test_one_socket_has_only_so_many_under_way(void **state) {
        struct client c, other;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        client_init(&other, w.identity);
        for (int i = 0; i < 200; i++)
                ask(&c, i, "waiting", "{}");
        assert_int_equal(client_count(&c), 200 - 128);
        assert_reply_code(&c, 128, "busy");
        ask(&other, 1, "nothing", "{}"); /* its own count */
        assert_int_equal(client_count(&other), 0);
        gate_open(&w.gate);
        client_await(&c, 200);
        client_await(&other, 1);
        client_done(&c);
        client_done(&other);
        close_world();
}

static void test_whoever_waits_too_long_hears_timeout(void **state) {
        const struct pool_limits one = {.workers = 1, .queued = 8, .queued_per_turn = 8};
        struct client c;

        (void)state;
        open_world(&one, WAIT_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "waiting", "{}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "nothing", "{}");
        uint64_t past = clock_mono_ms() + WAIT_MS + 2;
        while (clock_mono_ms() < past) /* the deadline is the event that is waited for */
                nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        gate_open(&w.gate);
        client_await(&c, 2);
        assert_reply_code(&c, 2, "timeout");
        assert_int_equal(atomic_load(&w.calls), 0);
        client_done(&c);
        close_world();
}

static void test_a_revoked_token_asks_no_more(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        atomic_store(&w.identity->revoked, true);
        ask(&c, 1, "nothing", "{}");
        client_await(&c, 1);
        assert_reply_code(&c, 1, "forbidden");
        assert_int_equal(atomic_load(&w.calls), 0);
        client_done(&c);
        close_world();
}

static void test_after_a_drain_there_is_still_an_answer(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        assert_int_equal(pool_drain(w.pool, 1000), 0);
        ask(&c, 1, "nothing", "{}");
        ask(&c, 2, "session.note", "{\"session\":\"session0\",\"n\":1}");
        assert_reply_code(&c, 1, "unavailable");
        assert_reply_code(&c, 2, "unavailable");
        client_done(&c);
        close_world();
}

static void test_a_method_is_there_once(void **state) {
        const struct rpc_method again = {.name = "echo", .handle = nothing, .context = &w};

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        assert_int_equal(rpc_add(w.rpc, &again), -EEXIST);
        assert_true(rpc_remove(w.rpc, "echo"));
        assert_false(rpc_remove(w.rpc, "echo"));
        assert_int_equal(rpc_add(w.rpc, &again), 0);
        close_world();
}

/* ---- methods that come and go ---- */

static atomic_bool churning;

static void *churn(void *arg) {
        const struct rpc_method m = {.name = "guest", .handle = nothing, .context = &w};
        unsigned *rounds = arg;

        latch_thread_begin("churn");
        while (atomic_load(&churning)) {
                CHECK(rpc_add(w.rpc, &m) == 0);
                CHECK(rpc_remove(w.rpc, "guest"));
                ++*rounds;
        }
        latch_thread_end();
        return NULL;
}

static void test_methods_come_and_go_under_load(void **state) {
        unsigned rounds = 0, found = 0;
        pthread_t thread;
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        atomic_store(&churning, true);
        assert_int_equal(pthread_create(&thread, NULL, churn, &rounds), 0);
        for (int i = 0; i < 4000; i++) {
                ask(&c, i, "guest", "{}");
                if (i % 64 == 63)
                        client_await(&c, (size_t)i + 1);
        }
        client_await(&c, 4000);
        atomic_store(&churning, false);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < 4000; i++) {
                json_t *reply = client_text(&c, i);
                json_t *error = json_object_get(reply, "error");
                if (!error)
                        found++;
                else
                        assert_int_equal(json_integer_value(json_object_get(error, "code")),
                                         -32601);
                json_decref(reply);
        }
        assert_int_equal(found, atomic_load(&w.calls));
        assert_true(rounds > 0);
        client_done(&c);
        close_world();
}

/* ---- whatever may come from a wire ---- */

static uint64_t dice;

static unsigned roll(unsigned sides) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        return (unsigned)(dice >> 33) % sides;
}

static size_t make_frame(char *to, size_t size, unsigned id) {
        static const char *const ids[] = {"%u", "\"%u\"", "null", "%u.5", "true", "[%u]", "-%u"};
        static const char *const methods[] = {"\"echo\"",
                                              "\"nothing\"",
                                              "\"failing\"",
                                              "\"unknown\"",
                                              "\"session.note\"",
                                              "\"teach\"",
                                              "5",
                                              "\"session.ack\"",
                                              "null",
                                              "\"ech\\u006f\"",
                                              "\"echo\\u0000\""};
        static const char *const params[] = {"{}",
                                             "[]",
                                             "{\"s\":\"v\"}",
                                             "{\"s\":1}",
                                             "{\"i\":-1}",
                                             "{\"i\":7}",
                                             "{\"session\":\"session1\",\"n\":3}",
                                             "{\"session\":\"nobody\",\"n\":3}",
                                             "{\"o\":{\"a\":{\"b\":{\"c\":[[[[]]]]}}}}",
                                             "null",
                                             "\"text\"",
                                             "{\"channel\":1,\"offset\":1}",
                                             "{\"s\":\"\\ud83d\\ude00\"}",
                                             "{\"s\":\"\\u0000\"}",
                                             "{\"s\":\"a\",\"s\":\"b\"}"};
        char id_text[32];

        snprintf(id_text, sizeof id_text, ids[roll(roll(3) ? 2 : ELEMENTS(ids))], id);
        int n = snprintf(to, size, "{\"jsonrpc\":\"%s\"", roll(12) ? "2.0" : "2");
        if (roll(5))
                n += snprintf(to + n, size - (size_t)n, ",\"id\":%s", id_text);
        if (roll(12))
                n += snprintf(to + n, size - (size_t)n, ",\"method\":%s",
                              methods[roll(ELEMENTS(methods))]);
        if (roll(3))
                n += snprintf(to + n, size - (size_t)n, ",\"params\":%s",
                              params[roll(ELEMENTS(params))]);
        n += snprintf(to + n, size - (size_t)n, "}");
        return (size_t)n;
}

/* Cut, doubled, flipped, wrapped: about half of all frames. */
static size_t spoil(char *text, size_t n, size_t size) {
        switch (roll(10)) {
        case 0: return roll((unsigned)n + 1);
        case 1: text[roll((unsigned)n)] = (char)roll(256); return n;
        case 2: memmove(text + n, text, n); return 2 * n;
        case 3:
                memmove(text + 1, text, n);
                text[0] = '[';
                text[n + 1] = ']';
                return n + 2;
        case 4: {
                unsigned at = roll((unsigned)n), k = roll((unsigned)(size - n - 1) / 4);
                memmove(text + at + k, text + at, n - at);
                memset(text + at, "[{\"\\"[roll(4)], k);
                return n + k;
        }
        default: return n;
        }
}

/* What JSON-RPC says of this text, worked out by another way than the server's: 0 or 1 replies. */
static unsigned replies_due(const char *text, size_t n, json_t **ret_id) {
        json_t *root = json_loadb(text, n,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        json_t *id = json_object_get(root, "id"), *version = json_object_get(root, "jsonrpc");
        bool valid = json_is_object(root) && json_is_string(version) &&
                     strcmp(json_string_value(version), "2.0") == 0 &&
                     json_is_string(json_object_get(root, "method"));
        char id_text[512];
        bool usable = (json_is_string(id) || json_is_number(id)) &&
                      json_dumpb(id, id_text, sizeof id_text, JSON_ENCODE_ANY) < sizeof id_text;

        *ret_id = usable ? json_incref(id) : json_null();
        json_decref(root);
        return valid && !id ? 0 : 1;
}

static void test_every_frame_gets_its_one_reply(void **state) {
        const char *given = getenv("LATCH_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 0) : clock_mono_ns();
        char text[4096];
        struct client c;
        size_t due = 0;

        (void)state;
        print_message("seed %llu (LATCH_SEED)\n", (unsigned long long)seed);
        dice = seed | 1;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (unsigned i = 0; i < 20000; i++) {
                json_t *id;
                size_t n = spoil(text, make_frame(text, sizeof text / 2, i), sizeof text);
                unsigned one = replies_due(text, n, &id);

                rpc_receive(w.rpc, &c.port, text, n);
                client_await(&c, due + one);
                client_settle(&c);
                if (client_count(&c) != due + one)
                        fail_msg("%u replies were due, %zu came: %.*s", one, client_count(&c) - due,
                                 (int)n, text);
                json_t *reply = one ? client_text(&c, due) : NULL;
                if (one && !json_equal(json_object_get(reply, "id"), id))
                        fail_msg("another id: %.*s", (int)n, text);
                json_decref(reply);
                json_decref(id);
                due += one;
        }
        client_done(&c);
        close_world();
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("test");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results_and_errors_come_back),
                cmocka_unit_test(test_a_notification_is_carried_out_and_not_answered),
                cmocka_unit_test(test_an_ack_waits_for_no_worker),
                cmocka_unit_test(test_what_follows_a_reply_comes_after_it),
                cmocka_unit_test(test_one_session_s_requests_are_in_order),
                cmocka_unit_test(test_another_session_s_request_overtakes),
                cmocka_unit_test(test_a_full_queue_says_busy_at_once),
                cmocka_unit_test(test_one_socket_has_only_so_many_under_way),
                cmocka_unit_test(test_whoever_waits_too_long_hears_timeout),
                cmocka_unit_test(test_a_revoked_token_asks_no_more),
                cmocka_unit_test(test_after_a_drain_there_is_still_an_answer),
                cmocka_unit_test(test_a_method_is_there_once),
                cmocka_unit_test(test_methods_come_and_go_under_load),
                cmocka_unit_test(test_every_frame_gets_its_one_reply),
        };

        return cmocka_run_group_tests_name("rpc", tests, begin, end);
}
