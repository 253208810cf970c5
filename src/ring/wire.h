/* wire.h - the head of a binary frame of latch.v1 (docs/protocol.md), for whoever sends or takes one.
 *
 * Threads: any. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define WIRE_HEAD 16u /* bytes: the kind, three zeros, channel and offset, little-endian */

/* The kinds that are not a ring's (enum ring_kind). */
enum { WIRE_INPUT = 2, WIRE_SNAPSHOT = 5 };

struct wire_head {
        uint8_t kind;
        uint32_t channel;
        uint64_t offset;
};
void wire_put(unsigned char to[WIRE_HEAD], struct wire_head h);
/* False: it is shorter, or its zeros are none. */
_must_use_ bool wire_take(const unsigned char *data, size_t n, struct wire_head *ret);
