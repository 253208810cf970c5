/* The contract is in workspace.h: reading. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

int workspace_open_file(struct workspace *w, const char *path, int *ret_fd,
                        struct workspace_stat *ret_stat) {
        _cleanup_(fd_closep) int fd = -1;
        struct place p;
        struct stat st;

        latch_blocking("workspace_open_file");
        int r = place_of(w, path, &p);
        if (r < 0)
                return r;
        if (p.where == PLACE_TOP)
                return -EISDIR;
        fd = resolve_open(p.root, p.rest, O_RDONLY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return workspace_errno(errno);
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -ENODEV;

        if (ret_stat)
                stat_fill(&st, path_last(p.raw), p.writable, ret_stat);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int read_at(int fd, char *to, size_t n, uint64_t offset, size_t *ret_n) {
        size_t got = 0;

        while (got < n) {
                ssize_t k = pread(fd, to + got, n - got, (off_t)(offset + got));
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return workspace_errno(errno);
                if (k == 0)
                        break;
                got += (size_t)k;
        }
        *ret_n = got;
        return 0;
}

/* The etag is of before the bytes are read: a program that writes in the file meanwhile makes it
 * stale, so a save on top of what was read here is noticed. */
int workspace_read(struct workspace *w, const char *path, uint64_t offset, size_t length,
                   char **ret, size_t *ret_n, struct workspace_stat *ret_stat) {
        _cleanup_(fd_closep) int fd = -1;
        _cleanup_(freep) char *data = NULL;
        struct workspace_stat st;
        size_t n = 0;
        int r = workspace_open_file(w, path, &fd, &st);

        if (r < 0)
                return r;
        if (offset < st.size)
                n = (size_t)MIN(st.size - offset, (uint64_t)length);
        data = malloc(n + 1);
        if (!data)
                return -ENOMEM;
        r = read_at(fd, data, n, offset, &n);
        if (r < 0)
                return r;

        data[n] = '\0';
        *ret = TAKE_PTR(data);
        *ret_n = n;
        if (ret_stat)
                *ret_stat = st;
        return 0;
}
