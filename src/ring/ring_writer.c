/* The contract is in ring/ring.h: the holder's side. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "ring/ring.h"
#include "ring/ring_private.h"

/* How much more than now must be acknowledged before it is worth being woken: waking for each byte
 * would cost a switch each. Small against a client's habit of acknowledging every 32 KiB. */
#define HYSTERESIS_BYTES (UINT64_C(16) << 10)

struct ring_writer {
        struct ring_maps maps;
        uint64_t head;      /* committed */
        uint64_t published; /* as in the file */
        uint64_t tail;
        uint64_t first, next; /* segments kept: first..next */
        enum ring_kind kind;  /* of the newest segment */
        size_t space;         /* given out and not committed */
        bool ignore_gate, want_gate, waiting, ended;
        bool wake_due; /* a publish that nobody asked for found latchd waiting */
};

int ring_writer_open(int data_fd, int control_fd, struct ring_writer **ret) {
        struct ring_writer *w = calloc(1, sizeof *w);
        int r;

        if (!w)
                return -ENOMEM;
        r = ring_map(data_fd, control_fd, PROT_READ | PROT_WRITE, F_SEAL_SHRINK | F_SEAL_GROW,
                     &w->maps);
        /* A writer never comes back to a ring: positions that are not new were never ours. */
        if (r == 0 && (ring_load(&w->maps.data->head) != 0 || ring_load(&w->maps.data->tail) != 0))
                r = -EPROTO;
        if (r == 0 && fcntl(data_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0)
                r = -errno;
        if (r < 0) {
                ring_writer_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

struct ring_writer *ring_writer_free(struct ring_writer *w) {
        if (w)
                ring_unmap(&w->maps);
        free(w);
        return NULL;
}

/* Bytes below it may be overwritten. What latchd says is checked: never beyond what was written. */
static uint64_t gate_now(const struct ring_writer *w) {
        uint64_t gate = ring_load(&w->maps.control->driver);

        if (w->ignore_gate || gate > w->head)
                return w->head;
        return gate;
}

/* The segment that must go before another can begin ends here; 0: there is room. */
static uint64_t oldest_ends(const struct ring_writer *w) {
        if (w->next - w->first < RING_SEGMENTS)
                return 0;
        return ring_load(&ring_place(&w->maps, w->first + 1)->offset);
}

static uint64_t free_bytes(const struct ring_writer *w) {
        uint64_t gate = gate_now(w);

        if (w->head - gate >= w->maps.ring_bytes || oldest_ends(w) > gate)
                return 0;
        return w->maps.ring_bytes - (w->head - gate);
}

static uint64_t needed(const struct ring_writer *w) {
        uint64_t more = MIN(HYSTERESIS_BYTES, w->maps.ring_bytes / 8);
        uint64_t ends = oldest_ends(w);
        uint64_t bytes = w->head + more > w->maps.ring_bytes ? w->head + more - w->maps.ring_bytes
                                                             : 0;

        return MIN(MAX(bytes, ends), w->head);
}

static void set_need(struct ring_writer *w, uint64_t at) {
        ring_store(&w->maps.data->need_at, w->want_gate ? 0 : at);
}

/* 0: the gate holds everything back, and need_at says so. */
static uint64_t free_or_wait(struct ring_writer *w) {
        uint64_t n = free_bytes(w);

        if (n == 0) {
                set_need(w, needed(w));
                ring_fence(); /* pairs with ring_reader_set_gate's */
                n = free_bytes(w);
                w->waiting = true;
        }
        if (n > 0 && w->waiting) {
                set_need(w, RING_NO_NEED);
                w->waiting = false;
        }
        return n;
}

static void raise_tail(struct ring_writer *w, uint64_t n) {
        uint64_t end = w->head + n;
        uint64_t tail = MAX(w->tail, end > w->maps.ring_bytes ? end - w->maps.ring_bytes : 0);

        tail = MAX(tail, oldest_ends(w));
        if (tail == w->tail)
                return;
        while (w->first + 1 < w->next &&
               ring_load(&ring_place(&w->maps, w->first + 1)->offset) <= tail)
                w->first++;
        w->tail = tail;
        /* Each released: whoever sees it sees the head, or the tail, that was there before. */
        atomic_store_explicit(&w->maps.data->tail, tail, memory_order_release);
        atomic_store_explicit(&w->maps.data->segment_tail, w->first, memory_order_release);
        ring_fence(); /* pairs with ring_read's: whoever sees our bytes sees this tail */
}

/* Tail never passes the head that readers know of: what would is published first. */
static void keep_behind(struct ring_writer *w) {
        if (w->head - w->published > w->maps.ring_bytes / 2 || oldest_ends(w) > w->published)
                w->wake_due = ring_writer_publish(w);
}

size_t ring_writer_space(struct ring_writer *w, size_t want, struct iovec ret[2]) {
        uint64_t at = w->head & (w->maps.ring_bytes - 1);
        uint64_t n;

        CHECK(!w->ended);
        keep_behind(w);
        /* A quarter at most: whoever reads behind keeps something while we wait for bytes. */
        n = free_or_wait(w); /* once: the gate may move between two looks */
        n = MIN(MIN(n, want), w->maps.ring_bytes / 4);
        if (n > 0)
                raise_tail(w, n);
        uint64_t first = MIN(n, w->maps.ring_bytes - at);
        ret[0] = (struct iovec){.iov_base = w->maps.bytes + at, .iov_len = first};
        ret[1] = (struct iovec){.iov_base = w->maps.bytes, .iov_len = n - first};
        w->space = n;
        return n;
}

static void begin_segment(struct ring_writer *w, enum ring_kind kind) {
        struct ring_segment *s = ring_place(&w->maps, w->next);

        CHECK(w->next - w->first < RING_SEGMENTS);
        ring_store(&s->offset, w->head);
        ring_store(&s->kind, kind);
        ring_store(&s->time_ms, clock_real_ms());
        w->next++;
        w->kind = kind;
        /* Before head: who sees the bytes sees what they are. */
        atomic_store_explicit(&w->maps.data->segment_head, w->next, memory_order_release);
}

void ring_writer_commit(struct ring_writer *w, enum ring_kind kind, size_t n) {
        CHECK(n <= w->space);
        w->space = 0;
        if (n == 0)
                return;
        if (w->next == 0 || w->kind != kind)
                begin_segment(w, kind);
        w->head += n;
}

bool ring_writer_publish(struct ring_writer *w) {
        uint64_t old = w->published;
        bool due = w->wake_due;

        w->wake_due = false;
        if (w->head == old)
                return due;
        atomic_store_explicit(&w->maps.data->head, w->head, memory_order_release);
        w->published = w->head;
        ring_fence(); /* pairs with ring_reader_arm's */
        uint64_t at = ring_load(&w->maps.control->wake_at);
        return due || (old <= at && at < w->head);
}

bool ring_writer_eof(struct ring_writer *w) {
        (void)!ring_writer_publish(w); /* woken in any case */
        w->ended = true;
        atomic_store_explicit(&w->maps.data->eof, 1, memory_order_release);
        set_need(w, RING_NO_NEED);
        return true;
}

uint64_t ring_writer_head(const struct ring_writer *w) {
        return w->head;
}

size_t ring_writer_kept(const struct ring_writer *w, uint64_t offset, const void **ret) {
        uint64_t from = MAX(offset, w->tail);

        CHECK(offset <= w->head);
        *ret = w->maps.bytes + (from & (w->maps.ring_bytes - 1));
        return w->head - from;
}

bool ring_writer_reaches(const struct ring_writer *w, uint64_t offset, size_t want) {
        return w->head + want - offset > w->maps.ring_bytes || oldest_ends(w) > offset;
}

void ring_writer_ignore_gate(struct ring_writer *w, bool ignore) {
        w->ignore_gate = ignore;
}

void ring_writer_want_gate(struct ring_writer *w, bool want) {
        w->want_gate = want;
        set_need(w, w->waiting ? needed(w) : RING_NO_NEED);
}

uint64_t ring_writer_gate(const struct ring_writer *w) {
        return ring_load(&w->maps.control->driver);
}
