/* lobby.c - see lobby.h. */
#include "front/lobby.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "front/peer.h"

void lobby_init(struct lobby *l) {
        *l = (struct lobby){.n = 0};
        latch_mutex_init(&l->lock, LATCH_CLASS_lobby);
}

void lobby_done(struct lobby *l) {
        LATCH_WITH(lobby, &l->lock) {
                CHECK(l->n == 0);
        }
        latch_mutex_done(&l->lock);
}

int guest_new(int fd, int own, struct guest **ret) {
        struct guest *g = calloc(1, sizeof *g);

        if (!g) {
                fd_close(fd);
                return -ENOMEM;
        }
        latch_ref_init(&g->ref);
        g->fd = fd;
        g->own = own;
        *ret = g;
        return 0;
}

int guest_dup(const struct guest *g) {
        int fd = g && g->fd >= 0 ? fcntl(g->fd, F_DUPFD_CLOEXEC, 0) : -1;

        return fd >= 0 ? fd : g && g->fd >= 0 ? -errno : -ENOTCONN;
}

struct guest *guest_unref(struct guest *g) {
        if (!g || !latch_ref_put(&g->ref))
                return NULL;
        peer_close(g->fd);
        free(g);
        return NULL;
}

static void take_out_locked(struct lobby *l, struct guest *g) LATCH_MUST_HOLD(lobby) {
        if (g->prev)
                g->prev->next = g->next;
        else
                l->oldest = g->next;
        if (g->next)
                g->next->prev = g->prev;
        else
                l->newest = g->prev;
        g->next = g->prev = NULL;
        g->waits = false;
        l->n--;
}

static void put_in_locked(struct lobby *l, struct guest *g) LATCH_MUST_HOLD(lobby) {
        g->prev = l->newest;
        if (l->newest)
                l->newest->next = g;
        else
                l->oldest = g;
        l->newest = g;
        g->waits = true;
        l->n++;
}

/* Two at most: where there is less room than there was, each that comes makes it good by one. */
static size_t make_room_locked(struct lobby *l, unsigned room, struct guest *out[2])
        LATCH_MUST_HOLD(lobby) {
        size_t n = 0;

        while (l->oldest && l->n >= room && n < 2) {
                out[n] = l->oldest;
                latch_ref_get(&out[n]->ref);
                take_out_locked(l, out[n++]);
        }
        return n;
}

void lobby_enter(struct lobby *l, struct guest *g, unsigned room) {
        struct guest *out[2];
        size_t n = 0;

        LATCH_WITH(lobby, &l->lock) {
                n = make_room_locked(l, room, out);
                put_in_locked(l, g);
        }
        for (size_t i = 0; i < n; i++) {
                shutdown(out[i]->fd, SHUT_RDWR);
                guest_unref(out[i]);
        }
}

bool lobby_leave(struct lobby *l, struct guest *g) {
        bool waited = false;

        LATCH_WITH(lobby, &l->lock) {
                waited = g->waits;
                if (waited)
                        take_out_locked(l, g);
        }
        return waited;
}
