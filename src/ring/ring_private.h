/* ring_private.h - how both sides see the two files: maps, places, the fence. Of src/ring alone.
 *
 * Threads: as ring.h. Lock: none needed.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/macros.h"
#include "ring/ring.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the ring's words are little-endian");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words are shared between processes");
_Static_assert(sizeof(struct ring_segment) == 32, "a segment is half a line");
_Static_assert(sizeof(struct ring_data) <= RING_PAGE, "one page of positions");
_Static_assert(sizeof(struct ring_control) <= RING_PAGE, "one page of control");
_Static_assert((RING_SEGMENTS & (RING_SEGMENTS - 1)) == 0, "places are found by masking");

#define RING_TABLE_BYTES (RING_SEGMENTS * sizeof(struct ring_segment))

struct ring_maps {
        struct ring_data *data; /* the whole file: page, table, bytes */
        struct ring_segment *table;
        unsigned char *bytes; /* a writer's are there twice in a row: what is kept is one piece */
        struct ring_control *control;
        uint64_t ring_bytes; /* a checked copy */
        size_t mapped;       /* at data */
};

/* Maps CONTROL for writing and DATA with `prot`, after checking sizes, seals (all of `data_seals` must be
 * there), magic and version. 0, -EPROTO, -errno; then nothing is mapped. */
_must_use_ int ring_map(int data_fd, int control_fd, int prot, int data_seals,
                        struct ring_maps *ret);
void ring_unmap(struct ring_maps *m); /* once, or on zeros */

static inline struct ring_segment *ring_place(const struct ring_maps *m, uint64_t index) {
        return &m->table[index & (RING_SEGMENTS - 1)];
}

/* A full fence. Each use names the one it pairs with. ThreadSanitizer does not model fences and gcc says
 * so; the two sides are two processes, where it sees nothing anyway. */
static inline void ring_fence(void) {
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
        atomic_thread_fence(memory_order_seq_cst);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

static inline uint64_t ring_load(const _Atomic uint64_t *word) {
        return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void ring_store(_Atomic uint64_t *word, uint64_t value) {
        atomic_store_explicit(word, value, memory_order_relaxed);
}
