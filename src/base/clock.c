/* The contract is in base/clock.h. */
#include "base/clock.h"

#include <time.h>

#include "base/macros.h"

static uint64_t read_ns(clockid_t id) {
        struct timespec t;

        CHECK(clock_gettime(id, &t) == 0);
        return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

uint64_t clock_mono_ns(void) {
        return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void) {
        return read_ns(CLOCK_MONOTONIC) / 1000000;
}

uint64_t clock_real_ms(void) {
        return read_ns(CLOCK_REALTIME) / 1000000;
}
