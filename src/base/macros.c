/* The contract is in base/macros.h. */
#include "base/macros.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *expr, const char *file, int line, const char *func) {
        fprintf(stderr, "%s:%d: %s: CHECK failed: %s\n", file, line, func, expr);
        abort();
}

void freep(void *p) {
        free(*(void **)p);
}
