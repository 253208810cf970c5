/* peer.c - see peer.h. */
#include "front/peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"

#define GAP_MAX   4096 /* closed descriptors below an open one */
#define KNOWN_MAX 65536u

/* Descriptors of which it is known whose they are, and the duplicates. A process has one table of descriptors,
 * so this is one. */
static _Atomic uint64_t known[KNOWN_MAX / 64];
/* The lowest that was ever a connection's: what lies below was opened at the start, to stay. */
static atomic_int lowest = INT_MAX;

static _Atomic uint64_t *known_word(int fd) {
        return fd >= 0 && (unsigned)fd < KNOWN_MAX ? &known[fd / 64] : NULL;
}

static bool is_known(int fd) {
        _Atomic uint64_t *w = known_word(fd);

        return w && atomic_load(w) & (uint64_t)1 << fd % 64;
}

static void set_known(int fd) {
        _Atomic uint64_t *w = known_word(fd);

        if (w)
                atomic_fetch_or(w, (uint64_t)1 << fd % 64);
}

void peer_forget(int fd) {
        _Atomic uint64_t *w = known_word(fd);

        if (w)
                atomic_fetch_and(w, ~((uint64_t)1 << fd % 64));
}

void peer_close(int fd) {
        peer_forget(fd);
        fd_close(fd);
}

static bool name_of(int (*get)(int, struct sockaddr *, socklen_t *), int fd,
                    struct sockaddr_in *ret) {
        socklen_t n = sizeof *ret;

        return get(fd, (struct sockaddr *)ret, &n) == 0 && n == sizeof *ret &&
               ret->sin_family == AF_INET;
}

static int get_peer(int fd, struct sockaddr *a, socklen_t *n) {
        return getpeername(fd, a, n);
}

static int get_own(int fd, struct sockaddr *a, socklen_t *n) {
        return getsockname(fd, a, n);
}

/* A client's port and address name its connection: we listen on one port, and connect to no other. */
static bool is_peer(int fd, const struct mg_request_info *ri, struct in_addr address) {
        struct sockaddr_in peer;

        return name_of(get_peer, fd, &peer) && ntohs(peer.sin_port) == ri->remote_port &&
               peer.sin_addr.s_addr == address.s_addr;
}

/* Descriptors are handed out lowest first: the search is short where it can succeed, and ends where nothing
 * is open any more. -ENOTCONN: it is not there. */
static int find(const struct mg_request_info *ri, int from, bool all) {
        struct in_addr address;
        int closed = 0; /* in a row */

        if (inet_pton(AF_INET, ri->remote_addr, &address) != 1)
                return -ENOTCONN;
        for (int fd = from; closed < GAP_MAX; fd++) {
                if (!all && is_known(fd)) {
                        closed = 0;
                        continue;
                }
                errno = 0;
                if (is_peer(fd, ri, address))
                        return fd;
                closed = errno == EBADF ? closed + 1 : 0;
        }
        return -ENOTCONN;
}

static void note(int own) {
        int was = atomic_load(&lowest);

        set_known(own);
        while (own < was && !atomic_compare_exchange_weak(&lowest, &was, own))
                ;
}

int peer_dup(const struct mg_request_info *ri, int *ret_own) {
        int from = atomic_load(&lowest), copy;
        int own = from < INT_MAX ? find(ri, from, false) : -ENOTCONN;

        if (own < 0)
                own = find(ri, 0, true); /* as if nothing was known */
        if (own < 0)
                return own;
        copy = fcntl(own, F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
                return -errno;
        note(own);
        set_known(copy);
        *ret_own = own;
        return copy;
}

int peer_connect(const struct sockaddr_in *a) {
        _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)a, sizeof *a) < 0)
                return -errno;
        return TAKE_FD(fd);
}

void peer_drain(int fd, unsigned ms, const atomic_bool *stop) {
        uint64_t until = clock_mono_ms() + ms;
        char sink[4096];

        for (;;) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                uint64_t now = clock_mono_ms();
                ssize_t n;

                if (now >= until || atomic_load(stop) || poll(&p, 1, (int)(until - now)) <= 0)
                        return;
                n = recv(fd, sink, sizeof sink, MSG_DONTWAIT);
                if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
                        return;
        }
}

static bool is_ours(int fd, uint16_t port, bool listening) {
        struct sockaddr_in own;
        int accepts = 0;
        socklen_t n = sizeof accepts;

        return name_of(get_own, fd, &own) && ntohs(own.sin_port) == port &&
               getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &n) == 0 &&
               (accepts != 0) == listening;
}

int peer_listener(uint16_t port) {
        for (int fd = 0; fd < GAP_MAX; fd++)
                if (is_ours(fd, port, true))
                        return fd;
        return -ENOTCONN;
}

static void shut(uint16_t port, bool listening) {
        DIR *d = opendir("/proc/self/fd");
        struct dirent *e;
        uint64_t fd;

        if (!d)
                return;
        while ((e = readdir(d)))
                if (str_to_u64(e->d_name, 0, INT32_MAX, &fd) == 0 &&
                    is_ours((int)fd, port, listening))
                        shutdown((int)fd, SHUT_RDWR);
        closedir(d);
}

void peer_shut_all(uint16_t port) {
        shut(port, true);
        shut(port, false);
}
