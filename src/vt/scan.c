/* scan.c - bytes into text, controls and sequences, whatever pieces they come in. vt_feed's contract is in vt/vt.h.
 *
 * After xterm.js and Paul Williams' parser of DEC terminals (vt100.net/emu/dec_ansi_parser): controls within a
 * sequence act at once, CAN and SUB break it off, ESC begins another; U+0080..U+009F are what ESC and a letter are.
 * Bytes that are no UTF-8 are passed over.
 */
#include <string.h>

#include "vt/vt_private.h"

enum { BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DEL = 0x7f };

static void begin(struct vt *vt, enum scan_state state, const char *introducer) {
        vt->scan = state;
        vt->overflow = false;
        vt->pending_n = (unsigned)strlen(introducer);
        memcpy(vt->pending, introducer, vt->pending_n);
}

static void collect(struct vt *vt, unsigned char b) {
        if (vt->pending_n < PENDING_MAX)
                vt->pending[vt->pending_n++] = b;
        else
                vt->overflow = true;
}

static void ground(struct vt *vt) {
        vt->scan = SCAN_GROUND;
        vt->pending_n = 0;
}

/* ASCII and the rest come apart: character sets are for ASCII alone, and libvterm goes by the first byte. */
static void add_text(struct vt *vt, const unsigned char *bytes, size_t n) {
        if (vt->text_n + n > TEXT_RUN ||
            (vt->text_n > 0 && (((unsigned char)vt->text[0] ^ bytes[0]) & 0x80)))
                act_text(vt);
        memcpy(vt->text + vt->text_n, bytes, n);
        vt->text_n += (unsigned)n;
}

/* ---- ESC, CSI and strings ---- */

static void end_escape(struct vt *vt, char final) {
        char intermediate = (char)(vt->pending_n > 1 ? vt->pending[1] : 0);
        bool many = vt->pending_n > 2;

        ground(vt);
        if (intermediate == '\0') {
                switch (final) {
                case '[': begin(vt, SCAN_CSI, "\033["); return;
                case ']': begin(vt, SCAN_OSC, "\033]"); return;
                case 'P': begin(vt, SCAN_STRING, "\033P"); return;
                case 'X': begin(vt, SCAN_STRING, "\033X"); return;
                case '^': begin(vt, SCAN_STRING, "\033^"); return;
                case '_': begin(vt, SCAN_STRING, "\033_"); return;
                default: break;
                }
        }
        if (!many)
                act_escape(vt, intermediate, final);
}

static void end_csi(struct vt *vt, unsigned char b) {
        collect(vt, b);
        unsigned n = vt->pending_n;
        bool whole = !vt->overflow;

        ground(vt);
        if (whole)
                csi_act(vt, (const char *)vt->pending + 2, n - 2);
}

static void end_string(struct vt *vt) {
        unsigned n = vt->pending_n;
        bool title = vt->scan == SCAN_OSC && !vt->overflow;

        ground(vt);
        if (title)
                act_osc(vt, (const char *)vt->pending + 2, n - 2);
}

/* ---- a byte, by where we are ---- */

/* True: it was one that acts within sequences as well. */
static bool in_sequence(struct vt *vt, unsigned char b) {
        if (b == CAN || b == SUB)
                ground(vt);
        else if (b == ESC)
                begin(vt, SCAN_ESCAPE, "\033");
        else if (b < 0x20)
                act_control(vt, b);
        else if (b == DEL)
                return true;
        else
                return false;
        return true;
}

static void on_escape(struct vt *vt, unsigned char b) {
        if (in_sequence(vt, b))
                return;
        if (b < 0x30)
                collect(vt, b);
        else
                end_escape(vt, (char)b);
}

static void on_csi(struct vt *vt, unsigned char b) {
        if (in_sequence(vt, b))
                return;
        if (b < 0x40)
                collect(vt, b);
        else
                end_csi(vt, b);
}

static void on_string(struct vt *vt, unsigned char b) {
        if (b == CAN || b == SUB) {
                ground(vt);
        } else if (b == ESC) {
                end_string(vt);
                begin(vt, SCAN_ESCAPE, "\033");
        } else if (b == BEL && vt->scan == SCAN_OSC) {
                end_string(vt);
        } else if (b == 0x9c && vt->pending[vt->pending_n - 1] == 0xc2) { /* U+009C */
                vt->pending_n--;
                end_string(vt);
        } else if (b >= 0x20) {
                collect(vt, b);
        }
}

static void on_ground(struct vt *vt, unsigned char b) {
        if (b >= 0x20 && b < DEL) {
                add_text(vt, &b, 1);
        } else if (b >= 0xc2 && b <= 0xf4) {
                begin(vt, SCAN_UTF8, "");
                collect(vt, b);
        } else if (b < 0x20) {
                act_text(vt);
                if (b == ESC)
                        begin(vt, SCAN_ESCAPE, "\033");
                else
                        act_control(vt, b);
        }
}

/* ---- UTF-8 ---- */

static unsigned utf8_length(unsigned char first) {
        return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* RFC 3629: the second byte of these is bound more closely. */
static bool utf8_continues(const struct vt *vt, unsigned char b) {
        unsigned char low = 0x80, high = 0xbf;

        if (vt->pending_n == 1) {
                switch (vt->pending[0]) {
                case 0xe0: low = 0xa0; break;
                case 0xed: high = 0x9f; break;
                case 0xf0: low = 0x90; break;
                case 0xf4: high = 0x8f; break;
                default: break;
                }
        }
        return b >= low && b <= high;
}

static void on_utf8(struct vt *vt, unsigned char b) {
        if (!utf8_continues(vt, b)) {
                ground(vt);
                on_ground(vt, b);
                return;
        }
        collect(vt, b);
        if (vt->pending_n < utf8_length(vt->pending[0]))
                return;
        unsigned n = vt->pending_n;
        ground(vt);
        if (n == 2 && vt->pending[0] == 0xc2 && b < 0xa0) {
                act_text(vt);
                begin(vt, SCAN_ESCAPE, "\033");
                end_escape(vt, (char)(b - 0x40));
        } else {
                if (!combine(vt, vt->pending, n))
                        add_text(vt, vt->pending, n);
        }
}

static void on_byte(struct vt *vt, unsigned char b) {
        /* What is no ASCII breaks a sequence off, and stands for itself. */
        if (b >= 0x80 && (vt->scan == SCAN_ESCAPE || vt->scan == SCAN_CSI))
                ground(vt);
        switch (vt->scan) {
        case SCAN_GROUND: on_ground(vt, b); break;
        case SCAN_UTF8: on_utf8(vt, b); break;
        case SCAN_ESCAPE: on_escape(vt, b); break;
        case SCAN_CSI: on_csi(vt, b); break;
        case SCAN_OSC:
        case SCAN_STRING: on_string(vt, b); break;
        }
}

size_t vt_feed_some(struct vt *vt, const void *bytes, size_t n, size_t most) {
        const unsigned char *p = bytes;
        size_t skipped = skip_plain(vt, p, n), to = MIN(n, most);

        if (skipped > 0)
                return skipped;
        for (size_t i = 0; i < to; i++)
                on_byte(vt, p[i]);
        act_text(vt);
        return to;
}

void vt_feed(struct vt *vt, const void *bytes, size_t n) {
        const unsigned char *p = bytes;

        for (size_t done = 0; done < n;)
                done += vt_feed_some(vt, p + done, n - done, n);
}
