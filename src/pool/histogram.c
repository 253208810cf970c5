/* The contract is in pool/histogram.h. */
#include "pool/histogram.h"

void histogram_add(uint64_t buckets[POOL_BUCKETS], uint64_t ns) {
        uint64_t us = ns / 1000;
        unsigned i = 0;

        while (i < POOL_BUCKETS - 1 && us >> i != 0)
                i++;
        buckets[i]++;
}
