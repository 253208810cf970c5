/* door.c - see door.h. */
#include "front/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "front/peer.h"
#include "latch/thread.h"

#define LOOK_MS 250

struct door {
        int fd;     /* civetweb's number for what it waits for */
        int listen; /* what that is while the door is open */
        int quiet;  /* and while it is shut: never readable */
        int stop;   /* readable: the thread is to end */
        pthread_t thread;
        bool running; /* main's */
        bool shut;    /* the thread's; main's once it is joined */
        bool stuck;   /* the same: it could not be changed, and that was said */
};

static void change(struct door *d, bool shut) {
        /* dup3 needs no new number: it works where nothing else does. */
        if (dup3(shut ? d->quiet : d->listen, d->fd, O_CLOEXEC) < 0) {
                if (!d->stuck)
                        log_event(LOG_ERROR, "descriptors.door", LOG_E(errno));
                d->stuck = true;
                return;
        }
        d->shut = shut;
        d->stuck = false;
        if (shut)
                log_event(LOG_ERROR, "descriptors.none",
                          LOG_S("message", "newcomers wait; raise the limit of open files"));
        else
                log_event(LOG_WARN, "descriptors.again", LOG_S("message", "newcomers are let in"));
}

/* Whether n descriptors could be had now. */
static bool there_are(const struct door *d, int n) {
        int fds[DOOR_SPARE], got = 0;

        while (got < n && (fds[got] = fcntl(d->quiet, F_DUPFD_CLOEXEC, 0)) >= 0)
                got++;
        for (int i = 0; i < got; i++)
                fd_close(fds[i]);
        return got == n;
}

static void *door_main(void *arg) {
        struct door *d = arg;
        struct pollfd p = {.fd = d->stop, .events = POLLIN};

        latch_thread_begin("door");
        while (poll(&p, 1, LOOK_MS) == 0) {
                bool enough = there_are(d, d->shut ? DOOR_SPARE : 1);

                if (enough == d->shut)
                        change(d, !enough);
        }
        latch_thread_end();
        return NULL;
}

static int open_door(struct door *d, uint16_t port) {
        int r;

        d->fd = peer_listener(port);
        if (d->fd < 0)
                return d->fd;
        d->listen = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
        d->quiet = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        d->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (d->listen < 0 || d->quiet < 0 || d->stop < 0)
                return -errno;
        r = pthread_create(&d->thread, NULL, door_main, d);
        d->running = r == 0;
        return -r;
}

int door_new(uint16_t port, struct door **ret) {
        struct door *d = calloc(1, sizeof *d);
        int r;

        if (!d)
                return -ENOMEM;
        d->listen = d->quiet = d->stop = -1;
        r = open_door(d, port);
        if (r < 0)
                door_free(d);
        else
                *ret = d;
        return r;
}

struct door *door_free(struct door *d) {
        uint64_t one = 1;

        if (!d)
                return NULL;
        if (d->running) {
                CHECK(write(d->stop, &one, sizeof one) == sizeof one);
                CHECK(pthread_join(d->thread, NULL) == 0);
        }
        if (d->shut)
                change(d, false);
        fd_close(d->listen);
        fd_close(d->quiet);
        fd_close(d->stop);
        free(d);
        return NULL;
}
