/* combine.c - characters that combine with the one before the cursor.
 *
 * libvterm would combine them itself, but not with a glyph in the last column that came in another piece, and it keeps
 * all that ever combines with one. So it gets none of them here. Which they are it alone knows: each is shown to a
 * second, tiny terminal first.
 */
#include <errno.h>

#include "vt/vt_private.h"

#define FIRST 0x300u /* U+0300 is the lowest that combines */

static int show(VTermGlyphInfo *info, VTermPos pos, void *user) {
        struct vt *vt = user;

        (void)pos;
        vt->probed_width = (unsigned)info->width;
        return 1;
}

int combine_init(struct vt *vt) {
        static const VTermStateCallbacks callbacks = {.putglyph = show};

        vt->probe = vterm_new(1, 4);
        if (!vt->probe)
                return -ENOMEM;
        vterm_set_utf8(vt->probe, 1);
        VTermState *state = vterm_obtain_state(vt->probe);
        vterm_state_set_callbacks(state, &callbacks, vt);
        vterm_state_reset(state, 1);
        return 0;
}

static uint32_t decode(const unsigned char *p, size_t n) {
        uint32_t c = n == 2 ? p[0] & 0x1f : n == 3 ? p[0] & 0x0f : p[0] & 0x07;

        for (size_t i = 1; i < n; i++)
                c = c << 6 | (p[i] & 0x3f);
        return c;
}

unsigned combine_width(struct vt *vt, const void *bytes, size_t n) {
        vt->probed_width = 0;
        vterm_input_write(vt->probe, "\r", 1);
        vterm_input_write(vt->probe, bytes, n);
        return vt->probed_width;
}

/* Beyond what a cell holds it is passed over, as where nothing stands. */
static void add_before_cursor(struct vt *vt, uint32_t c) {
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        unsigned behind = vt->last_end == vt->cols ? vt->cols : (unsigned)pos.col;
        struct cell *cell = vt->shown->rows[pos.row]->cells + behind;
        if (behind > 0)
                cell--;
        if (behind > 1 && cell->chars[0] == CELL_TAIL)
                cell--;
        if (behind == 0 || cell->chars[0] == 0 || cell->chars[0] == CELL_TAIL)
                return;
        for (unsigned i = 1; i < CELL_CHARS; i++) {
                if (cell->chars[i] == 0) {
                        cell->chars[i] = c;
                        return;
                }
        }
}

bool combine(struct vt *vt, const unsigned char *bytes, size_t n) {
        uint32_t c = decode(bytes, n);

        if (c < FIRST || combine_width(vt, bytes, n) > 0)
                return false;
        act_text(vt);
        add_before_cursor(vt, c);
        return true;
}
