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

#define FOUND_MAX 16384u
#define SUFFIX    ".sock"

static bool is_socket_name(const char *name) {
        static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

        return strspn(name, letters) == RANDOM_ID_CHARS && str_eq(name + RANDOM_ID_CHARS, SUFFIX);
}

void found_unlink(const char *data, const char *id) {
        _cleanup_(freep) char *path = str_printf("%s/sessions/%s" SUFFIX, data, id);

        latch_blocking("unlink");
        if (!path || (unlink(path) < 0 && errno != ENOENT))
                log_event(LOG_WARN, "session.socket", LOG_S("session", id),
                          LOG_E(path ? errno : ENOMEM));
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

static int add(struct found **list, size_t *n, size_t *room, const char *name, int fd) {
        if (*n == *room) {
                size_t more = MAX(*room * 2, (size_t)64);
                struct found *grown = realloc(*list, more * sizeof *grown);
                if (!grown)
                        return -ENOMEM;
                *list = grown;
                *room = more;
        }
        struct found *f = &(*list)[(*n)++];
        *f = (struct found){.fd = fd};
        memcpy(f->id, name, RANDOM_ID_CHARS);
        return 0;
}

/* fd >= 0: it listens. Else why not. */
static int reach(int dir, const char *name) {
        int fd = connect_in(dir, name);

        if (fd == -ECONNREFUSED && unlinkat(dir, name, 0) == 0)
                log_event(LOG_INFO, "session.stale_socket", LOG_S("name", name));
        else if (fd < 0)
                log_event(LOG_WARN, "session.connect", LOG_S("name", name), LOG_E(fd));
        return fd;
}

static int connect_all(DIR *d, struct found **list, size_t *n) {
        size_t room = 0;
        struct dirent *e;

        while (*n < FOUND_MAX && (e = readdir(d)) != NULL) {
                if (!is_socket_name(e->d_name))
                        continue;
                int fd = reach(dirfd(d), e->d_name);
                if (fd < 0)
                        continue;
                int r = add(list, n, &room, e->d_name, fd);
                if (r < 0) {
                        fd_close(fd);
                        return r;
                }
        }
        return 0;
}

/* False: nothing came yet. */
static bool hear_hello(struct found *f) {
        struct holder_message *m = malloc(sizeof *m);
        int r = m ? holder_receive(f->fd, m) : -ENOMEM;

        if (r == 0 && m->u.head.type == HOLD_HELLO) {
                f->hello = m;
                return true;
        }
        if (r == 0)
                holder_message_done(m);
        free(m);
        f->nonsense = r == 0 || r == -EPROTO;
        return r != -EAGAIN;
}

static void hear_all(struct found *list, size_t n, struct pollfd *polls, uint64_t until_ns) {
        size_t left = n;

        for (size_t i = 0; i < n; i++)
                polls[i] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
        while (left > 0) {
                uint64_t now = clock_mono_ns();
                if (now >= until_ns)
                        return;
                int r = poll(polls, n, (int)((until_ns - now) / 1000000 + 1));
                if (r < 0 && errno != EINTR)
                        return;
                for (size_t i = 0; r > 0 && i < n; i++) {
                        if (polls[i].fd < 0 || polls[i].revents == 0 || !hear_hello(&list[i]))
                                continue;
                        polls[i].fd = -1;
                        left--;
                }
        }
}

int found_look(const char *data, unsigned hello_ms, struct found **ret, size_t *ret_n) {
        _cleanup_(freep) char *path = str_printf("%s/sessions", data);
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
        int r = connect_all(d, &list, &n);
        closedir(d);

        _cleanup_(freep) struct pollfd *polls = calloc(n + 1, sizeof *polls);
        if (r == 0 && !polls)
                r = -ENOMEM;
        if (r < 0) {
                found_free(list, n);
                return r;
        }
        hear_all(list, n, polls, clock_mono_ns() + hello_ms * UINT64_C(1000000));
        *ret = list;
        *ret_n = n;
        return 0;
}

void found_free(struct found *f, size_t n) {
        for (size_t i = 0; i < n; i++) {
                fd_close(f[i].fd);
                if (f[i].hello)
                        holder_message_done(f[i].hello);
                free(f[i].hello);
        }
        free(f);
}
