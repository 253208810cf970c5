/* latch-routes - prints the tables by which latchd judges, as JSON: each route of HTTP and each method of
 * the socket with who may ask, what it costs, and what it takes. Nothing is served. A test compares it with
 * docs/protocol.md and with what a server answers.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "api/api.h"
#include "front/routes.h"
#include "latch/rcu.h"
#include "latch/thread.h"

static void check(bool ok) {
        if (ok)
                return;
        fputs("latch-routes: out of memory\n", stderr);
        exit(1);
}

static json_t *methods_of(const struct route *r) {
        json_t *list = json_array();

        for (unsigned bit = 1; list && bit <= r->methods; bit <<= 1)
                if (r->methods & bit)
                        check(json_array_append_new(list, json_string(route_method_name(bit))) ==
                              0);
        return list;
}

static void add_route(json_t *list, const struct route *r, const char *path) {
        json_t *body = r->body == BODY_UPLOAD ? json_string("upload_bytes") : json_integer(r->body);

        check(json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:b, s:i, s:o}", "path", path,
                                                    "methods", methods_of(r), "who",
                                                    route_who_name(r->who), "socket",
                                                    r->socket != SOCKET_NONE, "cost", (int)r->cost,
                                                    "body", body)) == 0);
}

static json_t *all_routes(void) {
        json_t *list = json_array();

        add_route(list, &route_asset, "/");
        for (size_t i = 0; i < routes_n; i++)
                add_route(list, &routes[i], routes[i].path);
        return list;
}

static void add_method(const struct rpc_method *m, const uint64_t outcomes[RPC_OUTCOMES],
                       void *arg) {
        json_t *params = json_array();

        (void)outcomes;
        for (size_t i = 0; i < RPC_PARAMS_MAX && m->params[i].name; i++)
                check(json_array_append_new(
                              params, json_pack("{s:s, s:s%, s:b}", "name", m->params[i].name,
                                                "type", &m->params[i].type, (size_t)1, "required",
                                                (int)m->params[i].required)) == 0);
        check(json_array_append_new(arg, json_pack("{s:s, s:s, s:i, s:o}", "name", m->name, "least",
                                                   role_name(m->least), "cost", (int)m->cost,
                                                   "params", params)) == 0);
}

/* Handlers are added and never called. */
static json_t *all_methods(void) {
        static const struct api_deps nothing;
        json_t *list = json_array();
        struct rpc *rpc = NULL;

        check(list && rpc_new(&(struct rpc_deps){0}, &rpc) == 0);
        check(api_add(rpc, &nothing) == 0);
        check(rpc_each(rpc, add_method, list) == 0);
        rpc_free(rpc);
        return list;
}

int main(void) {
        json_t *all;

        latch_thread_begin("main");
        all = json_pack("{s:o, s:o}", "routes", all_routes(), "methods", all_methods());
        check(all && json_dumpf(all, stdout, JSON_INDENT(2) | JSON_SORT_KEYS) == 0);
        putchar('\n');
        json_decref(all);
        latch_rcu_barrier();
        latch_thread_end();
        return fflush(stdout) == 0 ? 0 : 1;
}
