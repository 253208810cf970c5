/* attempts.h - what is tried before anybody is known, counted for an address or a name in a table of fixed
 * size: failed sign-ins in one table, requests without an identity in another.
 *
 * A name or address is known by a keyed hash; when its set of the table is full the entry that is nearest to
 * being forgiven gives way. Inventing names cannot grow it.
 *
 * Threads: any. Lock: auth_attempts, inside, for a few instructions.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/macros.h"

struct attempts;

enum attempts_kind { ATTEMPTS_ADDRESS = 'a', ATTEMPTS_NAME = 'n' };

/* per_minute may change at any time; it outlives the attempts. 0, -ENOMEM. */
_must_use_ int attempts_new(const _Atomic unsigned *per_minute, struct attempts **ret);
struct attempts *attempts_free(struct attempts *a); /* NULL is fine; NULL */

/* ATTEMPTS_ADDRESS: of IPv6 the /64 counts (address_network). */
uint64_t attempts_key(const struct attempts *a, enum attempts_kind kind, const char *text);

/* Nanoseconds (clock_mono_ns) until this one may try again: 0, it may. Counts nothing. */
uint64_t attempts_wait_ns(struct attempts *a, uint64_t key, uint64_t now_ns);
void attempts_failed(struct attempts *a, uint64_t key, uint64_t now_ns);

/* Judges and counts in one step. 0, or nanoseconds to wait (not counted). units: at most per_minute. */
uint64_t attempts_take(struct attempts *a, uint64_t key, uint64_t now_ns, unsigned units);
