/* Draws a table as SVG, and prints it. Of two browsers' themes it takes the one that its reader has. */
#include <stdint.h>
#include <stdio.h>

#include "order.h"

enum {
        MARGIN = 28,
        HEAD = 64,
        BOX_HIGH = 34,
        GAP_X = 24,
        GAP_Y = 40,
        LONE_COLUMNS = 4,
        LONE_GAP = 14,
        CAPTION = 30,
        LETTER = 8,
        LEGEND = 26,
        MARK = 9,         /* from a box's corner to the middle of its mark */
        LEAST_WIDE = 400, /* what the captions take */
};

struct picture {
        double box, wide, high;
        double left; /* where a node of x 0 has its middle */
        double orders_at, alone_at;
        double legend_at; /* 0: no class has a mark */
};

static const char style[] =
        "<style>\n"
        "  .page { fill: #ffffff; stroke: #d0d7de }\n"
        "  .box { fill: #eef4ff; stroke: #4a7bd0 }\n"
        "  .lone { fill: #f6f8fa; stroke: #afb8c1 }\n"
        "  .way { fill: none; stroke: #57606a; stroke-width: 1.5 }\n"
        "  .tip { fill: #57606a }\n"
        "  .mark { fill: none; stroke: #57606a; stroke-width: 1.3 }\n"
        "  text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }\n"
        "  .head { font: 600 15px system-ui, sans-serif }\n"
        "  .note { font: 12px system-ui, sans-serif; fill: #57606a }\n"
        "  .name { text-anchor: middle }\n"
        "  @media (prefers-color-scheme: dark) {\n"
        "    .page { fill: #0d1117; stroke: #30363d }\n"
        "    .box { fill: #14233f; stroke: #5b8de0 }\n"
        "    .lone { fill: #161b22; stroke: #484f58 }\n"
        "    .way { stroke: #9198a1 }\n"
        "    .tip { fill: #9198a1 }\n"
        "    .mark { stroke: #9198a1 }\n"
        "    text { fill: #e6edf3 }\n"
        "    .note { fill: #9198a1 }\n"
        "  }\n"
        "</style>\n"
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" "
        "markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
        "<path class=\"tip\" d=\"M0 0 8 4 0 8z\"/></marker>"
        "<path id=\"no-malloc\" class=\"mark\" "
        "d=\"M3.5 0a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0M-2.4 2.4 2.4-2.4\"/></defs>\n";

static unsigned orders_of(const struct table *t) {
        unsigned n = 0;

        for (unsigned i = 0; i < t->count; i++)
                n += (unsigned)__builtin_popcountll(t->classes[i].declared);
        return n;
}

static bool has_marks(const struct table *t) {
        bool some = false;

        for (unsigned i = 0; i < t->count; i++)
                some |= t->classes[i].no_malloc;
        return some;
}

static struct picture measure(const struct table *t, const struct layout *l) {
        struct picture p = {.box = 72};

        for (unsigned i = 0; i < t->count; i++) {
                double need = 24.0;
                for (const char *c = t->classes[i].name; *c; c++)
                        need += LETTER;
                if (need > p.box)
                        p.box = need;
        }
        unsigned columns = l->alone < LONE_COLUMNS ? l->alone : LONE_COLUMNS;
        double orders = l->layers ? l->wide * (p.box + GAP_X) + p.box : 0;
        double alone = columns * (p.box + LONE_GAP) - (columns ? LONE_GAP : 0);
        double within = orders > alone ? orders : alone;
        p.wide = 2 * MARGIN + (within > LEAST_WIDE ? within : LEAST_WIDE);
        p.left = (p.wide - l->wide * (p.box + GAP_X)) / 2 - l->left * (p.box + GAP_X);
        p.orders_at = HEAD + (l->layers ? CAPTION : 0);
        p.alone_at = p.orders_at + l->layers * (BOX_HIGH + GAP_Y) + (l->alone ? CAPTION : 0) -
                     (l->layers && !l->alone ? GAP_Y : 0);
        unsigned rows = (l->alone + LONE_COLUMNS - 1) / LONE_COLUMNS;
        p.high = p.alone_at + rows * (BOX_HIGH + LONE_GAP) - (rows ? LONE_GAP : 0) + MARGIN;
        if (has_marks(t)) {
                p.legend_at = p.high;
                p.high += LEGEND;
        }
        return p;
}

static void draw_mark(FILE *to, double x, double y) {
        fprintf(to, "<use href=\"#no-malloc\" x=\"%.1f\" y=\"%.1f\"/>", x, y);
}

static void draw_box(FILE *to, const struct picture *p, const char *kind, double x, double y,
                     const struct class *c) {
        fprintf(to,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"7\"/>",
                kind, x - p->box / 2, y, p->box, BOX_HIGH);
        if (c->no_malloc)
                draw_mark(to, x + p->box / 2 - MARK, y + MARK);
        fprintf(to, "<text class=\"name\" x=\"%.1f\" y=\"%.1f\">%s</text>\n", x,
                y + BOX_HIGH / 2.0 + 4.5, c->name);
}

static double x_of(const struct picture *p, const struct node *n) {
        return p->left + n->x * (p->box + GAP_X);
}

static double y_of(const struct picture *p, const struct node *n) {
        return p->orders_at + n->layer * (BOX_HIGH + GAP_Y);
}

/* From under one to the top of the other; a bend is passed straight down. */
static void draw_arrow(FILE *to, const struct picture *p, const struct node *a,
                       const struct node *b) {
        double x1 = x_of(p, a), y1 = y_of(p, a) + BOX_HIGH, x2 = x_of(p, b), y2 = y_of(p, b);

        if (a->class < 0)
                fprintf(to, "<path class=\"way\" d=\"M%.1f %.1fV%.1f\"/>", x1, y1 - BOX_HIGH, y1);
        fprintf(to, "<path class=\"way\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\"%s/>\n", x1,
                y1, x1, y1 + GAP_Y / 2.0, x2, y2 - GAP_Y / 2.0, x2, y2,
                b->class < 0 ? "" : " marker-end=\"url(#tip)\"");
}

static void draw_orders(const struct table *t, const struct layout *l, const struct picture *p,
                        FILE *to) {
        if (l->layers == 0)
                return;
        fprintf(to,
                "<text class=\"note\" x=\"%d\" y=\"%.1f\">An arrow goes from what may be held to what may "
                "then be taken.</text>\n",
                MARGIN, p->orders_at - 12);
        for (unsigned i = 0; i < l->arrows; i++)
                draw_arrow(to, p, &l->nodes[l->arrow[i].from], &l->nodes[l->arrow[i].to]);
        for (unsigned i = 0; i < l->n; i++)
                if (l->nodes[i].class >= 0)
                        draw_box(to, p, "box", x_of(p, &l->nodes[i]), y_of(p, &l->nodes[i]),
                                 &t->classes[l->nodes[i].class]);
}

static void draw_alone(const struct table *t, const struct layout *l, const struct picture *p,
                       FILE *to) {
        if (l->alone == 0)
                return;
        fprintf(to,
                "<text class=\"note\" x=\"%d\" y=\"%.1f\">Taken with nothing held, and nothing is taken "
                "under them:</text>\n",
                MARGIN, p->alone_at - 12);
        for (unsigned i = 0; i < l->alone; i++) {
                unsigned row = i / LONE_COLUMNS, column = i % LONE_COLUMNS;
                draw_box(to, p, "lone", MARGIN + p->box / 2 + column * (p->box + LONE_GAP),
                         p->alone_at + row * (BOX_HIGH + LONE_GAP), &t->classes[l->lone[i]]);
        }
}

static void draw_legend(const struct picture *p, FILE *to) {
        if (p->legend_at <= 0)
                return;
        draw_mark(to, MARGIN + MARK / 2.0, p->legend_at);
        fprintf(to,
                "<text class=\"note\" x=\"%d\" y=\"%.1f\">Nothing is allocated under it "
                "(LATCH_NO_MALLOC).</text>\n",
                MARGIN + 2 * MARK, p->legend_at + 4);
}

void table_draw(const struct table *t, FILE *to) {
        static struct layout l;

        layout_make(t, &l);
        struct picture p = measure(t, &l);
        fprintf(to,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
                "role=\"img\" aria-label=\"The lock classes of %s and their order\">\n",
                p.wide, p.high, p.wide, p.high, t->name);
        fputs(style, to);
        fprintf(to,
                "<rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"%.1f\" height=\"%.1f\" rx=\"10\"/>\n",
                p.wide - 1, p.high - 1);
        fprintf(to, "<text class=\"head\" x=\"%d\" y=\"36\">%s</text>", MARGIN, t->name);
        fprintf(to,
                "<text class=\"note\" x=\"%d\" y=\"54\">%u lock classes, %u declared orders</text>\n",
                MARGIN, t->count, orders_of(t));
        draw_orders(t, &l, &p, to);
        draw_alone(t, &l, &p, to);
        draw_legend(&p, to);
        fputs("</svg>\n", to);
}

void table_print(const struct table *t, FILE *to) {
        fprintf(to, "%s: %u lock classes, %u declared orders\n", t->name, t->count, orders_of(t));
        for (unsigned i = 0; i < t->count; i++) {
                const struct class *c = &t->classes[i];
                fprintf(to, "  %-16s ", c->name);
                fputs(c->declared ? "may be taken under" : "is taken with nothing held", to);
                for (unsigned k = 0; k < t->count; k++)
                        if (c->under >> k & 1)
                                fprintf(to, " %s%s", t->classes[k].name,
                                        c->declared >> k & 1 ? "" : " (follows)");
                fputs(c->twins ? "; two of it, the lower address first" : "", to);
                fputs(c->no_malloc ? "; nothing is allocated under it\n" : "\n", to);
        }
}
