/* watchdog.c - see watchdog.h. */
#include "front/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "latch/lock.h"
#include "latch/rcu.h"
#include "latch/thread.h"

#define LOOK_NS 250000000u
#define DUE_MAX 64 /* shut in one go */

struct watch {
        struct latch_ref ref; /* the owner's, and the watchdog's while it shuts */
        struct watchdog *home;
        int fd;
        _Atomic uint64_t deadline_ns;
        atomic_bool fired;
        struct watch *next LATCH_GUARDED_BY(conns);
        struct watch *prev LATCH_GUARDED_BY(conns);
};

struct watchdog {
        struct latch_mutex lock;
        struct latch_cond wake;
        struct watch *first LATCH_GUARDED_BY(conns);
        bool stopping LATCH_GUARDED_BY(conns);
        pthread_t thread;
};

static void unref(struct watch *w) {
        if (!latch_ref_put(&w->ref))
                return;
        fd_close(w->fd);
        free(w);
}

static size_t due_locked(struct watchdog *d, struct watch *due[DUE_MAX]) LATCH_MUST_HOLD(conns) {
        uint64_t now = clock_mono_ns();
        size_t n = 0;

        for (struct watch *w = d->first; w && n < DUE_MAX; w = w->next) {
                uint64_t deadline = atomic_load(&w->deadline_ns);

                if (!deadline || deadline > now || atomic_exchange(&w->fired, true))
                        continue;
                latch_ref_get(&w->ref);
                due[n++] = w;
        }
        return n;
}

static void *watchdog_main(void *arg) {
        struct watchdog *d = arg;
        bool stopping = false;

        latch_thread_begin("watchdog");
        while (!stopping) {
                struct watch *due[DUE_MAX];
                size_t n = 0;

                LATCH_WITH(conns, &d->lock) {
                        n = due_locked(d, due);
                        stopping = d->stopping;
                        if (n == 0 && !stopping)
                                (void)latch_cond_wait_until(&d->wake, &d->lock,
                                                            clock_mono_ns() + LOOK_NS);
                }
                for (size_t i = 0; i < n; i++) {
                        shutdown(due[i]->fd, SHUT_RD);
                        unref(due[i]);
                }
        }
        latch_thread_end();
        return NULL;
}

int watchdog_new(struct watchdog **ret) {
        struct watchdog *d = calloc(1, sizeof *d);
        int r;

        if (!d)
                return -ENOMEM;
        latch_mutex_init(&d->lock, LATCH_CLASS_conns);
        latch_cond_init(&d->wake);
        r = pthread_create(&d->thread, NULL, watchdog_main, d);
        if (r) {
                latch_cond_done(&d->wake);
                latch_mutex_done(&d->lock);
                free(d);
                return -r;
        }
        *ret = d;
        return 0;
}

struct watchdog *watchdog_free(struct watchdog *d) {
        if (!d)
                return NULL;
        LATCH_WITH(conns, &d->lock) {
                CHECK(!d->first);
                d->stopping = true;
                latch_cond_signal(&d->wake);
        }
        CHECK(pthread_join(d->thread, NULL) == 0);
        latch_cond_done(&d->wake);
        latch_mutex_done(&d->lock);
        free(d);
        return NULL;
}

int watch_new(struct watchdog *d, int fd, struct watch **ret) {
        struct watch *w = calloc(1, sizeof *w);

        if (!w) {
                fd_close(fd);
                return -ENOMEM;
        }
        latch_ref_init(&w->ref);
        w->home = d;
        w->fd = fd;
        LATCH_WITH(conns, &d->lock) {
                w->next = d->first;
                if (d->first)
                        d->first->prev = w;
                d->first = w;
        }
        *ret = w;
        return 0;
}

void watch_until(struct watch *w, uint64_t deadline_ns) {
        atomic_store(&w->deadline_ns, deadline_ns);
}

bool watch_fired(const struct watch *w) {
        return atomic_load(&w->fired);
}

struct watch *watch_free(struct watch *w) {
        if (!w)
                return NULL;
        LATCH_WITH(conns, &w->home->lock) {
                if (w->prev)
                        w->prev->next = w->next;
                else
                        w->home->first = w->next;
                if (w->next)
                        w->next->prev = w->prev;
        }
        unref(w);
        return NULL;
}
