/* way.h - whose turn it is to write to a socket: the pump's, or that of a thread with one frame to send.
 *
 * One word, and nobody waits for it. The pump, if it finds the way taken, asks for it; who leaves it then must
 * wake the pump, and until it has come nobody else gets in: what others have to say stands in the outbox.
 *
 * Threads: way_try: any. way_take: the pump. way_leave: who has it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

enum way {
        WAY_FREE,
        WAY_TAKEN,
        WAY_ASKED,    /* taken, and the pump wants it */
        WAY_PROMISED, /* left, and it is for the pump alone */
};

/* False: somebody has it, or the pump is to have it. */
static inline bool way_try(atomic_uint *way) {
        unsigned was = WAY_FREE;

        return atomic_compare_exchange_strong(way, &was, WAY_TAKEN);
}

/* False: somebody has it, who will wake the pump. */
static inline bool way_take(atomic_uint *way) {
        unsigned was = atomic_load(way), want;

        do
                want = was == WAY_FREE || was == WAY_PROMISED ? WAY_TAKEN : WAY_ASKED;
        while (!atomic_compare_exchange_weak(way, &was, want));
        return want == WAY_TAKEN;
}

/* True: wake the pump. */
static inline bool way_leave(atomic_uint *way) {
        unsigned was = WAY_TAKEN;

        if (atomic_compare_exchange_strong(way, &was, WAY_FREE))
                return false;
        atomic_store(way, WAY_PROMISED);
        return true;
}
