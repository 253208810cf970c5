/* init_cpu.h - the CPU time of everything in a cage, against a limit.
 *
 * RLIMIT_CPU is per process; this is their sum: of those that live from /proc, of those that were waited
 * for from their parents. It looks when the limit could be reached at the earliest, so it costs
 * little. Who ignores SIGCHLD loses its children's time; RLIMIT_CPU holds those.
 *
 * Threads: init's one. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct init_cpu {
        uint64_t limit_ms; /* 0: none, or said already */
        uint64_t next_ms;  /* monotonic: when to look */
        unsigned cpus;
};

void init_cpu_init(struct init_cpu *c, uint64_t limit_ms);
int init_cpu_wait_ms(const struct init_cpu *c); /* for poll(2); -1: for ever */
bool init_cpu_spent(struct init_cpu *c);        /* true once */
