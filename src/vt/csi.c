/* csi.c - control sequences: read, then done here, or put to libvterm in a form that it takes as xterm.js does. */
#include <string.h>

#include "vt/vt_private.h"

#define PARAMETER_MAX 9999u /* above every size; colours and modes are below */

/* ---- reading ---- */

static bool is_leader(char c) {
        return c >= '<' && c <= '?';
}

/* False: no such sequence, or one that nobody knows. */
static bool read_csi(struct csi *c, const char *bytes, size_t n) {
        size_t i = 0;

        *c = (struct csi){.n = 1, .final = bytes[n - 1]};
        if (is_leader(bytes[0]))
                c->leader = bytes[i++];
        for (; i + 1 < n && bytes[i] >= '0' && bytes[i] <= ';'; i++) {
                uint16_t *p = &c->p[c->n - 1];

                if (bytes[i] <= '9') {
                        *p = (uint16_t)MIN(*p * 10u + (unsigned)(bytes[i] - '0'), PARAMETER_MAX);
                } else {
                        if (c->n == ELEMENTS(c->p))
                                return false;
                        c->sub |= (uint32_t)(bytes[i] == ':') << c->n;
                        c->n++;
                }
        }
        if (i + 1 < n && bytes[i] < '0')
                c->intermediate = bytes[i++];
        return i + 1 == n;
}

/* ---- acting ---- */

static void pass(struct vt *vt, const struct csi *c) {
        act_settle(vt);
        if (c->n > 1)
                act_passf(vt, "\033[%u;%u%c", c->p[0], c->p[1], c->final);
        else
                act_passf(vt, "\033[%u%c", c->p[0], c->final);
}

/* ED and EL leave the cursor where it is, also behind the last column: then nothing is behind it. */
static void erase(struct vt *vt, const struct csi *c) {
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        unsigned row = (unsigned)pos.row, what = c->p[0];
        unsigned col = vt->last_end == vt->cols ? vt->cols : (unsigned)pos.col;

        if (c->final == 'J' && what == 3)
                history_forget(vt);
        if (what > 2)
                return;
        grid_erase(vt, row, what == 0 ? col : 0, what == 1 ? col + 1 : vt->cols);
        for (unsigned r = 0; c->final == 'J' && r < vt->rows; r++)
                if ((r < row && what != 0) || (r > row && what != 1))
                        grid_erase(vt, r, 0, vt->cols);
}

/* CUU, CUD, CNL, CPL: who is within the region stays there. */
static void move_rows(struct vt *vt, const struct csi *c) {
        bool down = c->final == 'B' || c->final == 'E';
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        unsigned row = (unsigned)pos.row;
        unsigned room = down ? (row < vt->shown->bottom ? vt->shown->bottom : vt->rows) - 1 - row
                             : row - (row >= vt->shown->top ? vt->shown->top : 0);
        unsigned n = MIN(MAX(c->p[0], 1u), room);

        act_settle(vt);
        if (n > 0)
                act_passf(vt, "\033[%u%c", n, down ? 'B' : 'A');
        if (c->final == 'E' || c->final == 'F')
                act_pass(vt, "\r", 1);
}

/* IL and DL: to the first column, within the region. */
static void shift_lines(struct vt *vt, const struct csi *c) {
        VTermPos pos;

        act_settle(vt);
        vterm_state_get_cursorpos(vt->state, &pos);
        if ((unsigned)pos.row < vt->shown->top || (unsigned)pos.row >= vt->shown->bottom)
                return;
        pass(vt, c);
        act_pass(vt, "\r", 1);
}

/* ICH and DCH: wherever the region is. */
static void shift_cells(struct vt *vt, const struct csi *c) {
        VTermPos pos;

        act_settle(vt);
        vterm_state_get_cursorpos(vt->state, &pos);
        int n = (int)MIN(MAX(c->p[0], 1u), vt->cols - (unsigned)pos.col);
        grid_shift(vt, (unsigned)pos.row, (unsigned)pos.col, c->final == 'P' ? n : -n);
}

static void set_region(struct vt *vt, const struct csi *c) {
        unsigned top = c->p[0] ? c->p[0] - 1 : 0, bottom = c->n > 1 ? c->p[1] : 0;

        if (bottom == 0 || bottom > vt->rows)
                bottom = vt->rows;
        if (bottom < top + 2)
                return;
        vt->shown->top = top;
        vt->shown->bottom = bottom;
        act_settle(vt);
        act_passf(vt, "\033[%u;%ur", top + 1, bottom);
        act_goto(vt, vt->modes & MODE_ORIGIN ? top : 0, 0);
}

/* What comes in from above has no colour, as xterm.js has it. */
static void scroll(struct vt *vt, const struct csi *c) {
        uint32_t bg = vt->pen.bg;

        if (c->n > 1) /* that is for the mouse */
                return;
        if (c->final == 'T')
                vt->pen.bg = 0;
        act_passf(vt, "\033[%u%c", c->p[0], c->final);
        vt->pen.bg = bg;
}

static void clear_tabs(struct vt *vt, const struct csi *c) {
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        if (c->p[0] == 0)
                vt->shown->tabs[pos.col / 8] &= (uint8_t) ~(1u << (pos.col % 8));
        else if (c->p[0] == 3)
                memset(vt->shown->tabs, 0, sizeof vt->shown->tabs);
        else
                return;
        act_passf(vt, "\033[%ug", c->p[0]);
}

static void repeat(struct vt *vt, const struct csi *c) {
        unsigned n = MIN(MAX(c->p[0], 1u), vt->cols * vt->rows);
        char bytes[sizeof vt->last];
        unsigned bytes_n = vt->last_n;

        memcpy(bytes, vt->last, bytes_n);
        for (unsigned i = 0; bytes_n > 0 && i < n; i++) {
                memcpy(vt->text, bytes, bytes_n);
                vt->text_n = bytes_n;
                act_text(vt);
        }
}

static void act_plain(struct vt *vt, const struct csi *c) {
        switch (c->final) {
        case 'J':
        case 'K': erase(vt, c); break;
        case 'L':
        case 'M': shift_lines(vt, c); break;
        case 'S':
        case 'T': scroll(vt, c); break;
        case 'A':
        case 'B':
        case 'E':
        case 'F': move_rows(vt, c); break;
        case '@':
        case 'P': shift_cells(vt, c); break;
        case 'C':
        case 'D':
        case 'G':
        case 'H':
        case 'I':
        case 'X':
        case 'Z':
        case '`':
        case 'a':
        case 'd':
        case 'e':
        case 'f': pass(vt, c); break;
        case 'b': repeat(vt, c); break;
        case 'g': clear_tabs(vt, c); break;
        case 'h': modes_set(vt, c, true); break;
        case 'l': modes_set(vt, c, false); break;
        case 'm': sgr_act(&vt->pen, c); break;
        case 'r': set_region(vt, c); break;
        case 's': act_save(vt); break;
        case 'u': act_restore(vt); break;
        default: break;
        }
}

static void act_private(struct vt *vt, const struct csi *c) {
        if (c->final == 'h' || c->final == 'l')
                modes_set(vt, c, c->final == 'h');
        else if (c->final == 'J' || c->final == 'K') /* nothing is protected here */
                erase(vt, c);
}

void csi_act(struct vt *vt, const char *bytes, size_t n) {
        struct csi c;

        if (!read_csi(&c, bytes, n))
                return;
        if (c.intermediate == '\0' && c.leader == '\0')
                act_plain(vt, &c);
        else if (c.intermediate == '\0' && c.leader == '?')
                act_private(vt, &c);
        else if (c.intermediate == ' ' && c.leader == '\0' && c.final == 'q')
                vt->cursor_style = c.p[0] <= 6 ? c.p[0] : vt->cursor_style;
        else if (c.intermediate == '!' && c.leader == '\0' && c.final == 'p')
                modes_soft_reset(vt);
}
