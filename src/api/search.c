/* search.c - fs.search: the wire's words for src/search. */
#include <errno.h>

#include <jansson.h>

#include "api/api_private.h"
#include "search/search.h"
#include "workspace/workspace.h"

#define MATCHES 1000 /* where nothing else is asked for */

static const struct api_deps *deps_of(const struct rpc_request *r) {
        return rpc_context(r);
}

/* It is there, and inside. */
static int check_path(const struct rpc_request *r, const char *path) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        struct workspace_stat st;
        int e = workspace_open(deps_of(r)->config->data, r->account->name, r->account->uid, &w);

        return e < 0 ? e : workspace_stat(w, path, &st);
}

static json_t *match_json(const struct search_match *m) {
        const char *type = m->type == 'f'   ? "file"
                           : m->type == 'd' ? "dir"
                           : m->type == 'l' ? "link"
                                            : "other";

        if (!m->text)
                return json_pack("{s:s, s:s}", "path", m->path, "type", type);
        return json_pack("{s:s, s:I, s:I, s:s}", "path", m->path, "line", (json_int_t)m->line,
                         "column", (json_int_t)m->column, "text", m->text);
}

static int result_json(const struct search_result *found, json_t **ret) {
        json_t *matches = json_array();

        for (size_t i = 0; matches && i < found->n; i++) {
                if (json_array_append_new(matches, match_json(&found->matches[i])) < 0) {
                        json_decref(matches);
                        matches = NULL;
                }
        }
        *ret = matches ? json_pack("{s:o, s:b}", "matches", matches, "truncated",
                                   (int)found->truncated)
                       : NULL;
        return *ret ? 0 : -ENOMEM;
}

static int fail(struct rpc_request *r, int error, const struct search_result *found) {
        if (error == -EINVAL && found->words[0])
                return rpc_fail(r, error, NULL, "%s", found->words);
        if (error == -EBUSY)
                return rpc_fail(r, error, "busy",
                                "a search is under way: wait for its end, and try again");
        return error;
}

static int fs_search(struct rpc_request *r, json_t **ret) {
        const json_t *max = json_object_get(r->params, "max");
        const struct search_request rq = {
                .path = text_param(r, "path"),
                .text = text_param(r, "text"),
                .name = text_param(r, "name"),
                .regex = flag_param(r, "regex", false),
                .exact_case = flag_param(r, "case", false),
                .glob = text_param(r, "glob"),
                .max = max ? (size_t)json_integer_value(max) : MATCHES,
        };
        struct search_result found = {0};

        if (rq.max < 1 || rq.max > SEARCH_MATCHES_MAX)
                return rpc_fail(r, -EINVAL, NULL, "max is 1 to %u", SEARCH_MATCHES_MAX);
        int e = check_path(r, rq.path);
        if (e == 0)
                e = search_run(deps_of(r)->searches, r->port, &rq, &found);
        e = e == 0 ? result_json(&found, ret) : fail(r, e, &found);
        search_result_done(&found);
        return e;
}

int api_search_add(struct rpc *rpc, const struct api_deps *deps) {
        const struct rpc_method m = {
                .name = "fs.search",
                .least = ROLE_STUDENT,
                .cost = 20,
                .params = {{"path", 's', true},
                           {"text", 's', false},
                           {"name", 's', false},
                           {"regex", 'b', false},
                           {"case", 'b', false},
                           {"glob", 's', false},
                           {"max", 'i', false}},
                .handle = fs_search,
                .context = (void *)(uintptr_t)deps, /* read only */
        };

        return rpc_add(rpc, &m);
}
