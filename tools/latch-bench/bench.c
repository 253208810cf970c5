/* The contract is in bench.h: what the benchmarks share. */
#include "bench.h"

#include <errno.h>
#include <sys/resource.h>

unsigned bench_rounds(const struct bench_options *o, unsigned usual) {
        return o->rounds ? o->rounds : o->quick ? 1 : usual;
}

int bench_raise_descriptors(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        limit.rlim_cur = limit.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}
