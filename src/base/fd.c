/* The contract is in base/fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int fd_close(int fd) {
        if (fd >= 0) {
                int saved = errno;
                (void)close(fd); /* Linux frees the number whatever close says */
                errno = saved;
        }
        return -1;
}

void fd_closep(int *fd) {
        *fd = fd_close(*fd);
}

int fd_write_all(int fd, const void *data, size_t n) {
        const char *p = data;

        while (n > 0) {
                ssize_t k = write(fd, p, n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t)k;
        }
        return 0;
}

ssize_t fd_read_full(int fd, void *data, size_t n) {
        size_t got = 0;

        while (got < n) {
                ssize_t k = read(fd, (char *)data + got, n - got);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                got += (size_t)k;
        }
        return (ssize_t)got;
}

static int grow(char **data, size_t *cap, size_t want) {
        char *p = realloc(*data, want);
        if (!p)
                return -ENOMEM;
        *data = p;
        *cap = want;
        return 0;
}

/* A guess at the size saves reallocations; the file may still grow or shrink while it is read. */
static size_t first_capacity(int fd, size_t limit) {
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_size <= 0 || (uint64_t)st.st_size >= limit)
                return MIN(limit, (size_t)4096) + 1;
        return (size_t)st.st_size + 1;
}

int fd_read_file(int fd, size_t limit, char **ret, size_t *ret_n) {
        _cleanup_(freep) char *data = NULL;
        size_t cap = 0, n = 0;
        int r = grow(&data, &cap, first_capacity(fd, limit) + 1);

        while (r == 0) {
                ssize_t k = fd_read_full(fd, data + n, cap - 1 - n);
                if (k < 0)
                        return (int)k;
                n += (size_t)k;
                if (n > limit)
                        return -EFBIG;
                if (n < cap - 1)
                        break;
                r = grow(&data, &cap, MIN(cap * 2, limit + 2));
        }
        if (r < 0)
                return r;

        data[n] = '\0';
        *ret = TAKE_PTR(data);
        *ret_n = n;
        return 0;
}

int fd_set_nonblock(int fd, bool on) {
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0)
                return -errno;
        flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool on) {
        return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int fd_sealed(const char *name, const void *data, size_t n, int *ret_fd) {
        _cleanup_(fd_closep) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, data, n);
        if (r < 0)
                return r;
        if (lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}

union control {
        char space[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
        struct cmsghdr align;
};

int fd_send(int sock, const void *data, size_t n, const int *fds, size_t nfds, int flags) {
        union control control = {0};
        struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = n};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t k;

        CHECK(nfds <= FD_PASS_MAX);
        if (nfds > 0) {
                msg.msg_control = control.space;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
                struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * nfds);
        }
        do
                k = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
        while (k < 0 && errno == EINTR);
        return k < 0 ? -errno : 0;
}

/* Keeps the first `room` received descriptors, closes the rest. How many came. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t room) {
        size_t came = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++, came++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
                        if (came < room)
                                fds[came] = fd;
                        else
                                fd_close(fd);
                }
        }
        return came;
}

/* Cut off with room left in the control message: it was our table of descriptors that was full. */
static int judge(int flags, size_t came, size_t room) {
        if (came > room || ((flags & MSG_CTRUNC) && came == FD_PASS_MAX))
                return -EPROTO;
        if (flags & MSG_TRUNC)
                return -EMSGSIZE;
        return flags & MSG_CTRUNC ? -EMFILE : 0;
}

ssize_t fd_recv(int sock, void *data, size_t n, int *fds, size_t *nfds, int flags) {
        union control control;
        struct iovec iov = {.iov_base = data, .iov_len = n};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
        size_t room = nfds ? *nfds : 0;
        ssize_t k;

        do
                k = recvmsg(sock, &msg, flags | MSG_CMSG_CLOEXEC);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return -errno;

        size_t came = take_fds(&msg, fds, room);
        int r = judge(msg.msg_flags, came, room);
        if (r < 0) {
                for (size_t i = 0; i < MIN(came, room); i++)
                        fd_close(fds[i]);
                return r;
        }
        if (nfds)
                *nfds = came;
        return k;
}
