/* ring.h - a session's output in shared memory: written by its holder alone, read by latchd.
 *
 * Two memfds. DATA (holder writes, latchd maps read-only): one page of constants and positions, a table
 * of segments, then a power-of-two ring of bytes. A byte's place is its 64-bit offset since the session
 * began. CONTROL (latchd writes): the gate, how far the driver has acknowledged, and wake_at, beyond
 * which latchd wants to be woken. All words are little-endian, aligned, one 64-byte line a role.
 *
 * Order (x86 hides a missing fence; tests/model has the proof once it stands):
 *   holder: tail raised; fence; bytes; head released; fence; wake_at read.
 *   latchd: wake_at stored; fence; head read again.            Copy: head; bytes; fence; tail read.
 *   gate:   latchd stores driver; fence; reads need_at.        Holder: stores need_at; fence; reads driver.
 *
 * Threads: a writer and a reader are one thread's each, but ring_reader_set_gate (any one at a time)
 *          and ring_read (any, const). Lock: none needed, any may be held.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/macros.h"

#define RING_MAGIC     UINT64_C(0x31676e6972746c00) /* "\0ltring1" */
#define RING_VERSION   1u
#define RING_PAGE      4096u
#define RING_SEGMENTS  4096u      /* entries, a power of two */
#define RING_NO_DRIVER UINT64_MAX /* in the gate: nobody drives, nothing is held back */
#define RING_NO_NEED   UINT64_MAX /* in need_at: the holder does not wait for the gate */
#define RING_MIN_BYTES (UINT64_C(64) << 10)
#define RING_MAX_BYTES (UINT64_C(64) << 20)

/* What bytes are; kinds of the wire (ring/wire.h), too. */
enum ring_kind { RING_OUTPUT = 1, RING_STDERR = 3, RING_DISPLAY = 4 };

struct ring_segment { /* bytes from `offset` to the next segment's, or to head */
        _Atomic uint64_t offset;
        _Atomic uint64_t kind;    /* enum ring_kind */
        _Atomic uint64_t time_ms; /* real time of its first byte */
        uint64_t zero;
};

struct ring_data {      /* the first page of DATA */
        uint64_t magic; /* line 0: constants */
        uint32_t version, segments;
        uint64_t ring_bytes;
        char id[40];
        _Alignas(64) _Atomic uint64_t head; /* line 1: all bytes below it are there */
        _Atomic uint64_t segment_head;      /* count of segments ever begun */
        _Alignas(64) _Atomic uint64_t tail; /* line 2: bytes below it are gone */
        _Atomic uint64_t segment_tail;
        _Alignas(64) _Atomic uint64_t eof; /* line 3: 1 once head is final */
        _Atomic uint64_t need_at;          /* the gate value the holder waits for */
};

struct ring_control {                          /* the whole of CONTROL, one page */
        _Alignas(64) _Atomic uint64_t driver;  /* line 0: the gate */
        _Alignas(64) _Atomic uint64_t wake_at; /* line 1: notify when head passes it */
};

/* Both memfds, sized, with constants written and SHRINK, GROW sealed. The gate starts at 0 (held for the
 * opener). 0, -EINVAL for a size that is no power of two or out of range, -errno (memfd_create(2)). */
_must_use_ int ring_create(const char *id, uint64_t ring_bytes, int *ret_data_fd,
                           int *ret_control_fd);

/* ---- the holder's side ---- */
struct ring_writer;
/* Maps both, then seals DATA against FUTURE_WRITE and further seals. The fds stay the caller's. 0,
 * -EPROTO for a file that is not ring_create's, -errno. */
_must_use_ int ring_writer_open(int data_fd, int control_fd, struct ring_writer **ret);
struct ring_writer *ring_writer_free(struct ring_writer *w);

/* Room for at most `want` bytes that the gate allows, as one or two pieces; raises tail as needed. The
 * number of bytes, 0 if the gate holds everything back: then need_at is set, and the caller tries again
 * after latchd's wake. Bytes become visible by commit only. */
size_t ring_writer_space(struct ring_writer *w, size_t want, struct iovec ret[2]);
/* The first n bytes of that space are of this kind. Not yet published. */
void ring_writer_commit(struct ring_writer *w, enum ring_kind kind, size_t n);
/* Releases head. True: latchd asked to be woken (write its eventfd). */
_must_use_ bool ring_writer_publish(struct ring_writer *w);
_must_use_ bool ring_writer_eof(struct ring_writer *w); /* as publish; no byte may follow */
uint64_t ring_writer_head(const struct ring_writer *w); /* committed */
/* What was committed from `offset` on, in one piece; until the next ring_writer_space. How many bytes; less than
 * head - offset if some of it is gone, or about to be: then it is what is left. */
size_t ring_writer_kept(const struct ring_writer *w, uint64_t offset, const void **ret);
/* Whether the next ring_writer_space(want) may overwrite what stands at `offset` or behind it. */
bool ring_writer_reaches(const struct ring_writer *w, uint64_t offset, size_t want);
/* Gives up back-pressure until latchd sets the gate again: nothing is held back (driver_grace is over). */
void ring_writer_ignore_gate(struct ring_writer *w, bool ignore);
/* From now on every ring_reader_set_gate says that the holder waits for it: a driver is looked for. */
void ring_writer_want_gate(struct ring_writer *w, bool want);
uint64_t ring_writer_gate(
        const struct ring_writer *w); /* RING_NO_DRIVER or what was acknowledged */

/* ---- latchd's side: everything read is checked as hostile ---- */
struct ring_reader;
/* Maps DATA read-only and CONTROL for writing; constants are copied. 0; -EPROTO: magic, version, sizes,
 * seals, file size or id are not right; -errno. The fds are not kept. */
_must_use_ int ring_reader_open(int data_fd, int control_fd, const char *id,
                                struct ring_reader **ret);
struct ring_reader *ring_reader_free(struct ring_reader *r);

/* Positions now. 0; -EPROTO if head went back or head - tail is above the size (kept: the reader is bad
 * for ever after). */
_must_use_ int ring_reader_bounds(struct ring_reader *r, uint64_t *ret_tail, uint64_t *ret_head,
                                  bool *ret_eof);
/* Copies at most cap bytes of one kind from `offset` on. How many, 0 at head; -ESTALE: overwritten, go on
 * from *ret_tail after a gap; -EPROTO as above. */
_must_use_ ssize_t ring_read(struct ring_reader *r, uint64_t offset, void *to, size_t cap,
                             enum ring_kind *ret_kind, uint64_t *ret_tail);
/* Asks to be woken when head passes `at`. True: it already has, do not wait. */
_must_use_ bool ring_reader_arm(struct ring_reader *r, uint64_t at);
/* Sets the gate. True: the holder waits for this, send it HOLD_GATE. */
_must_use_ bool ring_reader_set_gate(struct ring_reader *r, uint64_t acked);
uint64_t ring_reader_gate(const struct ring_reader *r); /* after adoption: where it was left */
