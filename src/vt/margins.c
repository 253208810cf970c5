/* margins.c - scroll regions and tabs. As in xterm.js each screen has its own. */
#include <string.h>

#include "vt/vt_private.h"

static bool is_tab(const struct screen *s, unsigned col) {
        return s->tabs[col / 8] >> (col % 8) & 1;
}

/* Every eighth column: the first bit of each byte. */
static void usual_tabs(struct screen *s, unsigned from) {
        for (unsigned i = from; i < VT_SIZE_MAX; i++) {
                unsigned bit = 1u << (i % 8);

                s->tabs[i / 8] =
                        (uint8_t)(i % 8 == 0 ? s->tabs[i / 8] | bit : s->tabs[i / 8] & ~bit);
        }
}

static void no_region(const struct vt *vt, struct screen *s) {
        s->top = 0;
        s->bottom = vt->rows;
}

void margins_reset(const struct vt *vt, struct screen *s) {
        no_region(vt, s);
        usual_tabs(s, 0);
}

void margins_resize(struct vt *vt, unsigned from) {
        for (size_t i = 0; i < ELEMENTS(vt->screens); i++) {
                no_region(vt, &vt->screens[i]);
                usual_tabs(&vt->screens[i], from);
        }
}

static void use_tabs(struct vt *vt) {
        act_passf(vt, "\033[3g");
        for (unsigned i = 0; i < vt->cols; i++)
                if (is_tab(vt->shown, i))
                        act_passf(vt, "\033[%uG\033H", i + 1);
}

void margins_use(struct vt *vt, const struct screen *before) {
        bool pending = vt->last_end >= vt->cols;
        VTermPos pos;

        bool tabs = memcmp(vt->shown->tabs, before->tabs, sizeof before->tabs) != 0;
        if (!tabs && vt->shown->top == before->top && vt->shown->bottom == before->bottom)
                return;
        vterm_state_get_cursorpos(vt->state, &pos);
        if (tabs)
                use_tabs(vt);
        act_passf(vt, "\033[%u;%ur", vt->shown->top + 1, vt->shown->bottom);
        act_goto(vt, (unsigned)pos.row, (unsigned)pos.col);
        if (pending)
                act_pend(vt);
}

/* ---- out ---- */

static int draw_tabs(const struct vt *vt, const struct screen *s, struct buf *out) {
        bool usual = true;
        int r;

        for (unsigned i = 0; i < vt->cols; i++)
                usual &= is_tab(s, i) == (i % 8 == 0);
        if (usual)
                return 0;
        r = buf_adds(out, "\033[3g");
        for (unsigned i = 0; r == 0 && i < vt->cols; i++)
                if (is_tab(s, i))
                        r = buf_addf(out, "\033[%uG\033H", i + 1);
        return r;
}

int margins_draw(const struct vt *vt, const struct screen *s, struct buf *out) {
        int r = draw_tabs(vt, s, out);

        if (r == 0 && (s->top > 0 || s->bottom < vt->rows))
                r = buf_addf(out, "\033[%u;%ur", s->top + 1, s->bottom);
        return r;
}
