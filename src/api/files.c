/* files.c - the fs.* methods: what a workspace can do, as the wire says it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/api_private.h"
#include "audit/audit.h"
#include "base/base64.h"
#include "base/str.h"
#include "workspace/workspace.h"

static const struct config *config_of(const struct rpc_request *r) {
        const struct api_deps *deps = rpc_context(r);

        return deps->config;
}

/* Where the table's words would not say enough. */
static int fail(struct rpc_request *r, int error) {
        switch (error) {
        case -EINVAL:
                return rpc_fail(
                        r, error, NULL,
                        "that is not a path: parts between single '/', none of them empty, \".\" or \"..\"");
        case -EPERM:
                return rpc_fail(r, error, NULL,
                                "home, courses and each course itself stay as they are");
        default: return error;
        }
}

static int open_workspace(const struct rpc_request *r, struct workspace **ret) {
        const struct api_deps *deps = rpc_context(r);
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        int e = workspace_open_account(deps->config->data, deps->store, r->account, &w);

        if (e == 0)
                e = workspace_limit(w, deps->quota, r->account->name);
        if (e == 0)
                *ret = TAKE_PTR(w);
        return e;
}

static const char *type_name(enum workspace_type type) {
        switch (type) {
        case WORKSPACE_FILE: return "file";
        case WORKSPACE_DIR: return "dir";
        case WORKSPACE_LINK: return "link";
        default: return "other";
        }
}

static json_t *stat_json(const struct workspace_stat *st) {
        char name[WORKSPACE_NAME_MAX];

        workspace_name_wire(st->name, name);
        return json_pack("{s:s, s:s, s:I, s:f, s:i, s:b, s:s}", "name", name, "type",
                         type_name(st->type), "size", (json_int_t)st->size, "mtime", st->mtime_s,
                         "mode", (int)st->mode, "writable", (int)st->writable, "etag", st->etag);
}

static int fs_stat(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        struct workspace_stat st;
        int e = open_workspace(r, &w);

        if (e == 0)
                e = workspace_stat(w, text_param(r, "path"), &st);
        return e < 0 ? fail(r, e) : give(stat_json(&st), ret);
}

static int list_json(const struct workspace_stat *list, size_t n, json_t **ret) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++) {
                if (json_array_append_new(array, stat_json(&list[i])) < 0) {
                        json_decref(array);
                        array = NULL;
                }
        }
        return give(array, ret);
}

/* A page, where it is asked for: then fewer than limit entries are the last. */
static int list_part(struct rpc_request *r, struct workspace *w, unsigned most,
                     struct workspace_stat **ret, size_t *ret_n) {
        const json_t *limit = json_object_get(r->params, "limit");
        const char *after = text_param(r, "after");
        json_int_t n = limit ? json_integer_value(limit) : most;

        if (n < 1 || n > most)
                return rpc_fail(r, -EINVAL, NULL, "limit must be 1 to %u", most);
        int e = workspace_list_page(w, text_param(r, "path"), after ? after : "", (size_t)n, ret,
                                    ret_n);
        return e < 0 ? fail(r, e) : 0;
}

static int list_all(struct rpc_request *r, struct workspace *w, unsigned most,
                    struct workspace_stat **ret, size_t *ret_n) {
        int e = workspace_list(w, text_param(r, "path"), most, ret, ret_n);

        if (e == -EFBIG)
                return rpc_fail(
                        r, e, NULL,
                        "the folder has more than %u entries: ask for pages, with \"limit\" "
                        "and, from the second on, \"after\"",
                        most);
        return e < 0 ? fail(r, e) : 0;
}

static int fs_list(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        _cleanup_(freep) struct workspace_stat *list = NULL;
        const struct config *config = config_of(r);
        bool part = json_object_get(r->params, "after") || json_object_get(r->params, "limit");
        size_t n = 0;
        int e = open_workspace(r, &w);

        if (e == 0)
                e = (part ? list_part : list_all)(r, w, config->list_entries, &list, &n);
        return e < 0 ? e : list_json(list, n, ret);
}

/* What a user changed, or tried to. to: of a rename, or NULL. */
static void note(const struct rpc_request *r, const char *what, const char *path, const char *to,
                 int error) {
        const struct api_deps *deps = rpc_context(r);
        _cleanup_(freep) char *both = to ? str_printf("%s -> %s", path, to) : NULL;

        audit_note(deps->audit, &(struct audit_event){.what = what,
                                                      .user = r->account->name,
                                                      .address = r->port->address,
                                                      .object = both ? both : path,
                                                      .error = error});
}

/* A NUL is UTF-8, but a file that has one is no text, and many readers of JSON refuse it. */
static int content_json(const char *data, size_t n, json_t **ret_data, const char **ret_encoding) {
        if (!memchr(data, '\0', n) && utf8_valid(data, n)) {
                *ret_encoding = "utf8";
                return give(json_stringn_nocheck(data, n), ret_data);
        }
        _cleanup_(freep) char *text = malloc(BASE64_CHARS(n) + 1);
        if (!text)
                return -ENOMEM;
        base64_encode(data, n, text);
        *ret_encoding = "base64";
        return give(json_stringn_nocheck(text, BASE64_CHARS(n)), ret_data);
}

/* Never less than was asked for without a word: an editor would save the rest away. */
static int read_whole(struct rpc_request *r, struct workspace *w, char **ret, size_t *ret_n,
                      struct workspace_stat *ret_stat) {
        const struct config *config = config_of(r);
        const json_t *length = json_object_get(r->params, "length");
        uint64_t offset = (uint64_t)json_integer_value(json_object_get(r->params, "offset"));
        uint64_t wanted = length ? (uint64_t)json_integer_value(length) : UINT64_MAX;
        uint64_t most = config->file_bytes;
        size_t limit = (size_t)MIN(wanted, most);
        int e = workspace_read(w, text_param(r, "path"), offset, limit, ret, ret_n, ret_stat);

        if (e < 0)
                return fail(r, e);
        if (limit < wanted && offset < ret_stat->size && ret_stat->size - offset > limit)
                return rpc_fail(r, -EFBIG, NULL, "at most %zu bytes can be read at once",
                                (size_t)most);
        return 0;
}

static int fs_read(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        _cleanup_(freep) char *data = NULL;
        struct workspace_stat st;
        const char *encoding = NULL;
        json_t *content = NULL;
        size_t n = 0;
        int e = open_workspace(r, &w);

        if (e == 0)
                e = read_whole(r, w, &data, &n, &st);
        if (e == 0)
                e = content_json(data, n, &content, &encoding);
        if (e < 0)
                return e;
        return give(json_pack("{s:o, s:s, s:I, s:s}", "data", content, "encoding", encoding, "size",
                              (json_int_t)st.size, "etag", st.etag),
                    ret);
}

/* *ret_data is what to write; *ret_own is memory to be freed, or NULL. */
static int decode_data(struct rpc_request *r, const char **ret_data, size_t *ret_n,
                       char **ret_own) {
        const struct config *config = config_of(r);
        const size_t most = config->file_bytes;
        const json_t *data = json_object_get(r->params, "data");
        const char *encoding = text_param(r, "encoding");

        *ret_data = json_string_value(data);
        *ret_n = json_string_length(data);
        if (encoding && str_eq(encoding, "base64")) {
                int e = base64_decode(*ret_data, *ret_n, ret_own, ret_n);
                if (e == -EINVAL)
                        return rpc_fail(r, e, NULL, "data is not base64 with padding (RFC 4648)");
                if (e < 0)
                        return e;
                *ret_data = *ret_own;
        } else if (encoding && !str_eq(encoding, "utf8")) {
                return rpc_fail(r, -EINVAL, NULL, "encoding must be \"utf8\" or \"base64\"");
        }
        return *ret_n > most ? rpc_fail(r, -EFBIG, NULL, "a file may have at most %zu bytes", most)
                             : 0;
}

/* With what stands there now, so that a client can ask which of the two is to stay. */
static int fail_conflict(struct rpc_request *r, struct workspace *w, int error) {
        struct workspace_stat now;

        if (workspace_stat(w, text_param(r, "path"), &now) == 0)
                r->data = json_pack("{s:s, s:I, s:f}", "etag", now.etag, "size",
                                    (json_int_t)now.size, "mtime", now.mtime_s);
        return error;
}

static int fs_write(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        _cleanup_(freep) char *own = NULL;
        struct workspace_stat st;
        const char *data;
        size_t n;
        int e = decode_data(r, &data, &n, &own);

        if (e < 0)
                return e;
        e = open_workspace(r, &w);
        if (e == 0)
                e = workspace_write(w, text_param(r, "path"), data, n, text_param(r, "if_match"),
                                    &st);
        note(r, "fs.write", text_param(r, "path"), NULL, e);
        if (e == -ESTALE || e == -EEXIST)
                return fail_conflict(r, w, e);
        if (e < 0)
                return fail(r, e);
        return give(json_pack("{s:I, s:s}", "size", (json_int_t)st.size, "etag", st.etag), ret);
}

static int fs_mkdir(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        int e = open_workspace(r, &w);

        (void)ret;
        if (e == 0)
                e = workspace_mkdir(w, text_param(r, "path"));
        note(r, "fs.mkdir", text_param(r, "path"), NULL, e);
        return e < 0 ? fail(r, e) : 0;
}

static int fs_remove(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        int e = open_workspace(r, &w);

        (void)ret;
        if (e == 0)
                e = workspace_remove(w, text_param(r, "path"), flag_param(r, "recursive", false),
                                     NULL);
        note(r, "fs.remove", text_param(r, "path"), NULL, e);
        return e < 0 ? fail(r, e) : 0;
}

static bool is_path(const struct rpc_request *r, const char *param) {
        const char *path = text_param(r, param);

        return workspace_path_check(path, strlen(path)) == 0;
}

static int fs_rename(struct rpc_request *r, json_t **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        int e = open_workspace(r, &w);

        (void)ret;
        if (e == 0)
                e = workspace_rename(w, text_param(r, "from"), text_param(r, "to"),
                                     flag_param(r, "replace", false));
        note(r, "fs.rename", text_param(r, "from"), text_param(r, "to"), e);
        if (e == -EACCES)
                return rpc_fail(r, e, NULL,
                                "between home and a course nothing is moved: write it there anew");
        if (e == -EINVAL && is_path(r, "from") && is_path(r, "to"))
                return rpc_fail(r, e, NULL, "a folder cannot be moved into itself");
        return e < 0 ? fail(r, e) : 0;
}

static const struct rpc_method methods[] = {
        {.name = "fs.list",
         .params = {{"path", 's', true}, {"after", 's', false}, {"limit", 'i', false}},
         .handle = fs_list},
        {.name = "fs.stat", .params = {{"path", 's', true}}, .handle = fs_stat},
        {.name = "fs.read",
         .params = {{"path", 's', true}, {"offset", 'i', false}, {"length", 'i', false}},
         .handle = fs_read},
        {.name = "fs.write",
         .params = {{"path", 's', true},
                    {"data", 'S', true},
                    {"encoding", 's', false},
                    {"if_match", 's', false}},
         .handle = fs_write},
        {.name = "fs.mkdir", .params = {{"path", 's', true}}, .handle = fs_mkdir},
        {.name = "fs.remove",
         .params = {{"path", 's', true}, {"recursive", 'b', false}},
         .handle = fs_remove},
        {.name = "fs.rename",
         .params = {{"from", 's', true}, {"to", 's', true}, {"replace", 'b', false}},
         .handle = fs_rename},
};

int api_files_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_STUDENT, deps);
}
