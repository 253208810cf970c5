/* The contract is in latch/level.h. */
#include "latch/level.h"

#include <errno.h>

#include "latch/latch_private.h"

_Atomic unsigned latch_level_ = LATCH_LEVEL_CHECK;
static atomic_bool was_off;

int latch_set_level(unsigned level) {
        if (level > LATCH_LEVEL_TRACE)
                return -EINVAL;
        if (level == LATCH_LEVEL_OFF) /* before anybody begins a hold that is not tracked */
                atomic_store(&was_off, true);
        atomic_store(&latch_level_, level);
        return 0;
}

bool latch_was_off(void) {
        return atomic_load_explicit(&was_off, memory_order_relaxed);
}
