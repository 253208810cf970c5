/* act.c - what text, controls, escapes and titles do. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "vt/vt_private.h"

/* ---- through libvterm ---- */

void act_pass(struct vt *vt, const char *bytes, size_t n) {
        VTermPos before, after;

        vterm_state_get_cursorpos(vt->state, &before);
        vterm_input_write(vt->term, bytes, n);
        vterm_state_get_cursorpos(vt->state, &after);
        if (before.row != after.row || before.col != after.col)
                vt->last_end = 0;
}

void act_passf(struct vt *vt, const char *fmt, ...) {
        char bytes[64];
        va_list args;

        va_start(args, fmt);
        int n = vsnprintf(bytes, sizeof bytes, fmt, args);
        va_end(args);
        CHECK(n > 0 && (size_t)n < sizeof bytes);
        act_pass(vt, bytes, (size_t)n);
}

/* libvterm forgets that the next glyph wraps only when the cursor really moves; and it has it before a wide glyph, not
 * in the last column. */
void act_settle(struct vt *vt) {
        if (vt->last_end >= vt->cols)
                act_passf(vt, "\033[D\033[%uC", vt->cols);
        vt->last_end = 0;
}

void act_goto(struct vt *vt, unsigned row, unsigned col) {
        unsigned top = vt->modes & MODE_ORIGIN ? vt->shown->top : 0;

        act_settle(vt);
        act_passf(vt, "\033[%u;%uH", (row > top ? row - top : 0) + 1, col + 1);
}

/* libvterm does that for a glyph alone; it is not drawn. */
void act_pend(struct vt *vt) {
        vt->unseen = true;
        vterm_input_write(vt->term, " ", 1);
        vt->unseen = false;
}

/* ---- text ---- */

static void remember_last(struct vt *vt) {
        unsigned from = vt->text_n - 1;

        while (from > 0 && ((unsigned char)vt->text[from] & 0xc0) == 0x80)
                from--;
        vt->last_n = vt->text_n - from;
        memcpy(vt->last, vt->text + from, vt->last_n);
}

/* One character after the other, the last column again and again; a wide one does not fit into it. */
static void write_unwrapped(struct vt *vt) {
        for (unsigned n, i = 0; i < vt->text_n; i += n) {
                VTermPos pos;

                for (n = 1; i + n < vt->text_n && ((unsigned char)vt->text[i + n] & 0xc0) == 0x80;)
                        n++;
                if (vt->last_end >= vt->cols)
                        act_settle(vt);
                vterm_state_get_cursorpos(vt->state, &pos);
                if ((unsigned)pos.col + 1 < vt->cols || combine_width(vt, vt->text + i, n) == 1)
                        vterm_input_write(vt->term, vt->text + i, n);
        }
}

void act_text(struct vt *vt) {
        if (vt->text_n == 0)
                return;
        vt->scrolling = true;
        if (vt->modes & MODE_WRAP)
                vterm_input_write(vt->term, vt->text, vt->text_n);
        else
                write_unwrapped(vt);
        vt->scrolling = false;
        remember_last(vt);
        vt->text_n = 0;
}

/* ---- controls ---- */

void act_control(struct vt *vt, unsigned char c) {
        switch (c) {
        case '\n':
        case '\v':
        case '\f':
                act_settle(vt);
                vt->scrolling = true;
                act_pass(vt, "\n", 1);
                vt->scrolling = false;
                break;
        case '\r':
        case '\b':
                act_settle(vt);
                act_pass(vt, &(char){(char)c}, 1);
                break;
        case '\t':
                if (vt->last_end < vt->cols)
                        act_pass(vt, "\t", 1);
                break;
        case 0x0e:
        case 0x0f:
                vt->charsets.use = c == 0x0e;
                act_pass(vt, &(char){(char)c}, 1);
                break;
        default: break;
        }
}

/* ---- DECSC, DECRC ---- */

void act_save(struct vt *vt) {
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        vt->shown->saved = (struct saved){
                .set = true,
                .row = (unsigned)pos.row + (vt->active == 0 ? vt->scrolled : 0),
                .col = vt->last_end == vt->cols ? vt->cols - 1 : (unsigned)pos.col,
                .pen = vt->pen,
                .charsets = vt->charsets,
        };
}

static void use_charsets(struct vt *vt, const struct charsets *c) {
        vt->charsets = *c;
        act_passf(vt, "\033(%c\033)%c%c", c->g[0], c->g[1], c->use ? 0x0e : 0x0f);
}

unsigned act_saved_row(const struct vt *vt, unsigned screen) {
        unsigned row = vt->screens[screen].saved.row, gone = screen == 0 ? vt->scrolled : 0;

        return MIN(row - MIN(row, gone), vt->rows - 1);
}

void act_restore(struct vt *vt) {
        const struct saved *s = &vt->shown->saved;

        vt->pen = s->pen;
        use_charsets(vt, s->set ? &s->charsets : &(struct charsets){.g = {'B', 'B'}});
        act_goto(vt, act_saved_row(vt, vt->active), s->col);
}

/* ---- escapes ---- */

static void set_tab(struct vt *vt) {
        VTermPos pos;

        vterm_state_get_cursorpos(vt->state, &pos);
        vt->shown->tabs[pos.col / 8] |= (uint8_t)(1u << (pos.col % 8));
        act_pass(vt, "\033H", 2);
}

static void designate(struct vt *vt, unsigned which, char charset) {
        if (charset != '0' && charset != 'A')
                charset = 'B';
        vt->charsets.g[which] = charset;
        act_passf(vt, "\033%c%c", which ? ')' : '(', charset);
}

static void fill(struct vt *vt) {
        act_settle(vt);
        act_pass(vt, "\033#8", 3);
        act_goto(vt, 0, 0);
}

static void index_down(struct vt *vt, char final) {
        act_settle(vt);
        vt->scrolling = true;
        act_passf(vt, "\033%c", final);
        vt->scrolling = false;
}

void act_escape(struct vt *vt, char intermediate, char final) {
        if (intermediate == '(' || intermediate == ')') {
                designate(vt, intermediate == ')', final);
                return;
        }
        if (intermediate == '#' && final == '8')
                fill(vt);
        if (intermediate != '\0')
                return;
        switch (final) {
        case '7': act_save(vt); break;
        case '8': act_restore(vt); break;
        case 'c': act_reset(vt); break;
        case 'D':
        case 'E': index_down(vt, final); break;
        case 'M':
                act_settle(vt);
                act_pass(vt, "\033M", 2);
                break;
        case 'H': set_tab(vt); break;
        case '=': vt->modes |= MODE_APP_KEYPAD; break;
        case '>': vt->modes &= ~(unsigned)MODE_APP_KEYPAD; break;
        default: break;
        }
}

/* ---- titles ---- */

void act_osc(struct vt *vt, const char *bytes, size_t n) {
        if (n < 2 || (bytes[0] != '0' && bytes[0] != '2') || bytes[1] != ';')
                return;
        n = MIN(n - 2, (size_t)TITLE_MAX);
        while (n > 0 && n + 3 > TITLE_MAX && !utf8_valid(bytes + 2, n))
                n--; /* it may be cut within a character */
        if (!utf8_valid(bytes + 2, n))
                return;
        char *to = vt->title;
        for (const char *from = bytes + 2; from < bytes + 2 + n; from++) {
                if ((unsigned char)from[0] == 0xc2 && (unsigned char)from[1] < 0xa0)
                        from++; /* a control */
                else if (*from != 0x7f)
                        *to++ = *from;
        }
        *to = '\0';
}
