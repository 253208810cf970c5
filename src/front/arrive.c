/* arrive.c - see arrive.h. */
#include "front/arrive.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "front/front_private.h"
#include "front/head.h"
#include "front/peer.h"
#include "front/serve.h"

#define SMALL_BYTES 2048 /* of a head: more than a browser's with its cookies */

enum outcome { CAME, BAD, GONE };

struct guest *guest_of(const struct mg_connection *conn) {
        return mg_get_user_connection_data(conn);
}

void arrive_look(const struct mg_connection *conn) {
        struct front *f = mg_get_user_data(mg_get_context(conn));
        const struct mg_request_info *ri = mg_get_request_info(conn);

        if (ri && !atomic_load(&f->info_at))
                atomic_store(&f->info_at, (size_t)((const char *)ri - (const char *)conn));
}

static const struct mg_request_info *info_of(const struct front *f,
                                             const struct mg_connection *conn) {
        size_t at = atomic_load(&f->info_at);

        return at ? (const void *)((const char *)conn + at) : NULL;
}

int arrive_learn(struct front *f, const struct sockaddr_in *a) {
        _cleanup_(fd_closep) int fd = peer_connect(a);
        struct pollfd p = {.fd = fd, .events = POLLIN};

        /* We say that nothing will come, and its end is the sign that it was looked at. */
        if (fd < 0 || shutdown(fd, SHUT_WR) < 0 || poll(&p, 1, (int)(ARRIVE_NS / 1000000)) < 0)
                return fd < 0 ? fd : -errno;
        return atomic_load(&f->info_at) ? 0 : -EPROTO;
}

/* More than n bytes, the end, or the deadline. False: the deadline. */
static bool wait_for_more(int fd, size_t n, uint64_t until_ns) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int least = (int)n + 1, one = 1;
        uint64_t now = clock_mono_ns();
        bool more;

        if (n && setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least) < 0)
                return false;
        more = now < until_ns && poll(&p, 1, (int)((until_ns - now) / 1000000) + 1) != 0;
        return (!n || setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one) == 0) && more;
}

/* What there is of a head: in the small buffer as nearly always, or all of it in one made for it, which is
 * *whole from then on. -1 and errno. */
static ssize_t peek(int fd, char small[SMALL_BYTES], char **whole) {
        ssize_t n = -1;

        if (!*whole) {
                n = recv(fd, small, SMALL_BYTES, MSG_PEEK | MSG_DONTWAIT);
                if (n < SMALL_BYTES)
                        return n;
                *whole = malloc(HEAD_BYTES_MAX);
        }
        return *whole ? recv(fd, *whole, HEAD_BYTES_MAX, MSG_PEEK | MSG_DONTWAIT) : -1;
}

/* Looks at what has come until the headers are whole; nothing is taken out of the socket. */
static enum outcome wait_for_head(struct guest *g, uint64_t until_ns, struct refusal *ret) {
        _cleanup_(freep) char *whole = NULL;
        char small[SMALL_BYTES];
        struct head head = {0};
        size_t seen = 0;

        for (bool first = true;; first = false) {
                ssize_t n = peek(g->fd, small, &whole);
                enum head_what what;

                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return GONE;
                if (n == 0 || (n > 0 && !first && (size_t)n <= seen))
                        return GONE; /* the end, with or without a part */
                what = n > 0 ? head_judge(&head, whole ? whole : small, (size_t)n, ret) : HEAD_MORE;
                g->early = what == HEAD_WHOLE && (size_t)n > head.n;
                if (what != HEAD_MORE)
                        return what == HEAD_WHOLE ? CAME : BAD;
                seen = n > 0 ? (size_t)n : seen;
                if (wait_for_more(g->fd, seen, until_ns))
                        continue;
                *ret = (struct refusal){408, "timeout", "the headers came too slowly"};
                return seen ? BAD : GONE;
        }
}

/* Whoever comes before we can serve waits, no longer than his headers may take. */
static bool wait_admitted(const struct front *f, uint64_t until_ns) {
        struct pollfd p = {.fd = f->admitting, .events = POLLIN};

        while (!atomic_load(&f->admitted)) {
                uint64_t now = clock_mono_ns();
                if (now >= until_ns || atomic_load(&f->stopping))
                        return false;
                (void)poll(&p, 1, (int)((until_ns - now) / 1000000) + 1);
        }
        return true;
}

static void refuse(struct front *f, const struct mg_connection *conn, const struct guest *g,
                   const struct refusal *why) {
        struct mg_request_info said = *info_of(f, conn); /* of its request it knows nothing yet */
        struct request r;

        said.request_method = "-";
        said.num_headers = 0;
        said.content_length = -1;
        serve_begin(f, (struct mg_connection *)conn, &said, &r);
        http_error(&r, why->status, why->code, why->message);
        serve_log(&r);
        shutdown(g->fd, SHUT_WR);
        peer_drain(g->fd, ARRIVE_LINGER_MS, &f->stopping);
}

/* In the lobby: its own threads, and those that no socket has taken. */
static unsigned room_for(const struct front *f) {
        unsigned all = f->deps.config->max_sockets, open = atomic_load(&f->sockets);

        return LOBBY_MAX + all - MIN(all, open);
}

int arrive(const struct mg_connection *conn, void **ret_guest) {
        struct front *f = mg_get_user_data(mg_get_context(conn));
        const struct mg_request_info *ri = info_of(f, conn);
        struct refusal why = {0};
        struct guest *g;
        uint64_t until_ns = clock_mono_ns() + f->head_ns;
        enum outcome o;
        int own = -1, fd = ri ? peer_dup(ri, &own) : -ENOTCONN;

        if (fd < 0 || guest_new(fd, own, &g) < 0) {
                peer_forget(own);
                return 0;
        }
        *ret_guest = g;
        lobby_enter(&f->lobby, g, room_for(f));
        o = wait_for_head(g, until_ns, &why);
        if (o == CAME && !wait_admitted(f, until_ns))
                o = GONE;
        if (o == BAD)
                refuse(f, conn, g, &why);
        g->refused = !lobby_leave(&f->lobby, g) || o != CAME;
        if (g->refused)
                shutdown(g->fd, SHUT_RDWR);
        return 0;
}
