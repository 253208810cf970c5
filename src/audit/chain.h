/* chain.h - the hash of an audit row, and the check of a whole chain.
 *
 * hash(n) = BLAKE2b-256 (RFC 7693) over hash(n-1) and the row's fields in the order of struct store_audit,
 * each behind its length in 4 bytes, little-endian; numbers are 8 bytes, little-endian.
 *
 * Threads: any. Lock: none may be held (the store is asked).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "store/store.h"

void chain_hash(const unsigned char before[AUDIT_HASH_BYTES], const struct store_audit *row,
                unsigned char ret[AUDIT_HASH_BYTES]);

struct chain_verdict {
        bool whole;
        int64_t broken; /* seq of the first row that does not fit; if !whole */
        struct store_audit_link start, last;
        uint64_t rows; /* that fit */
};

/* Reads all rows, a page at a time, so that nobody waits for it. stop may be NULL; once it is true: -EINTR.
 * 0 and a verdict, or -errno of the store. */
_must_use_ int chain_verify(struct store *store, const atomic_bool *stop,
                            struct chain_verdict *ret);
