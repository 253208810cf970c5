/* grid.c - the cells of both screens, and what libvterm does to them. */
#include <stdlib.h>
#include <string.h>

#include "vt/vt_private.h"

/* ---- rows ---- */

struct row **grid_free(struct row **g, unsigned rows) {
        for (unsigned i = 0; g && i < rows; i++)
                free(g[i]);
        free(g);
        return NULL;
}

struct row **grid_new(unsigned cols, unsigned rows) {
        struct row **g = calloc(rows, sizeof *g);

        for (unsigned i = 0; g && i < rows; i++) {
                g[i] = calloc(1, sizeof **g + cols * sizeof(struct cell));
                if (!g[i])
                        return grid_free(g, rows);
        }
        return g;
}

/* What is erased has the background of the pen, and nothing else of it. */
static void blank(const struct vt *vt, struct row *row, unsigned from, unsigned to) {
        for (unsigned i = from; i < to; i++)
                row->cells[i] = (struct cell){.pen.bg = vt->pen.bg};
        if (from == 0)
                row->wrapped = false;
}

void grid_clear(struct vt *vt, struct row **g) {
        for (unsigned i = 0; i < vt->rows; i++)
                blank(vt, g[i], 0, vt->cols);
}

/* Halves of wide characters that have lost the other one become `fill`. */
static void mend(struct row *row, unsigned from, unsigned to, const struct cell *fill) {
        for (unsigned i = from; i < to; i++) {
                struct cell *c = &row->cells[i];
                bool head = i > from && c[-1].pen.attrs & ATTR_WIDE;

                if (c->chars[0] == CELL_TAIL && !head)
                        *c = *fill;
                if (c->pen.attrs & ATTR_WIDE && (i + 1 == to || c[1].chars[0] != CELL_TAIL))
                        *c = *fill;
        }
}

/* The same, for a change of from..to. */
static void mend_around(const struct vt *vt, struct row *row, unsigned from, unsigned to,
                        const struct cell *fill) {
        from = from > 0 ? from - 1 : 0;
        if (from > 0 && row->cells[from].chars[0] == CELL_TAIL)
                from--;
        to = MIN(to + 1, vt->cols);
        if (to < vt->cols && row->cells[to].chars[0] == CELL_TAIL)
                to++;
        mend(row, from, to, fill);
}

/* ---- what libvterm calls ---- */

/* Within a row: from..to move left by n, or right by -n; n is not above to - from. fill: for halves that are left. */
static void scroll_cells(const struct vt *vt, struct row *row, unsigned from, unsigned to, int n,
                         const struct cell *fill) {
        unsigned k = (unsigned)(n > 0 ? n : -n), rest = to - from - k;

        if (n > 0) {
                memmove(row->cells + from, row->cells + from + k, rest * sizeof *row->cells);
                blank(vt, row, to - k, to);
        } else {
                memmove(row->cells + from + k, row->cells + from, rest * sizeof *row->cells);
                blank(vt, row, from, from + k);
        }
        mend(row, 0, vt->cols, fill);
}

static struct row **rows_of(struct vt *vt) {
        return vt->shown->rows;
}

/* Two characters of DEC's special graphics, which libvterm takes for others than everybody else does. */
static uint32_t drawn_as(const struct vt *vt, uint32_t c) {
        if (vt->charsets.g[vt->charsets.use] != '0')
                return c;
        return c == 0x2a7d ? 0x2264 : c == 0x2a7e ? 0x2265 : c;
}

/* A wide one that found no room in the last column left that blank. */
static void leave_last(const struct vt *vt, struct row *row) {
        const struct cell blank = {.chars = {' '}, .pen = vt->pen};

        row->cells[vt->cols - 1] = blank;
        mend_around(vt, row, vt->cols - 1, vt->cols, &blank);
}

/* The row that a wrap to this one came from: the same at the end of the screen, if that does not scroll. */
static struct row *row_before(struct vt *vt, unsigned row) {
        bool same = row == 0 || (row == vt->last_row && row + 1 != vt->shown->bottom);

        return rows_of(vt)[same ? row : row - 1];
}

static void draw_glyph(struct vt *vt, uint32_t glyph, VTermPos pos, unsigned width) {
        struct row *row = rows_of(vt)[pos.row];
        unsigned col = (unsigned)pos.col;
        struct cell c = {.chars = {drawn_as(vt, glyph)}, .pen = vt->pen};
        const struct cell half = {.chars = {' '}, .pen = vt->pen};

        if (vt->modes & MODE_INSERT)
                scroll_cells(vt, row, col, vt->cols, -(int)width, &half);
        if (width == 2)
                c.pen.attrs |= ATTR_WIDE;
        if (col == 0 && vt->last_end > 0 && vt->last_end + width > vt->cols) {
                row->wrapped = true;
                if (vt->last_end < vt->cols)
                        leave_last(vt, row_before(vt, (unsigned)pos.row));
        }
        row->cells[col] = c;
        if (width == 2)
                row->cells[col + 1] = (struct cell){.chars = {CELL_TAIL}, .pen = vt->pen};
        mend_around(vt, row, col, col + width, &half);
}

static int put_glyph(VTermGlyphInfo *info, VTermPos pos, void *user) {
        struct vt *vt = user;
        unsigned width = info->width > 1 ? 2 : 1;

        if ((unsigned)pos.col + width > vt->cols)
                width = 1;
        if (!vt->unseen)
                draw_glyph(vt, info->chars[0], pos, width);
        vt->last_end = (unsigned)pos.col + width;
        vt->last_row = (unsigned)pos.row;
        return 1;
}

void grid_erase(struct vt *vt, unsigned row, unsigned from, unsigned to) {
        struct row *r = rows_of(vt)[row];

        to = MIN(to, vt->cols);
        blank(vt, r, from, to);
        if (from < to)
                mend_around(vt, r, from, to, &(struct cell){.pen.bg = vt->pen.bg});
}

void grid_shift(struct vt *vt, unsigned row, unsigned from, int n) {
        scroll_cells(vt, rows_of(vt)[row], from, vt->cols, n, &(struct cell){.pen.bg = vt->pen.bg});
}

static int erase(VTermRect rect, int selective, void *user) {
        struct vt *vt = user;
        unsigned to = MIN((unsigned)rect.end_col, vt->cols);

        (void)selective;
        for (int r = rect.start_row; r < rect.end_row && r < (int)vt->rows; r++)
                grid_erase(vt, (unsigned)r, (unsigned)rect.start_col, to);
        return 1;
}

/* Whole rows: from..to move up by n, or down by -n. */
static void scroll_rows(struct vt *vt, unsigned from, unsigned to, int n) {
        struct row **rows = rows_of(vt);
        bool kept = n > 0 && from == 0 && vt->scrolling && vt->active == 0;

        for (; n > 0; n--) {
                struct row *first = rows[from];

                if (kept)
                        history_push(vt, first);
                memmove(rows + from, rows + from + 1, (to - from - 1) * sizeof *rows);
                blank(vt, first, 0, vt->cols);
                rows[to - 1] = first;
        }
        for (; n < 0; n++) {
                struct row *last = rows[to - 1];

                memmove(rows + from + 1, rows + from, (to - from - 1) * sizeof *rows);
                blank(vt, last, 0, vt->cols);
                rows[from] = last;
        }
}

static int clamp(int n, int limit) {
        return n > limit ? limit : n < -limit ? -limit : n;
}

static int scroll_rect(VTermRect rect, int downward, int rightward, void *user) {
        struct vt *vt = user;
        int end_row = MIN(rect.end_row, (int)vt->rows), end_col = MIN(rect.end_col, (int)vt->cols);

        if (rect.start_row >= end_row || rect.start_col >= end_col)
                return 1;
        if (downward != 0) /* there are no left and right margins */
                scroll_rows(vt, (unsigned)rect.start_row, (unsigned)end_row,
                            clamp(downward, end_row - rect.start_row));
        if (rightward == 0)
                return 1;
        for (int r = rect.start_row; r < end_row; r++)
                scroll_cells(vt, rows_of(vt)[r], (unsigned)rect.start_col, (unsigned)end_col,
                             clamp(rightward, end_col - rect.start_col),
                             &(struct cell){.pen.bg = vt->pen.bg});
        return 1;
}

/* ---- another size ---- */

static bool is_blank(const struct row *row, unsigned cols) {
        for (unsigned i = 0; i < cols; i++)
                if (row->cells[i].chars[0] != 0 || row->cells[i].pen.bg != 0)
                        return false;
        return true;
}

/* Rows that do not fit go from below while nothing stands in them, and else from above. How many from above. */
static unsigned from_above(struct vt *vt, unsigned screen, unsigned rows) {
        unsigned last = vt->rows, cursor = 0;
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        if (screen == vt->active)
                cursor = (unsigned)pos.row;
        while (last > rows && last - 1 > cursor &&
               (screen == vt->active || is_blank(vt->screens[screen].rows[last - 1], vt->cols)))
                last--;
        return last > rows ? last - rows : 0;
}

static void move_in(struct vt *vt, unsigned screen, unsigned cols, unsigned rows, unsigned skip) {
        struct row **from = vt->screens[screen].rows, **to = vt->grown[screen];

        for (unsigned r = 0; screen == 0 && r < skip; r++)
                history_push(vt, from[r]);
        for (unsigned r = 0; r < rows && r + skip < vt->rows; r++) {
                to[r]->wrapped = from[r + skip]->wrapped;
                memcpy(to[r]->cells, from[r + skip]->cells,
                       MIN(cols, vt->cols) * sizeof(struct cell));
                mend(to[r], 0, cols, &(struct cell){.pen.bg = 0});
        }
        vt->screens[screen].rows = to;
        vt->grown[screen] = from;
}

static int resize(int rows, int cols, VTermPos *delta, void *user) {
        struct vt *vt = user;
        unsigned skip[2];

        if (!vt->grown[0])
                return 1;
        for (unsigned i = 0; i < ELEMENTS(skip); i++)
                skip[i] = from_above(vt, i, (unsigned)rows);
        delta->row = -(int)skip[vt->active];
        for (unsigned i = 0; i < ELEMENTS(skip); i++) {
                move_in(vt, i, (unsigned)cols, (unsigned)rows, skip[i]);
                struct saved *s = &vt->screens[i].saved;
                if (i == 1) /* the main one's goes with its row */
                        s->row = s->row > skip[i] ? s->row - skip[i] : 0;
        }
        return 1;
}

const VTermStateCallbacks grid_callbacks = {
        .putglyph = put_glyph,
        .erase = erase,
        .scrollrect = scroll_rect,
        .resize = resize,
};
