/* The contract is in store/datadir.h. */
#include "store/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"

/* error is looked at first: making the words may change errno. */
#define COMPLAIN(ret, error, ...)                                                                  \
        ({                                                                                         \
                int complain_r_ = (error);                                                         \
                *(ret) = str_printf(__VA_ARGS__);                                                  \
                *(ret) ? complain_r_ : -ENOMEM;                                                    \
        })

/* ---- folders ---- */

/* Makes one folder if it is missing; true in *ret_made if it was. */
static int make_folder(const char *path, mode_t mode, bool *ret_made) {
        bool made = mkdir(path, mode) == 0;

        if (!made && errno != EEXIST)
                return -errno;
        *ret_made = made;
        return 0;
}

/* Every folder above path, for everybody to pass through. */
static int make_parents(const char *path) {
        _cleanup_(freep) char *part = strdup(path);
        bool made;
        int r = part ? 0 : -ENOMEM;

        for (char *p = part; r == 0 && (p = strchr(p + 1, '/'));) {
                *p = '\0';
                r = make_folder(part, 0755, &made);
                *p = '/';
        }
        return r;
}

/* A folder that is not there any more or never was one is said by open. */
static int check_folder(const char *path, uid_t uid, mode_t refused, char **ret_error) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return COMPLAIN(ret_error, errno == ENOTDIR ? -EINVAL : -errno, "%s: %s", path,
                                strerror(errno));
        if (st.st_uid != uid && st.st_uid != geteuid() && st.st_uid != 0)
                return COMPLAIN(ret_error, -EINVAL, "%s: it belongs to uid %u, not to uid %u", path,
                                (unsigned)st.st_uid, (unsigned)uid);
        if (st.st_mode & refused)
                return COMPLAIN(ret_error, -EINVAL,
                                "%s: its mode is %04o, so others may change what is in it", path,
                                (unsigned)st.st_mode & 07777);
        return 0;
}

/* By its descriptor: whoever may write beside it could have put another in its place since it was made. */
static int give_folder(const char *path, uid_t uid, gid_t gid) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid())
                return -EPERM;
        return fchown(fd, uid, gid) < 0 ? -errno : 0;
}

static int prepare_folder(const char *path, mode_t mode, uid_t uid, gid_t gid, char **ret_error) {
        bool made;
        int r = make_folder(path, mode, &made);

        if (r == 0 && made && geteuid() == 0)
                r = give_folder(path, uid, gid);
        if (r < 0)
                return COMPLAIN(ret_error, r, "%s: %s", path, strerror(-r));
        return check_folder(path, uid, mode == 0700 ? 0077 : 0002, ret_error);
}

int datadir_prepare(const char *dir, uid_t uid, gid_t gid, char **ret_error) {
        latch_blocking("datadir");
        _cleanup_(freep) char *sessions = str_printf("%s/sessions", dir);
        int r = sessions ? make_parents(dir) : -ENOMEM;

        if (r < 0)
                return r == -ENOMEM ? r : COMPLAIN(ret_error, r, "%s: %s", dir, strerror(-r));
        r = prepare_folder(dir, 0755, uid, gid, ret_error);
        return r < 0 ? r : prepare_folder(sessions, 0700, uid, gid, ret_error);
}

int datadir_lock(const char *dir, int *ret_fd) {
        latch_blocking("datadir");
        _cleanup_(fd_closep) int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (folder < 0)
                return -errno;
        _cleanup_(fd_closep) int fd =
                openat(folder, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        struct stat st;

        if (fd < 0 || fstat(folder, &st) < 0)
                return -errno;
        if (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0)
                return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* ---- the control socket ---- */

/* An address has room for 107 bytes, a path of DIR may have more: through the folder's descriptor. */
static int control_address(const char *dir, struct sockaddr_un *ret, int *ret_folder) {
        _cleanup_(fd_closep) int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (folder < 0)
                return -errno;
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/control.sock",
                         folder);
        CHECK(n > 0 && (size_t)n < sizeof ret->sun_path);
        *ret_folder = TAKE_FD(folder);
        return 0;
}

int datadir_listen(const char *dir, int *ret_fd) {
        latch_blocking("datadir");
        _cleanup_(fd_closep) int folder = -1;
        struct sockaddr_un address;
        struct stat st;
        int r = control_address(dir, &address, &folder);

        if (r < 0)
                return r;
        _cleanup_(fd_closep) int fd =
                socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (unlinkat(folder, "control.sock", 0) < 0 && errno != ENOENT)
                return -errno;
        /* The mode a socket's file is made with is the socket's own, so it is never open to others. */
        if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        if (fstatat(folder, "control.sock", &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        CHECK((st.st_mode & 0077) == 0);
        if (listen(fd, 16) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int wait_for_reply(int fd, unsigned timeout_ms) {
        uint64_t until = clock_mono_ms() + timeout_ms;
        struct pollfd p = {.fd = fd, .events = POLLIN};

        for (;;) {
                uint64_t now = clock_mono_ms();
                int n = poll(&p, 1, now < until ? (int)(until - now) : 0);
                if (n > 0)
                        return 0;
                if (n == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

int datadir_ask(const char *dir, const char *request, unsigned timeout_ms, char **ret) {
        latch_blocking("datadir");
        _cleanup_(freep) char *reply = malloc(DATADIR_MESSAGE_MAX + 1);
        _cleanup_(fd_closep) int folder = -1;
        struct sockaddr_un address;

        if (!reply)
                return -ENOMEM;
        if (strlen(request) > DATADIR_MESSAGE_MAX)
                return -EMSGSIZE;
        int r = control_address(dir, &address, &folder);
        if (r < 0)
                return r;
        _cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return -errno;
        r = fd_send(fd, request, strlen(request), NULL, 0, 0);
        if (r == 0)
                r = wait_for_reply(fd, timeout_ms);
        if (r < 0)
                return r;
        ssize_t n = fd_recv(fd, reply, DATADIR_MESSAGE_MAX, NULL, NULL, MSG_DONTWAIT);
        if (n <= 0)
                return n == 0 || n == -ECONNRESET ? -EPIPE : (int)n;
        reply[n] = '\0';
        *ret = TAKE_PTR(reply);
        return 0;
}
