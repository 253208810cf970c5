/* watching.c - who may look at a session of somebody else's, and that it stands on record. */
#include <errno.h>
#include <stdio.h>

#include "api/api_private.h"
#include "audit/audit.h"

static int judge(const struct rpc_request *r, const struct account *owner) {
        const struct api_deps *deps = rpc_context(r);
        enum role role = atomic_load(&r->account->role);

        if (role <= atomic_load(&owner->role))
                return -EACCES;
        if (role == ROLE_ADMIN)
                return 0;
        int e = store_course_teaches_any(deps->store, r->account->user_id);
        return e == -ENOENT ? -EACCES : e;
}

int watching_judge(struct rpc_request *r, struct session_join *join) {
        const struct account *owner = session_owner(r->session);
        const struct api_deps *deps = rpc_context(r);

        if (owner == r->account)
                return 0;
        int e = judge(r, owner);
        if (e == 0 && join->role == SESSION_ROLE_DRIVER)
                e = -EPERM;
        audit_note(deps->audit, &(struct audit_event){.what = "session.watch",
                                                      .user = r->account->name,
                                                      .address = r->port->address,
                                                      .object = text_param(r, "session"),
                                                      .error = e});
        if (e == -EPERM)
                return rpc_fail(r, e, "forbidden", "you may watch this session, not drive it");
        if (e == -EACCES) /* as to everybody else whose it is not */
                return rpc_fail(r, e, "not_found", "there is no such session");
        join->watch = true;
        join->role = SESSION_ROLE_VIEWER;
        return e;
}

json_t *watching_json(struct session *s) {
        struct session_watcher all[SESSION_WATCHERS_MAX];
        size_t n = session_watchers(s, all);
        json_t *list = json_array();

        for (size_t i = 0; list && i < n; i++)
                if (json_array_append_new(list, json_pack("{s:s, s:s}", "name", all[i].name, "role",
                                                          role_name(all[i].role))) < 0)
                        list = (json_decref(list), NULL);
        return list;
}
