/* The contracts are in workspace.h and workspace_private.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "workspace/workspace_private.h"

static bool part_valid(const char *part, size_t n) {
        if (n == 0 || n > NAME_MAX)
                return false;
        return !(part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')));
}

static int parts_check(const char *path, size_t n) {
        if (n == 0)
                return 0;
        for (const char *part = path, *end = path + n; part <= end;) {
                const char *slash = memchr(part, '/', (size_t)(end - part));
                const char *stop = slash ? slash : end;
                if (!part_valid(part, (size_t)(stop - part)))
                        return -EINVAL;
                part = stop + 1;
        }
        return 0;
}

int workspace_path_raw(const char *path, size_t n, char to[WORKSPACE_PATH_MAX + 1]) {
        size_t raw_n;

        if (n > WORKSPACE_PATH_MAX || memchr(path, '\0', n) || !utf8_valid(path, n))
                return -EINVAL;
        if (!name_decode(path, n, to, &raw_n))
                return -EINVAL;
        return parts_check(to, raw_n);
}

int workspace_path_check(const char *path, size_t n) {
        char raw[WORKSPACE_PATH_MAX + 1];

        return workspace_path_raw(path, n, raw);
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

bool place_teaches(const struct workspace *w, const char *rest) {
        char course[COURSE_NAME_MAX + 1];
        size_t n = strcspn(rest, "/");

        if (!w->store || w->role == ROLE_STUDENT || n >= sizeof course)
                return false;
        memcpy(course, rest, n);
        course[n] = '\0';
        if (!course_name_valid(course)) /* the folder of all courses, too */
                return false;
        return w->role == ROLE_ADMIN || store_course_teaches(w->store, course, w->user_id) == 0;
}

int place_of(const struct workspace *w, const char *path, struct place *ret) {
        int r = workspace_path_raw(path, strlen(path), ret->raw);

        ret->root = -1;
        ret->rest = ".";
        ret->writable = false;
        ret->owner = w->uid;
        if (r < 0)
                return r;
        if (ret->raw[0] == '\0') {
                ret->where = PLACE_TOP;
        } else if ((ret->rest = beneath(ret->raw, WORKSPACE_HOME))) {
                ret->where = PLACE_HOME;
                ret->root = w->home;
                ret->writable = true;
        } else if ((ret->rest = beneath(ret->raw, WORKSPACE_COURSES))) {
                ret->where = PLACE_COURSES;
                ret->root = w->courses;
                ret->writable = place_teaches(w, ret->rest);
                ret->owner = geteuid();
        } else {
                return -ENOENT;
        }
        return 0;
}

const char *path_last(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}
