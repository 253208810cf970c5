/* fuzz_vt.c - a terminal's screen: the same picture whatever pieces the bytes come in, no query in it, and whoever
 * draws the picture has that very picture.
 */
#include "base/buf.h"
#include "fuzz.h"
#include "vt/vt.h"

static struct vt *make(unsigned cols, unsigned rows) {
        struct vt *vt = NULL;

        CHECK(vt_new(cols, rows, &vt) == 0);
        return vt;
}

static struct buf picture_of(const struct vt *vt) {
        struct buf b = BUF_INIT(64u << 20);

        CHECK(vt_snapshot(vt, &b) == 0);
        return b;
}

static void feed_in_pieces(struct vt *vt, struct input in, struct input pieces) {
        while (in.n > 0) {
                size_t n = (size_t)take_byte(&pieces) + 1;

                n = MIN(in.n, n);

                vt_feed(vt, in.p, n);
                in.p += n;
                in.n -= n;
        }
}

/* ESC Z and every CSI that ends like one that is answered; what was begun at the end is none yet. */
static void check_no_query(const struct buf *b) {
        for (size_t i = 0; i + 1 < b->n; i++) {
                if (b->data[i] != '\033')
                        continue;
                CHECK(b->data[i + 1] != 'Z');
                if (b->data[i + 1] != '[')
                        continue;
                for (i += 2; i < b->n && (unsigned char)b->data[i] < 0x40; i++)
                        ;
                CHECK(i == b->n || !memchr("cnptxy", b->data[i], 6));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct input in = {data, size}, pieces = take_until(&in, '\n');
        unsigned cols = take_byte(&pieces) % 40, rows = take_byte(&pieces) % 12;
        unsigned to_cols = take_byte(&pieces) % 40, to_rows = take_byte(&pieces) % 12;
        struct vt *once = make(cols, rows), *often = make(cols, rows), *drawn;
        struct input half = {in.p, in.n / 2}, rest = {in.p + in.n / 2, in.n - in.n / 2};

        vt_feed(once, half.p, half.n);
        feed_in_pieces(often, half, pieces);
        CHECK(vt_resize(once, to_cols, to_rows) == 0 && vt_resize(often, to_cols, to_rows) == 0);
        vt_feed(once, rest.p, rest.n);
        feed_in_pieces(often, rest, pieces);

        struct buf a = picture_of(once), b = picture_of(often);
        CHECK(a.n == b.n && memcmp(a.data, b.data, a.n) == 0);
        check_no_query(&a);

        drawn = make(to_cols, to_rows);
        vt_feed(drawn, a.data, a.n);
        struct buf c = picture_of(drawn);
        /* Lines above the screen were as wide as it was then. */
        CHECK(to_cols != cols || (a.n == c.n && memcmp(a.data, c.data, a.n) == 0));
        buf_done(&a);
        buf_done(&b);
        buf_done(&c);
        vt_free(once);
        vt_free(often);
        vt_free(drawn);
        return 0;
}
