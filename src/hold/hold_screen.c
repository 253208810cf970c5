/* The contract is in hold/hold_private.h: a terminal's screen, for those who attach when the bytes are gone.
 *
 * Nobody looks at most screens: bytes are drawn only when they are about to leave the ring, or when somebody asks.
 * In slices as small as what is read, so that nobody who types beside a flood waits for a whole ring to be drawn.
 */
#include <errno.h>

#include "base/buf.h"
#include "base/fd.h"
#include "hold/hold_private.h"

#define SLICE (32u << 10)

static int ready(struct hold_screen *s) {
        if (!s->vt && s->error == 0)
                s->error = vt_new(s->cols, s->rows, &s->vt);
        return s->error;
}

/* All that was written is in it. */
static int draw(struct hold *h) {
        struct hold_screen *s = &h->screen;
        uint64_t head = ring_writer_head(h->ring);
        const void *bytes;
        int r = ready(s);

        if (r < 0)
                return r;
        size_t n = ring_writer_kept(h->ring, s->fed, &bytes);
        CHECK(n == head - s->fed);
        vt_feed(s->vt, bytes, n);
        s->fed = head;
        return 0;
}

/* The next slice, or all that costs nothing. */
static int draw_slice(struct hold *h) {
        struct hold_screen *s = &h->screen;
        const void *bytes;
        int r = ready(s);

        if (r < 0)
                return r;
        size_t n = ring_writer_kept(h->ring, s->fed, &bytes);
        CHECK(n == ring_writer_head(h->ring) - s->fed && n > 0);
        s->fed += vt_feed_some(s->vt, bytes, n, SLICE);
        return 0;
}

void hold_screen_spare(struct hold *h, size_t want) {
        int r = 0; /* what went wrong is told to who asks */

        while (r == 0 && h->setup->tty && h->screen.error == 0 &&
               ring_writer_reaches(h->ring, h->screen.fed, want))
                r = draw_slice(h);
}

void hold_screen_resize(struct hold *h) {
        struct hold_screen *s = &h->screen;

        if (s->fed < ring_writer_head(h->ring) && draw(h) < 0)
                return;
        s->cols = h->cols;
        s->rows = h->rows;
        if (s->vt)
                s->error = vt_resize(s->vt, s->cols, s->rows);
        if (s->error < 0)
                s->vt = vt_free(s->vt);
}

int hold_screen_snapshot(struct hold *h, int *ret_fd, uint64_t *ret_offset) {
        struct buf picture = BUF_INIT(HOLD_SNAPSHOT_MAX);
        int r = h->setup->tty ? draw(h) : -ENOTTY;

        if (r == 0)
                r = vt_snapshot(h->screen.vt, &picture);
        if (r == 0)
                r = fd_sealed("latch-screen", picture.data, picture.n, ret_fd);
        if (r == 0)
                *ret_offset = h->screen.fed;
        buf_done(&picture);
        return r;
}
