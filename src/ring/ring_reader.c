/* The contract is in ring/ring.h: latchd's side. Whoever writes DATA may be hostile: each word is read
 * once, and nothing read decides an address without a check. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "ring/ring.h"
#include "ring/ring_private.h"

struct ring_reader {
        struct ring_maps maps;      /* fixed */
        _Atomic uint64_t last_head; /* the highest head seen: it may not go back */
        _Atomic bool bad;           /* for ever */
};

static int check_id(int data_fd, const char *id) {
        char have[sizeof((struct ring_data *)0)->id];
        ssize_t k = pread(data_fd, have, sizeof have, offsetof(struct ring_data, id));

        if (k < 0)
                return -errno;
        if (k != (ssize_t)sizeof have || memchr(have, '\0', sizeof have) == NULL ||
            !str_eq(have, id))
                return -EPROTO;
        return 0;
}

int ring_reader_open(int data_fd, int control_fd, const char *id, struct ring_reader **ret) {
        const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
        struct ring_reader *r = calloc(1, sizeof *r);
        int e;

        if (!r)
                return -ENOMEM;
        e = ring_map(data_fd, control_fd, PROT_READ, seals, &r->maps);
        if (e == 0)
                e = check_id(data_fd, id); /* now that it is known to be a memfd */
        if (e < 0) {
                ring_reader_free(r);
                return e;
        }
        *ret = r;
        return 0;
}

struct ring_reader *ring_reader_free(struct ring_reader *r) {
        if (r)
                ring_unmap(&r->maps);
        free(r);
        return NULL;
}

static int refuse(struct ring_reader *r) {
        atomic_store_explicit(&r->bad, true, memory_order_relaxed);
        return -EPROTO;
}

/* Head as it is now. Every reader thread first looks at what others saw, so that "went back" is never
 * said of a head that is only older than theirs. */
static int load_head(struct ring_reader *r, uint64_t *ret) {
        uint64_t last = atomic_load_explicit(&r->last_head, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&r->maps.data->head, memory_order_acquire);

        if (atomic_load_explicit(&r->bad, memory_order_relaxed))
                return -EPROTO;
        if (head < last)
                return refuse(r);
        while (last < head &&
               !atomic_compare_exchange_weak_explicit(&r->last_head, &last, head,
                                                      memory_order_release, memory_order_relaxed))
                ;
        *ret = head;
        return 0;
}

/* Head, then a tail that is at least as new. Between the two the writer may have gone round: then tail is
 * above that head, and a second look must find head there too. */
static int load_bounds(struct ring_reader *r, uint64_t *ret_tail, uint64_t *ret_head) {
        uint64_t head, tail, again;
        int e = load_head(r, &head);

        if (e < 0)
                return e;
        tail = atomic_load_explicit(&r->maps.data->tail, memory_order_acquire);
        if (tail > head) {
                e = load_head(r, &again);
                if (e < 0)
                        return e;
                if (tail > again)
                        return refuse(r);
                head = tail;
        }
        if (head - tail > r->maps.ring_bytes)
                return refuse(r);
        *ret_tail = tail;
        *ret_head = head;
        return 0;
}

int ring_reader_bounds(struct ring_reader *r, uint64_t *ret_tail, uint64_t *ret_head,
                       bool *ret_eof) {
        /* First: an eof that is seen makes the head that follows the last one. */
        uint64_t eof = atomic_load_explicit(&r->maps.data->eof, memory_order_acquire);
        int e = load_bounds(r, ret_tail, ret_head);

        if (e == 0)
                *ret_eof = eof != 0;
        return e;
}

/* The writer may be writing there, by design: whole words are read atomically (relaxed), and the caller
 * throws the copy away if tail has passed it. */
static void copy_out(void *to, const unsigned char *from, size_t n) {
        unsigned char *p = to;

        while (n > 0 && ((uintptr_t)from & 7) != 0) {
                *p++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
                n--;
        }
        for (; n >= 8; n -= 8, p += 8, from += 8) {
                uint64_t word =
                        __atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);
                memcpy(p, &word, 8);
        }
        while (n-- > 0)
                *p++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}

/* Which kind is at `offset` (tail <= offset < head), and where it ends. -EPROTO if the table makes no sense:
 * the caller first looks whether it was merely overwritten. */
static int find_run(struct ring_reader *r, uint64_t offset, enum ring_kind *ret_kind,
                    uint64_t *ret_end) {
        uint64_t next = atomic_load_explicit(&r->maps.data->segment_head, memory_order_acquire);
        uint64_t first = atomic_load_explicit(&r->maps.data->segment_tail, memory_order_acquire);
        uint64_t low = first, high = next;

        if (next <= first || next - first > RING_SEGMENTS)
                return -EPROTO;
        while (high - low > 1) { /* low begins at or before offset, if the writer is honest */
                uint64_t middle = low + (high - low) / 2;
                if (ring_load(&ring_place(&r->maps, middle)->offset) <= offset)
                        low = middle;
                else
                        high = middle;
        }
        uint64_t kind = ring_load(&ring_place(&r->maps, low)->kind);
        uint64_t end = high < next ? ring_load(&ring_place(&r->maps, high)->offset) : UINT64_MAX;
        if (ring_load(&ring_place(&r->maps, low)->offset) > offset || end <= offset ||
            (kind != RING_OUTPUT && kind != RING_STDERR && kind != RING_DISPLAY))
                return -EPROTO;
        *ret_kind = (enum ring_kind)kind;
        *ret_end = end;
        return 0;
}

ssize_t ring_read(struct ring_reader *r, uint64_t offset, void *to, size_t cap,
                  enum ring_kind *ret_kind, uint64_t *ret_tail) {
        uint64_t tail, head, end = 0, at = offset & (r->maps.ring_bytes - 1);
        enum ring_kind kind = RING_OUTPUT;
        int found, e = load_bounds(r, &tail, &head);

        if (e < 0)
                return e;
        if (offset < tail) {
                *ret_tail = tail;
                return -ESTALE;
        }
        if (offset > head)
                return -EINVAL;
        if (offset == head || cap == 0)
                return 0;

        found = find_run(r, offset, &kind, &end);
        size_t n = MIN(MIN(cap, head - offset), found < 0 ? 0 : end - offset);
        size_t piece = MIN(n, r->maps.ring_bytes - at);
        copy_out(to, r->maps.bytes + at, piece);
        copy_out((unsigned char *)to + piece, r->maps.bytes, n - piece);

        ring_fence(); /* pairs with the writer's raise of tail */
        tail = ring_load(&r->maps.data->tail);
        if (tail > offset) {
                *ret_tail = tail;
                return -ESTALE;
        }
        if (found < 0)
                return refuse(r);
        *ret_kind = kind;
        return (ssize_t)n;
}

bool ring_reader_arm(struct ring_reader *r, uint64_t at) {
        ring_store(&r->maps.control->wake_at, at);
        ring_fence(); /* pairs with ring_writer_publish's */
        return ring_load(&r->maps.data->head) > at;
}

bool ring_reader_set_gate(struct ring_reader *r, uint64_t acked) {
        ring_store(&r->maps.control->driver, acked);
        ring_fence(); /* pairs with free_or_wait's of the writer */
        uint64_t need = ring_load(&r->maps.data->need_at);
        return need != RING_NO_NEED && acked >= need; /* RING_NO_DRIVER is above every need */
}

uint64_t ring_reader_gate(const struct ring_reader *r) {
        return ring_load(&r->maps.control->driver);
}
