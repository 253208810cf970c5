/* hash.h - SipHash-1-3: a keyed hash, so that nobody who chooses keys can choose their buckets.
 *
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012; with one round a word and three at the
 * end, as the tables of Rust and of Python have it: a hash here is never shown to anybody.
 *
 * Threads: any. Lock: any may be held.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hash_seed {
        uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n);
