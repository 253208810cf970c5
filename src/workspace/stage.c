/* The contract is in workspace_private.h: staging and the two locks. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "workspace/workspace_private.h"

/* Users have no group of their own name: the group's number is the user's. */
int give_to(int fd, uid_t uid) {
        struct stat st;

        if (uid == geteuid())
                return 0;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid == uid && st.st_gid == (gid_t)uid)
                return 0;
        return fchown(fd, uid, (gid_t)uid) < 0 ? -errno : 0;
}

int make_folder(int at, const char *name, mode_t mode, uid_t uid, int *ret_fd) {
        _cleanup_(fd_closep) int fd = -1;
        bool made = mkdirat(at, name, mode) == 0;

        if (!made && errno != EEXIST)
                return workspace_errno(errno);
        fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return workspace_errno(errno);
        int r = give_to(fd, uid);
        if (r < 0)
                return r;
        if (made && fchmod(fd, mode) < 0) /* whatever the umask is */
                return workspace_errno(errno);
        if (ret_fd)
                *ret_fd = TAKE_FD(fd);
        return 0;
}

static int lock_file(int fd, int how) {
        int r;

        do
                r = flock(fd, how);
        while (r < 0 && errno == EINTR);
        return r < 0 ? -errno : 0;
}

/* What a killed save or removal left. Whatever cannot be removed now is tried again by the next; it
 * costs nobody a save. */
static int sweep(int stage) {
        unsigned budget = SWEEP_ENTRIES;
        int r = tree_empty(stage, &budget);

        return r == -ENOMEM ? r : 0;
}

int stage_enter(const struct workspace *w, int *ret_fd) {
        _cleanup_(fd_closep) int fd = -1;
        int r;

        fd = openat(w->user, WORKSPACE_STAGING, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) {
                r = errno == ENOENT ? make_folder(w->user, WORKSPACE_STAGING, 0700, w->uid, &fd)
                                    : workspace_errno(errno);
                if (r < 0)
                        return r;
        }
        r = lock_file(fd, LOCK_EX | LOCK_NB);
        if (r == 0)
                r = sweep(fd);
        else if (r == -EWOULDBLOCK)
                r = 0;
        if (r == 0)
                r = lock_file(fd, LOCK_SH);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int change_lock(const struct workspace *w, bool course, int *ret_fd) {
        _cleanup_(fd_closep) int fd =
                openat(course ? w->users : w->user, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return workspace_errno(errno);
        int r = lock_file(fd, LOCK_EX);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}
