/* The contracts are in workspace.h and workspace_private.h: what is told of a file. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
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

int stat_fd(int fd, const char *name, bool writable, struct workspace_stat *ret) {
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
        return stat_fd(fd, path_last(p.raw), p.writable, ret);
}
