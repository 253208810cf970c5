/* fuzz_rpc.c - a text from the wire against every method there is: exactly one of a call and what is wrong with
 * it, and the reply would carry the id that was sent.
 */
#include <stdlib.h>

#include "api/api.h"
#include "base/str.h"
#include "fuzz.h"
#include "latch/thread.h"
#include "registry/registry.h"
#include "rpc/rpc_private.h"

static struct registry_item **methods;
static size_t methods_n;

static void begin(void) {
        static struct config config;
        static struct rpc *rpc;

        latch_thread_begin("fuzz");
        CHECK(rpc_new(&(struct rpc_deps){.queued_ms = 1}, &rpc) == 0);
        CHECK(api_add(rpc, &(struct api_deps){.config = &config}) == 0);
        CHECK(registry_list(rpc->methods, &methods, &methods_n) == 0 && methods_n > 10);
}

static void check_wrong(const struct rpc_wrong *w) {
        CHECK(w->number <= -32000 && w->number >= -32700);
        CHECK(w->message[0] && utf8_valid(w->message, strlen(w->message)));
}

/* The id of the text as another reader finds it. */
static void check_id(const char *text, size_t n, const struct rpc_call *c) {
        json_t *root = json_loadb(text, n,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        const json_t *id = json_object_get(root, "id");
        bool may = json_is_string(id) || json_is_number(id) || json_is_null(id);
        char *wanted = may ? json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

        CHECK(c->notification == (json_is_object(root) && !id));
        CHECK(str_eq(c->id, wanted && strlen(wanted) < RPC_ID_MAX - 1 ? wanted : "null") ||
              (wanted && strlen(wanted) == RPC_ID_MAX - 1));
        free(wanted);
        json_decref(root);
}

static void check_params(const struct rpc_method *m, const struct rpc_call *c) {
        struct rpc_wrong w = {0};
        int r = rpc_params_check(m, c->params, &w);

        CHECK((r == 0) == (w.number == 0));
        if (r < 0) {
                check_wrong(&w);
                CHECK(w.number == RPC_PARAMS);
        } else {
                CHECK(json_object_size(c->params) <= RPC_PARAMS_MAX);
        }
        rpc_wrong_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct rpc_wrong w = {0};
        struct rpc_call c;

        if (!methods)
                begin();
        int r = rpc_decode((const char *)data, size, &c, &w);
        CHECK((r == 0) == (w.number == 0));
        if (r == 0)
                CHECK(c.method && c.params);
        else
                check_wrong(&w);
        if (c.root)
                check_id((const char *)data, size, &c);
        else
                CHECK(str_eq(c.id, "null"));
        for (size_t i = 0; r == 0 && i < methods_n; i++)
                check_params(&CONTAINER_OF(methods[i], struct rpc_method_item, item)->m, &c);
        rpc_wrong_done(&w);
        rpc_call_done(&c);
        return 0;
}
