/* Reads tables of lock classes and what was seen of them. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"
#include "order.h"

int table_class(const struct table *t, const char *name) {
        for (unsigned i = 0; i < t->count; i++)
                if (strcmp(t->classes[i].name, name) == 0)
                        return (int)i;
        return -1;
}

uint64_t table_reduced(const struct table *t, unsigned class) {
        uint64_t implied = 0;

        for (unsigned i = 0; i < t->count; i++)
                if (t->classes[class].declared >> i & 1)
                        implied |= t->classes[i].under;
        return t->classes[class].declared & ~implied;
}

static struct table *table_free(struct table *t) {
        for (unsigned i = 0; t && i < t->count; i++)
                for (unsigned k = 0; k < t->count; k++)
                        free(t->classes[i].seen[k]);
        free(t);
        return NULL;
}

void tables_done(struct tables *all) {
        while (all->n > 0)
                table_free(all->list[--all->n]);
}

/* Warshall's closure (JACM 9(1), 1962). */
static void close_order(struct table *t) {
        for (unsigned i = 0; i < t->count; i++)
                t->classes[i].under = t->classes[i].declared;
        for (unsigned k = 0; k < t->count; k++)
                for (unsigned i = 0; i < t->count; i++)
                        if (t->classes[i].under >> k & 1)
                                t->classes[i].under |= t->classes[k].under;
}

static bool is_same(const struct table *a, const struct table *b) {
        bool same = a->count == b->count;

        for (unsigned i = 0; same && i < a->count; i++)
                same = strcmp(a->classes[i].name, b->classes[i].name) == 0 &&
                       a->classes[i].declared == b->classes[i].declared;
        return same;
}

/* A record is whole: it is put to the others of its table. Takes t. */
static void add_record(struct tables *all, struct table *t, const char *path) {
        struct table *of = NULL;

        for (size_t i = 0; i < all->n && !of; i++)
                if (strcmp(all->list[i]->name, t->name) == 0)
                        of = all->list[i];
        if (!of) {
                if (all->n == ELEMENTS(all->list))
                        fail("%s: more than %zu tables", path, all->n);
                close_order(t);
                all->list[all->n++] = t;
                return;
        }
        if (!is_same(of, t))
                fail("%s: %s is another table here than elsewhere: these programs were built at different times",
                     path, t->name);
        for (unsigned i = 0; i < t->count; i++)
                for (unsigned k = 0; k < t->count; k++)
                        if (!of->classes[i].seen[k])
                                of->classes[i].seen[k] = TAKE_PTR(t->classes[i].seen[k]);
        of->programs++;
        table_free(t);
}

static void copy_name(char to[64], const char *name, const char *path) {
        if (!name || strlen(name) >= 64)
                fail("%s: a name is missing or too long", path);
        strcpy(to, name);
}

static struct table *open_record(const char *name, const char *path) {
        struct table *t = calloc(1, sizeof *t);

        if (!t)
                fail("out of memory");
        copy_name(t->name, name, path);
        t->programs = 1;
        return t;
}

/* "order TAKEN HELD", "seen TAKEN HELD WHERE" */
static void read_pair(struct table *t, bool seen, char **rest, const char *path) {
        const char *taken = strtok_r(NULL, " ", rest), *held = strtok_r(NULL, " ", rest);
        int a = taken ? table_class(t, taken) : -1, b = held ? table_class(t, held) : -1;

        if (a < 0 || b < 0)
                fail("%s: an order of classes that the table does not have", path);
        if (!seen)
                t->classes[a].declared |= UINT64_C(1) << b;
        else if (!t->classes[a].seen[b] && !(t->classes[a].seen[b] = strdup(*rest)))
                fail("out of memory");
}

/* "twins CLASS", "no_malloc CLASS" */
static struct class *read_class(struct table *t, const char *word, char **rest, const char *path) {
        const char *name = strtok_r(NULL, " ", rest);
        int class = name ? table_class(t, name) : -1;

        if (class < 0)
                fail("%s: %s of a class that the table does not have", path, word);
        return &t->classes[class];
}

static struct table *read_line(struct tables *all, struct table *t, char *line, const char *path) {
        char *rest, *word = strtok_r(line, " ", &rest);

        if (str_eq(word, "table")) {
                if (t)
                        add_record(all, t, path);
                return open_record(strtok_r(NULL, " ", &rest), path);
        }
        if (t && str_eq(word, "class") && t->count < CLASSES_MAX)
                copy_name(t->classes[t->count++].name, strtok_r(NULL, " ", &rest), path);
        else if (t && str_eq(word, "twins"))
                read_class(t, word, &rest, path)->twins = true;
        else if (t && str_eq(word, "no_malloc"))
                read_class(t, word, &rest, path)->no_malloc = true;
        else if (t && (str_eq(word, "order") || str_eq(word, "seen")))
                read_pair(t, str_eq(word, "seen"), &rest, path);
        else
                fail("%s: not a record of orders (latch/orders.h)", path);
        return t;
}

void tables_read_stream(struct tables *all, FILE *from, const char *path) {
        _cleanup_(freep) char *line = NULL;
        struct table *t = NULL;
        size_t size = 0;

        for (ssize_t n; (n = getline(&line, &size, from)) >= 0;) {
                if (n > 0 && line[n - 1] == '\n')
                        line[n - 1] = '\0';
                t = read_line(all, t, line, path);
        }
        if (t) /* a program that was killed may have come no further than to make the file */
                add_record(all, t, path);
}

static void read_file(struct tables *all, const char *path) {
        FILE *from = fopen(path, "re");

        if (!from)
                fail("%s: %s", path, strerror(errno));
        tables_read_stream(all, from, path);
        fclose(from);
}

void tables_read(struct tables *all, const char *path) {
        DIR *dir = opendir(path);

        if (!dir) {
                read_file(all, path);
                return;
        }
        for (const struct dirent *e; (e = readdir(dir));) {
                char *name = NULL;
                if (!str_ends(e->d_name, ".orders"))
                        continue;
                if (asprintf(&name, "%s/%s", path, e->d_name) < 0)
                        fail("out of memory");
                read_file(all, name);
                free(name);
        }
        closedir(dir);
}
