/* The contract is in workspace.h: stat and list. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

int workspace_errno(int error) {
        switch (error) {
        case ELOOP: /* links in circles */ return -EXDEV;
        case ENXIO: /* a socket */ return -ENODEV;
        case ENAMETOOLONG: return -EINVAL;
        case EAGAIN: /* a lease that a program holds on the file is being broken */ return -EBUSY;
        case EPERM: /* immutable and the like; our own -EPERM means a root */ return -EACCES;
        default: return -error;
        }
}

static enum workspace_type type_of(mode_t mode) {
        if (S_ISREG(mode))
                return WORKSPACE_FILE;
        if (S_ISDIR(mode))
                return WORKSPACE_DIR;
        return S_ISLNK(mode) ? WORKSPACE_LINK : WORKSPACE_OTHER;
}

static uint64_t nanoseconds(const struct timespec *t) {
        return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* A change in place moves ctime, which no program can set back; a save makes another inode. The times
 * share a word: a save sets mtime to the nanosecond, where ctime may stand still for a clock tick. */
void stat_etag(const struct stat *st, char to[WORKSPACE_ETAG_MAX]) {
        const uint64_t spread =
                0x9e3779b97f4a7c15u; /* odd, so differences of ctime stay differences */

        (void)snprintf(to, WORKSPACE_ETAG_MAX, "%" PRIx64 "-%" PRIx64 "-%" PRIx64,
                       (uint64_t)st->st_ino, (uint64_t)st->st_size,
                       nanoseconds(&st->st_ctim) * spread + nanoseconds(&st->st_mtim));
}

void stat_fill(const struct stat *st, const char *name, bool writable, struct workspace_stat *ret) {
        size_t n = MIN(strlen(name), sizeof ret->name - 1);
        bool owner_may = S_ISLNK(st->st_mode) || (st->st_mode & S_IWUSR);

        memset(ret, 0, sizeof *ret);
        memcpy(ret->name, name, n);
        ret->type = type_of(st->st_mode);
        ret->size = (uint64_t)st->st_size;
        ret->mtime_s = (double)st->st_mtim.tv_sec + (double)st->st_mtim.tv_nsec / 1e9;
        ret->mode = st->st_mode & 07777;
        ret->writable = writable && owner_may && ret->type != WORKSPACE_OTHER;
        stat_etag(st, ret->etag);
}

static int stat_fd(int fd, const char *name, bool writable, struct workspace_stat *ret) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return workspace_errno(errno);
        stat_fill(&st, name, writable, ret);
        return 0;
}

int workspace_stat(struct workspace *w, const char *path, struct workspace_stat *ret) {
        _cleanup_(fd_closep) int fd = -1;
        struct place p;

        latch_blocking("workspace_stat");
        int r = place_of(w, path, &p);
        if (r < 0)
                return r;
        if (p.where == PLACE_TOP) /* its two entries are always the same */
                return stat_fd(w->user, "", false, ret);
        fd = resolve_open(p.root, p.rest, O_PATH);
        if (fd < 0)
                return fd;
        return stat_fd(fd, path_last(path), p.writable, ret);
}

/* ---- list ---- */

struct listing {
        struct workspace_stat *entries;
        size_t n, cap, limit, left_out;
        bool writable;
};

static void listing_done(struct listing *l) {
        free(l->entries);
        l->entries = NULL;
}

static int listing_slot(struct listing *l, struct workspace_stat **ret) {
        if (l->n + l->left_out >= l->limit)
                return -EFBIG;
        if (l->n == l->cap) {
                size_t cap = l->cap ? l->cap * 2 : 32;
                struct workspace_stat *more = realloc(l->entries, cap * sizeof *more);
                if (!more)
                        return -ENOMEM;
                l->entries = more;
                l->cap = cap;
        }
        *ret = &l->entries[l->n];
        return 0;
}

static int listing_add(struct listing *l, int dir, const char *name) {
        struct workspace_stat *slot;
        struct stat st;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return 0;
        int r = listing_slot(l, &slot);
        if (r < 0)
                return r;
        if (!utf8_valid(name, strlen(name))) {
                l->left_out++;
                return 0;
        }
        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : workspace_errno(errno); /* gone since it was read */
        stat_fill(&st, name, l->writable, slot);
        l->n++;
        return 0;
}

static void closedirp(DIR **d) {
        if (*d)
                (void)closedir(*d); /* only read from */
}

static int listing_read(struct listing *l, int *fd) {
        _cleanup_(closedirp) DIR *d = fdopendir(*fd);
        int r = 0;

        if (!d)
                return workspace_errno(errno);
        *fd = -1; /* the stream's now */
        while (r == 0) {
                errno = 0;
                const struct dirent *e = readdir(d);
                if (!e)
                        return errno == 0 ? 0 : workspace_errno(errno);
                r = listing_add(l, dirfd(d), e->d_name);
        }
        return r;
}

static int listing_top(struct listing *l, const struct workspace *w) {
        struct workspace_stat *slot;
        int r = listing_slot(l, &slot);

        if (r == 0)
                r = stat_fd(w->courses, WORKSPACE_COURSES, false, slot);
        if (r < 0)
                return r;
        l->n++;
        r = listing_slot(l, &slot);
        if (r == 0)
                r = stat_fd(w->home, WORKSPACE_HOME, true, slot);
        if (r < 0)
                return r;
        l->n++;
        return 0;
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct workspace_stat *)a)->name,
                      ((const struct workspace_stat *)b)->name);
}

int workspace_list(struct workspace *w, const char *path, size_t limit, struct workspace_stat **ret,
                   size_t *ret_n, size_t *ret_left_out) {
        _cleanup_(listing_done) struct listing l = {.limit = limit};
        _cleanup_(fd_closep) int fd = -1;
        struct place p;

        latch_blocking("workspace_list");
        int r = place_of(w, path, &p);
        if (r < 0)
                return r;
        l.writable = p.writable;
        if (p.where == PLACE_TOP) {
                r = listing_top(&l, w);
        } else {
                fd = resolve_open(p.root, p.rest, O_RDONLY | O_DIRECTORY);
                r = fd < 0 ? fd : listing_read(&l, &fd);
        }
        if (r < 0)
                return r;
        if (l.n > 1)
                qsort(l.entries, l.n, sizeof *l.entries, by_name);

        *ret = TAKE_PTR(l.entries);
        *ret_n = l.n;
        if (ret_left_out)
                *ret_left_out = l.left_out;
        return 0;
}
