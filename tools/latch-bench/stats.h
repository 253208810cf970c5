/* stats.h - figures of a handful of measurements, milliseconds. Threads: any. */
#pragma once

#include <stddef.h>

struct stats {
        double p50, max; /* 0 of none */
};
struct stats stats_of(double *ms, size_t n); /* sorts them */
