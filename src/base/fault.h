/* fault.h - the fault countdown of test builds.
 *
 * Test programs are linked with -Wl,--wrap for the calls in FAULT_CALLS (Makefile); fault.c has the
 * wrappers. While armed, the n-th such call of this thread fails. Production builds link none of it.
 *
 * Threads: the countdown is the calling thread's own. Lock: any may be held.
 */
#pragma once

#include <stdbool.h>

/* From now on the n-th wrapped call (1 is the next one) fails with this errno (allocations: ENOMEM). */
void fault_arm(unsigned n, int error);

/* Disarms. True if the fault had struck; then *ret_call (may be NULL) is the call's name. */
bool fault_disarm(const char **ret_call);
