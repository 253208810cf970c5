/* Lock coverage: what was declared against what was seen. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "base/str.h"
#include "order.h"

#define EXCUSES_MAX 256

/* A line "TABLE TAKEN HELD REASON" of the file of excuses. */
struct excuse {
        const struct table *table;
        int taken, held;
        char *reason;
};

static void read_excuse(const struct tables *all, char *line, struct excuse *ret,
                        const char *path) {
        char *rest, *name = strtok_r(line, " ", &rest), *taken = strtok_r(NULL, " ", &rest),
                    *held = strtok_r(NULL, " ", &rest);

        if (!held || *rest == '\0')
                fail("%s: a line is: TABLE TAKEN HELD REASON", path);
        *ret = (struct excuse){.taken = -1, .held = -1, .reason = strdup(rest)};
        for (size_t i = 0; i < all->n; i++)
                if (str_eq(all->list[i]->name, name))
                        ret->table = all->list[i];
        if (ret->table) {
                ret->taken = table_class(ret->table, taken);
                ret->held = table_class(ret->table, held);
        }
        if (ret->taken < 0 || ret->held < 0 ||
            !(ret->table->classes[ret->taken].declared >> ret->held & 1))
                fail("%s: no table declares %s under %s in %s: take the line out", path, taken,
                     held, name);
}

static size_t read_excuses(const struct tables *all, const char *path, struct excuse *list) {
        FILE *from = fopen(path, "re");
        _cleanup_(freep) char *line = NULL;
        size_t size = 0, n = 0;

        if (!from)
                fail("%s: %s", path, strerror(errno));
        while (getline(&line, &size, from) >= 0) {
                line[strcspn(line, "\n")] = '\0';
                if (*line == '\0' || *line == '#')
                        continue;
                if (n == EXCUSES_MAX)
                        fail("%s: more than %d lines", path, EXCUSES_MAX);
                read_excuse(all, line, &list[n++], path);
        }
        fclose(from);
        return n;
}

static const char *excuse_of(const struct table *t, unsigned taken, unsigned held,
                             const struct excuse *list, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (list[i].table == t && list[i].taken == (int)taken && list[i].held == (int)held)
                        return list[i].reason;
        return NULL;
}

/* One pair of classes. What is said of it stands in a line of its own. */
static unsigned judge_pair(const struct table *t, unsigned taken, unsigned held,
                           const char *reason) {
        const struct class *c = &t->classes[taken];
        const char *other = t->classes[held].name, *seen = c->seen[held];
        bool declared = c->declared >> held & 1;

        if (seen && !(c->under >> held & 1) && !(taken == held && c->twins))
                printf("FAILED %s: %s was taken under %s, which the table does not allow: %s\n",
                       t->name, c->name, other, seen);
        else if (declared && seen && reason)
                printf("FAILED %s: %s under %s needs no excuse, it was exercised: %s\n", t->name,
                       c->name, other, seen);
        else if (declared && !seen && !reason)
                printf("FAILED %s: no test takes %s under %s: let one do it, or say why not\n",
                       t->name, c->name, other);
        else {
                if (declared && !seen)
                        printf("locks  %s: %s under %s is not exercised: %s\n", t->name, c->name,
                               other, reason);
                return 0;
        }
        return 1;
}

unsigned tables_judge(const struct tables *all, const char *excuses) {
        static struct excuse list[EXCUSES_MAX];
        size_t n = excuses ? read_excuses(all, excuses, list) : 0;
        unsigned wrong = 0;

        for (size_t i = 0; i < all->n; i++) {
                const struct table *t = all->list[i];
                unsigned declared = 0, exercised = 0;
                for (unsigned a = 0; a < t->count; a++)
                        for (unsigned b = 0; b < t->count; b++) {
                                bool is_declared = t->classes[a].declared >> b & 1;
                                declared += is_declared;
                                exercised += is_declared && t->classes[a].seen[b];
                                wrong += judge_pair(t, a, b, excuse_of(t, a, b, list, n));
                        }
                printf("locks  %s: %u of %u declared orders exercised, %u classes, %u programs\n",
                       t->name, exercised, declared, t->count, t->programs);
        }
        while (n > 0)
                free(list[--n].reason);
        return wrong;
}
