/* order.h - the parts of latch-order: tables of lock classes as text (latch/orders.h), read, laid out, drawn, judged.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLASSES_MAX 64

struct class {
        char name[64];
        uint64_t declared; /* what it is declared to be under, as the table names it */
        uint64_t under;    /* and what that leads to */
        bool twins;        /* two of it may be held */
        bool no_malloc;    /* nothing is allocated under it */
        char *seen
                [CLASSES_MAX]; /* where it was first seen to be taken under another, in words; NULL: never */
};

/* Of one header; records of one table are put together. */
struct table {
        char name[64];
        unsigned programs, count;
        struct class classes[CLASSES_MAX];
};

struct tables {
        size_t n;
        struct table *list[16];
};

/* Ends the program: nothing here goes on after an error. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A file of records, or a folder of files that are called *.orders. */
void tables_read(struct tables *all, const char *path);
void tables_read_stream(struct tables *all, FILE *from, const char *path);
void tables_done(struct tables *all);
int table_class(const struct table *t, const char *name); /* -1: it has none of that name */

/* What is declared without what follows from the rest (Aho, Garey, Ullman, SIAM J. Comput. 1(2), 1972). */
uint64_t table_reduced(const struct table *t, unsigned class);

void table_print(const struct table *t, FILE *to);
void table_draw(const struct table *t, FILE *to); /* as SVG */

/* Lock coverage; returns how many things are wrong. `excuses` may be NULL. */
unsigned tables_judge(const struct tables *all, const char *excuses);

/* ---- where everything stands in the drawing ---- */

#define NODES_MAX 1024

/* A class, or a bend of an arrow that passes a layer. */
struct node {
        int class; /* -1: a bend */
        unsigned layer;
        double x; /* in widths of a class, with the gap beside it */
};

struct layout {
        unsigned n, layers;
        double left, wide; /* the least x; from there to the greatest */
        struct node nodes[NODES_MAX];
        unsigned arrows;
        struct {
                unsigned from, to; /* nodes of layers that touch */
        } arrow[NODES_MAX];
        unsigned alone, lone[CLASSES_MAX]; /* classes that stand in no order */
};

void layout_make(const struct table *t, struct layout *l);
