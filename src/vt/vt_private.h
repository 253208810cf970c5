/* vt_private.h - the screen model from inside. Of src/vt alone.
 *
 * Threads: one at a time. Lock: none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vterm.h>

#include "base/buf.h"
#include "vt/vt.h"

/* ---- cells ---- */

#define CELL_CHARS 3u          /* a base and what combines with it */
#define CELL_TAIL  0xffffffffu /* chars[0]: the second half of a wide one */

#define COLOUR_INDEX 0x01000000u /* | 0..255; 0: the default */
#define COLOUR_RGB   0x02000000u /* | 0xRRGGBB */

enum attr {
        ATTR_BOLD = 1 << 0,
        ATTR_DIM = 1 << 1,
        ATTR_ITALIC = 1 << 2,
        ATTR_BLINK = 1 << 3,
        ATTR_INVERSE = 1 << 4,
        ATTR_HIDDEN = 1 << 5,
        ATTR_STRIKE = 1 << 6,
        ATTR_OVERLINE = 1 << 7,
        ATTR_UNDERLINE = 7 << 8, /* its style, 0..5 */
        ATTR_WIDE = 1 << 12,     /* of a cell: a CELL_TAIL follows */
};
#define UNDERLINE_SHIFT 8

struct pen {
        uint32_t fg, bg;
        uint16_t attrs;
};

struct cell { /* zeros: nothing stands there */
        uint32_t chars[CELL_CHARS];
        struct pen pen;
};

struct row {
        bool wrapped; /* goes on from the row above */
        struct cell cells[];
};

/* ---- what scrolled off ---- */

/* How a row ends and begins, to tell whether the next follows by itself when it is drawn. */
struct edges {
        bool wrapped;
        bool full;  /* to its last cell */
        bool glyph; /* begins with one that leaves no colour where it scrolls */
};

struct line {
        struct edges edges;
        size_t n;
        char bytes[]; /* as drawn with, and left with, a plain pen */
};

struct history {
        struct line **lines; /* a ring of VT_HISTORY_LINES, made when first needed */
        unsigned first, n;
        size_t bytes;
};

/* ---- state ---- */

enum mode { /* bits; what is set after a reset: MODES_RESET */
            MODE_APP_CURSOR = 1 << 0,
            MODE_APP_KEYPAD = 1 << 1,
            MODE_INSERT = 1 << 2,
            MODE_NEWLINE = 1 << 3,
            MODE_ORIGIN = 1 << 4,
            MODE_WRAP = 1 << 5,
            MODE_VISIBLE = 1 << 6,
            MODE_REVERSE = 1 << 7,
            MODE_BACKWRAP = 1 << 8,
            MODE_FOCUS = 1 << 9,
            MODE_PASTE = 1 << 10,
};
#define MODES_RESET ((unsigned)(MODE_WRAP | MODE_VISIBLE))

struct charsets {
        char g[2];   /* as designated: 'B', '0', 'A' */
        uint8_t use; /* which */
};

struct saved { /* by DECSC */
        bool set;
        unsigned row, col; /* row: of the main screen with what had scrolled off, see `scrolled` */
        struct pen pen;
        struct charsets charsets;
};

struct screen {
        struct row **rows;
        struct saved saved;
        unsigned top, bottom; /* scroll region: rows top..bottom-1 */
        uint8_t tabs[VT_SIZE_MAX / 8];
};

enum scan_state {
        SCAN_GROUND,
        SCAN_UTF8,
        SCAN_ESCAPE,
        SCAN_CSI,
        SCAN_OSC,
        SCAN_STRING, /* DCS, APC, PM, SOS: passed over */
};

#define PENDING_MAX 2048u
#define TITLE_MAX   512u
#define TEXT_RUN    512u

struct vt {
        VTerm *term;
        VTermState *state;
        VTerm *probe; /* knows how wide characters are; see combine.c */
        unsigned probed_width;
        unsigned cols, rows;
        struct screen screens[2];
        unsigned active;      /* 1: the alternate one */
        struct screen *shown; /* that one */
        struct pen pen;
        struct charsets charsets;
        unsigned modes;
        unsigned mouse, mouse_format, cursor_style; /* as the parameter that set it; 0: none */
        /* The column behind the last glyph; 0: the cursor was moved since. At `cols` the next one wraps. */
        unsigned last_end;
        unsigned last_row; /* where that glyph was put */
        /* Rows of the main screen that have scrolled off, up to VT_HISTORY_LINES: what DECSC saved there goes with its row,
         * as in xterm.js. */
        unsigned scrolled;
        bool unseen;    /* glyphs are not put */
        bool scrolling; /* what scrolls off the top is kept: text and line feeds, not what deletes */
        char last[4];   /* the last character of text, for REP */
        unsigned last_n;
        struct history history;
        char title[TITLE_MAX + 1];
        struct row **grown[2]; /* while it is resized */

        enum scan_state scan;
        bool overflow;                      /* of pending */
        unsigned pending_n;                 /* what was begun, with its introducer */
        unsigned char pending[PENDING_MAX]; /* strings: how they begin */
        unsigned text_n;
        char text[TEXT_RUN]; /* of one vt_feed */
};

struct csi {
        char leader, intermediate, final; /* 0: none */
        unsigned n;                       /* at least 1 */
        uint16_t p[32];                   /* 0: not given */
        uint32_t sub;                     /* bit i: p[i] is a subparameter of the one before */
};

/* ---- grid.c: cells, and what libvterm does to them ---- */
extern const VTermStateCallbacks grid_callbacks;
_must_use_ struct row **grid_new(unsigned cols, unsigned rows); /* NULL without memory */
struct row **grid_free(struct row **g, unsigned rows);          /* returns NULL */
void grid_clear(struct vt *vt, struct row **g);
/* Of what is shown. */
void grid_erase(struct vt *vt, unsigned row, unsigned from, unsigned to);
/* What stands from this column on moves left by n, or right by -n; n is not above the columns left. */
void grid_shift(struct vt *vt, unsigned row, unsigned from, int n);

/* ---- combine.c ---- */
_must_use_ int combine_init(struct vt *vt); /* 0, -ENOMEM */
/* How many columns this character takes. */
unsigned combine_width(struct vt *vt, const void *bytes, size_t n);
/* A character of UTF-8 that takes no place of its own: true, and what stands before the cursor has it. */
bool combine(struct vt *vt, const unsigned char *bytes, size_t n);

/* ---- history.c ---- */
void history_push(struct vt *vt, const struct row *row);
void history_forget(struct vt *vt); /* all of it */
void history_done(struct history *h);
const struct line *history_line(const struct history *h, unsigned i); /* 0: the oldest */

/* ---- skip.c ---- */
/* How many of these bytes, which come next, leave no trace. */
size_t skip_plain(struct vt *vt, const unsigned char *p, size_t n);

/* ---- act.c: what is not CSI ---- */
void act_text(struct vt *vt); /* what is in vt->text */
void act_control(struct vt *vt, unsigned char c);
void act_escape(struct vt *vt, char intermediate, char final);
void act_osc(struct vt *vt, const char *bytes, size_t n);
void act_pass(struct vt *vt, const char *bytes, size_t n); /* to libvterm */
void act_passf(struct vt *vt, const char *fmt, ...) _printf_(2, 3);
void act_settle(struct vt *vt); /* the next glyph no longer wraps */
void act_pend(struct vt *vt);   /* from the last column: it does */
void act_goto(struct vt *vt, unsigned row, unsigned col);
void act_save(struct vt *vt);
void act_restore(struct vt *vt);
unsigned act_saved_row(const struct vt *vt, unsigned screen); /* where DECRC goes */
void act_reset(struct vt *vt); /* to the state of vt_new, but for the size */

/* ---- margins.c: the scroll region and the tabs of a screen ---- */
void margins_reset(const struct vt *vt, struct screen *s);
/* Another size, both screens: no region, and the usual tabs from this column on. */
void margins_resize(struct vt *vt, unsigned from);
/* Those of what is shown are libvterm's from now on; before it were those of `before`. The cursor stays. */
void margins_use(struct vt *vt, const struct screen *before);
/* 0 or as buf_add. Moves the cursor. */
_must_use_ int margins_draw(const struct vt *vt, const struct screen *s, struct buf *out);

/* ---- csi.c, modes.c, sgr.c ---- */
void csi_act(struct vt *vt, const char *bytes, size_t n); /* between "ESC [" and behind its final */
void modes_set(struct vt *vt, const struct csi *c, bool on);
void modes_soft_reset(struct vt *vt);
void sgr_act(struct pen *pen, const struct csi *c);
_must_use_ int sgr_write(const struct pen *pen, struct buf *out);

/* ---- draw.c ---- */
/* A row's cells with a plain pen before and after. 0 or as buf_add. */
_must_use_ int draw_row(const struct row *row, unsigned cols, struct buf *out);
struct edges draw_edges(const struct row *row, unsigned cols);
