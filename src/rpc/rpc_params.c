/* rpc_params.c - a call's params against its method's schema. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "rpc/rpc_private.h"

/* Handlers read these as C strings: one with a NUL inside would be cut, and mean another thing. */
static bool is_plain_string(const json_t *v) {
        return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
}

static bool is_string_object(json_t *v) {
        const char *key;
        json_t *one;

        if (!json_is_object(v))
                return false;
        json_object_foreach(v, key, one)
                if (!is_plain_string(one))
                        return false;
        return true;
}

static bool is_string_array(const json_t *v) {
        size_t i;
        json_t *one;

        if (!json_is_array(v))
                return false;
        json_array_foreach(v, i, one)
                if (!is_plain_string(one))
                        return false;
        return true;
}

/* NULL if it fits, else what was wanted, in words. */
static const char *misfit(char type, json_t *v) {
        switch (type) {
        case 's': return is_plain_string(v) ? NULL : "a string without NUL";
        case 'S': return json_is_string(v) ? NULL : "a string";
        case 'i':
                return json_is_integer(v) && json_integer_value(v) >= 0
                               ? NULL
                               : "a whole number, 0 or more";
        case 'n': return json_is_number(v) ? NULL : "a number";
        case 'b': return json_is_boolean(v) ? NULL : "true or false";
        case 'o': return is_string_object(v) ? NULL : "an object of strings without NUL";
        case 'a': return is_string_array(v) ? NULL : "an array of strings without NUL";
        case 'O': return json_is_object(v) ? NULL : "an object";
        default: CHECK(!"a type letter of rpc.h"); return "";
        }
}

static const struct rpc_param *find_param(const struct rpc_method *m, const char *name) {
        for (const struct rpc_param *p = m->params; p < m->params + RPC_PARAMS_MAX && p->name; p++)
                if (str_eq(p->name, name))
                        return p;
        return NULL;
}

int rpc_params_check(const struct rpc_method *m, const json_t *params,
                     struct rpc_wrong *ret_wrong) {
        const char *name;
        json_t *value;

        if (!json_is_object(params)) {
                rpc_wrong_set(ret_wrong, RPC_PARAMS, NULL, "params must be an object");
                return -EINVAL;
        }
        json_object_foreach((json_t *)params, name, value) {
                const struct rpc_param *p = find_param(m, name);
                const char *wanted = p ? misfit(p->type, value) : NULL;

                if (p && !wanted)
                        continue;
                if (p)
                        rpc_wrong_set(ret_wrong, RPC_PARAMS, NULL, "%s must be %s", name, wanted);
                else
                        rpc_wrong_set(ret_wrong, RPC_PARAMS, NULL, "%s has no parameter \"%s\"",
                                      m->name, name);
                return -EINVAL;
        }
        for (const struct rpc_param *p = m->params; p < m->params + RPC_PARAMS_MAX && p->name;
             p++) {
                if (p->required && !json_object_get(params, p->name)) {
                        rpc_wrong_set(ret_wrong, RPC_PARAMS, NULL, "%s needs \"%s\"", m->name,
                                      p->name);
                        return -EINVAL;
                }
        }
        return 0;
}
