/* Where classes stand: in layers, outermost first, each under all that may be held while it is taken (Sugiyama,
 * Tagawa, Toda, IEEE SMC 11(2), 1981, without its search for the best). */
#include <string.h>

#include "order.h"

static unsigned add_node(struct layout *l, int class, unsigned layer) {
        if (l->n == NODES_MAX)
                fail("the order is too wide to be drawn");
        l->nodes[l->n] = (struct node){.class = class, .layer = layer};
        if (layer >= l->layers)
                l->layers = layer + 1;
        return l->n++;
}

static void add_arrow(struct layout *l, unsigned from, unsigned to) {
        if (l->arrows == NODES_MAX)
                fail("the order has too many arrows to be drawn");
        l->arrow[l->arrows].from = from;
        l->arrow[l->arrows++].to = to;
}

static bool is_alone(const struct table *t, unsigned class) {
        uint64_t below = 0;

        for (unsigned i = 0; i < t->count; i++)
                below |= t->classes[i].under;
        return t->classes[class].declared == 0 && !(below >> class & 1);
}

/* Each one further down than all that it is under. */
static void find_layers(const struct table *t, unsigned layer[CLASSES_MAX]) {
        bool moved = true;

        memset(layer, 0, CLASSES_MAX * sizeof *layer);
        for (unsigned round = 0; moved; round++) {
                moved = false;
                if (round > t->count)
                        fail("%s: the declared order is a circle", t->name);
                for (unsigned i = 0; i < t->count; i++)
                        for (unsigned k = 0; k < t->count; k++)
                                if (t->classes[i].declared >> k & 1 && layer[i] <= layer[k]) {
                                        layer[i] = layer[k] + 1;
                                        moved = true;
                                }
        }
}

/* An arrow goes from layer to layer: where it passes one it has a bend there. */
static void add_way(struct layout *l, unsigned from, unsigned to) {
        unsigned at = from;

        for (unsigned layer = l->nodes[from].layer + 1; layer < l->nodes[to].layer; layer++) {
                unsigned bend = add_node(l, -1, layer);
                add_arrow(l, at, bend);
                at = bend;
        }
        add_arrow(l, at, to);
}

/* The mean place of those that a node has an arrow from (down) or to; its own, if there are none. */
static double mean_of(const struct layout *l, unsigned node, bool down) {
        double sum = 0;
        unsigned n = 0;

        for (unsigned i = 0; i < l->arrows; i++) {
                unsigned self = down ? l->arrow[i].to : l->arrow[i].from;
                unsigned other = down ? l->arrow[i].from : l->arrow[i].to;
                if (self == node) {
                        sum += l->nodes[other].x;
                        n++;
                }
        }
        return n > 0 ? sum / n : l->nodes[node].x;
}

/* The nodes of a layer by `x`. */
static unsigned in_order(const struct layout *l, unsigned layer, unsigned in[NODES_MAX]) {
        unsigned n = 0;

        for (unsigned i = 0; i < l->n; i++) {
                if (l->nodes[i].layer != layer)
                        continue;
                unsigned at = n++;
                for (; at > 0 && l->nodes[in[at - 1]].x > l->nodes[i].x; at--)
                        in[at] = in[at - 1];
                in[at] = i;
        }
        return n;
}

/* Those of a layer stand where they want to, but for the width of a class between them. */
static void spread(struct layout *l, unsigned layer) {
        unsigned in[NODES_MAX], n = in_order(l, layer, in);
        double moved = 0;

        for (unsigned i = 1; i < n; i++) {
                struct node *at = &l->nodes[in[i]];
                double least = l->nodes[in[i - 1]].x + 1;
                if (at->x < least) {
                        moved += least - at->x;
                        at->x = least;
                }
        }
        for (unsigned i = 0; i < n; i++)
                l->nodes[in[i]].x -= moved / n;
}

static void sweep(struct layout *l, unsigned layer, bool down) {
        double wanted[NODES_MAX];

        for (unsigned i = 0; i < l->n; i++)
                wanted[i] = mean_of(l, i, down);
        for (unsigned i = 0; i < l->n; i++)
                if (l->nodes[i].layer == layer)
                        l->nodes[i].x = wanted[i];
        spread(l, layer);
}

static void find_width(struct layout *l) {
        double right = 0;

        for (unsigned i = 0; i < l->n; i++) {
                double x = l->nodes[i].x;
                l->left = i == 0 || x < l->left ? x : l->left;
                right = i == 0 || x > right ? x : right;
        }
        l->wide = right - l->left;
}

void layout_make(const struct table *t, struct layout *l) {
        unsigned layer[CLASSES_MAX], node[CLASSES_MAX];

        memset(l, 0, sizeof *l);
        find_layers(t, layer);
        for (unsigned i = 0; i < t->count; i++)
                if (is_alone(t, i))
                        l->lone[l->alone++] = i;
                else
                        node[i] = add_node(l, (int)i, layer[i]);
        for (unsigned i = 0; i < t->count; i++)
                for (unsigned k = 0; k < t->count; k++)
                        if (table_reduced(t, i) >> k & 1)
                                add_way(l, node[k], node[i]);
        for (unsigned i = 0; i < l->layers; i++)
                spread(l, i);
        for (unsigned round = 0; round < 4; round++) {
                for (unsigned i = 1; i < l->layers; i++)
                        sweep(l, i, true);
                for (unsigned i = l->layers; i-- > 1;)
                        sweep(l, i - 1, false);
        }
        find_width(l);
}
