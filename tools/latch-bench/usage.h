/* usage.h - what processes use of the machine.
 *
 * Threads: any. Errors: 0 or -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "server.h"

/* What a process, all its threads, has used of the processors, ns. 0: it is gone. */
uint64_t usage_cpu_ns(pid_t pid);
/* Its share of what it maps, KiB. */
_must_use_ int usage_pss_kib(pid_t pid, unsigned long *ret);
/* The same without mappings of memfds: what it has beside the rings of sessions. */
_must_use_ int usage_private_kib(pid_t pid, unsigned long *ret);
_must_use_ int usage_threads(pid_t pid, unsigned long *ret);

/* Processes of a server beside latchd that run this program of its own. How many there are is returned, also if
 * that is more than max. */
size_t usage_find(const struct server *s, const char *program, pid_t *to, size_t max);
/* latchd, its spawner and its holders together, ns. */
uint64_t usage_server_cpu_ns(const struct server *s);
