/* sgr.c - the pen: read from SGR, and written as such. (ECMA-48 8.3.117; xterm's ctlseqs.) */
#include "vt/vt_private.h"

/* How many parameters from i on are one with it: its subparameters. */
static unsigned subs(const struct csi *c, unsigned i) {
        unsigned n = 0;

        while (i + n + 1 < c->n && c->sub & (UINT32_C(1) << (i + n + 1)))
                n++;
        return n;
}

static uint32_t rgb(const uint16_t *p) {
        return COLOUR_RGB | (uint32_t)(p[0] & 0xff) << 16 | (uint32_t)(p[1] & 0xff) << 8 |
               (uint32_t)(p[2] & 0xff);
}

/* A colour at p[i], which is 38, 48 or 58; how many parameters behind it are part of it. */
static unsigned colour(const struct csi *c, unsigned i, uint32_t *ret) {
        unsigned n = subs(c, i), left = c->n - i - 1;
        const uint16_t *p = &c->p[i + 1];

        if (n > 0) {
                if (p[0] == 5 && n >= 2)
                        *ret = COLOUR_INDEX | (p[1] & 0xff);
                else if (p[0] == 2 && n >= 4) /* with a colour space, or without */
                        *ret = rgb(n >= 5 ? p + 2 : p + 1);
                return n;
        }
        if (left >= 2 && p[0] == 5) {
                *ret = COLOUR_INDEX | (p[1] & 0xff);
                return 2;
        }
        if (left >= 4 && p[0] == 2) {
                *ret = rgb(p + 1);
                return 4;
        }
        return left;
}

static void underline(struct pen *pen, unsigned style) {
        pen->attrs = (uint16_t)((pen->attrs & ~ATTR_UNDERLINE) | style << UNDERLINE_SHIFT);
}

static void on(struct pen *pen, unsigned attr) {
        pen->attrs = (uint16_t)(pen->attrs | attr);
}

static void off(struct pen *pen, unsigned attr) {
        pen->attrs = (uint16_t)(pen->attrs & ~attr);
}

static void attribute(struct pen *pen, unsigned p) {
        switch (p) {
        case 0: *pen = (struct pen){0}; break;
        case 1: on(pen, ATTR_BOLD); break;
        case 2: on(pen, ATTR_DIM); break;
        case 3: on(pen, ATTR_ITALIC); break;
        case 4: underline(pen, 1); break;
        case 5:
        case 6: on(pen, ATTR_BLINK); break;
        case 7: on(pen, ATTR_INVERSE); break;
        case 8: on(pen, ATTR_HIDDEN); break;
        case 9: on(pen, ATTR_STRIKE); break;
        case 21: underline(pen, 2); break;
        case 22: off(pen, ATTR_BOLD | ATTR_DIM); break;
        case 23: off(pen, ATTR_ITALIC); break;
        case 24: underline(pen, 0); break;
        case 25: off(pen, ATTR_BLINK); break;
        case 27: off(pen, ATTR_INVERSE); break;
        case 28: off(pen, ATTR_HIDDEN); break;
        case 29: off(pen, ATTR_STRIKE); break;
        case 39: pen->fg = 0; break;
        case 49: pen->bg = 0; break;
        case 53: on(pen, ATTR_OVERLINE); break;
        case 55: off(pen, ATTR_OVERLINE); break;
        default:
                if (p >= 30 && p <= 37)
                        pen->fg = COLOUR_INDEX | (p - 30);
                else if (p >= 40 && p <= 47)
                        pen->bg = COLOUR_INDEX | (p - 40);
                else if (p >= 90 && p <= 97)
                        pen->fg = COLOUR_INDEX | (p - 82);
                else if (p >= 100 && p <= 107)
                        pen->bg = COLOUR_INDEX | (p - 92);
                break;
        }
}

void sgr_act(struct pen *pen, const struct csi *c) {
        uint32_t unused;

        for (unsigned i = 0; i < c->n; i++) {
                unsigned p = c->p[i];

                if (p == 38 || p == 48 || p == 58) {
                        i += colour(c, i, p == 38 ? &pen->fg : p == 48 ? &pen->bg : &unused);
                } else if (p == 4 && subs(c, i) > 0) {
                        underline(pen, c->p[i + 1] <= 5 ? c->p[i + 1] : 1);
                        i += subs(c, i);
                } else {
                        attribute(pen, p);
                        i += subs(c, i);
                }
        }
}

/* ---- out ---- */

static int write_colour(uint32_t colour, unsigned base, struct buf *out) {
        unsigned i = colour & 0xff;

        if (colour & COLOUR_RGB)
                return buf_addf(out, ";%u;2;%u;%u;%u", base + 8, colour >> 16 & 0xff,
                                colour >> 8 & 0xff, i);
        if (!(colour & COLOUR_INDEX))
                return 0;
        if (i < 8)
                return buf_addf(out, ";%u", base + i);
        if (i < 16)
                return buf_addf(out, ";%u", base + 52 + i);
        return buf_addf(out, ";%u;5;%u", base + 8, i);
}

int sgr_write(const struct pen *pen, struct buf *out) {
        static const struct {
                uint16_t attr;
                uint8_t parameter;
        } words[] = {{ATTR_BOLD, 1},    {ATTR_DIM, 2},    {ATTR_ITALIC, 3}, {ATTR_BLINK, 5},
                     {ATTR_INVERSE, 7}, {ATTR_HIDDEN, 8}, {ATTR_STRIKE, 9}, {ATTR_OVERLINE, 53}};
        unsigned style = (pen->attrs & ATTR_UNDERLINE) >> UNDERLINE_SHIFT;
        int r = buf_adds(out, "\033[0");

        for (size_t i = 0; r == 0 && i < ELEMENTS(words); i++)
                if (pen->attrs & words[i].attr)
                        r = buf_addf(out, ";%u", words[i].parameter);
        if (r == 0 && style == 1)
                r = buf_adds(out, ";4");
        else if (r == 0 && style > 1)
                r = buf_addf(out, ";4:%u", style);
        if (r == 0)
                r = write_colour(pen->fg, 30, out);
        if (r == 0)
                r = write_colour(pen->bg, 40, out);
        return r < 0 ? r : buf_adds(out, "m");
}
