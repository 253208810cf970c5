/* api.h - the groups of methods; each file adds its own to the table.
 *
 * Threads: main, once. Lock: none may be held.
 */
#pragma once

#include "base/macros.h"
#include "config/config.h"
#include "rpc/rpc.h"
#include "search/search.h"
#include "session/session.h"
#include "watch/watch.h"

struct audit;
struct people;
struct quota;

/* All of it outlives the rpc, this struct, too: it is the context of the fs.* methods. Nothing is asked of it
 * before a method is called. */
struct api_deps {
        const struct config *config;
        struct sessions *sessions;
        struct store *store;
        struct audit *audit;
        const struct people *people;
        struct quota *quota; /* or NULL: there is none */
        struct watches *watches;
        struct searches *searches;
};

/* Every group there is: what a server has, and what latch-routes prints. 0, -ENOMEM. */
_must_use_ int api_add(struct rpc *rpc, const struct api_deps *deps);

/* The groups. */
_must_use_ int api_files_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_sessions_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_users_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_admin_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_locks_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_watch_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_courses_add(struct rpc *rpc, const struct api_deps *deps);
_must_use_ int api_search_add(struct rpc *rpc, const struct api_deps *deps);
