/* The contract is in workspace.h: workspace_write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

#define NEW_FILE_MODE 0644

/* A save under way: a file in staging, on its way to a name in the user's folders. */
struct save {
        const struct workspace *w;
        struct target to;
        const char *if_match;
        int stage; /* held until the end: nobody sweeps meanwhile */
        int fd;
        char name[RANDOM_ID_CHARS + 1]; /* in staging; "" once it is not there */
};

static void save_done(struct save *s) {
        if (s->name[0])
                (void)unlinkat(s->stage, s->name, 0); /* what stays is swept by the next */
        fd_close(s->fd);
        fd_close(s->stage);
        target_done(&s->to);
}

/* Whether the save may go over what stands there now, and the mode it is to have. */
static int judge(const struct save *s, mode_t *ret_mode) {
        char etag[WORKSPACE_ETAG_MAX];
        struct stat st;

        if (fstatat(s->to.dir, s->to.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != ENOENT)
                        return workspace_errno(errno);
                *ret_mode = NEW_FILE_MODE;
                return s->if_match && s->if_match[0] ? -ESTALE : 0;
        }
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (s->if_match && !s->if_match[0])
                return -EEXIST;
        if (!S_ISREG(st.st_mode)) /* a link: swapped in since we followed those that were there */
                return S_ISLNK(st.st_mode) ? -ESTALE : -ENODEV;
        if (!(st.st_mode & S_IWUSR))
                return -EROFS;
        stat_etag(&st, etag);
        if (s->if_match && strcmp(s->if_match, etag) != 0)
                return -ESTALE;
        *ret_mode = st.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
        return 0;
}

/* mtime to the nanosecond, where the kernel's own may stand still for a clock tick: etags differ. */
static int set_time(int fd) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        if (clock_gettime(CLOCK_REALTIME, &times[1]) < 0)
                return -errno;
        return futimens(fd, times) < 0 ? -errno : 0;
}

/* The whole file, on the disk, theirs, out of sight. */
static int save_make(struct save *s, const void *data, size_t n, mode_t mode) {
        random_id(s->name);
        s->fd = openat(s->stage, s->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
        if (s->fd < 0) {
                s->name[0] = '\0';
                return workspace_errno(errno);
        }
        int r = fd_write_all(s->fd, data, n);
        if (r == 0)
                r = set_time(s->fd);
        if (r == 0)
                r = give_to(s->fd, s->w->uid);
        if (r == 0 && fchmod(s->fd, mode) < 0)
                r = -errno;
        if (r == 0 && fsync(s->fd) < 0)
                r = -errno;
        return r;
}

/* Of two saves with one if_match both may come here; the second finds the first's file and is refused.
 * What a program does to the file between the last look and the rename is not noticed: there is no
 * rename that compares. */
static int save_publish(struct save *s) {
        _cleanup_(fd_closep) int lock = -1;
        unsigned flags = s->if_match && !s->if_match[0] ? RENAME_NOREPLACE : 0;
        mode_t mode;

        int r = change_lock(s->w, &lock);
        if (r == 0)
                r = judge(s, &mode);
        if (r < 0)
                return r;
        if (renameat2(s->stage, s->name, s->to.dir, s->to.name, flags) < 0)
                return workspace_errno(errno);
        s->name[0] = '\0';
        return 0;
}

int workspace_write(struct workspace *w, const char *path, const void *data, size_t n,
                    const char *if_match, struct workspace_stat *ret_stat) {
        _cleanup_(save_done) struct save s = {
                .w = w, .to = TARGET_NONE, .if_match = if_match, .stage = -1, .fd = -1};
        struct stat st;
        mode_t mode;

        latch_blocking("workspace_write");
        int r = resolve_target(w, path, &s.to);
        if (r == 0)
                r = judge(
                        &s,
                        &mode); /* early, before the work; what counts is the look under the lock */
        if (r == 0)
                r = stage_enter(w, &s.stage);
        if (r == 0)
                r = save_make(&s, data, n, mode);
        if (r == 0)
                r = save_publish(&s);
        if (r == 0 && (fsync(s.to.dir) < 0 || fstat(s.fd, &st) < 0))
                r = workspace_errno(errno);
        if (r < 0)
                return r;
        if (ret_stat)
                stat_fill(&st, path_last(path), true, ret_stat);
        return 0;
}
