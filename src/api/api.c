/* api.c - see api.h: all groups of methods. */
#include "api/api.h"

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
                r = api_search_add(rpc, deps);
        if (r == 0)
                r = api_courses_add(rpc, deps);
        return r;
}
