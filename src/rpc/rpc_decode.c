/* rpc_decode.c - a text from the wire into a call, or into what is wrong with it.
 *
 * What is no JSON-RPC request gets a reply with id null, as the specification's examples do; so does an
 * id that is none of string, number and null. An id of null is an id: its request is answered.
 */
#include <errno.h>
#include <string.h>

#include "base/json_depth.h"
#include "base/str.h"
#include "rpc/rpc_private.h"

/* The root of the text, or NULL. A NUL in a string is JSON, and refused parameter by parameter. */
static json_t *parse(const char *text, size_t n, struct rpc_wrong *ret_wrong) {
        json_error_t error;

        if (!utf8_valid(text, n)) {
                rpc_wrong_set(ret_wrong, RPC_PARSE, NULL, "the text is not UTF-8");
                return NULL;
        }
        if (json_deeper(text, n, RPC_DEPTH_MAX)) {
                rpc_wrong_set(ret_wrong, RPC_PARSE, NULL, "nested deeper than %d", RPC_DEPTH_MAX);
                return NULL;
        }
        json_t *root = json_loadb(
                text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
        if (!root && json_error_code(&error) == json_error_out_of_memory)
                rpc_wrong_set(ret_wrong, RPC_SERVER, "unavailable", "the server is out of memory");
        else if (!root)
                rpc_wrong_set(ret_wrong, RPC_PARSE, NULL, "not JSON: %s (byte %d)", error.text,
                              error.position);
        return root;
}

/* 0; -EBADMSG for an id that may not be one. */
static int take_id(const json_t *root, struct rpc_call *c, struct rpc_wrong *ret_wrong) {
        const json_t *id = json_object_get(root, "id");
        bool ok = !id || json_is_string(id) || json_is_number(id) || json_is_null(id);

        c->notification = !id;
        if (!id)
                return 0;
        if (!ok) {
                rpc_wrong_set(ret_wrong, RPC_REQUEST, NULL, "an id is a string, a number or null");
                return -EBADMSG;
        }
        size_t n = json_dumpb(id, c->id, sizeof c->id - 1, JSON_ENCODE_ANY | JSON_COMPACT);
        if (n == 0 || n > sizeof c->id - 1) {
                strcpy(c->id, "null");
                rpc_wrong_set(ret_wrong, RPC_REQUEST, NULL, "the id is longer than %d bytes",
                              RPC_ID_MAX - 1);
                return -EBADMSG;
        }
        c->id[n] = '\0';
        return 0;
}

static int take_request(const json_t *root, struct rpc_call *c, struct rpc_wrong *ret_wrong) {
        const json_t *version = json_object_get(root, "jsonrpc");
        const json_t *method = json_object_get(root, "method");
        json_t *params = json_object_get(root, "params");

        if (!str_eq(json_string_value(version), "2.0")) {
                rpc_wrong_set(ret_wrong, RPC_REQUEST, NULL, "\"jsonrpc\" must be \"2.0\"");
                return -EBADMSG;
        }
        if (!json_is_string(method)) {
                rpc_wrong_set(ret_wrong, RPC_REQUEST, NULL, "\"method\" is missing or no string");
                return -EBADMSG;
        }
        c->method = json_string_value(method);
        c->method_n = json_string_length(method);
        c->params = params ? json_incref(params) : json_object();
        if (!c->params) {
                rpc_wrong_set(ret_wrong, RPC_SERVER, "unavailable", "the server is out of memory");
                return -EBADMSG;
        }
        return 0;
}

int rpc_decode(const char *text, size_t n, struct rpc_call *ret, struct rpc_wrong *ret_wrong) {
        int r;

        *ret = (struct rpc_call){.id = "null", .text_n = n};
        ret->root = parse(text, n, ret_wrong);
        if (!ret->root)
                return -EBADMSG;
        if (!json_is_object(ret->root)) {
                rpc_wrong_set(ret_wrong, RPC_REQUEST, NULL,
                              json_is_array(ret->root)
                                      ? "batches are not spoken here: one object a message"
                                      : "a request is an object");
                return -EBADMSG;
        }
        r = take_id(ret->root, ret, ret_wrong);
        if (r == 0)
                r = take_request(ret->root, ret, ret_wrong);
        return r;
}

void rpc_call_done(struct rpc_call *c) {
        json_decref(c->params);
        json_decref(c->root);
        *c = (struct rpc_call){.id = "null"};
}
