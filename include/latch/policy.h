/* policy.h - what becomes of a program that misuses a lock.
 *
 * Going on leaves the locks as they can be relied on: one that is taken twice is held once, until the outer
 * guard ends; what another holds is not let go; what is held is not destroyed; a lease goes by the token of its
 * hold alone; an order that is wrong is taken as it is. Where nothing could be relied on, or the program would only
 * hang, it is reported and ended whatever the policy: an upgrade, threads that wait for each other, a lock or a lease
 * that is not alive, more locks than can be counted, a condition waited on without its lock, a hand-over without
 * the lock, twice, or to a thread that ends before it takes it up, a lock in a signal handler, RCU without
 * latch_thread_begin, a wait for RCU in a read section, one that a thread or a callback leaves open, blocking in an
 * RCU callback.
 *
 * Threads: any, at any time; one policy for the program.
 */
#pragma once

#include <stdint.h>

enum latch_policy {
        LATCH_POLICY_ABORT,  /* report and abort; the default */
        LATCH_POLICY_REPORT, /* report, count and go on */
        LATCH_POLICY_COUNT,  /* count and go on */
};

#pragma GCC visibility push(default)

void latch_set_policy(enum latch_policy wanted);

/* How many violations there have been. */
uint64_t latch_violations(void);

#pragma GCC visibility pop
