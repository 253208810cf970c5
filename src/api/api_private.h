/* api_private.h - what the groups of methods share: a call's parameters, its reply, the way into the table.
 *
 * Threads: any worker; api_group: main. Lock: none may be held.
 */
#pragma once

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "base/macros.h"

/* Of the type that the schema says, for it was judged before. NULL, or `otherwise`: it is left out. */
static inline const char *text_param(const struct rpc_request *r, const char *name) {
        return json_string_value(json_object_get(r->params, name));
}

static inline bool flag_param(const struct rpc_request *r, const char *name, bool otherwise) {
        const json_t *v = json_object_get(r->params, name);

        return v ? json_is_true(v) : otherwise;
}

/* A reply that was just made: 0, -ENOMEM. */
static inline int give(json_t *made, json_t **ret) {
        *ret = made;
        return made ? 0 : -ENOMEM;
}

/* watching.c: may whoever asks attach to this session? Somebody else's: only to watch, and it is on record. 0;
 * -errno and the words. */
_must_use_ int watching_judge(struct rpc_request *r, struct session_join *join);
json_t *watching_json(struct session *s); /* [{"name","role"}]; NULL: no memory */

/* Adds the methods of one group, with deps for their context, for this role and those above it unless a method
 * asks for more. 0, -ENOMEM. */
_must_use_ int api_group(struct rpc *rpc, const struct rpc_method *methods, size_t n,
                         enum role least, const struct api_deps *deps);
