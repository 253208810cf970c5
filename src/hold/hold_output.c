/* The contract is in hold/hold_private.h: from the terminal or the pipes into the ring. */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "hold/hold_private.h"

#define TURN_BYTES  (64u << 10) /* of one source; then the others have their turn */
#define SHORT_BYTES 1024u

static void notify(void) {
        static const uint64_t one = 1;

        /* Never read, so it may be full only after 2^64 - 1 of them. */
        (void)!write(SETUP_WAKE, &one, sizeof one);
}

static void close_source(struct hold_source *s, struct hold *h) {
        if (s->fd == h->input.fd) /* a terminal is both */
                s->fd = -1;
        else
                s->fd = fd_close(s->fd);
        s->ready = false;
}

/* How much may still be shown; shells have no such limit. */
static uint64_t allowance(const struct hold *h) {
        uint64_t limit = h->setup->limits.output_bytes, head = ring_writer_head(h->ring);

        if (limit == 0 || h->setup->kind == SPAWN_SHELL)
                return UINT64_MAX;
        return limit > head ? limit - head : 0;
}

/* Beyond the limit nothing is shown, but it is read, so that the program can end as it likes. */
static ssize_t drop(struct hold_source *s) {
        static char nowhere[16u << 10];

        return read(s->fd, nowhere, sizeof nowhere);
}

static void look_for_title(struct hold *h, const struct iovec read[2], size_t n) {
        size_t first = MIN(n, read[0].iov_len);

        if (title_feed(&h->title, read[0].iov_base, first))
                h->conn.title_due = true;
        if (title_feed(&h->title, read[1].iov_base, n - first))
                h->conn.title_due = true;
}

/* What a terminal or a pipe hands out is all that it has, unless that is much, or all that was asked for: what comes later is
 * an event of its own. What a program left is read to its end. */
static bool is_all(const struct hold *h, const struct iovec asked[2], size_t n) {
        return n < SHORT_BYTES && n < asked[0].iov_len + asked[1].iov_len && hold_alive(h);
}

/* Bytes read, 0 at the end, -EAGAIN nothing there, -EBUSY the gate holds everything back. */
static ssize_t read_once(struct hold *h, struct hold_source *s, size_t want) {
        uint64_t allowed = allowance(h);
        struct iovec to[2];
        ssize_t k;

        if (allowed == 0) {
                k = drop(s);
                if (k > 0) {
                        h->cut = true;
                        hold_cage_end(h, HOLD_OUTPUT);
                }
        } else {
                hold_screen_spare(h, want);
                if (ring_writer_space(h->ring, (size_t)MIN((uint64_t)want, allowed), to) == 0)
                        return -EBUSY;
                k = readv(s->fd, to, 2);
                ring_writer_commit(h->ring, s->kind, k > 0 ? (size_t)k : 0);
                if (k > 0 && is_all(h, to, (size_t)k))
                        s->ready = false;
                if (k > 0 && h->setup->tty)
                        look_for_title(h, to, (size_t)k);
        }
        if (k < 0 && errno == EIO) /* a terminal's way to say that nobody has it open any more */
                return 0;
        return k < 0 ? -errno : k;
}

static void read_turn(struct hold *h, struct hold_source *s) {
        size_t got = 0;

        while (s->ready && !h->gated && got < TURN_BYTES) {
                ssize_t k = read_once(h, s, TURN_BYTES - got);

                if (k > 0)
                        got += (size_t)k;
                else if (k == -EBUSY)
                        h->gated = true;
                else if (k == -EAGAIN && hold_alive(h))
                        s->ready = false;
                else if (k != -EINTR) /* the end; or nothing there, and nobody left to write */
                        close_source(s, h);
        }
        if (got > 0)
                hold_clocks_active(h);
}

void hold_output_read(struct hold *h) {
        for (size_t i = 0; i < ELEMENTS(h->out); i++)
                read_turn(h, &h->out[i]);
        if (h->stage == STAGE_DONE || !ring_writer_publish(h->ring))
                return;
        h->told_due = true;
        h->clocks.ack_at = 0; /* latchd wakes up now */
}

void hold_output_tell(struct hold *h) {
        if (h->told_due)
                notify();
        h->told_due = false;
}

bool hold_output_more(const struct hold *h) {
        return !h->gated && (h->out[0].ready || h->out[1].ready);
}

bool hold_output_ended(const struct hold *h) {
        return h->out[0].fd < 0 && h->out[1].fd < 0;
}

void hold_output_finish(struct hold *h) {
        if (ring_writer_eof(h->ring))
                h->told_due = true;
}
