/* The contract is in pairs.h. */
#include "pairs.h"

#include <stdio.h>

#include "stats.h"

#define SIDES (1 + PAIRS_PEERS) /* ours is the first */

/* What the turns of a side measured. */
struct measured {
        double of[PAIRS_VALUES][PAIRS_ROUNDS];
};

static const struct pairs_side *side_of(const struct pairs_plan *p, size_t i) {
        return i == 0 ? &p->ours : &p->peers[i - 1];
}

static size_t count_sides(const struct pairs_plan *p) {
        size_t n = 1;

        while (n < SIDES && side_of(p, n)->turn)
                n++;
        return n;
}

static int measure(const struct pairs_plan *p, struct measured *all) {
        size_t n = count_sides(p);

        for (unsigned i = 0; i < p->rounds; i++) {
                for (size_t k = 0; k < n; k++) {
                        size_t at = (i + k) % n;
                        double values[PAIRS_VALUES] = {0};
                        int r = side_of(p, at)->turn(side_of(p, at)->side, values);
                        if (r < 0)
                                return r;
                        for (size_t v = 0; v < p->values; v++)
                                all[at].of[v][i] = values[v];
                }
        }
        return 0;
}

/* Of unsorted values: those of a round belong together. */
static double median_ratio(const double *ours, const double *theirs, unsigned rounds) {
        static double ratios[PAIRS_ROUNDS];

        for (unsigned i = 0; i < rounds; i++)
                ratios[i] = theirs[i] > 0 ? ours[i] / theirs[i] : 0;
        return stats_of(ratios, rounds).p50;
}

static double median(const double *values, unsigned rounds) {
        static double sorted[PAIRS_ROUNDS];

        for (unsigned i = 0; i < rounds; i++)
                sorted[i] = values[i];
        return stats_of(sorted, rounds).p50;
}

static void tell_value(const struct pairs_plan *p, size_t v, const double *ours,
                       const double *theirs, bool json) {
        double our = median(ours, p->rounds), their = median(theirs, p->rounds),
               ratio = median_ratio(ours, theirs, p->rounds);
        const char *name = p->names[v];

        /* The first value needs no prefix: it is what the case is about. */
        if (json && v == 0)
                printf(",\"unit\":\"%s\",\"ours\":%.1f,\"bare\":%.1f,\"ratio\":%.3f", name, our,
                       their, ratio);
        else if (json)
                printf(",\"ours_%s\":%.1f,\"bare_%s\":%.1f,\"ratio_%s\":%.3f", name, our, name,
                       their, name, ratio);
        else
                printf("  %-16s %10.1f   peer %10.1f   ratio %.2f\n", name, our, their, ratio);
}

static void tell(const struct pairs_plan *p, const struct measured *all, bool json) {
        for (size_t k = 1; k < count_sides(p); k++) {
                if (json)
                        printf("{\"bench\":\"%s\",\"case\":\"%s\",\"peer\":\"%s\",\"rounds\":%u",
                               p->bench, p->name, side_of(p, k)->name, p->rounds);
                else
                        printf("%s, medians of %u pairs beside %s:\n", p->name, p->rounds,
                               side_of(p, k)->name);
                for (size_t v = 0; v < p->values; v++)
                        tell_value(p, v, all[0].of[v], all[k].of[v], json);
                printf("%s", json ? "}\n" : "");
        }
        (void)fflush(stdout);
}

int pairs_run(const struct pairs_plan *plan, bool json) {
        static struct measured all[SIDES];
        int r = measure(plan, all);

        if (r == 0)
                tell(plan, all, json);
        return r;
}
