/* The contract is in vt/title.h. Where it begins and ends: as in scan.c, but for U+009D. */
#include "vt/title.h"

#include <string.h>

#include "base/macros.h"
#include "base/str.h"

enum { BEL = 0x07, CAN = 0x18, SUB = 0x1a, ESC = 0x1b, DEL = 0x7f };

static bool is_control(const unsigned char *p, size_t n) {
        return *p < 0x20 || *p == DEL || (n > 1 && p[0] == 0xc2 && p[1] < 0xa0);
}

bool title_valid(const char *text, size_t n) {
        const unsigned char *p = (const unsigned char *)text;

        if (n > TITLE_BYTES || !utf8_valid(text, n))
                return false;
        for (size_t i = 0; i < n; i++)
                if (is_control(p + i, n - i))
                        return false;
        return true;
}

/* What was cut off may have taken half of a character with it. */
static size_t whole(const struct title *t) {
        size_t n = MIN(t->n, TITLE_BYTES);

        for (size_t k = n; t->n > TITLE_BYTES && k > 0 && k + 4 > n; k--)
                if (utf8_valid((const char *)t->told, k))
                        return k;
        return n;
}

/* One that is no UTF-8 is none. */
static bool take(struct title *t) {
        char text[TITLE_BYTES + 1];
        size_t n = whole(t), k = 0;

        if (!utf8_valid((const char *)t->told, n))
                return false;
        for (size_t i = 0; i < n; i++) {
                if (!is_control(t->told + i, n - i))
                        text[k++] = (char)t->told[i];
                else if (t->told[i] >= 0x80)
                        i++;
        }
        text[k] = '\0';
        if (strcmp(text, t->text) == 0)
                return false;
        memcpy(t->text, text, k + 1);
        return true;
}

/* True: text is another. */
static bool on_text(struct title *t, unsigned char b) {
        bool st = b == 0x9c && t->n > 0 && t->n <= TITLE_BYTES && t->told[t->n - 1] == 0xc2;

        if (b == CAN || b == SUB) {
                t->at = TITLE_OUTSIDE;
        } else if (b == BEL || b == ESC || st) {
                t->at = b == ESC ? TITLE_ESCAPE : TITLE_OUTSIDE;
                t->n -= st;
                return take(t);
        } else if (b >= 0x20 && t->n <= TITLE_BYTES) {
                t->told[t->n++] = b;
        }
        return false;
}

static bool on_byte(struct title *t, unsigned char b) {
        if (t->at == TITLE_TEXT)
                return on_text(t, b);
        if (b == ESC)
                t->at = TITLE_ESCAPE;
        else if (t->at == TITLE_ESCAPE && b == ']')
                t->at = TITLE_COMMAND;
        else if (t->at == TITLE_COMMAND && (b == '0' || b == '2'))
                t->at = TITLE_SEMICOLON;
        else
                t->at = t->at == TITLE_SEMICOLON && b == ';' ? TITLE_TEXT : TITLE_OUTSIDE;
        if (t->at == TITLE_TEXT)
                t->n = 0;
        return false;
}

bool title_feed(struct title *t, const void *bytes, size_t n) {
        const unsigned char *p = bytes, *end = p + n;
        bool changed = false;

        while (p < end) {
                if (t->at == TITLE_OUTSIDE)
                        p = memchr(p, ESC, (size_t)(end - p));
                if (!p)
                        break;
                changed |= on_byte(t, *p++);
        }
        return changed;
}
