/* skip.c - plain text that would have scrolled off, out of the screen and out of what is kept above it, need not be read.
 *
 * Exact by construction: without sequences nothing but lines moves, so all that is there in the end comes from the last
 * lines, and the first of those begins in the first column, or as many columns further on as the line is wide.
 */
#include "vt/vt_private.h"

#define WORTH (16u << 10) /* bytes; below it is read as it comes */

static bool is_plain(unsigned char b) {
        return (b >= 0x20 && b < 0x7f) || b == '\n' || b == '\r';
}

static bool may_skip(const struct vt *vt) {
        return vt->scan == SCAN_GROUND && vt->active == 0 && vt->shown->top == 0 &&
               vt->shown->bottom == vt->rows && vt->modes & MODE_WRAP && !(vt->modes & MODE_INSERT);
}

/* Where the last lines of p..end begin, or p: at a new line's first column. */
static const unsigned char *last_lines(const unsigned char *p, const unsigned char *end,
                                       unsigned lines) {
        for (const unsigned char *at = end; at - p >= 2; at--) {
                if (at[-1] != '\n')
                        continue;
                if (lines > 0)
                        lines--;
                if (lines == 0 && at[-2] == '\r')
                        return at;
        }
        return p;
}

size_t skip_plain(struct vt *vt, const unsigned char *p, size_t n) {
        unsigned lines = VT_HISTORY_LINES + 2 * vt->rows;
        const unsigned char *end = p, *run = p, *from;

        if (n < WORTH || !may_skip(vt))
                return 0;
        while (end < p + n && is_plain(*end))
                end++;
        while (run < end && *run >= 0x20)
                run++;
        from = last_lines(p, end, lines);
        if (from > p) {
                act_control(vt, '\r');
                return (size_t)(from - p);
        }
        size_t whole = (size_t)(run - p) / vt->cols; /* one line without an end */
        return whole > lines ? (whole - lines) * vt->cols : 0;
}
