/* api.c - see api.h: all groups of methods. */
#include "api/api_private.h"

int api_group(struct rpc *rpc, const struct rpc_method *methods, size_t n, enum role least,
              const struct api_deps *deps) {
        for (size_t i = 0; i < n; i++) {
                struct rpc_method m = methods[i];
                m.context = (void *)(uintptr_t)deps; /* read only */
                m.least = MAX(m.least, least);
                int r = rpc_add(rpc, &m);
                if (r < 0)
                        return r;
        }
        return 0;
}

int api_add(struct rpc *rpc, const struct api_deps *deps) {
        int r = api_files_add(rpc, deps);

        if (r == 0)
                r = api_sessions_add(rpc, deps);
        if (r == 0)
                r = api_watch_add(rpc, deps);
        if (r == 0)
                r = api_users_add(rpc, deps);
        if (r == 0)
                r = api_admin_add(rpc, deps);
        if (r == 0)
                r = api_locks_add(rpc, deps);
        if (r == 0)
                r = api_search_add(rpc, deps);
        if (r == 0)
                r = api_courses_add(rpc, deps);
        return r;
}
