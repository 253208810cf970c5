/* The contract is in workspace.h: making and opening a user's folders. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/fd.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

static int open_folder(int at, const char *name) {
        int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* DIR itself may be reached through a link; nothing beneath it. */
static int open_data(const char *dir) {
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int workspace_prepare(const char *dir) {
        _cleanup_(fd_closep) int data = -1;

        latch_blocking("workspace_prepare");
        data = open_data(dir);
        if (data < 0)
                return data;
        int r = make_folder(data, "users", 0711, geteuid(), NULL);
        return r < 0 ? r : make_folder(data, WORKSPACE_COURSES, 0755, geteuid(), NULL);
}

/* The user's folder is given away last: one that is theirs is complete. */
int workspace_make_user(const char *dir, const char *name, uid_t uid) {
        _cleanup_(fd_closep) int data = -1, users = -1, user = -1;
        struct stat st;
        int r;

        latch_blocking("workspace_make_user");
        if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
                return -EINVAL;
        data = open_data(dir);
        if (data < 0)
                return data;
        users = open_folder(data, "users");
        if (users < 0)
                return users;
        if (mkdirat(users, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        user = open_folder(users, name);
        if (user < 0)
                return user;
        if (fstat(user, &st) < 0)
                return -errno;
        if (st.st_uid != uid && st.st_uid != geteuid())
                return -EEXIST;
        r = make_folder(user, WORKSPACE_HOME, 0700, uid, NULL);
        if (r == 0)
                r = make_folder(user, WORKSPACE_STAGING, 0700, uid, NULL);
        if (r == 0)
                r = give_to(user, uid);
        if (r == 0 && (fsync(user) < 0 || fsync(users) < 0))
                r = -errno;
        return r;
}

int workspace_remove_user(const char *dir, const char *name) {
        _cleanup_(fd_closep) int data = -1, users = -1, user = -1;
        unsigned budget = REMOVE_ENTRIES;

        latch_blocking("workspace_remove_user");
        if (strchr(name, '/') || name[0] == '.' || name[0] == '\0')
                return -EINVAL;
        data = open_data(dir);
        if (data < 0)
                return data;
        users = open_folder(data, "users");
        if (users < 0)
                return users;
        user = open_folder(users, name);
        if (user < 0)
                return user == -ENOENT ? 0 : user;
        int r = tree_empty(user, &budget);
        if (r == 0 && unlinkat(users, name, AT_REMOVEDIR) < 0)
                r = workspace_errno(errno);
        if (r == 0 && fsync(users) < 0)
                r = -errno;
        return r;
}

int workspace_open(const char *dir, const char *name, uid_t uid, struct workspace **ret) {
        _cleanup_(workspace_closep) struct workspace *w = NULL;
        _cleanup_(fd_closep) int data = -1;

        latch_blocking("workspace_open");
        w = malloc(sizeof *w);
        if (!w)
                return -ENOMEM;
        *w = (struct workspace){.user = -1, .home = -1, .courses = -1, .users = -1, .uid = uid};
        data = open_data(dir);
        if (data < 0)
                return data;
        if ((w->users = open_folder(data, "users")) < 0)
                return w->users;
        if ((w->user = open_folder(w->users, name)) < 0)
                return w->user;
        if ((w->home = open_folder(w->user, WORKSPACE_HOME)) < 0)
                return w->home;
        if ((w->courses = open_folder(data, WORKSPACE_COURSES)) < 0)
                return w->courses;
        *ret = TAKE_PTR(w);
        return 0;
}

int workspace_open_account(const char *dir, struct store *store, const struct account *a,
                           struct workspace **ret) {
        struct workspace *w;
        int r = workspace_open(dir, a->name, a->uid, &w);

        if (r < 0)
                return r;
        w->store = store;
        w->user_id = a->user_id;
        w->role = a->role;
        *ret = w;
        return 0;
}

int workspace_limit(struct workspace *w, struct quota *quota, const char *name) {
        return quota ? quota_user(quota, name, &w->quota) : 0;
}

int workspace_used(struct workspace *w, uint64_t *ret_bytes, uint64_t *ret_files) {
        struct quota_amount used = {0};

        latch_blocking("workspace_used");
        int r = w->quota ? quota_used(w->quota, w->home, &used) : 0;
        if (r < 0)
                return r;
        *ret_bytes = (uint64_t)used.bytes;
        *ret_files = (uint64_t)used.files;
        return 0;
}

struct workspace *workspace_close(struct workspace *w) {
        if (!w)
                return NULL;
        fd_close(w->user);
        fd_close(w->home);
        fd_close(w->courses);
        fd_close(w->users);
        free(w);
        return NULL;
}
