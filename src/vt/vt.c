/* vt.c - the screen model as a whole. The contract is in vt/vt.h. */
#include "vt/vt.h"

#include <errno.h>
#include <stdlib.h>

#include "vt/vt_private.h"

/* A wide character needs two columns. */
static unsigned fit(unsigned n, unsigned least) {
        return n < least ? least : MIN(n, VT_SIZE_MAX);
}

void act_reset(struct vt *vt) {
        vt->pen = (struct pen){0};
        vt->active = 0;
        vt->shown = &vt->screens[0];
        for (size_t i = 0; i < ELEMENTS(vt->screens); i++) {
                grid_clear(vt, vt->screens[i].rows);
                vt->screens[i].saved = (struct saved){.set = false};
                margins_reset(vt, &vt->screens[i]);
        }
        history_forget(vt);
        vt->charsets = (struct charsets){.g = {'B', 'B'}};
        vt->modes = MODES_RESET;
        vt->mouse = vt->mouse_format = vt->cursor_style = 0;
        vt->last_end = vt->last_n = 0;
        vterm_state_reset(vt->state, 1);
}

int vt_new(unsigned cols, unsigned rows, struct vt **ret) {
        _cleanup_(vt_freep) struct vt *vt = calloc(1, sizeof *vt);

        if (!vt)
                return -ENOMEM;
        vt->cols = fit(cols, 2);
        vt->rows = fit(rows, 1);
        for (size_t i = 0; i < ELEMENTS(vt->screens); i++) {
                vt->screens[i].rows = grid_new(vt->cols, vt->rows);
                if (!vt->screens[i].rows)
                        return -ENOMEM;
        }
        vt->term = vterm_new((int)vt->rows, (int)vt->cols);
        if (!vt->term)
                return -ENOMEM;
        vterm_set_utf8(vt->term, 1);
        vt->state = vterm_obtain_state(vt->term);
        vterm_state_set_callbacks(vt->state, &grid_callbacks, vt);
        int r = combine_init(vt);
        if (r < 0)
                return r;
        act_reset(vt);
        *ret = TAKE_PTR(vt);
        return 0;
}

struct vt *vt_free(struct vt *vt) {
        if (!vt)
                return NULL;
        for (size_t i = 0; i < ELEMENTS(vt->screens); i++)
                grid_free(vt->screens[i].rows, vt->rows);
        history_done(&vt->history);
        if (vt->term)
                vterm_free(vt->term);
        if (vt->probe)
                vterm_free(vt->probe);
        free(vt);
        return NULL;
}

/* As xterm.js: columns that are new have the usual tabs, the region is the whole screen. */
static void apply(struct vt *vt, unsigned cols, unsigned rows) {
        unsigned kept = MIN(vt->cols, cols);

        if (cols <= vt->cols)
                act_settle(vt);
        vterm_set_size(vt->term, (int)rows, (int)cols); /* resize of grid.c */
        for (size_t i = 0; i < ELEMENTS(vt->grown); i++)
                vt->grown[i] = grid_free(vt->grown[i], vt->rows);
        vt->cols = cols;
        vt->rows = rows;
        vt->last_end = 0;
        margins_resize(vt, kept);
        VTermPos pos;
        vterm_state_get_cursorpos(vt->state, &pos);
        act_passf(vt, "\033[r");
        act_goto(vt, (unsigned)pos.row, (unsigned)pos.col);
}

int vt_resize(struct vt *vt, unsigned cols, unsigned rows) {
        cols = fit(cols, 2);
        rows = fit(rows, 1);
        if (cols == vt->cols && rows == vt->rows)
                return 0;
        vt->grown[0] = grid_new(cols, rows);
        vt->grown[1] = grid_new(cols, rows);
        if (!vt->grown[0] || !vt->grown[1]) {
                vt->grown[0] = grid_free(vt->grown[0], rows);
                vt->grown[1] = grid_free(vt->grown[1], rows);
                return -ENOMEM;
        }
        apply(vt, cols, rows);
        return 0;
}
