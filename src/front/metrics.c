/* metrics.c - GET /metrics: what the server counts, as Prometheus reads it (text format 0.0.4).
 *
 * Names of routes and methods come from our own tables, nothing of a client's stands here.
 */
#include <errno.h>
#include <inttypes.h>

#include "audit/audit.h"
#include "base/buf.h"
#include "base/clock.h"
#include "front/front_private.h"
#include "front/metrics_locks.h"
#include "front/routes.h"

#define PAGE_MAX ((size_t)1 << 20)
#define TYPE     "text/plain; version=0.0.4; charset=utf-8"

/* What is written, and the first failure: then nothing more is. */
struct page {
        struct buf text;
        int error;
};

#define ADD(p, ...) ((p)->error = (p)->error ? (p)->error : buf_addf(&(p)->text, __VA_ARGS__))

static void head(struct page *p, const char *name, const char *type, const char *help) {
        ADD(p, "# HELP latch_%s %s\n# TYPE latch_%s %s\n", name, help, name, type);
}

static void gauge(struct page *p, const char *name, const char *help, uint64_t value) {
        head(p, name, "gauge", help);
        ADD(p, "latch_%s %" PRIu64 "\n", name, value);
}

static void counter(struct page *p, const char *name, const char *help, uint64_t value) {
        head(p, name, "counter", help);
        ADD(p, "latch_%s %" PRIu64 "\n", name, value);
}

static void add_row(struct page *p, struct counters *c, size_t row, const char *path,
                    unsigned methods) {
        char names[ROUTE_ALLOW_MAX] = "";

        route_allow(methods, names);
        for (unsigned i = 0; i < STATUS_CLASSES; i++) {
                uint64_t n = atomic_load_explicit(&c->answered[row][i], memory_order_relaxed);

                if (n)
                        ADD(p,
                            "latch_http_requests_total{route=\"%s\",methods=\"%s\",status=\"%uxx\"} "
                            "%" PRIu64 "\n",
                            path, names, i + 1, n);
        }
}

static void add_requests(struct page *p, struct front *f) {
        static const char *const kinds[LIMITED_KINDS] = {
                [LIMITED_USER] = "user",       [LIMITED_ADDRESS] = "address",
                [LIMITED_SIGN_IN] = "sign_in", [LIMITED_SOCKETS] = "sockets",
                [LIMITED_THREADS] = "threads",
        };

        head(p, "http_requests_total", "counter", "Answers by row of the route table and class.");
        for (size_t i = 0; i < routes_n; i++)
                add_row(p, &f->counters, i, routes[i].path, routes[i].methods);
        add_row(p, &f->counters, ROUTE_IS_ASSET, "assets", route_asset.methods);
        add_row(p, &f->counters, ROUTE_IS_NONE, "none", 0);
        head(p, "http_refused_total", "counter", "Requests refused by a limit.");
        for (unsigned i = 0; i < LIMITED_KINDS; i++)
                ADD(p, "latch_http_refused_total{limit=\"%s\"} %" PRIu64 "\n", kinds[i],
                    atomic_load_explicit(&f->counters.limited[i], memory_order_relaxed));
        gauge(p, "http_requests", "Requests under way.", atomic_load(&f->requests));
}

static void add_method(const struct rpc_method *m, const uint64_t outcomes[RPC_OUTCOMES],
                       void *arg) {
        struct page *p = arg;
        const char *name;

        for (unsigned i = 0; (name = rpc_outcome_name(i)); i++)
                if (outcomes[i])
                        ADD(p, "latch_rpc_calls_total{method=\"%s\",outcome=\"%s\"} %" PRIu64 "\n",
                            m->name, name, outcomes[i]);
}

static void add_calls(struct page *p, struct rpc *rpc) {
        head(p, "rpc_calls_total", "counter", "Calls by method and outcome.");
        if (!p->error)
                p->error = rpc_each(rpc, add_method, p);
        counter(p, "rpc_strange_total", "Texts that were no call of a method.", rpc_strange(rpc));
}

/* Buckets of pool.h are counted apart, Prometheus's hold all that is less. */
static void add_histogram(struct page *p, const char *name, const char *help,
                          const uint64_t buckets[POOL_BUCKETS], double sum_s) {
        uint64_t n = 0;

        head(p, name, "histogram", help);
        for (unsigned i = 0; i < POOL_BUCKETS - 1; i++) {
                n += buckets[i];
                ADD(p, "latch_%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                    (double)(UINT64_C(1) << i) / 1e6, n);
        }
        n += buckets[POOL_BUCKETS - 1];
        ADD(p, "latch_%s_bucket{le=\"+Inf\"} %" PRIu64 "\nlatch_%s_count %" PRIu64 "\n", name, n,
            name, n);
        ADD(p, "latch_%s_sum %.9f\n", name, sum_s);
}

static void add_pool(struct page *p, struct pool *pool) {
        struct pool_stats s;

        pool_stats(pool, &s);
        gauge(p, "pool_queued", "Jobs that wait for a worker.", s.queued);
        gauge(p, "pool_running", "Jobs that are carried out.", s.running);
        counter(p, "pool_refused_total", "Jobs that found no place.", s.refused);
        add_histogram(p, "pool_wait_seconds", "From queued to begun.", s.wait,
                      (double)s.wait_ns / 1e9);
        add_histogram(p, "pool_service_seconds", "From begun to done.", s.service,
                      (double)s.service_ns / 1e9);
}

static void add_people(struct page *p, struct front *f) {
        struct auth_stats s = {0};
        struct sessions_stats sessions;

        if (!p->error)
                p->error = auth_stats(f->deps.auth, &s);
        gauge(p, "sockets", "Open WebSockets.", atomic_load(&f->sockets));
        gauge(p, "users_present", "Users with an open socket.", s.present);
        gauge(p, "tokens", "Tokens in memory.", s.tokens);
        sessions_stats(f->deps.sessions, &sessions);
        gauge(p, "sessions", "Living sessions.", sessions.living);
        counter(p, "sessions_started_total", "Programs started.", sessions.started);
}

static void add_memory(struct page *p, struct front *f) {
        gauge(p, "message_bytes", "Memory of messages that are coming in.",
              atomic_load(&f->budget.used));
        gauge(p, "message_bytes_limit", "The most that they may take.", f->budget.limit);
}

void http_metrics(struct request *r) {
        struct front *f = r->front;
        struct page p = {.text = BUF_INIT(PAGE_MAX)};

        gauge(&p, "uptime_seconds", "Since the start.", (clock_real_ms() - f->started_ms) / 1000);
        add_people(&p, f);
        add_requests(&p, f);
        add_calls(&p, f->deps.rpc);
        add_pool(&p, f->deps.pool);
        add_memory(&p, f);
        gauge(&p, "audit_queued", "Events that wait for the disk.", audit_queued(f->deps.audit));
        if (!p.error)
                p.error = metrics_locks(&p.text);
        if (p.error)
                http_errno(r, -ENOMEM);
        else
                http_answer(r, &(struct answer){.status = 200,
                                                .type = TYPE,
                                                .body = p.text.data,
                                                .n = p.text.n});
        buf_done(&p.text);
}
