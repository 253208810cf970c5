/* The contract is in main/server.h. */
#include "main/server.h"

#include <errno.h>
#include <stdlib.h>

#include "api/api.h"
#include "audit/audit.h"
#include "base/log.h"
#include "front/front.h"
#include "front/pump.h"
#include "latch/rcu.h"
#include "pool/pool.h"
#include "rpc/rpc.h"
#include "search/search.h"
#include "session/session.h"
#include "watch/watch.h"
#include "workspace/quota.h"

#define QUEUED_MAX          4096u /* requests that wait, in all */
#define QUEUED_PER_USER_MAX 512u
#define QUEUED_MS           10000u /* longest wait for a worker */

#define HELLO_MS 250u /* the start waits so long for holders that were there before */

/* At a stop by signal these add up to under 5 s, with front_stop's 1 s. */
#define DRAIN_MS      2500u
#define DRAIN_LAST_MS 500u
#define END_ALL_MS    10000u

#define CLOSE_GOING_AWAY 1001u /* RFC 6455, 7.4.1 */
#define CLOSE_RESTARTING 1012u /* IANA's registry of WebSocket close codes */

struct server {
        struct server_deps deps;
        struct store *store;
        struct audit *audit;
        struct quota *quota;
        struct auth *auth;
        struct pool *pool;
        struct pump *pump;
        bool pumping;
        struct sessions *sessions;
        struct watches *watches;
        struct searches *searches;
        struct rpc *rpc;
        struct people people;
        struct api_deps api;
        struct front *front;
};

static void note(struct server *s, const char *what, int error) {
        audit_note(s->audit,
                   &(struct audit_event){.what = what, .object = LATCH_VERSION, .error = error});
}

static int open_memory(struct server *s, char **ret_error) {
        const struct config *c = s->deps.config;
        const struct pool_limits limits = {
                .workers = c->workers,
                .queued = QUEUED_MAX,
                .queued_per_turn = QUEUED_PER_USER_MAX,
        };

        int r = store_open(c->data, &s->store, ret_error);
        if (r == 0)
                r = audit_new(s->store, c->keep_rows, &s->audit);
        if (r == 0)
                r = auth_new(s->store, c, &s->auth);
        if (r == 0)
                r = quota_new(c, &s->quota);
        if (r == 0)
                r = pool_new(&limits, &s->pool);
        if (r == 0)
                r = pump_new(&s->pump);
        return r;
}

static int open_sessions(struct server *s) {
        struct sessions_deps deps = {
                .config = s->deps.config,
                .store = s->store,
                .auth = s->auth,
                .pool = s->pool,
                .spawner = s->deps.spawner,
        };

        pump_hooks(s->pump, &deps.hooks);
        int r = sessions_new(&deps, &s->sessions);
        if (r == 0)
                r = pump_run(s->pump, s->sessions);
        s->pumping = r == 0;
        if (r == 0)
                r = sessions_adopt(s->sessions, HELLO_MS);
        s->people = (struct people){s->deps.config, s->store, s->auth, s->sessions, s->audit};
        return r < 0 ? r : people_settle(&s->people);
}

static int open_methods(struct server *s) {
        const struct rpc_deps deps = {.pool = s->pool,
                                      .sessions = s->sessions,
                                      .config = s->deps.config,
                                      .queued_ms = QUEUED_MS,
                                      .audit = s->audit};

        int r = rpc_new(&deps, &s->rpc);
        if (r == 0)
                r = watches_new(s->deps.config, watch_room(), &s->watches);
        if (r == 0)
                r = searches_new(s->deps.config, s->deps.spawner, &s->searches);
        s->api = (struct api_deps){.config = s->deps.config,
                                   .sessions = s->sessions,
                                   .store = s->store,
                                   .audit = s->audit,
                                   .people = &s->people,
                                   .quota = s->quota,
                                   .watches = s->watches,
                                   .searches = s->searches};
        if (r == 0)
                r = api_add(s->rpc, &s->api);
        return r;
}

int server_open(const struct server_deps *deps, struct server **ret, char **ret_error) {
        struct server *s = calloc(1, sizeof *s);

        if (!s)
                return -ENOMEM;
        s->deps = *deps;
        int r = open_memory(s, ret_error);
        if (r == 0)
                r = open_sessions(s);
        if (r == 0)
                r = open_methods(s);
        if (r < 0) {
                bool closed = server_close(s, false);
                CHECK(closed); /* no client was there to ask for anything */
                return r;
        }
        note(s, "server.start", 0);
        *ret = s;
        return 0;
}

int server_listen(struct server *s, char *address, size_t size, char **ret_error) {
        const struct front_deps deps = {
                .config = s->deps.config,
                .store = s->store,
                .auth = s->auth,
                .audit = s->audit,
                .quota = s->quota,
                .sessions = s->sessions,
                .rpc = s->rpc,
                .pool = s->pool,
                .pump = s->pump,
                .users_apart = s->deps.users_apart,
        };

        int r = front_new(&deps, &s->front);
        if (r == 0)
                r = front_listen(s->front, address, size, ret_error);
        return r;
}

int server_admit(struct server *s) {
        front_admit(s->front);
        return audit_check(s->audit); /* now: a start does not wait for it, nor beside it */
}

struct audit *server_audit(struct server *s) {
        return s->audit;
}

const struct people *server_people(const struct server *s) {
        return &s->people;
}

/* Clients are still there: they get the replies and the exits. */
static bool finish_work(struct server *s, bool end_sessions) {
        if (s->searches)
                searches_stop(s->searches);
        int drained = s->pool ? pool_drain(s->pool, DRAIN_MS) : 0;

        if (end_sessions) {
                int r = sessions_end_all(s->sessions, END_ALL_MS);
                if (r < 0)
                        log_event(LOG_WARN, "server.end_sessions", LOG_E(r));
        }
        if (s->front)
                front_stop(s->front, end_sessions ? CLOSE_GOING_AWAY : CLOSE_RESTARTING);
        if (drained < 0)
                drained = pool_drain(s->pool, DRAIN_LAST_MS);
        return drained == 0;
}

bool server_close(struct server *s, bool end_sessions) {
        if (!s)
                return true;
        bool finished = finish_work(s, end_sessions);
        note(s, "server.stop", finished ? 0 : -ETIMEDOUT);
        if (!finished) {
                int r = audit_flush(s->audit); /* it is not freed */
                if (r < 0)
                        log_event(LOG_ERROR, "audit.lost", LOG_E(r));
                log_event(LOG_WARN, "server.close",
                          LOG_S("reason", "requests are still under way"));
                return false;
        }
        if (s->pumping)
                pump_stop(s->pump);
        front_free(s->front);
        rpc_free(s->rpc);
        searches_free(s->searches);
        watches_free(s->watches);
        sessions_free(s->sessions);
        pump_free(s->pump);
        pool_free(s->pool);
        auth_free(s->auth);
        quota_free(s->quota);
        audit_free(s->audit);
        latch_rcu_barrier();
        store_close(s->store);
        free(s);
        return true;
}
