/* The contract is in workspace.h: saves. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

#define NEW_FILE_MODE 0644
#define PUSH_BYTES    ((uint64_t)8 << 20)
/* From here on the room on the disk is taken before the first byte. */
#define NOTHING       (-1)
#define RESERVE_BYTES (1u << 20)

/* A save under way: a file in staging, on its way to a name in the user's folders. */
struct workspace_save {
        uint64_t added, pushed; /* bytes; pushed of them are on their way to the disk */
        struct workspace w;     /* its descriptors, borrowed */
        struct target to;
        char if_match[WORKSPACE_ETAG_MAX];
        bool conditional; /* if_match counts */
        int stage;        /* held until the end: nobody sweeps meanwhile */
        int fd;
        int64_t old_size;               /* of what stands there: given back */
        struct quota_amount claimed;    /* of the user's quota */
        mode_t mode;                    /* what the file has now */
        char last[NAME_MAX + 1];        /* of the path: a link has another name than its target */
        char name[RANDOM_ID_CHARS + 1]; /* in staging; "" once it is not there */
};

struct workspace_save *workspace_save_abort(struct workspace_save *s) {
        if (!s)
                return NULL;
        quota_drop(s->w.quota, s->claimed);
        if (s->name[0])
                (void)unlinkat(s->stage, s->name, 0); /* what stays is swept by the next */
        fd_close(s->fd);
        fd_close(s->stage);
        target_done(&s->to);
        free(s);
        return NULL;
}

/* if_match against a file that is there. */
static int judge_etag(const struct workspace_save *s, const struct stat *st) {
        char etag[WORKSPACE_ETAG_MAX];

        if (!s->conditional || str_eq(s->if_match, WORKSPACE_ANY))
                return 0;
        stat_etag(st, etag);
        return str_eq(s->if_match, etag) ? 0 : -ESTALE;
}

/* Whether the save may go over what stands there now, its size or NOTHING, and the mode it is to have. */
static int judge(const struct workspace_save *s, mode_t *ret_mode, int64_t *ret_size) {
        struct stat st;

        *ret_size = NOTHING;
        if (fstatat(s->to.dir, s->to.name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno != ENOENT)
                        return workspace_errno(errno);
                *ret_mode = NEW_FILE_MODE;
                return s->conditional && s->if_match[0] ? -ESTALE : 0;
        }
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (s->conditional && !s->if_match[0])
                return -EEXIST;
        if (!S_ISREG(st.st_mode)) /* a link: swapped in since we followed those that were there */
                return S_ISLNK(st.st_mode) ? -ESTALE : -ENODEV;
        if (!(st.st_mode & S_IWUSR))
                return -EROFS;
        *ret_mode = st.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
        *ret_size = st.st_size;
        return judge_etag(s, &st);
}

/* mtime to the nanosecond, where the kernel's own may stand still for a clock tick: etags differ. */
static int set_time(int fd) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};

        if (clock_gettime(CLOCK_REALTIME, &times[1]) < 0)
                return -errno;
        return futimens(fd, times) < 0 ? -errno : 0;
}

/* A disk that is too full says so now, not after the client has sent all of it. */
static int reserve(int fd, uint64_t size) {
        if (size < RESERVE_BYTES)
                return 0;
        if (size > INT64_MAX)
                return -EFBIG;
        if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0)
                return 0;
        return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -errno : 0;
}

/* Room for a file of this size in place of the one that is there. */
static int claim(struct workspace_save *s, uint64_t size) {
        struct quota_amount more = {.files = s->old_size == NOTHING ? 1 - s->claimed.files : 0};

        if (s->to.course || !s->w.quota)
                return 0;
        if (size > INT64_MAX / 2)
                return -EFBIG;
        more.bytes = MAX((int64_t)size - MAX(s->old_size, 0) - s->claimed.bytes, 0);
        int r = quota_claim(s->w.quota, s->w.home, more);
        if (r == 0) {
                s->claimed.bytes += more.bytes;
                s->claimed.files += more.files;
        }
        return r;
}

static int stage_file(struct workspace_save *s, uint64_t size) {
        int r = stage_enter(&s->w, &s->stage);

        if (r < 0)
                return r;
        random_id(s->name);
        s->fd = openat(s->stage, s->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
        if (s->fd < 0) {
                s->name[0] = '\0';
                return workspace_errno(errno);
        }
        return reserve(s->fd, size);
}

static int save_new(const struct workspace *w, const char *if_match, struct workspace_save **ret) {
        struct workspace_save *s = malloc(sizeof *s);

        if (!s)
                return -ENOMEM;
        *s = (struct workspace_save){.w = *w, .to = TARGET_NONE, .stage = -1, .fd = -1};
        s->conditional = if_match != NULL;
        if (if_match && strlen(if_match) < sizeof s->if_match)
                memcpy(s->if_match, if_match, strlen(if_match) + 1);
        else if (if_match)
                s->if_match[0] = '-'; /* too long for an etag: nobody's */
        *ret = s;
        return 0;
}

int workspace_save_begin(struct workspace *w, const char *path, const char *if_match, uint64_t size,
                         struct workspace_save **ret) {
        _cleanup_(workspace_save_abortp) struct workspace_save *s = NULL;
        latch_blocking("workspace_save_begin");
        int r = save_new(w, if_match, &s);
        if (r == 0)
                r = resolve_target(w, path, &s->to, s->last);
        if (r == 0) /* early, before the work; what counts is the look under the lock */
                r = judge(s, &s->mode, &s->old_size);
        if (r == 0)
                r = claim(s, size);
        if (r == 0)
                r = stage_file(s, size);
        if (r == 0)
                *ret = TAKE_PTR(s);
        return r;
}

/* What is there goes to the disk while more comes, so that the fsync at the end has less to wait for. Only a
 * hint: whether it lasts is said by that fsync. */
static void push_out(struct workspace_save *s) {
        if (s->added - s->pushed < PUSH_BYTES)
                return;
        (void)sync_file_range(s->fd, (off_t)s->pushed, (off_t)(s->added - s->pushed),
                              SYNC_FILE_RANGE_WRITE);
        s->pushed = s->added;
}

int workspace_save_add(struct workspace_save *s, const void *data, size_t n) {
        int r = claim(s, s->added + n);

        if (r < 0)
                return r;
        r = fd_write_all(s->fd, data, n);
        if (r < 0)
                return workspace_errno(-r);
        s->added += n;
        push_out(s);
        return 0;
}

/* The whole file, on the disk, theirs, still out of sight. */
static int save_finish(struct workspace_save *s) {
        int r = set_time(s->fd);

        if (r == 0)
                r = give_to(s->fd, s->to.owner);
        if (r == 0 && fchmod(s->fd, s->mode) < 0)
                r = -errno;
        if (r == 0 && fsync(s->fd) < 0)
                r = -errno;
        return r;
}

/* The claim becomes what the rename will change, which is judged by what stands there now. */
static int settle(struct workspace_save *s, int64_t old, struct quota_amount *ret_change) {
        struct quota_amount claimed = s->claimed;

        *ret_change = (struct quota_amount){0};
        if (s->to.course)
                return 0;
        *ret_change = (struct quota_amount){.bytes = (int64_t)s->added - MAX(old, 0),
                                            .files = old == NOTHING};
        s->claimed = (struct quota_amount){0};
        return quota_settle(s->w.quota, claimed, *ret_change);
}

/* Of two saves with one if_match both may come here; the second finds the first's file and is refused.
 * What a program does to the file between the last look and the rename is not noticed: there is no
 * rename that compares. */
static int save_publish(struct workspace_save *s, bool *ret_created) {
        _cleanup_(fd_closep) int lock = -1;
        unsigned flags = s->conditional && !s->if_match[0] ? RENAME_NOREPLACE : 0;
        struct quota_amount change;
        int64_t old = NOTHING;
        mode_t mode;

        int r = change_lock(&s->w, s->to.course, &lock);
        if (r == 0)
                r = judge(s, &mode, &old);
        if (r == 0)
                r = settle(s, old, &change);
        if (r < 0)
                return r;
        if ((mode != s->mode && fchmod(s->fd, mode) < 0) ||
            renameat2(s->stage, s->name, s->to.dir, s->to.name, flags) < 0)
                r = workspace_errno(errno);
        quota_done(s->to.course ? NULL : s->w.quota, change, r == 0);
        if (r < 0)
                return r;
        s->name[0] = '\0';
        *ret_created = old == NOTHING;
        return 0;
}

int workspace_save_commit(struct workspace_save *s, struct workspace_stat *ret_stat,
                          bool *ret_created) {
        struct stat st;
        bool created = false;

        latch_blocking("workspace_save_commit");
        int r = save_finish(s);
        if (r == 0)
                r = save_publish(s, &created);
        if (r == 0 && (fsync(s->to.dir) < 0 || fstat(s->fd, &st) < 0))
                r = workspace_errno(errno);
        if (r < 0)
                return r;
        if (ret_stat)
                stat_fill(&st, s->last, true, ret_stat);
        if (ret_created)
                *ret_created = created;
        return 0;
}

int workspace_write(struct workspace *w, const char *path, const void *data, size_t n,
                    const char *if_match, struct workspace_stat *ret_stat) {
        _cleanup_(workspace_save_abortp) struct workspace_save *s = NULL;
        int r = workspace_save_begin(w, path, if_match, n, &s);

        if (r == 0)
                r = workspace_save_add(s, data, n);
        if (r == 0)
                r = workspace_save_commit(s, ret_stat, NULL);
        return r;
}
