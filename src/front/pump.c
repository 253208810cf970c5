/* pump.c - see pump.h: the thread, what wakes it, and whose turn it is. */
#include "front/pump_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "session/pump_hooks.h"

#define EVENTS 128

/* What an epoll event is about: a pointer to a sock has its low bits clear, a session's number is shifted. */
enum tag { TAG_SOCK, TAG_OUTPUT, TAG_HOLDER, TAG_SELF, TAG_BITS = 3 };
#define TAG_MASK ((1u << TAG_BITS) - 1)

/* Onto the list of the ready: by whoever found it not ready. */
static void put_ready(struct pump *p, struct sock *c) {
        struct sock *first;

        sock_ref(c);
        first = atomic_load(&p->ready);
        do
                c->ready_next = first;
        while (!atomic_compare_exchange_weak(&p->ready, &first, c));
}

void pump_wake(struct pump *p, struct sock *c) {
        uint64_t one = 1;

        if (atomic_exchange(&c->ready, PUMP_WOKEN) == PUMP_NOT_READY)
                put_ready(p, c);
        /* Pairs with sleep_until: either it sees the list, or we see that it sleeps. */
        if (atomic_exchange(&p->asleep, false) && write(p->event_fd, &one, sizeof one) < 0)
                CHECK(errno == EAGAIN); /* full: it is awake as can be */
}

void pump_later(struct pump *p, struct sock *c) {
        unsigned was = PUMP_NOT_READY;

        if (atomic_fetch_add(&p->later, 1) + 1 >= PUMP_LATER_MAX) {
                pump_wake(p, c);
        } else if (atomic_compare_exchange_strong(&c->ready, &was, PUMP_LISTED)) {
                put_ready(p, c);
                /* Whoever woke the pump meanwhile may have done so before it was on the list. */
                if (atomic_load(&c->ready) == PUMP_WOKEN)
                        pump_wake(p, c);
        }
}

void pump_leave(struct pump *p, struct sock *c) {
        atomic_store(&c->gone, true);
        /* Pairs with attach: either it sees that, or we see that the pump has it. */
        if (atomic_load(&c->attached))
                pump_later(p, c);
}

void pump_queue(struct pump *p, struct sock *c) {
        if (c->running)
                return;
        c->running = true;
        c->run_next = NULL;
        if (p->run_last)
                p->run_last->run_next = c;
        else
                p->run_first = c;
        p->run_last = c;
}

void pump_nap(struct pump *p, struct sock *c, uint64_t until_ns) {
        c->nap_until_ns = until_ns;
        if (c->napping)
                return;
        c->napping = true;
        c->nap_next = p->naps;
        p->naps = c;
}

/* Those whose nap is over get a turn. When the next one is over, or 0. */
static uint64_t wake_nappers(struct pump *p, uint64_t now_ns) {
        struct sock **at = &p->naps;
        uint64_t next = 0;

        while (*at) {
                struct sock *c = *at;

                if (c->nap_until_ns <= now_ns) {
                        *at = c->nap_next;
                        c->napping = false;
                        pump_queue(p, c);
                        continue;
                }
                if (next == 0 || c->nap_until_ns < next)
                        next = c->nap_until_ns;
                at = &c->nap_next;
        }
        return next;
}

static void forget_nap(struct pump *p, struct sock *c) {
        struct sock **at = &p->naps;

        while (*at && *at != c)
                at = &(*at)->nap_next;
        if (*at)
                *at = c->nap_next;
        c->napping = false;
}

static void attach(struct pump *p, struct sock *c) {
        struct epoll_event e = {.events = EPOLLOUT | EPOLLET, .data.ptr = c};

        atomic_store(&c->attached,
                     true); /* pairs with pump_leave: run() looks at gone after this */
        sock_ref(c);
        c->next = p->all;
        if (p->all)
                p->all->prev = c;
        p->all = c;
        if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) < 0) {
                log_event(LOG_ERROR, "pump.attach", LOG_I("socket", c->number), LOG_E(errno));
                c->dead = true;
                sock_cut(c);
        }
}

/* Called between batches of events, so no event that was fetched can still point here. */
static void detach(struct pump *p, struct sock *c) {
        if (epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL) < 0)
                CHECK(c->dead); /* it never came in */
        if (c->prev)
                c->prev->next = c->next;
        else
                p->all = c->next;
        if (c->next)
                c->next->prev = c->prev;
        c->next = c->prev = NULL;
        if (c->napping)
                forget_nap(p, c);
        atomic_store(&c->attached, false);
        c->dead = true;
        sock_unref(c);
}

/* Takes the list of the ready and lines them up, oldest first. Each keeps the list's reference. */
static struct sock *take_ready(struct pump *p) {
        struct sock *c, *oldest = NULL;

        atomic_store(&p->later, 0);
        c = atomic_exchange(&p->ready, NULL);

        while (c) {
                struct sock *next = c->ready_next;

                c->ready_next = oldest;
                oldest = c;
                c = next;
        }
        return oldest;
}

static void line_up(struct pump *p) {
        struct sock *c = take_ready(p);

        while (c) {
                struct sock *next = c->ready_next;

                /* From here on a new wake puts it on the list again: nothing said meanwhile is lost. */
                atomic_store(&c->ready, PUMP_NOT_READY);
                if (!c->attached && !c->dead && !atomic_load(&c->gone)) /* it came and went */
                        attach(p, c);
                if (c->attached)
                        pump_queue(p, c);
                sock_unref(c);
                c = next;
        }
}

/* One turn for each that stands in line now. */
static void run(struct pump *p) {
        struct sock *c = p->run_first;

        p->run_first = p->run_last = NULL;
        while (c) {
                struct sock *next = c->run_next;

                c->running = false;
                if (atomic_load(&c->gone))
                        detach(p, c);
                else if (!c->dead)
                        pump_turn(p, c, clock_mono_ns());
                c = next;
        }
}

static void tick(struct pump *p) {
        uint64_t now = clock_mono_ns();
        struct sock *next;

        if (now - p->ticked_ns < PUMP_TICK_NS)
                return;
        p->ticked_ns = now;
        sessions_tick(p->sessions, now);
        if (now - p->cared_ns < PUMP_CARE_NS)
                return;
        p->cared_ns = now;
        for (struct sock *c = p->all; c; c = next) {
                next = c->next;
                pump_care(p, c, now);
        }
}

/* Waits for events, at the latest until the nappers, or the tick, want something. */
static int sleep_until(struct pump *p, struct epoll_event *events, uint64_t nap_until_ns) {
        uint64_t now = clock_mono_ns(), until = p->ticked_ns + PUMP_TICK_NS;
        struct timespec wait = {0};
        int n;

        if (nap_until_ns && nap_until_ns < until)
                until = nap_until_ns;
        atomic_store(&p->asleep, true);
        /* Pairs with pump_wake. */
        if (!p->run_first && !atomic_load(&p->ready) && until > now)
                wait = (struct timespec){.tv_sec = (time_t)((until - now) / 1000000000u),
                                         .tv_nsec = (long)((until - now) % 1000000000u)};
        n = epoll_pwait2(p->epoll_fd, events, EVENTS, &wait, NULL);
        LATCH_ORDER_AFTER(p); /* ThreadSanitizer knows epoll_wait(2), but not this one */
        atomic_store(&p->asleep, false);
        CHECK(n >= 0 || errno == EINTR);
        return n;
}

static void on_event(struct pump *p, const struct epoll_event *e) {
        uint64_t number = e->data.u64 >> TAG_BITS;
        struct sock *c = e->data.ptr;

        switch (e->data.u64 & TAG_MASK) {
        case TAG_OUTPUT: sessions_on_output(p->sessions, number); break;
        case TAG_HOLDER: sessions_on_holder(p->sessions, number); break;
        case TAG_SELF: break; /* edge-triggered: its count is never read */
        default:
                if (e->events & (EPOLLERR | EPOLLHUP))
                        c->dead = true;
                c->blocked = false;
                pump_queue(p, c);
        }
}

static void *pump_main(void *arg) {
        struct pump *p = arg;
        struct epoll_event events[EVENTS];

        latch_thread_begin("pump");
        while (!atomic_load(&p->stopping)) {
                uint64_t nap_until = wake_nappers(p, clock_mono_ns());
                int n = sleep_until(p, events, nap_until);

                for (int i = 0; i < n; i++)
                        on_event(p, &events[i]);
                line_up(p);
                run(p);
                tick(p);
        }
        latch_thread_end();
        return NULL;
}

static int add_fd(struct pump *p, int fd, uint32_t events, uint64_t data) {
        struct epoll_event e = {.events = events, .data.u64 = data};

        LATCH_ORDER_BEFORE(p); /* what was done before it is watched is done when an event comes */
        return epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int watch(void *context, uint64_t number, int wake_fd, int holder_fd) {
        struct pump *p = context;
        int r = add_fd(p, wake_fd, EPOLLIN | EPOLLET, number << TAG_BITS | TAG_OUTPUT);

        if (r < 0)
                return r;
        r = add_fd(p, holder_fd, EPOLLIN, number << TAG_BITS | TAG_HOLDER);
        if (r < 0)
                CHECK(epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, wake_fd, NULL) == 0);
        return r;
}

static void unwatch(void *context, uint64_t number, int wake_fd, int holder_fd) {
        struct pump *p = context;

        CHECK(number > 0);
        CHECK(epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, wake_fd, NULL) == 0);
        CHECK(epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, holder_fd, NULL) == 0);
}

void pump_hooks(struct pump *p, struct pump_hooks *ret) {
        *ret = (struct pump_hooks){.context = p, .watch = watch, .unwatch = unwatch};
}

int pump_new(struct pump **ret) {
        struct pump *p = calloc(1, sizeof *p);
        int r;

        if (!p)
                return -ENOMEM;
        atomic_init(&p->times.ping_ns, PUMP_PING_NS);
        atomic_init(&p->times.silent_ns, PUMP_SILENT_NS);
        atomic_init(&p->times.stall_ns, PUMP_STALL_NS);
        p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        p->scratch = malloc(PUMP_SCRATCH);
        if (p->epoll_fd < 0 || p->event_fd < 0)
                r = -errno;
        else if (!p->scratch)
                r = -ENOMEM;
        else
                r = add_fd(p, p->event_fd, EPOLLIN | EPOLLET, TAG_SELF);
        if (r < 0) {
                pump_free(p);
                return r;
        }
        *ret = p;
        return 0;
}

int pump_run(struct pump *p, struct sessions *ss) {
        int r;

        CHECK(!p->running);
        p->sessions = ss;
        p->ticked_ns = p->cared_ns = clock_mono_ns();
        r = pthread_create(&p->thread, NULL, pump_main, p);
        p->running = r == 0;
        return -r;
}

void pump_stop(struct pump *p) {
        uint64_t one = 1;

        if (!p->running)
                return;
        atomic_store(&p->stopping, true);
        if (write(p->event_fd, &one, sizeof one) < 0)
                CHECK(errno == EAGAIN);
        CHECK(pthread_join(p->thread, NULL) == 0);
        p->running = false;
}

/* Sockets that said they are gone after the last turn still stand on the lists. */
struct pump *pump_free(struct pump *p) {
        if (!p)
                return NULL;
        CHECK(!p->running);
        line_up(p);
        while (p->all)
                detach(p, p->all);
        free(p->scratch);
        fd_close(p->epoll_fd);
        fd_close(p->event_fd);
        free(p);
        return NULL;
}
