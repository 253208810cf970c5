/* The contract is in workspace_private.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

/* The kernel gives EAGAIN where it cannot prove ".." safe because something was renamed meanwhile
 * (openat2(2)), and where a program's lease on the file must be broken first (fcntl(2)). */
#define TRIES_MAX 128
#define LINKS_MAX 40 /* as the kernel's own limit */

int resolve_open(int root, const char *rest, int flags) {
        struct open_how how = {
                .flags = (uint64_t)(unsigned)(flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC),
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
        };
        long fd = -1;

        if (flags & O_PATH)
                how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC);
        for (int i = 0; i < TRIES_MAX; i++) {
                fd = syscall(SYS_openat2, root, rest, &how, sizeof how);
                if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
                        break;
        }
        return fd < 0 ? workspace_errno(errno) : (int)fd;
}

void target_done(struct target *t) {
        t->dir = fd_close(t->dir);
}

static int set_name(struct target *t, const char *name) {
        size_t n = strlen(name);

        if (n == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EISDIR;
        if (n >= sizeof t->name)
                return -EINVAL;
        memcpy(t->name, name, n + 1);
        return 0;
}

/* Opens the folder of `rest` beneath root. A folder that its owner may not write is not changed by us
 * either, though as `latch` we could. */
static int open_folder_of(int root, const char *rest, bool change, struct target *ret) {
        _cleanup_(target_done) struct target t = TARGET_NONE;
        char folder[PATH_MAX] = ".";
        const char *slash = strrchr(rest, '/');
        struct stat st;
        int r = set_name(&t, slash ? slash + 1 : rest);

        if (r < 0)
                return r;
        if (slash) {
                size_t n = (size_t)(slash - rest);
                if (n >= sizeof folder)
                        return -EINVAL;
                memcpy(folder, rest, n);
                folder[n] = '\0';
        }
        t.dir = resolve_open(root, folder, O_RDONLY | O_DIRECTORY);
        if (t.dir < 0)
                return t.dir;
        if (fstat(t.dir, &st) < 0)
                return workspace_errno(errno);
        if (change && !(st.st_mode & S_IWUSR))
                return -EROFS;

        *ret = t;
        t.dir = -1;
        return 0;
}

static int changeable(const struct workspace *w, const char *path, struct place *ret) {
        int r = place_of(w, path, ret);

        if (r < 0)
                return r;
        if (strcmp(ret->rest, ".") == 0)
                return -EPERM;
        if (!ret->writable)
                return -EROFS;
        /* A course's own folder is made, and stays, as the administrator says. */
        return ret->where == PLACE_COURSES && !strchr(ret->rest, '/') ? -EPERM : 0;
}

/* What no link of a changeable place leads out of: the user's home, or one course, for who teaches it need
 * not teach the next. ret_own is the caller's to close, -1 if there is nothing to close. */
static int bounds_of(const struct place *p, int *ret_own, int *ret_root, const char **ret_rest) {
        char course[NAME_MAX + 1];
        const char *slash = strchr(p->rest, '/');

        *ret_root = p->root;
        *ret_rest = p->rest;
        if (p->where != PLACE_COURSES)
                return 0;
        size_t n = (size_t)(slash - p->rest); /* changeable() has seen that it is there */
        if (n >= sizeof course)
                return -EINVAL;
        memcpy(course, p->rest, n);
        course[n] = '\0';
        *ret_own = resolve_open(p->root, course, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        if (*ret_own < 0)
                return *ret_own;
        *ret_root = *ret_own;
        *ret_rest = slash + 1;
        return 0;
}

static void set_owner(struct target *t, const struct place *p) {
        t->owner = p->owner;
        t->course = p->where == PLACE_COURSES;
}

int resolve_parent(const struct workspace *w, const char *path, struct target *ret) {
        _cleanup_(fd_closep) int own = -1;
        const char *rest = NULL;
        struct place p;
        int root = -1;
        int r = changeable(w, path, &p);

        if (r == 0)
                r = bounds_of(&p, &own, &root, &rest);
        if (r == 0)
                r = open_folder_of(root, rest, true, ret);
        if (r == 0)
                set_owner(ret, &p);
        return r;
}

/* Puts what a link says in the place of the last part of `path`: relative to the same folder. */
static int step_through(char path[PATH_MAX], const struct target *t, bool *ret_link) {
        char link[PATH_MAX];
        ssize_t n = readlinkat(t->dir, t->name, link, sizeof link);
        char *last = strrchr(path, '/');
        size_t folder = last ? (size_t)(last - path) + 1 : 0;

        *ret_link = false;
        if (n < 0)
                return errno == EINVAL || errno == ENOENT ? 0 : workspace_errno(errno);
        if (n == 0 || link[0] == '/' || folder + (size_t)n >= PATH_MAX)
                return -EXDEV;
        memcpy(path + folder, link, (size_t)n);
        path[folder + (size_t)n] = '\0';
        *ret_link = true;
        return 0;
}

/* The folder that rest stands in, links followed. */
static int follow(int root, const char *rest, bool change, struct target *ret) {
        char at[PATH_MAX];

        if (strlen(rest) >= sizeof at)
                return -EINVAL;
        memcpy(at, rest, strlen(rest) + 1);
        /* Each step is resolved beneath the root by the kernel, ".." of a link too. */
        for (int i = 0; i < LINKS_MAX; i++) {
                _cleanup_(target_done) struct target t = TARGET_NONE;
                bool link = false;
                int r = open_folder_of(root, at, change, &t);
                if (r == 0)
                        r = step_through(at, &t, &link);
                if (r < 0)
                        return r;
                if (!link) {
                        *ret = t;
                        t.dir = -1;
                        return 0;
                }
        }
        return -EXDEV;
}

int resolve_target(const struct workspace *w, const char *path, struct target *ret,
                   char ret_last[NAME_MAX + 1]) {
        _cleanup_(fd_closep) int own = -1;
        const char *rest = NULL;
        struct place p;
        int root = -1;
        int r = changeable(w, path, &p);

        if (r < 0)
                return r;
        /* No longer, as workspace_path_raw has checked. */
        CHECK(str_copy(ret_last, NAME_MAX + 1, path_last(p.raw)) == 0);
        r = bounds_of(&p, &own, &root, &rest);
        if (r == 0)
                r = follow(root, rest, true, ret);
        if (r == 0)
                set_owner(ret, &p);
        return r;
}

int workspace_open_folder(struct workspace *w, const char *path, int *ret_fd,
                          char ret_name[NAME_MAX + 1]) {
        _cleanup_(target_done) struct target t = TARGET_NONE;
        _cleanup_(fd_closep) int fd = -1;
        struct place p;
        struct stat st;

        latch_blocking("workspace_open_folder");
        int r = place_of(w, path, &p);
        if (r < 0)
                return r;
        ret_name[0] = '\0';
        if (p.where == PLACE_TOP) {
                *ret_fd = -1;
                return 0;
        }
        fd = resolve_open(p.root, p.rest, O_PATH);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return workspace_errno(errno);
        if (S_ISDIR(st.st_mode)) {
                *ret_fd = resolve_open(p.root, p.rest, O_RDONLY | O_DIRECTORY);
                return MIN(*ret_fd, 0);
        }
        r = follow(p.root, p.rest, false, &t);
        if (r < 0)
                return r;
        memcpy(ret_name, t.name, strlen(t.name) + 1);
        *ret_fd = TAKE_FD(t.dir);
        return 0;
}
