/* watch.c - fs.watch and fs.unwatch: the wire's words for src/watch. */
#include <errno.h>
#include <stdint.h>

#include <jansson.h>

#include "api/api_private.h"
#include "base/fd.h"
#include "watch/watch.h"
#include "workspace/workspace.h"

static const struct api_deps *deps_of(const struct rpc_request *r) {
        return rpc_context(r);
}

static int open_folder(struct rpc_request *r, const char *path, int *ret_fd,
                       char name[NAME_MAX + 1]) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        int e = workspace_open(deps_of(r)->config->data, r->account->name, r->account->uid, &w);

        if (e == 0)
                e = workspace_open_folder(w, path, ret_fd, name);
        return e;
}

static int fail(struct rpc_request *r, int error) {
        unsigned most = deps_of(r)->config->watches_per_user;

        if (error == -EINVAL)
                return rpc_fail(r, error, NULL,
                                "that is not a path: parts between single '/', none of them empty, "
                                "\".\" or \"..\"");
        if (error == -EUSERS)
                return rpc_fail(r, error, "limit_reached",
                                "you watch %u folders, and more are not allowed: unwatch some",
                                most);
        if (error == -ENOSPC)
                return rpc_fail(
                        r, error, "limit_reached",
                        "the server watches as many folders as it may: its administrator can "
                        "raise the sysctl fs.inotify.max_user_watches and start it again");
        return error;
}

static void heard(struct rpc_request *r) {
        watch_activate(deps_of(r)->watches, r->port, (uint32_t)(uintptr_t)r->after_arg);
}

static int fs_watch(struct rpc_request *r, json_t **ret) {
        _cleanup_(fd_closep) int folder = -1;
        char name[NAME_MAX + 1];
        struct watch_request rq = {
                .path = json_string_value(json_object_get(r->params, "path")),
                .name = name,
        };
        uint32_t number;
        int e = open_folder(r, rq.path, &folder, name);

        rq.folder = folder;
        if (e == 0)
                e = watch_add(deps_of(r)->watches, r->port, &rq, &number);
        if (e < 0)
                return fail(r, e);
        *ret = json_pack("{s:I}", "watch", (json_int_t)number);
        if (!*ret) {
                int gone = watch_remove(deps_of(r)->watches, r->port, number);
                return gone < 0 ? gone : -ENOMEM;
        }
        r->after_reply = heard;
        r->after_arg = (void *)(uintptr_t)number;
        return 0;
}

static int fs_unwatch(struct rpc_request *r, json_t **ret) {
        json_int_t number = json_integer_value(json_object_get(r->params, "watch"));
        int e = number > UINT32_MAX ? -ENOENT
                                    : watch_remove(deps_of(r)->watches, r->port, (uint32_t)number);

        (void)ret;
        return e == -ENOENT ? rpc_fail(r, e, NULL, "there is no such watch on this socket") : e;
}

static const struct rpc_method methods[] = {
        {.name = "fs.watch", .params = {{"path", 's', true}}, .handle = fs_watch},
        {.name = "fs.unwatch", .params = {{"watch", 'i', true}}, .handle = fs_unwatch},
};

int api_watch_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_STUDENT, deps);
}
