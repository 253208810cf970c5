/* The contract is in workspace.h: walks over a tree. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

/* Memory for the paths of folders that were seen and not yet looked into. */
#define PENDING_BYTES ((size_t)16 << 20)
#define STEP_BYTES    3072u /* of a longer path, opened at once */

struct walk {
        int root; /* borrowed */
        const struct workspace_walk *how;
        char **pending; /* the next one last */
        size_t n, cap, bytes;
        uint64_t entries;
};

static void walk_done(struct walk *w) {
        while (w->n > 0)
                free(w->pending[--w->n]);
        free(w->pending);
}

static int walk_later(struct walk *w, char *path) {
        if (w->n == w->cap) {
                size_t cap = w->cap ? w->cap * 2 : 64;
                char **more = realloc(w->pending, cap * sizeof *more);
                if (!more) {
                        free(path);
                        return -ENOMEM;
                }
                w->pending = more;
                w->cap = cap;
        }
        w->pending[w->n++] = path;
        w->bytes += strlen(path);
        return w->bytes > PENDING_BYTES ? -EFBIG : 0;
}

/* A folder however deep it lies: a path may be longer than a system call takes. */
static int open_deep(int root, char *path) {
        _cleanup_(fd_closep) int at = -1;

        while (strlen(path) > STEP_BYTES) {
                char *slash = memrchr(path, '/', STEP_BYTES);
                if (!slash)
                        return -EINVAL;
                *slash = '\0';
                int next =
                        resolve_open(at < 0 ? root : at, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
                *slash = '/';
                if (next < 0)
                        return next;
                fd_close(at);
                at = next;
                path = slash + 1;
        }
        return resolve_open(at < 0 ? root : at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/* Gone, or made something else, since it was listed: it is left out. */
static bool is_gone(int r) {
        return r == -ENOENT || r == -EXDEV || r == -ENOTDIR || r == -ENODEV;
}

static int visit_file(struct walk *w, int dir, const char *name, const char *path,
                      const struct stat *listed) {
        _cleanup_(fd_closep) int fd = -1;
        struct stat st = *listed;

        if (w->how->open && S_ISREG(st.st_mode)) {
                fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                int r = fd < 0 || fstat(fd, &st) < 0 ? workspace_errno(errno) : 0;
                if (r < 0)
                        return is_gone(r) ? 0 : r;
                if (!S_ISREG(st.st_mode))
                        return 0;
        }
        return w->how->visit(w->how->arg, path, &st, fd);
}

static int walk_entry(struct walk *w, int dir, const char *folder, const char *name) {
        _cleanup_(freep) char *path =
                folder[0] == '.' && !folder[1] ? strdup(name) : str_printf("%s/%s", folder, name);
        struct stat st;

        if (!path)
                return -ENOMEM;
        if (w->entries++ >= w->how->entries_max)
                return -EFBIG;
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : workspace_errno(errno);
        int r = visit_file(w, dir, name, path, &st);
        if (r == 0 && S_ISDIR(st.st_mode))
                r = walk_later(w, TAKE_PTR(path));
        return r;
}

static void closedirp(DIR **d) {
        if (*d)
                (void)closedir(*d); /* only read from */
}

static int walk_folder(struct walk *w, char *path) {
        _cleanup_(closedirp) DIR *d = NULL;
        int fd = open_deep(w->root, path), r = 0;

        if (fd < 0)
                return is_gone(fd) || (fd == -EACCES && !w->how->open) ? 0 : fd;
        d = fdopendir(fd);
        if (!d) {
                r = workspace_errno(errno);
                fd_close(fd);
                return r;
        }
        while (r == 0) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        return errno == 0 ? 0 : workspace_errno(errno);
                if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
                        r = walk_entry(w, dirfd(d), path, e->d_name);
        }
        return r;
}

int walk_tree(int root, const struct workspace_walk *how) {
        _cleanup_(walk_done) struct walk w = {.root = root, .how = how};
        char *first = strdup(".");
        int r = first ? walk_later(&w, first) : -ENOMEM;

        while (r == 0 && w.n > 0) {
                _cleanup_(freep) char *path = w.pending[--w.n];

                w.bytes -= strlen(path);
                r = walk_folder(&w, path);
        }
        return r;
}

int workspace_walk(struct workspace *w, const char *path, const struct workspace_walk *how) {
        _cleanup_(fd_closep) int root = -1;
        struct place p;

        latch_blocking("workspace_walk");
        int r = place_of(w, path, &p);
        if (r < 0)
                return r;
        if (p.where == PLACE_TOP)
                return -EPERM;
        root = resolve_open(p.root, p.rest, O_RDONLY | O_DIRECTORY);
        return root < 0 ? root : walk_tree(root, how);
}
