/* rpc_stats.c - how calls ended, counted for each method. The contract is in rpc/rpc.h. */
#include "base/str.h"
#include "rpc/rpc_private.h"

static const char *const names[RPC_OUTCOMES] = {
        "ok",          "invalid",   "busy",    "rate_limited", "not_found",
        "forbidden",   "conflict",  "exists",  "too_large",    "limit_reached",
        "unavailable", "read_only", "timeout", "internal",     "other",
};
enum { INVALID = 1, OTHER = 14 };

const char *rpc_outcome_name(unsigned i) {
        return i < RPC_OUTCOMES ? names[i] : NULL;
}

static unsigned outcome_of(const struct rpc_wrong *w) {
        if (!w)
                return 0;
        if (w->number != RPC_SERVER)
                return INVALID;
        for (unsigned i = 1; names[i]; i++)
                if (str_eq(names[i], w->code))
                        return i;
        return OTHER;
}

void rpc_outcome_add(struct rpc_outcomes *o, const struct rpc_wrong *w) {
        atomic_fetch_add_explicit(&o->n[outcome_of(w)], 1, memory_order_relaxed);
}

static void show(const struct rpc_method *m, struct rpc_outcomes *o, rpc_visit *visit, void *arg) {
        uint64_t n[RPC_OUTCOMES];

        for (unsigned i = 0; i < RPC_OUTCOMES; i++)
                n[i] = atomic_load_explicit(&o->n[i], memory_order_relaxed);
        visit(m, n, arg);
}

int rpc_each(struct rpc *rpc, rpc_visit *visit, void *arg) {
        struct registry_item **items;
        size_t n;
        int r = registry_list(rpc->methods, &items, &n);

        if (r < 0)
                return r;
        show(&rpc_method_ack, &rpc->acks, visit, arg);
        for (size_t i = 0; i < n; i++) {
                struct rpc_method_item *m = CONTAINER_OF(items[i], struct rpc_method_item, item);

                show(&m->m, &m->outcomes, visit, arg);
        }
        registry_list_free(items, n);
        return 0;
}

uint64_t rpc_strange(const struct rpc *rpc) {
        return atomic_load(&rpc->strange);
}
