/* The contract is in front/metrics_locks.h. Names of classes and places come from our own source. */
#include "front/metrics_locks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/macros.h"
#include "latch/figures.h"
#include "latch/level.h"
#include "latch/policy.h"

/* Of the figures' 160 buckets every eighth is told: 64 ns to 17 s, each four times the one before. */
#define FIRST_TOLD 19u
#define LAST_TOLD  131u
#define TOLD_STEP  8u

struct text {
        struct buf *to;
        int error;
};

#define ADD(t, ...) ((t)->error = (t)->error ? (t)->error : buf_addf((t)->to, __VA_ARGS__))

static void head(struct text *t, const char *name, const char *type, const char *help) {
        ADD(t, "# HELP latch_lock_%s %s\n# TYPE latch_lock_%s %s\n", name, help, name, type);
}

static void add_histogram(struct text *t, const char *name, const char *class,
                          const struct latch_histogram *h) {
        uint64_t n = 0;

        for (unsigned i = 0; i <= LAST_TOLD; i++) {
                n += h->bucket[i];
                if (i >= FIRST_TOLD && (i - FIRST_TOLD) % TOLD_STEP == 0)
                        ADD(t,
                            "latch_lock_%s_bucket{class=\"%s\",le=\"%g\"} "
                            "%" PRIu64 "\n",
                            name, class, (double)latch_bucket_end_ns(i) / 1e9, n);
        }
        for (unsigned i = LAST_TOLD + 1; i < LATCH_BUCKETS; i++)
                n += h->bucket[i];
        ADD(t, "latch_lock_%s_bucket{class=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, class, n);
        ADD(t, "latch_lock_%s_count{class=\"%s\"} %" PRIu64 "\n", name, class, n);
        ADD(t, "latch_lock_%s_sum{class=\"%s\"} %.9f\n", name, class, (double)h->sum_ns / 1e9);
}

static void add_classes(struct text *t, const struct latch_class_figures *all) {
        head(t, "taken_total", "counter", "Times that locks were taken.");
        for (unsigned i = 0; i < LATCH_CLASS_COUNT; i++)
                ADD(t, "latch_lock_taken_total{class=\"%s\"} %" PRIu64 "\n",
                    latch_class_name((enum latch_class)i), all[i].taken);
        head(t, "contended_total", "counter", "Times that they were waited for.");
        for (unsigned i = 0; i < LATCH_CLASS_COUNT; i++)
                ADD(t, "latch_lock_contended_total{class=\"%s\"} %" PRIu64 "\n",
                    latch_class_name((enum latch_class)i), all[i].contended);
        head(t, "wait_seconds", "histogram", "How long they were waited for.");
        for (unsigned i = 0; i < LATCH_CLASS_COUNT; i++)
                if (all[i].wait.count > 0)
                        add_histogram(t, "wait_seconds", latch_class_name((enum latch_class)i),
                                      &all[i].wait);
        head(t, "hold_seconds", "histogram", "How long they were held, by samples.");
        for (unsigned i = 0; i < LATCH_CLASS_COUNT; i++)
                if (all[i].hold.count > 0)
                        add_histogram(t, "hold_seconds", latch_class_name((enum latch_class)i),
                                      &all[i].hold);
}

static void add_places(struct text *t, const struct latch_place *places, size_t n) {
        head(t, "place_contended_total", "counter", "Times that a lock was waited for, by place.");
        for (size_t i = 0; i < n; i++)
                if (places[i].contended > 0)
                        ADD(t,
                            "latch_lock_place_contended_total{class=\"%s\",place=\"%s:%d\"} "
                            "%" PRIu64 "\n",
                            latch_class_name(places[i].class), places[i].site->file,
                            places[i].site->line, places[i].contended);
}

int metrics_locks(struct buf *to) {
        _cleanup_(freep) struct latch_class_figures *all = calloc(LATCH_CLASS_COUNT, sizeof *all);
        _cleanup_(freep) struct latch_place *places = calloc(LATCH_PLACES_MAX, sizeof *places);
        struct text t = {.to = to, .error = all && places ? 0 : -ENOMEM};

        if (t.error < 0)
                return t.error;
        for (unsigned i = 0; i < LATCH_CLASS_COUNT; i++)
                latch_figures((enum latch_class)i, &all[i]);
        head(&t, "level", "gauge", "How closely locks are watched, 0 to 2.");
        ADD(&t, "latch_lock_level %u\n", latch_level());
        head(&t, "violations_total", "counter", "Locks that were misused.");
        ADD(&t, "latch_lock_violations_total %" PRIu64 "\n", latch_violations());
        add_classes(&t, all);
        add_places(&t, places, latch_places(places, LATCH_PLACES_MAX));
        return t.error;
}
