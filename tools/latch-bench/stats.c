/* The contract is in stats.h. */
#include "stats.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

struct stats stats_of(double *ms, size_t n) {
        if (n == 0)
                return (struct stats){0};
        qsort(ms, n, sizeof *ms, by_value);
        return (struct stats){.p50 = (ms[(n - 1) / 2] + ms[n / 2]) / 2, .max = ms[n - 1]};
}
