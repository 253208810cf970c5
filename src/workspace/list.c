/* The contract is in workspace.h: lists. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

/* The smallest names of a folder, as a heap with the largest on top. */
struct names {
        char **of;
        size_t n, cap, limit;
        bool whole; /* one above limit is an error; else the largest goes */
};

static void names_done(struct names *h) {
        for (size_t i = 0; i < h->n; i++)
                free(h->of[i]);
        free(h->of);
        *h = (struct names){0};
}

static void sift_up(char **of, size_t i) {
        while (i > 0 && strcmp(of[i], of[(i - 1) / 2]) > 0) {
                char *parent = of[(i - 1) / 2];

                of[(i - 1) / 2] = of[i];
                of[i] = parent;
                i = (i - 1) / 2;
        }
}

static void sift_down(char **of, size_t n, size_t i) {
        for (;;) {
                size_t top = i, left = 2 * i + 1, right = left + 1;

                if (left < n && strcmp(of[left], of[top]) > 0)
                        top = left;
                if (right < n && strcmp(of[right], of[top]) > 0)
                        top = right;
                if (top == i)
                        return;
                char *moved = of[i];
                of[i] = of[top];
                of[top] = moved;
                i = top;
        }
}

static int names_room(struct names *h) {
        if (h->n < h->cap)
                return 0;
        size_t cap = h->cap ? h->cap * 2 : 32;
        char **more = realloc(h->of, cap * sizeof *more);
        if (!more)
                return -ENOMEM;
        h->of = more;
        h->cap = cap;
        return 0;
}

static int names_add(struct names *h, const char *name) {
        bool full = h->n >= h->limit;

        if (full && h->whole)
                return -EFBIG;
        if (full && (h->limit == 0 || strcmp(name, h->of[0]) >= 0))
                return 0;
        int r = full ? 0 : names_room(h);
        char *own = r == 0 ? strdup(name) : NULL;
        if (!own)
                return -ENOMEM;
        if (full) {
                free(h->of[0]);
                h->of[0] = own;
                sift_down(h->of, h->n, 0);
        } else {
                h->of[h->n] = own;
                sift_up(h->of, h->n++);
        }
        return 0;
}

static void closedirp(DIR **d) {
        if (*d)
                (void)closedir(*d); /* only read from */
}

/* One pass over the folder: names behind `after`, or all. */
static int names_read(struct names *h, DIR *d, const char *after) {
        int r = 0;

        while (r == 0) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        return errno == 0 ? 0 : workspace_errno(errno);
                if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
                        continue;
                if (!after[0] || strcmp(e->d_name, after) > 0)
                        r = names_add(h, e->d_name);
        }
        return r;
}

static int by_bytes(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

struct listing {
        struct workspace_stat *entries;
        size_t n;
        bool writable;
        const struct workspace
                *courses_of; /* of the folder of all courses: each has its own answer */
};

static void listing_done(struct listing *l) {
        free(l->entries);
}

/* Behind what the listing has already. */
static int listing_add(struct listing *l, int dir, struct names *h) {
        struct workspace_stat *more = realloc(l->entries, (l->n + h->n + 1) * sizeof *more);

        if (!more)
                return -ENOMEM;
        l->entries = more;
        if (h->n > 1)
                qsort(h->of, h->n, sizeof *h->of, by_bytes);
        for (size_t i = 0; i < h->n; i++) {
                struct stat st;

                if (fstatat(dir, h->of[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
                        stat_fill(&st, h->of[i],
                                  l->courses_of ? place_teaches(l->courses_of, h->of[i])
                                                : l->writable,
                                  &l->entries[l->n++]);
                else if (errno != ENOENT) /* gone since it was read */
                        return workspace_errno(errno);
        }
        return 0;
}

static int open_stream(int *fd, DIR **ret) {
        *ret = fdopendir(*fd);
        if (!*ret)
                return workspace_errno(errno);
        *fd = -1; /* the stream's now */
        return 0;
}

/* A page that lost entries to a removal while it was made is filled up: fewer than limit is the end. */
static int listing_page(struct listing *l, int *fd, const char *after, size_t limit) {
        _cleanup_(closedirp) DIR *d = NULL;
        char last[NAME_MAX + 1] = "";
        bool more = true;
        int r = open_stream(fd, &d);

        memcpy(last, after, strlen(after) + 1);
        while (r == 0 && more && l->n < limit) {
                _cleanup_(names_done) struct names h = {.limit = limit - l->n};

                rewinddir(d);
                r = names_read(&h, d, last);
                more = h.n == h.limit;
                if (r == 0)
                        r = listing_add(l, dirfd(d), &h);
                if (r == 0 && h.n > 0)
                        memcpy(last, h.of[h.n - 1], strlen(h.of[h.n - 1]) + 1);
        }
        return r;
}

static int listing_whole(struct listing *l, int *fd, size_t limit) {
        _cleanup_(names_done) struct names h = {.limit = limit, .whole = true};
        _cleanup_(closedirp) DIR *d = NULL;
        int r = open_stream(fd, &d);

        if (r == 0)
                r = names_read(&h, d, "");
        return r < 0 ? r : listing_add(l, dirfd(d), &h);
}

/* Its two entries are always the same. */
static int listing_top(struct listing *l, const struct workspace *w, const char *after,
                       size_t limit) {
        static const char *const names[] = {WORKSPACE_COURSES, WORKSPACE_HOME};
        const int fds[] = {w->courses, w->home};

        l->entries = calloc(ELEMENTS(names), sizeof *l->entries);
        if (!l->entries)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(names) && l->n < limit; i++) {
                if (strcmp(names[i], after) <= 0)
                        continue;
                int r = stat_fd(fds[i], names[i], fds[i] == w->home, &l->entries[l->n]);
                if (r < 0)
                        return r;
                l->n++;
        }
        return 0;
}

/* after NULL: all of it. */
static int list(struct workspace *w, const char *path, const char *after, size_t limit,
                struct listing *l) {
        _cleanup_(fd_closep) int fd = -1;
        struct place p;
        int r = place_of(w, path, &p);

        if (r < 0)
                return r;
        l->writable = p.writable;
        l->courses_of = p.where == PLACE_COURSES && strcmp(p.rest, ".") == 0 ? w : NULL;
        if (p.where == PLACE_TOP)
                return listing_top(l, w, after ? after : "", limit);
        fd = resolve_open(p.root, p.rest, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        return after ? listing_page(l, &fd, after, limit) : listing_whole(l, &fd, limit);
}

int workspace_list(struct workspace *w, const char *path, size_t limit, struct workspace_stat **ret,
                   size_t *ret_n) {
        _cleanup_(listing_done) struct listing l = {0};

        latch_blocking("workspace_list");
        int r = list(w, path, NULL, limit, &l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l.entries);
        *ret_n = l.n;
        return 0;
}

int workspace_list_page(struct workspace *w, const char *path, const char *after, size_t limit,
                        struct workspace_stat **ret, size_t *ret_n) {
        _cleanup_(listing_done) struct listing l = {0};
        char raw[WORKSPACE_PATH_MAX + 1];

        latch_blocking("workspace_list_page");
        int r = workspace_path_raw(after, strlen(after), raw);
        if (r == 0 && strchr(raw, '/'))
                r = -EINVAL;
        if (r == 0)
                r = list(w, path, raw, limit, &l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l.entries);
        *ret_n = l.n;
        return 0;
}
