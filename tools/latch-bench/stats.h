/* stats.h - figures of some measurements. Threads: any. */
#pragma once

#include <stddef.h>

struct stats {
        double p50, p99, max; /* 0 of none */
};
struct stats stats_of(double *values, size_t n); /* sorts them */
