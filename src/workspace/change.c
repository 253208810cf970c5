/* The contract is in workspace.h: mkdir, remove, rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

static int sync_folder(int fd) {
        return fsync(fd) < 0 ? workspace_errno(errno) : 0;
}

/* A folder of ours in staging. */
struct staged {
        int stage, fd;
        char name[RANDOM_ID_CHARS + 1]; /* "" once it is not there */
};
#define STAGED_NONE ((struct staged){.stage = -1, .fd = -1})

static void staged_done(struct staged *s) {
        if (s->name[0])
                (void)unlinkat(s->stage, s->name,
                               AT_REMOVEDIR); /* what stays is swept by the next */
        fd_close(s->fd);
        fd_close(s->stage);
}

static int staged_folder(const struct workspace *w, mode_t mode, uid_t owner, struct staged *s) {
        int r = stage_enter(w, &s->stage);

        if (r < 0)
                return r;
        random_id(s->name);
        return make_folder(s->stage, s->name, mode, owner, &s->fd);
}

/* What course files take is nobody's quota. */
static struct quota_user *quota_of(const struct workspace *w, const struct target *t) {
        return t->course ? NULL : w->quota;
}

/* Room for it is claimed. */
static int publish_folder(const struct workspace *w, const struct target *t, struct staged *s,
                          struct quota_amount one) {
        _cleanup_(fd_closep) int lock = -1;
        int r = quota_settle(quota_of(w, t), one, one);

        if (r < 0)
                return r;
        r = change_lock(w, t->course, &lock);
        if (r == 0 && renameat2(s->stage, s->name, t->dir, t->name, RENAME_NOREPLACE) < 0)
                r = workspace_errno(errno);
        quota_done(quota_of(w, t), one, r == 0);
        if (r == 0)
                s->name[0] = '\0';
        return r;
}

int workspace_mkdir(struct workspace *w, const char *path) {
        const struct quota_amount one = {.files = 1};
        _cleanup_(target_done) struct target t = TARGET_NONE;
        _cleanup_(staged_done) struct staged s = STAGED_NONE;

        latch_blocking("workspace_mkdir");
        int r = resolve_parent(w, path, &t);
        if (r == 0)
                r = staged_folder(w, 0755, t.owner, &s);
        if (r == 0)
                r = quota_claim(quota_of(w, &t), w->home, one);
        if (r == 0)
                r = publish_folder(w, &t, &s, one);
        return r < 0 ? r : sync_folder(t.dir);
}

/* What stands at path has this etag. */
static int judge(struct workspace *w, const char *path, const char *if_match) {
        struct workspace_stat now;

        if (!if_match || str_eq(if_match, WORKSPACE_ANY))
                return 0;
        int r = workspace_stat(w, path, &now);
        if (r < 0 && r != -ENOENT)
                return r;
        return r == 0 && str_eq(now.etag, if_match) ? 0 : -ESTALE;
}

/* What is to go, and on what condition. */
struct removal {
        const char *path, *if_match;
};

/* One name: a file, a link (never what it points at), anything but a folder with something in it. */
static int remove_one(struct workspace *w, const struct target *t, const struct removal *what,
                      bool folder) {
        _cleanup_(fd_closep) int lock = -1;
        int r = change_lock(w, t->course, &lock);

        if (r == 0)
                r = judge(w, what->path, what->if_match);
        if (r < 0)
                return r;
        if (unlinkat(t->dir, t->name, folder ? AT_REMOVEDIR : 0) < 0)
                return errno == EEXIST ? -ENOTEMPTY : workspace_errno(errno);
        return 0;
}

static int take_away(struct workspace *w, const struct target *t, const struct removal *what,
                     const struct staged *s) {
        _cleanup_(fd_closep) int lock = -1;
        int r = change_lock(w, t->course, &lock);

        if (r == 0)
                r = judge(w, what->path, what->if_match);
        return r < 0 ? r : tree_move(t->dir, t->name, s->fd, "tree");
}

/* The tree leaves the user's sight at once and whole. */
static int remove_tree(struct workspace *w, const struct target *t, const struct removal *what) {
        _cleanup_(staged_done) struct staged s = STAGED_NONE;
        unsigned budget = REMOVE_ENTRIES;
        int r = staged_folder(w, 0700, w->uid, &s);

        if (r == 0)
                r = take_away(w, t, what, &s);
        if (r == 0)
                r = sync_folder(t->dir);
        if (r == 0)
                r = tree_empty(s.fd, &budget);
        return r == -EDQUOT ? 0 : r;
}

int workspace_remove(struct workspace *w, const char *path, bool recursive, const char *if_match) {
        const struct removal what = {.path = path, .if_match = if_match};
        _cleanup_(target_done) struct target t = TARGET_NONE;
        struct stat st;

        latch_blocking("workspace_remove");
        int r = resolve_parent(w, path, &t);
        if (r < 0)
                return r;
        if (fstatat(t.dir, t.name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return workspace_errno(errno);
        if (S_ISDIR(st.st_mode) && recursive) {
                r = remove_tree(w, &t, &what);
                quota_unsure(w->quota);
                return r;
        }
        struct quota_amount less = {.bytes = S_ISREG(st.st_mode) ? -st.st_size : 0, .files = -1};
        r = quota_settle(quota_of(w, &t), (struct quota_amount){0}, less);
        if (r < 0)
                return r;
        r = remove_one(w, &t, &what, S_ISDIR(st.st_mode));
        quota_done(quota_of(w, &t), less, r == 0);
        return r < 0 ? r : sync_folder(t.dir);
}

int workspace_rename(struct workspace *w, const char *from, const char *to, bool replace) {
        _cleanup_(target_done) struct target a = TARGET_NONE, b = TARGET_NONE;
        _cleanup_(fd_closep) int lock = -1;

        latch_blocking("workspace_rename");
        int r = resolve_parent(w, from, &a);
        if (r == 0)
                r = resolve_parent(w, to, &b);
        if (r == 0 && a.course != b.course) /* it would keep its owner */
                r = -EACCES;
        if (r == 0)
                r = change_lock(w, a.course, &lock);
        if (r < 0)
                return r;
        if (renameat2(a.dir, a.name, b.dir, b.name, replace ? 0 : RENAME_NOREPLACE) < 0)
                return errno == EEXIST && replace ? -ENOTEMPTY : workspace_errno(errno);
        if (replace)
                quota_unsure(w->quota);
        lock = fd_close(lock);
        r = sync_folder(b.dir);
        return r < 0 ? r : sync_folder(a.dir);
}
