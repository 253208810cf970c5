/* health.c - whether this server lives, and whether it would serve: for those who watch it. No secrets. */
#include "base/clock.h"
#include "front/front_private.h"
#include "front/routes.h"

static json_t *health(const struct front *f, const char *status) {
        return json_pack("{s:s,s:s,s:s,s:I,s:I}", "status", status, "version", LATCH_VERSION,
                         "users_apart", f->deps.users_apart, "uptime_s",
                         (json_int_t)((clock_real_ms() - f->started_ms) / 1000), "sockets",
                         (json_int_t)atomic_load(&f->sockets));
}

void http_healthz(struct request *r) {
        http_json(r, 200, health(r->front, "ok"), NULL);
}

/* Ready: the store answers, and nobody has begun to stop us. */
void http_readyz(struct request *r) {
        struct front *f = r->front;
        size_t users;
        const char *why = NULL;

        if (atomic_load(&f->stopping))
                why = "stopping";
        else if (store_user_count(f->deps.store, &users) < 0)
                why = "the store does not answer";
        http_json(r, why ? 503 : 200, health(f, why ? why : "ok"),
                  why ? "Retry-After: 5\r\n" : NULL);
}
