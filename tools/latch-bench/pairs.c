/* The contract is in pairs.h. */
#include "pairs.h"

#include <stdio.h>

#include "stats.h"

struct value { /* one of those that a turn measures, over all rounds */
        double ours[PAIRS_ROUNDS], bare[PAIRS_ROUNDS], ratio[PAIRS_ROUNDS];
};

static int measure(const struct pairs_plan *p, struct value *values) {
        for (unsigned i = 0; i < p->rounds; i++) {
                double ours[PAIRS_VALUES] = {0}, bare[PAIRS_VALUES] = {0};
                int r = i % 2 ? p->bare(p->bare_side, bare) : p->ours(p->ours_side, ours);
                if (r == 0)
                        r = i % 2 ? p->ours(p->ours_side, ours) : p->bare(p->bare_side, bare);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < p->values; k++) {
                        values[k].ours[i] = ours[k];
                        values[k].bare[i] = bare[k];
                        values[k].ratio[i] = bare[k] > 0 ? ours[k] / bare[k] : 0;
                }
        }
        return 0;
}

static void tell(const struct pairs_plan *p, struct value *values, bool json) {
        if (json)
                printf("{\"bench\":\"%s\",\"case\":\"%s\",\"rounds\":%u", p->bench, p->name,
                       p->rounds);
        else
                printf("%s, medians of %u pairs beside %s:\n", p->name, p->rounds, p->peer);
        for (size_t k = 0; k < p->values; k++) {
                double ours = stats_of(values[k].ours, p->rounds).p50,
                       bare = stats_of(values[k].bare, p->rounds).p50,
                       ratio = stats_of(values[k].ratio, p->rounds).p50;

                /* The first value needs no prefix: it is what the case is about. */
                if (json && k == 0)
                        printf(",\"unit\":\"%s\",\"ours\":%.1f,\"bare\":%.1f,\"ratio\":%.3f",
                               p->names[k], ours, bare, ratio);
                else if (json)
                        printf(",\"ours_%s\":%.1f,\"bare_%s\":%.1f,\"ratio_%s\":%.3f", p->names[k],
                               ours, p->names[k], bare, p->names[k], ratio);
                else
                        printf("  %-16s %10.1f   peer %10.1f   ratio %.2f\n", p->names[k], ours,
                               bare, ratio);
        }
        printf("%s", json ? "}\n" : "");
        (void)fflush(stdout);
}

int pairs_run(const struct pairs_plan *plan, bool json) {
        static struct value values[PAIRS_VALUES];
        int r = measure(plan, values);

        if (r == 0)
                tell(plan, values, json);
        return r;
}
