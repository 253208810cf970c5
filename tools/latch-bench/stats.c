/* The contract is in stats.h. */
#include "stats.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

struct stats stats_of(double *values, size_t n) {
        if (n == 0)
                return (struct stats){0};
        qsort(values, n, sizeof *values, by_value);
        return (struct stats){.p50 = (values[(n - 1) / 2] + values[n / 2]) / 2,
                              .p99 = values[(n - 1) * 99 / 100],
                              .max = values[n - 1]};
}
