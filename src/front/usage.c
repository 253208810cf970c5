/* usage.c - see usage.h. */
#include "front/usage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "workspace/workspace.h"

struct walk {
        char **folders; /* that are still to be looked at */
        size_t n, seen;
        uint64_t bytes;
};

static int add_folder(struct walk *w, char *path) {
        char **more;

        if (!path)
                return -ENOMEM;
        if (w->seen + w->n >= USAGE_FOLDERS_MAX) {
                free(path);
                return 0;
        }
        more = realloc(w->folders, (w->n + 1) * sizeof *more);
        if (!more) {
                free(path);
                return -ENOMEM;
        }
        w->folders = more;
        w->folders[w->n++] = path;
        return 0;
}

static int look(struct walk *w, struct workspace *ws, const char *path, size_t limit) {
        struct workspace_stat *list = NULL;
        size_t n = 0;
        int r = workspace_list(ws, path, limit, &list, &n);

        /* Gone meanwhile, or more than is ever listed: not counted. */
        if (r == -ENOENT || r == -ENOTDIR || r == -EFBIG || r == -EACCES)
                return 0;
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (list[i].type == WORKSPACE_FILE)
                        w->bytes += list[i].size;
                else if (list[i].type == WORKSPACE_DIR)
                        r = add_folder(w, str_printf("%s/%s", path, list[i].name));
        }
        free(list);
        return r;
}

int usage_of(const struct config *c, const struct account *a, uint64_t *ret_bytes) {
        _cleanup_(workspace_closep) struct workspace *ws = NULL;
        struct walk w = {0};
        int r = workspace_open(c->data, a->name, a->uid, &ws);

        if (r == 0)
                r = add_folder(&w, str_printf("home"));
        while (r == 0 && w.n > 0) {
                char *path = w.folders[--w.n];

                w.seen++;
                r = look(&w, ws, path, c->list_entries);
                free(path);
        }
        while (w.n > 0)
                free(w.folders[--w.n]);
        free(w.folders);
        if (r == 0)
                *ret_bytes = w.bytes;
        return r;
}
