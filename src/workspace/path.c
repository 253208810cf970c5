/* The contracts are in workspace.h and workspace_private.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/str.h"
#include "workspace/workspace_private.h"

static bool part_valid(const char *part, size_t n) {
        if (n == 0 || n > NAME_MAX)
                return false;
        return !(part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')));
}

int workspace_path_check(const char *path, size_t n) {
        if (n == 0)
                return 0;
        if (n > WORKSPACE_PATH_MAX || memchr(path, '\0', n) || !utf8_valid(path, n))
                return -EINVAL;
        for (const char *part = path, *end = path + n; part <= end;) {
                const char *slash = memchr(part, '/', (size_t)(end - part));
                const char *stop = slash ? slash : end;
                if (!part_valid(part, (size_t)(stop - part)))
                        return -EINVAL;
                part = stop + 1;
        }
        return 0;
}

/* What follows the folder `top` in path; "." for that folder itself, NULL if path is elsewhere. */
static const char *beneath(const char *path, const char *top) {
        size_t n = strlen(top);

        if (strncmp(path, top, n) != 0)
                return NULL;
        if (path[n] == '\0')
                return ".";
        return path[n] == '/' ? path + n + 1 : NULL;
}

int place_of(const struct workspace *w, const char *path, struct place *ret) {
        struct place p = {.root = -1, .rest = "."};
        int r = workspace_path_check(path, strlen(path));

        if (r < 0)
                return r;
        if (path[0] == '\0') {
                p.where = PLACE_TOP;
        } else if ((p.rest = beneath(path, WORKSPACE_HOME))) {
                p.where = PLACE_HOME;
                p.root = w->home;
                p.writable = true;
        } else if ((p.rest = beneath(path, WORKSPACE_COURSES))) {
                p.where = PLACE_COURSES;
                p.root = w->courses;
        } else {
                return -ENOENT;
        }
        *ret = p;
        return 0;
}

const char *path_last(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}
