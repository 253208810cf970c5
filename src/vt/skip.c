/* skip.c - plain text that would have scrolled off, out of the screen and out of what is kept above it, need not be read.
 *
 * Exact by construction: without sequences nothing but lines moves, so all that is there in the end comes from the last
 * lines, and the first of those begins in the first column, or as many columns further on as the line is wide.
 */
#include <string.h>

#include "vt/vt_private.h"

#define WORTH (16u << 10) /* bytes; below it is read as it comes */

#define EACH(b) (UINT64_C(0x0101010101010101) * (b))

/* Eight bytes at a time: the highest bit of each is set where that is none of 0x20..0x7e and, with ends, no CR or LF.
 * No sum carries into the next byte, since all are of seven bits. */
static uint64_t not_plain(uint64_t eight, bool ends) {
        uint64_t low = eight & EACH(0x7f), control = ~(low + EACH(0x60));

        if (ends)
                control &= ((low ^ EACH('\n')) + EACH(0x7f)) & ((low ^ EACH('\r')) + EACH(0x7f));
        return (eight | (low + EACH(0x01)) | control) & EACH(0x80);
}

/* The first that is not. */
static const unsigned char *plain_end(const unsigned char *p, const unsigned char *end, bool ends) {
        uint64_t eight = 0;

        while (end - p >= 8) {
                memcpy(&eight, p, 8);
                uint64_t found = not_plain(eight, ends);
                if (found)
                        return p + __builtin_ctzll(found) / 8;
                p += 8;
        }
        for (; p < end; p++) {
                memset(&eight, 'x', sizeof eight);
                memcpy(&eight, p, 1);
                if (not_plain(eight, ends))
                        return p;
        }
        return p;
}

static bool may_skip(const struct vt *vt) {
        return vt->scan == SCAN_GROUND && vt->active == 0 && vt->shown->top == 0 &&
               vt->shown->bottom == vt->rows && vt->modes & MODE_WRAP && !(vt->modes & MODE_INSERT);
}

/* Where the last lines of p..end begin, or p: at a new line's first column. */
static const unsigned char *last_lines(const unsigned char *p, const unsigned char *end,
                                       unsigned lines) {
        const unsigned char *at;

        while (end - p >= 2 && (at = memrchr(p + 1, '\n', (size_t)(end - p) - 1))) {
                if (lines > 0)
                        lines--;
                if (lines == 0 && at[-1] == '\r')
                        return at + 1;
                end = at;
        }
        return p;
}

size_t skip_plain(struct vt *vt, const unsigned char *p, size_t n) {
        unsigned lines = VT_HISTORY_LINES + 2 * vt->rows;
        const unsigned char *run, *from;

        if (n < WORTH || !may_skip(vt))
                return 0;
        run = plain_end(p, p + n, false);
        from = last_lines(p, plain_end(run, p + n, true), lines);
        if (from > p) {
                act_control(vt, '\r');
                return (size_t)(from - p);
        }
        size_t whole = (size_t)(run - p) / vt->cols; /* one line without an end */
        return whole > lines ? (whole - lines) * vt->cols : 0;
}
