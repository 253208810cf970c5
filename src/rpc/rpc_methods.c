/* rpc_methods.c - methods in their registry: copied whole, so a caller's strings may go. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "rpc/rpc_private.h"

void rpc_method_reclaim(struct registry_item *item) {
        free(CONTAINER_OF(item, struct rpc_method_item, item));
}

static const struct rpc_param *method_param(const struct rpc_method *m, const char *name) {
        for (size_t i = 0; i < RPC_PARAMS_MAX && m->params[i].name; i++)
                if (str_eq(m->params[i].name, name))
                        return &m->params[i];
        return NULL;
}

/* A strand is chosen by a parameter: the schema has to ask for it. */
static void check_method(const struct rpc_method *m) {
        const struct rpc_param *session = method_param(m, "session"),
                               *channel = method_param(m, "channel");

        CHECK(m->name && m->handle && m->cost <= REQUEST_UNITS_MAX);
        CHECK(m->order != RPC_BY_SESSION || (session && session->type == 's' && session->required));
        CHECK(m->order != RPC_BY_CHANNEL || (channel && channel->type == 'i' && channel->required));
        for (size_t i = 0; i < RPC_PARAMS_MAX && m->params[i].name; i++)
                CHECK(m->params[i].type && strchr("sSinboaO", m->params[i].type));
}

static size_t strings_size(const struct rpc_method *m) {
        size_t n = strlen(m->name) + 1;

        for (size_t i = 0; i < RPC_PARAMS_MAX && m->params[i].name; i++)
                n += strlen(m->params[i].name) + 1;
        return n;
}

/* Copies s to *at, and moves *at behind it. */
static const char *keep_string(char **at, const char *s) {
        size_t n = strlen(s) + 1;
        char *kept = memcpy(*at, s, n);

        *at += n;
        return kept;
}

static struct rpc_method_item *method_copy(struct registry *methods, const struct rpc_method *m) {
        struct rpc_method_item *copy = calloc(1, sizeof *copy + strings_size(m));

        if (!copy)
                return NULL;
        char *at = copy->strings;
        copy->m = *m;
        copy->m.cost = MAX(m->cost, 1u);
        copy->m.name = keep_string(&at, m->name);
        for (size_t i = 0; i < RPC_PARAMS_MAX && m->params[i].name; i++)
                copy->m.params[i].name = keep_string(&at, m->params[i].name);
        registry_item_init(methods, &copy->item, copy->m.name, strlen(copy->m.name));
        return copy;
}

int rpc_add(struct rpc *rpc, const struct rpc_method *m) {
        check_method(m);

        struct rpc_method_item *copy = method_copy(rpc->methods, m);
        if (!copy)
                return -ENOMEM;
        int r = registry_add(rpc->methods, &copy->item);
        registry_item_unref(&copy->item);
        return r;
}

bool rpc_remove(struct rpc *rpc, const char *name) {
        struct registry_item *item = registry_find(rpc->methods, name, strlen(name));
        bool there = item && registry_remove(rpc->methods, item);

        registry_item_unref(item);
        return there;
}
