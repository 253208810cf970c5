/* history.c - what has scrolled off the main screen, as it is drawn: a tenth of what its cells would take. */
#include <stdlib.h>
#include <string.h>

#include "vt/vt_private.h"

#define LINE_LIMIT (VT_SIZE_MAX * 64u) /* no row draws longer */

static void drop_oldest(struct history *h) {
        struct line **oldest = &h->lines[h->first];

        h->bytes -= sizeof **oldest + (*oldest)->n;
        free(*oldest);
        *oldest = NULL;
        h->first = (h->first + 1) % VT_HISTORY_LINES;
        h->n--;
}

static void clear(struct history *h) {
        while (h->n > 0)
                drop_oldest(h);
}

void history_forget(struct vt *vt) {
        clear(&vt->history);
        vt->scrolled = 0;
}

void history_done(struct history *h) {
        clear(h);
        free(h->lines);
        h->lines = NULL;
}

const struct line *history_line(const struct history *h, unsigned i) {
        return h->lines[(h->first + i) % VT_HISTORY_LINES];
}

static struct line *make_line(const struct vt *vt, const struct row *row) {
        struct buf drawn = BUF_INIT(LINE_LIMIT);
        struct line *l = NULL;

        if (draw_row(row, vt->cols, &drawn) == 0)
                l = malloc(sizeof *l + drawn.n);
        if (l) {
                l->edges = draw_edges(row, vt->cols);
                l->n = drawn.n;
                if (drawn.n > 0)
                        memcpy(l->bytes, drawn.data, drawn.n);
        }
        buf_done(&drawn);
        return l;
}

/* Without memory all of it goes: what is kept has no holes. */
void history_push(struct vt *vt, const struct row *row) {
        struct history *h = &vt->history;

        vt->scrolled = MIN(vt->scrolled + 1, VT_HISTORY_LINES);
        if (!h->lines)
                h->lines = calloc(VT_HISTORY_LINES, sizeof *h->lines);
        if (!h->lines)
                return;
        struct line *l = make_line(vt, row);
        if (!l) {
                clear(h);
                return;
        }
        h->bytes += sizeof *l + l->n;
        while (h->n > 0 && (h->n == VT_HISTORY_LINES || h->bytes > VT_HISTORY_BYTES))
                drop_oldest(h);
        h->lines[(h->first + h->n++) % VT_HISTORY_LINES] = l;
}
