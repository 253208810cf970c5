/* The contract is in api/locks.h; here is the method of admins, too. */
#include "api/locks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/api_private.h"
#include "latch/figures.h"
#include "latch/level.h"
#include "latch/policy.h"

#define PLACE_MAX 160

static void place_words(const struct latch_site *site, char to[PLACE_MAX]) {
        (void)snprintf(to, PLACE_MAX, "%s:%d (%s)", site->file, site->line, site->func);
}

static json_t *histogram_json(const struct latch_histogram *h) {
        return json_pack("{s:I, s:I, s:I, s:I, s:I}", "count", (json_int_t)h->count, "sum_ns",
                         (json_int_t)h->sum_ns, "p50_ns", (json_int_t)latch_quantile_ns(h, 0.5),
                         "p99_ns", (json_int_t)latch_quantile_ns(h, 0.99), "max_ns",
                         (json_int_t)h->max_ns);
}

static json_t *class_json(enum latch_class class) {
        struct latch_class_figures f;

        latch_figures(class, &f);
        return json_pack("{s:s, s:I, s:I, s:o, s:o}", "name", latch_class_name(class), "taken",
                         (json_int_t)f.taken, "contended", (json_int_t)f.contended, "wait",
                         histogram_json(&f.wait), "hold", histogram_json(&f.hold));
}

static json_t *classes_json(void) {
        json_t *list = json_array();

        for (unsigned i = 0; list && i < LATCH_CLASS_COUNT; i++)
                if (json_array_append_new(list, class_json((enum latch_class)i)) < 0)
                        list = (json_decref(list), NULL);
        return list;
}

/* ---- places ---- */

static int by_wait(const void *a, const void *b) {
        const struct latch_place *x = a, *y = b;

        return (x->wait_ns < y->wait_ns) - (x->wait_ns > y->wait_ns);
}

static int by_hold(const void *a, const void *b) {
        const struct latch_place *x = a, *y = b;

        return (x->longest_hold_ns < y->longest_hold_ns) -
               (x->longest_hold_ns > y->longest_hold_ns);
}

static json_t *wait_json(const struct latch_place *p) {
        char place[PLACE_MAX];

        place_words(p->site, place);
        return json_pack("{s:s, s:s, s:I, s:I, s:I}", "place", place, "class",
                         latch_class_name(p->class), "contended", (json_int_t)p->contended,
                         "wait_ns", (json_int_t)p->wait_ns, "longest_wait_ns",
                         (json_int_t)p->longest_wait_ns);
}

static json_t *hold_json(const struct latch_place *p) {
        char place[PLACE_MAX];

        place_words(p->site, place);
        return json_pack("{s:s, s:s, s:I}", "place", place, "class", latch_class_name(p->class),
                         "longest_hold_ns", (json_int_t)p->longest_hold_ns);
}

/* The worst of all places: those of waits that had any, or of holds. */
static json_t *places_json(struct latch_place *places, size_t n, bool waits) {
        json_t *list = json_array();

        if (n > 0)
                qsort(places, n, sizeof *places, waits ? by_wait : by_hold);
        for (size_t i = 0; list && i < n && json_array_size(list) < LOCKS_PLACES; i++) {
                if ((waits ? places[i].contended : places[i].longest_hold_ns) == 0)
                        continue;
                json_t *one = waits ? wait_json(&places[i]) : hold_json(&places[i]);
                if (json_array_append_new(list, one) < 0)
                        list = (json_decref(list), NULL);
        }
        return list;
}

json_t *locks_json(void) {
        _cleanup_(freep) struct latch_place *places = calloc(LATCH_PLACES_MAX, sizeof *places);

        if (!places)
                return NULL;
        size_t n = latch_places(places, LATCH_PLACES_MAX);
        json_t *waits = places_json(places, n, true), *holds = places_json(places, n, false);
        return json_pack("{s:i, s:I, s:o, s:o, s:o, s:I}", "level", (int)latch_level(),
                         "violations", (json_int_t)latch_violations(), "classes", classes_json(),
                         "contention", waits, "holds", holds, "places_lost",
                         (json_int_t)latch_places_lost());
}

/* ---- the trace ---- */

json_t *locks_event_json(const struct latch_trace_ring *ring, size_t i) {
        const struct latch_event *e = &ring->events[i];
        char place[PLACE_MAX], lock[24];

        place_words(e->site, place);
        (void)snprintf(lock, sizeof lock, "0x%" PRIx64, e->lock);
        return json_pack("{s:s, s:i, s:b, s:I, s:s, s:s, s:s, s:b, s:I, s:I, s:s}", "thread",
                         ring->thread, "tid", (int)ring->tid, "ended", (int)ring->ended, "n",
                         (json_int_t)(ring->first + i), "step", latch_step_name(e->step), "class",
                         latch_class_name(e->class), "lock", lock, "shared", (int)e->shared,
                         "generation", (json_int_t)e->generation, "time_ns", (json_int_t)e->time_ns,
                         "place", place);
}

/* ---- the method ---- */

static int do_locks(struct rpc_request *r, json_t **ret) {
        (void)r;
        *ret = locks_json();
        return *ret ? 0 : -ENOMEM;
}

static const struct rpc_method methods[] = {
        {.name = "admin.locks", .cost = 5, .handle = do_locks},
};

int api_locks_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_ADMIN, deps);
}
