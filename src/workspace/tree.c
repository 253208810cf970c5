/* The contract is in workspace_private.h: removing trees. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "workspace/workspace_private.h"

/* Gives the owner all rights on a folder, so that what is in it can go. By descriptor: the name may be
 * made a link at any time by a program that still has the tree open. */
static int unlock_folder(int at, const char *name) {
        _cleanup_(fd_closep) int fd =
                openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char magic[32];
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return workspace_errno(errno);
        if ((st.st_mode & S_IRWXU) == S_IRWXU)
                return 0;
        (void)snprintf(magic, sizeof magic, "/proc/self/fd/%d", fd); /* fchmod(2) refuses O_PATH */
        return chmod(magic, (st.st_mode & 07777) | S_IRWXU) < 0 ? workspace_errno(errno) : 0;
}

int tree_move(int from, const char *name, int to, const char *new_name) {
        if (renameat(from, name, to, new_name) == 0)
                return 0;
        if (errno != EACCES) /* a folder's own permission counts, for its ".." changes */
                return workspace_errno(errno);
        if (unlock_folder(from, name) < 0)
                return -EACCES;
        return renameat(from, name, to, new_name) < 0 ? workspace_errno(errno) : 0;
}

/* A file, link or empty folder. 0 also if it is gone; -ENOTEMPTY a folder that is not. */
static int drop(int at, const char *name, unsigned *budget) {
        if (*budget == 0)
                return -EDQUOT;
        int r = unlinkat(at, name, 0);
        if (r < 0 && (errno == EISDIR || errno == EPERM))
                r = unlinkat(at, name, AT_REMOVEDIR);
        if (r < 0 && errno != ENOENT)
                return errno == EEXIST ? -ENOTEMPTY : workspace_errno(errno);
        (*budget)--;
        return 0;
}

static void closedirp(DIR **d) {
        if (*d)
                (void)closedir(*d); /* only read from */
}

static int open_stream(int at, const char *name, DIR **ret) {
        _cleanup_(fd_closep) int fd =
                openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return workspace_errno(errno);
        DIR *d = fdopendir(fd);
        if (!d)
                return workspace_errno(errno);
        fd = -1; /* the stream's now */
        *ret = d;
        return 0;
}

/* The next name but "." and ".."; *ret NULL at the end. */
static int next_name(DIR *d, const char **ret) {
        const struct dirent *e;

        do {
                errno = 0;
                e = readdir(d);
        } while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
        if (!e && errno != 0)
                return workspace_errno(errno);
        *ret = e ? e->d_name : NULL;
        return 0;
}

/* Removes what is in the folder top/name; the folders of it that are not empty become folders of top. */
static int flatten(int top, const char *name, unsigned *budget) {
        _cleanup_(closedirp) DIR *d = NULL;
        const char *entry = NULL;
        int r = unlock_folder(top, name);

        if (r == 0)
                r = open_stream(top, name, &d);
        while (r == 0) {
                r = next_name(d, &entry);
                if (r < 0 || !entry)
                        break;
                r = drop(dirfd(d), entry, budget);
                if (r == -ENOTEMPTY || r == -EACCES) {
                        char id[RANDOM_ID_CHARS + 1];
                        random_id(id);
                        r = tree_move(dirfd(d), entry, top, id);
                }
        }
        return r;
}

/* A pass over top. A stream may or may not show what was added to its folder meanwhile. */
static int pass(int top, unsigned *budget, bool *ret_found) {
        _cleanup_(closedirp) DIR *d = NULL;
        const char *entry = NULL;
        int r = open_stream(top, ".", &d);

        *ret_found = false;
        while (r == 0) {
                r = next_name(d, &entry);
                if (r < 0 || !entry)
                        break;
                *ret_found = true;
                r = drop(top, entry, budget);
                if (r != -ENOTEMPTY && r != -EACCES)
                        continue;
                r = flatten(top, entry, budget);
                if (r == 0)
                        r = drop(top, entry, budget);
                if (r == -ENOTEMPTY) /* a program still writes there, or the stream left some out */
                        r = 0;
        }
        return r;
}

int tree_empty(int top, unsigned *budget) {
        bool found = true;
        int r = 0;

        while (r == 0 && found)
                r = pass(top, budget, &found);
        return r;
}
