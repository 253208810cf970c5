/* watch.c - the thread of watches, and those who ask it. The contract is in watch/watch.h. */
#include "watch/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/random.h"
#include "latch/thread.h"
#include "watch/watch_private.h"

#define ROOM_MOST  65536u
#define ROOM_LEAST 128u

/* ---- asking ---- */

static void wake(const struct watches *w) {
        const uint64_t one = 1;

        if (write(w->event, &one, sizeof one) < 0)
                CHECK(errno == EAGAIN);
}

static bool queue(struct watches *w, struct ask *a) {
        LATCH_GUARD(watch, &w->lock);

        if (w->stopping)
                return false;
        if (w->last)
                w->last->next = a;
        else
                w->first = a;
        w->last = a;
        return true;
}

void watches_ask(struct watches *w, struct ask *a) {
        latch_blocking("watches_ask");
        if (!queue(w, a)) {
                a->result = -ESHUTDOWN;
                return;
        }
        wake(w);
        LATCH_GUARD(watch, &w->lock);
        while (!a->done)
                latch_cond_wait(&w->answered, &w->lock);
}

int watch_add(struct watches *w, struct port *p, const struct watch_request *rq, uint32_t *ret) {
        struct ask a = {.what = ASK_ADD, .port = p, .rq = rq};

        if (rq->folder >= 0)
                names_read(&a.names, w->names_key, rq->folder);
        watches_ask(w, &a);
        names_forget(&a.names);
        if (a.result == 0)
                *ret = a.number;
        return a.result;
}

void watch_activate(struct watches *w, struct port *p, uint32_t number) {
        struct ask a = {.what = ASK_ACTIVATE, .port = p, .number = number};

        watches_ask(w, &a);
}

int watch_remove(struct watches *w, struct port *p, uint32_t number) {
        struct ask a = {.what = ASK_REMOVE, .port = p, .number = number};

        watches_ask(w, &a);
        return a.result;
}

/* ---- the thread ---- */

static int carry_out(struct watches *w, struct ask *a) {
        switch (a->what) {
        case ASK_ADD:
                /* A folder that was moved just now, and is watched anew where it is, must not hear of that. */
                folders_hear(w);
                return client_add(w, a);
        case ASK_ACTIVATE: return client_activate(w, a);
        case ASK_REMOVE: return client_remove(w, a);
        case ASK_CLOSE: client_close(w, a->client); return 0;
        }
        CHECK(!"a question");
        return -EINVAL;
}

/* False: it is time to end. */
static bool answer_all(struct watches *w) {
        for (;;) {
                struct ask *a;
                LATCH_WITH(watch, &w->lock) {
                        a = w->first;
                        if (!a)
                                return !w->stopping;
                        w->first = a->next;
                        if (!w->first)
                                w->last = NULL;
                }
                int r = carry_out(w, a);
                LATCH_WITH(watch, &w->lock) {
                        a->result = r;
                        a->done = true;
                        latch_cond_broadcast(&w->answered);
                }
        }
}

static int wait_ms(const struct watches *w) {
        uint64_t due = folders_due_ms(w), now = clock_mono_ms();

        if (w->stuck && (due == 0 || w->again_ms < due))
                due = w->again_ms;
        return due == 0 ? -1 : due <= now ? 0 : (int)(due - now);
}

static void *run(void *arg) {
        struct watches *w = arg;
        struct pollfd p[] = {{.fd = w->inotify, .events = POLLIN},
                             {.fd = w->event, .events = POLLIN}};
        uint64_t count;

        latch_thread_begin("watch");
        do {
                if (poll(p, ELEMENTS(p), wait_ms(w)) < 0)
                        CHECK(errno == EINTR);
                if (read(w->event, &count, sizeof count) < 0)
                        CHECK(errno == EAGAIN || errno == EINTR);
                folders_hear(w);
                uint64_t now = clock_mono_ms();
                folders_tell(w, now);
                clients_again(w, now);
        } while (answer_all(w));
        latch_thread_end();
        return NULL;
}

/* ---- life ---- */

unsigned watch_room(void) {
        FILE *f = fopen("/proc/sys/fs/inotify/max_user_watches", "re");
        unsigned long most = 8192; /* of old systems */

        if (f) {
                if (fscanf(f, "%lu", &most) != 1)
                        most = 8192;
                (void)fclose(f); /* only read from */
        }
        return (unsigned)MAX(MIN(most / 2, (unsigned long)ROOM_MOST), (unsigned long)ROOM_LEAST);
}

int watches_new(const struct config *config, unsigned in_all, struct watches **ret) {
        struct watches *w = calloc(1, sizeof *w);
        int r = 0;

        if (!w)
                return -ENOMEM;
        w->config = config;
        w->in_all = in_all;
        random_bytes(w->names_key, sizeof w->names_key);
        latch_mutex_init(&w->lock, LATCH_CLASS_watch);
        latch_cond_init(&w->answered);
        w->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
        w->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (w->inotify < 0 || w->event < 0)
                r = -errno;
        else
                r = -pthread_create(&w->thread, NULL, run, w);
        w->running = r == 0;
        if (r < 0) {
                watches_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

static void stop(struct watches *w) {
        LATCH_WITH(watch, &w->lock)
                w->stopping = true;
        wake(w);
        CHECK(pthread_join(w->thread, NULL) == 0);
}

struct watches *watches_free(struct watches *w) {
        if (!w)
                return NULL;
        if (w->running)
                stop(w);
        CHECK(w->folders_n == 0 && w->pending_n == 0 && w->names_n == 0);
        fd_close(w->inotify);
        fd_close(w->event);
        latch_cond_done(&w->answered);
        latch_mutex_done(&w->lock);
        free(w);
        return NULL;
}
