/* fd.h - file descriptors: closing, whole reads and writes, passing them over a socket.
 *
 * Threads: any. Lock: none may be held (these may block on I/O).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/macros.h"

/* Closes fd unless it is negative; keeps errno. Returns -1, so `fd = fd_close(fd)`. */
int fd_close(int fd);
void fd_closep(int *fd);
#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int taken_fd_ = (fd);                                                              \
                (fd) = -1;                                                                         \
                taken_fd_;                                                                         \
        })

/* Writes all n bytes to a blocking fd, through EINTR and short writes. 0 or -errno (write(2)). */
_must_use_ int fd_write_all(int fd, const void *data, size_t n);

/* Reads until n bytes or the end of file. How many (0..n), or -errno (read(2)). */
_must_use_ ssize_t fd_read_full(int fd, void *data, size_t n);

/* Reads the whole file from its current position, at most limit bytes; *ret is malloc'd and has a NUL
 * after it. 0, -EFBIG above the limit, -ENOMEM, -errno. */
_must_use_ int fd_read_file(int fd, size_t limit, char **ret, size_t *ret_n);

_must_use_ int fd_set_nonblock(int fd, bool on); /* 0 or -errno (fcntl(2)) */
_must_use_ int fd_set_cloexec(int fd, bool on);  /* 0 or -errno (fcntl(2)) */

/* A sealed memfd that holds these bytes: nobody can write, grow or shrink it (memfd_create(2),
 * F_SEAL_WRITE|SHRINK|GROW|SEAL). The offset is 0. 0 or -errno. */
_must_use_ int fd_sealed(const char *name, const void *data, size_t n, int *ret_fd);

/* SOCK_SEQPACKET messages with descriptors (unix(7), SCM_RIGHTS). At most FD_PASS_MAX of them. */
#define FD_PASS_MAX 16

/* One message. flags as send(2); MSG_NOSIGNAL is added. 0, -EAGAIN, -EMSGSIZE, -errno. */
_must_use_ int fd_send(int sock, const void *data, size_t n, const int *fds, size_t nfds,
                       int flags);

/* One message into data (at most n bytes; a longer one is -EMSGSIZE). Received descriptors are
 * close-on-exec; *nfds says how many there is room for and becomes how many came; more than that are
 * closed and the message is -EPROTO. pass fds NULL, nfds NULL to refuse any. -EMFILE: descriptors came
 * that this process, or the system, has no number left for; they are lost, and the message with them.
 * The message's size, 0 at the end of the stream, -EAGAIN, -errno. */
_must_use_ ssize_t fd_recv(int sock, void *data, size_t n, int *fds, size_t *nfds, int flags);
