/* modes.c - modes of the terminal: those that clients must know, and which of the screens is shown. */
#include "vt/vt_private.h"

static void set_bit(struct vt *vt, unsigned bit, bool on) {
        vt->modes = on ? vt->modes | bit : vt->modes & ~bit;
}

/* One that libvterm works by as well. */
static void set_shared(struct vt *vt, unsigned bit, const char *name, bool on) {
        set_bit(vt, bit, on);
        act_passf(vt, "\033[%s%c", name, on ? 'h' : 'l');
}

static void set_origin(struct vt *vt, bool on) {
        act_settle(vt);
        set_shared(vt, MODE_ORIGIN, "?6", on);
        act_goto(vt, on ? vt->shown->top : 0, 0);
}

/* The alternate screen is empty whenever it is entered. */
static void show(struct vt *vt, unsigned screen) {
        if (vt->active == screen)
                return;
        const struct screen *before = vt->shown;

        vt->active = screen;
        vt->shown = &vt->screens[screen];
        if (screen == 1) {
                grid_clear(vt, vt->shown->rows);
                vt->shown->saved = (struct saved){.set = false};
                margins_reset(vt, vt->shown);
        }
        margins_use(vt, before);
}

static void set_private(struct vt *vt, unsigned mode, bool on) {
        switch (mode) {
        case 1: set_bit(vt, MODE_APP_CURSOR, on); break;
        case 5: set_bit(vt, MODE_REVERSE, on); break;
        case 6: set_origin(vt, on); break;
        case 7: set_bit(vt, MODE_WRAP, on); break; /* act.c works by it */
        case 25: set_bit(vt, MODE_VISIBLE, on); break;
        case 45: set_bit(vt, MODE_BACKWRAP, on); break;
        case 66: set_bit(vt, MODE_APP_KEYPAD, on); break;
        case 9:
        case 1000:
        case 1002:
        case 1003: vt->mouse = on ? mode : 0; break;
        case 1004: set_bit(vt, MODE_FOCUS, on); break;
        case 1005:
        case 1006:
        case 1015:
        case 1016: vt->mouse_format = on ? mode : 0; break;
        case 2004: set_bit(vt, MODE_PASTE, on); break;
        case 1048: on ? act_save(vt) : act_restore(vt); break;
        case 1049:
                if (on)
                        act_save(vt);
                show(vt, on);
                if (!on)
                        act_restore(vt);
                break;
        case 47:
        case 1047: show(vt, on); break;
        default: break;
        }
}

void modes_set(struct vt *vt, const struct csi *c, bool on) {
        for (unsigned i = 0; i < c->n; i++) {
                if (c->leader == '?')
                        set_private(vt, c->p[i], on);
                else if (c->p[i] == 4)
                        set_bit(vt, MODE_INSERT, on); /* grid.c works by it */
                else if (c->p[i] == 20)
                        set_shared(vt, MODE_NEWLINE, "20", on);
        }
}

void modes_soft_reset(struct vt *vt) {
        VTermPos pos;

        act_settle(vt);
        vterm_state_get_cursorpos(vt->state, &pos);
        vt->modes = MODES_RESET;
        vt->pen = (struct pen){0};
        vt->shown->saved = (struct saved){.set = false};
        vt->shown->top = 0;
        vt->shown->bottom = vt->rows;
        vt->charsets = (struct charsets){.g = {'B', 'B'}};
        act_passf(vt, "\033[?6l\033[20l\033[r\033(B\033)B\017");
        act_goto(vt, (unsigned)pos.row, (unsigned)pos.col);
}
