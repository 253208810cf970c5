/* draw.c - the picture as bytes. vt_snapshot's contract is in vt/vt.h.
 *
 * In this order, since each disturbs what comes before it: lines and main screen, from the top, so that what scrolled
 * off scrolls off again; what DECSC saved there, tabs and region; the same of the alternate screen; origin; the cursor;
 * what the cursor's last glyph needs off (insert, no wrap); the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vt/vt_private.h"

/* ---- a row ---- */

static int put_utf8(uint32_t c, struct buf *out) {
        char s[4];
        size_t n = 0;

        if (c < 0x80) {
                s[n++] = (char)c;
        } else if (c < 0x800) {
                s[n++] = (char)(0xc0 | c >> 6);
        } else if (c < 0x10000) {
                s[n++] = (char)(0xe0 | c >> 12);
                s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        } else {
                s[n++] = (char)(0xf0 | c >> 18);
                s[n++] = (char)(0x80 | (c >> 12 & 0x3f));
                s[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        }
        if (c >= 0x80)
                s[n++] = (char)(0x80 | (c & 0x3f));
        return buf_add(out, s, n);
}

static int put_chars(const struct cell *c, struct buf *out) {
        int r = 0;

        for (unsigned i = 0; r == 0 && i < CELL_CHARS && c->chars[i]; i++)
                r = put_utf8(c->chars[i], out);
        return r;
}

static bool pen_eq(const struct pen *a, const struct pen *b) {
        return a->fg == b->fg && a->bg == b->bg &&
               ((a->attrs ^ b->attrs) & ~(unsigned)ATTR_WIDE) == 0;
}

static int use_pen(struct pen *now, const struct pen *want, struct buf *out) {
        static const struct pen plain;

        if (pen_eq(now, want))
                return 0;
        *now = *want;
        return pen_eq(want, &plain) ? buf_adds(out, "\033[m") : sgr_write(want, out);
}

static bool is_empty(const struct cell *c) {
        return c->chars[0] == 0 || c->chars[0] == CELL_TAIL;
}

static unsigned end_of(const struct row *row, unsigned cols) {
        while (cols > 0 && row->cells[cols - 1].chars[0] == 0 && row->cells[cols - 1].pen.bg == 0)
                cols--;
        return cols;
}

/* How many from here on are empty and of one colour. */
static unsigned run_of(const struct row *row, unsigned from, unsigned end) {
        unsigned to = from;

        while (to < end && is_empty(&row->cells[to]) &&
               row->cells[to].pen.bg == row->cells[from].pen.bg)
                to++;
        return to - from;
}

static int draw_empty(struct pen *pen, uint32_t bg, unsigned n, struct buf *out) {
        int r;

        if (bg == 0)
                return 0;
        r = use_pen(pen, &(struct pen){.bg = bg}, out);
        return r < 0 ? r : buf_addf(out, "\033[%uX", n);
}

static int draw_glyph(struct pen *pen, const struct cell *c, unsigned *gap, struct buf *out) {
        int r = *gap > 0 ? buf_addf(out, "\033[%uC", *gap) : 0;

        *gap = 0;
        if (r == 0)
                r = use_pen(pen, &c->pen, out);
        return r < 0 ? r : put_chars(c, out);
}

int draw_row(const struct row *row, unsigned cols, struct buf *out) {
        static const struct pen plain;
        unsigned end = end_of(row, cols), gap = 0;
        struct pen pen = plain;
        int r = 0;

        for (unsigned col = 0; r == 0 && col < end;) {
                const struct cell *c = &row->cells[col];
                unsigned n = run_of(row, col, end);

                if (n > 0) {
                        if (c->pen.bg != 0 && gap > 0) {
                                r = buf_addf(out, "\033[%uC", gap);
                                gap = 0;
                        }
                        if (r == 0)
                                r = draw_empty(&pen, c->pen.bg, n, out);
                        gap += n;
                        col += n;
                } else {
                        r = draw_glyph(&pen, c, &gap, out);
                        col += c->pen.attrs & ATTR_WIDE ? 2 : 1;
                }
        }
        return r < 0 ? r : use_pen(&pen, &plain, out);
}

struct edges draw_edges(const struct row *row, unsigned cols) {
        const struct cell *first = &row->cells[0], *last = &row->cells[cols - 1];
        return (struct edges){
                .wrapped = row->wrapped,
                .full = last->chars[0] != 0,
                .glyph = !is_empty(first) && first->pen.bg == 0,
        };
}

/* ---- rows, one below the other ---- */

/* The next row wraps by itself when it is drawn behind this one; else it needs a new line. */
static bool follows(const struct edges *above, const struct edges *below) {
        return below->wrapped && above->full && below->glyph;
}

static int separate(const struct edges *above, const struct edges *below, struct buf *out) {
        return follows(above, below) ? 0 : buf_adds(out, "\r\n");
}

/* A cursor behind an empty last cell gets there by a blank (draw_cursor), which stands in the picture of whoever draws it:
 * so it stands in this one. *ret: the row with it, malloc'd; NULL where there is no such cursor. */
static int row_with_blank(const struct vt *vt, unsigned screen, unsigned i, struct row **ret) {
        const struct row *row = vt->screens[screen].rows[i];
        size_t n = sizeof *row + vt->cols * sizeof row->cells[0];
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        if (screen != vt->active || vt->last_end != vt->cols || (unsigned)pos.row != i ||
            row->cells[vt->cols - 1].chars[0] != 0)
                return 0;
        *ret = malloc(n);
        if (!*ret)
                return -ENOMEM;
        memcpy(*ret, row, n);
        (*ret)->cells[vt->cols - 1].chars[0] = ' ';
        return 0;
}

static int draw_screen(const struct vt *vt, unsigned screen, const struct line *above,
                       struct buf *out) {
        struct edges before = above ? above->edges : (struct edges){.full = false};
        int r = 0;

        for (unsigned i = 0; r == 0 && i < vt->rows; i++) {
                _cleanup_(freep) struct row *blank = NULL;
                r = row_with_blank(vt, screen, i, &blank);
                const struct row *row = blank ? blank : vt->screens[screen].rows[i];
                struct edges here = draw_edges(row, vt->cols);

                if (r == 0 && (above || i > 0))
                        r = separate(&before, &here, out);
                if (r == 0)
                        r = draw_row(row, vt->cols, out);
                before = here;
        }
        return r;
}

static int draw_main(const struct vt *vt, struct buf *out) {
        const struct line *above = NULL;
        int r = 0;

        for (unsigned i = 0; r == 0 && i < vt->history.n; i++) {
                const struct line *l = history_line(&vt->history, i);

                if (above)
                        r = separate(&above->edges, &l->edges, out);
                if (r == 0)
                        r = buf_add(out, l->bytes, l->n);
                above = l;
        }
        return r < 0 ? r : draw_screen(vt, 0, above, out);
}

/* ---- cursors ---- */

static int put_goto(unsigned row, unsigned col, struct buf *out) {
        return buf_addf(out, "\033[%u;%uH", row + 1, col + 1);
}

static int put_charsets(const struct charsets *c, struct buf *out) {
        int r = 0;

        if (c->g[0] != 'B')
                r = buf_addf(out, "\033(%c", c->g[0]);
        if (r == 0 && c->g[1] != 'B')
                r = buf_addf(out, "\033)%c", c->g[1]);
        return r == 0 && c->use ? buf_adds(out, "\016") : r;
}

static int draw_saved(const struct vt *vt, unsigned screen, struct buf *out) {
        const struct saved *s = &vt->screens[screen].saved;
        int r;

        if (!s->set)
                return 0;
        r = put_goto(act_saved_row(vt, screen), MIN(s->col, vt->cols - 1), out);
        if (r == 0)
                r = sgr_write(&s->pen, out);
        if (r == 0)
                r = put_charsets(&s->charsets, out);
        return r < 0 ? r : buf_adds(out, "\0337\033[m\033(B\033)B\017");
}

/* A cursor behind the last column stands there by its glyph being written once more. */
static int draw_cursor(const struct vt *vt, struct buf *out) {
        const struct cell *last;
        unsigned row, col;
        VTermPos pos;
        int r;

        vterm_state_get_cursorpos(vt->state, &pos);
        row = (unsigned)pos.row;
        col = (unsigned)pos.col;
        last = &vt->shown->rows[row]->cells[vt->cols - 1];
        bool behind = vt->last_end == vt->cols;
        if (behind)
                col = last->chars[0] == CELL_TAIL ? vt->cols - 2 : vt->cols - 1;
        if (vt->modes & MODE_ORIGIN)
                row -= MIN(row, vt->shown->top);
        r = put_goto(row, col, out);
        if (r < 0 || !behind)
                return r;
        last -= last->chars[0] == CELL_TAIL;
        r = sgr_write(&last->pen, out);
        if (r < 0)
                return r;
        return last->chars[0] == 0 ? buf_adds(out, " ") : put_chars(last, out);
}

/* ---- the rest ---- */

static int draw_modes(const struct vt *vt, struct buf *out) {
        static const struct {
                unsigned bit;
                bool when;
                const char *bytes;
        } words[] = {
                {MODE_APP_CURSOR, true, "\033[?1h"}, {MODE_APP_KEYPAD, true, "\033="},
                {MODE_INSERT, true, "\033[4h"},      {MODE_NEWLINE, true, "\033[20h"},
                {MODE_WRAP, false, "\033[?7l"},      {MODE_VISIBLE, false, "\033[?25l"},
                {MODE_REVERSE, true, "\033[?5h"},    {MODE_BACKWRAP, true, "\033[?45h"},
                {MODE_FOCUS, true, "\033[?1004h"},   {MODE_PASTE, true, "\033[?2004h"},
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(words); i++)
                if (((vt->modes & words[i].bit) != 0) == words[i].when)
                        r = buf_adds(out, words[i].bytes);
        if (r == 0 && vt->mouse)
                r = buf_addf(out, "\033[?%uh", vt->mouse);
        if (r == 0 && vt->mouse_format)
                r = buf_addf(out, "\033[?%uh", vt->mouse_format);
        if (r == 0 && vt->cursor_style)
                r = buf_addf(out, "\033[%u q", vt->cursor_style);
        return r == 0 && vt->title[0] ? buf_addf(out, "\033]2;%s\007", vt->title) : r;
}

static int draw_alternate(const struct vt *vt, struct buf *out) {
        int r;

        if (vt->active == 0)
                return 0;
        r = buf_adds(out, "\033[?1047h\033[H");
        if (r == 0)
                r = draw_screen(vt, 1, NULL, out);
        if (r == 0)
                r = draw_saved(vt, 1, out);
        return r < 0 ? r : margins_draw(vt, &vt->screens[1], out);
}

static int draw_origin(const struct vt *vt, struct buf *out) {
        return vt->modes & MODE_ORIGIN ? buf_adds(out, "\033[?6h") : 0;
}

int vt_snapshot(const struct vt *vt, struct buf *out) {
        int (*const parts[])(const struct vt *, struct buf *) = {
                draw_alternate,
                draw_origin,
                draw_cursor,
                draw_modes,
        };
        int r = draw_main(vt, out);

        if (r == 0)
                r = draw_saved(vt, 0, out);
        if (r == 0)
                r = margins_draw(vt, &vt->screens[0], out);
        for (size_t i = 0; r == 0 && i < ELEMENTS(parts); i++)
                r = parts[i](vt, out);
        if (r == 0)
                r = sgr_write(&vt->pen, out);
        if (r == 0)
                r = put_charsets(&vt->charsets, out);
        return r < 0 ? r : buf_add(out, vt->pending, vt->pending_n);
}
