/* The contract is in session/found.h. */
#include "session/found.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "latch/lock.h"
#include "session/folder.h"

#define FOUND_MAX 16384u
#define SUFFIX    ".sock"
#define RETRY_MS  UINT64_C(10)

static bool is_socket_name(const char *name) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

        return strspn(name, letters) == RANDOM_ID_CHARS && str_eq(name + RANDOM_ID_CHARS, SUFFIX);
}

void found_unlink(const char *data, const char *id) {
        folder_unlink(data, id, SUFFIX);
}

/* Through the folder's descriptor: DIR may be longer than an address has room for. */
static int connect_in(int dir, const char *name) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        _cleanup_(fd_closep) int fd =
                socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/%.31s", dir, name);
        if (connect(fd, (const struct sockaddr *)&a, sizeof a) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int add(struct found **list, size_t *n, size_t *room, const char *name) {
        if (*n == *room) {
                size_t more = MAX(*room * 2, (size_t)64);
                struct found *grown = realloc(*list, more * sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                *list = grown;
                *room = more;
        }
        struct found *f = &(*list)[(*n)++];
        *f = (struct found){.fd = -EAGAIN};
        memcpy(f->id, name, RANDOM_ID_CHARS);
        return 0;
}

static int list_sockets(DIR *d, struct found **list, size_t *n) {
        size_t room = 0;
        struct dirent *e;

        while (*n < FOUND_MAX && (e = readdir(d)) != NULL) {
                int r = is_socket_name(e->d_name) ? add(list, n, &room, e->d_name) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Nobody listens yet, as while a holder is being loaded, or too many have called. */
static bool may_come(int fd) {
        return fd == -ECONNREFUSED || fd == -EAGAIN;
}

/* What was reached, and what is gone or no holder's, is let be. *ret_left: how many may still come. 0, or
 * -errno of ours, which says nothing of the holder. */
static int reach_all(int dir, struct found *list, size_t n, size_t *ret_left) {
        size_t left = 0;

        for (size_t i = 0; i < n; i++) {
                char name[RANDOM_ID_CHARS + sizeof SUFFIX];
                struct found *f = &list[i];
                if (!may_come(f->fd))
                        continue;
                snprintf(name, sizeof name, "%s" SUFFIX, f->id);
                f->fd = connect_in(dir, name);
                left += may_come(f->fd);
                if (f->fd >= 0 || may_come(f->fd) || f->fd == -ENOENT || f->fd == -EPROTOTYPE)
                        continue;
                log_event(LOG_ERROR, "session.connect", LOG_S("session", f->id), LOG_E(f->fd));
                return f->fd;
        }
        *ret_left = left;
        return 0;
}

static size_t ask_all(struct found *list, size_t n, struct pollfd *polls) {
        size_t left = 0;

        for (size_t i = 0; i < n; i++) {
                bool asked = list[i].fd >= 0 && !list[i].speaks;
                polls[i] = (struct pollfd){.fd = asked ? list[i].fd : -1, .events = POLLIN};
                left += asked;
        }
        return left;
}

/* Until all have been reached and speak, or the time is over. */
static int wait_for_all(int dir, struct found *list, size_t n, uint64_t until_ns) {
        _cleanup_(freep) struct pollfd *polls = calloc(n + 1, sizeof *polls);
        size_t missing = 0;

        if (!polls)
                return -ENOMEM;
        for (;;) {
                int r = reach_all(dir, list, n, &missing);
                uint64_t now = clock_mono_ns();
                if (r < 0)
                        return r;
                if ((ask_all(list, n, polls) == 0 && missing == 0) || now >= until_ns)
                        return 0;
                uint64_t left_ms = (until_ns - now) / 1000000 + 1;
                r = poll(polls, n, (int)(missing > 0 ? MIN(left_ms, RETRY_MS) : left_ms));
                if (r < 0 && errno != EINTR)
                        return -errno;
                for (size_t i = 0; r > 0 && i < n; i++)
                        list[i].speaks |= polls[i].fd >= 0 && polls[i].revents != 0;
        }
}

/* What nobody listens on is removed, and out of the list; what could not be reached stays in it. */
static size_t drop_dead(int dir, struct found *list, size_t n) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++) {
                char name[RANDOM_ID_CHARS + sizeof SUFFIX];
                struct found f = list[i];
                snprintf(name, sizeof name, "%s" SUFFIX, f.id);
                if (f.fd == -ECONNREFUSED && unlinkat(dir, name, 0) == 0)
                        log_event(LOG_INFO, "session.stale_socket", LOG_S("session", f.id));
                else if (f.fd < 0)
                        log_event(LOG_WARN, "session.connect", LOG_S("session", f.id), LOG_E(f.fd));
                if (f.fd < 0 && f.fd != -EAGAIN)
                        continue;
                f.fd = MAX(f.fd, -1);
                list[kept++] = f;
        }
        return kept;
}

int found_look(const char *data, unsigned hello_ms, struct found **ret, size_t *ret_n) {
        _cleanup_(freep) char *path = folder_path(data, NULL, NULL);
        struct found *list = NULL;
        size_t n = 0;

        latch_blocking("found_look");
        DIR *d = path ? opendir(path) : NULL;
        if (!d && path && errno == ENOENT) {
                *ret = NULL;
                *ret_n = 0;
                return 0;
        }
        if (!d)
                return path ? -errno : -ENOMEM;
        int r = list_sockets(d, &list, &n);
        if (r == 0)
                r = wait_for_all(dirfd(d), list, n, clock_mono_ns() + hello_ms * UINT64_C(1000000));
        if (r == 0)
                n = drop_dead(dirfd(d), list, n);
        closedir(d);
        if (r < 0) {
                found_free(list, n);
                return r;
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

int found_hear(struct found *f) {
        _cleanup_(freep) struct holder_message *m = malloc(sizeof *m);

        if (!m)
                return -ENOMEM;
        if (f->fd < 0 || !f->speaks)
                return 0;
        int r = holder_receive(f->fd, m);
        if (r == 0 && m->u.head.type == HOLD_HELLO) {
                f->hello = TAKE_PTR(m);
                return 0;
        }
        if (r == 0)
                holder_message_done(m);
        f->nonsense = r == 0 || r == -EPROTO;
        return f->nonsense || r == -EPIPE || r == -EAGAIN ? 0 : r;
}

void found_done(struct found *f) {
        f->fd = fd_close(f->fd);
        if (f->hello)
                holder_message_done(f->hello);
        free(TAKE_PTR(f->hello));
}

void found_free(struct found *f, size_t n) {
        for (size_t i = 0; i < n; i++)
                found_done(&f[i]);
        free(f);
}
