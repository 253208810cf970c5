/* The contract is in latch/watchdog.h. */
#include "latch/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/macros.h"
#include "latch/look_private.h"

#define PERIODS_LATE  4
#define PERIOD_MAX_NS (UINT64_MAX / 8) /* 73 years: what is reckoned with it stays in its word */

/* No lock of ours: it is not watched by itself. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct latch_cond told_to_stop; /* pthread's alone: the lock is no lock of ours */
static bool runs, stops;
static pthread_t thread;
static struct latch_watchdog limits;

/* The thread's own. */
static struct latch_look looks[2]; /* this one and the one before */
static uint64_t awake_ns; /* since when it comes when it is to: what was before counts for nobody */
static _Atomic uint64_t stalls;

uint64_t latch_stalls(void) {
        return LATCH_GET_(stalls);
}

/* ---- what two looks say ---- */

static const struct latch_look_thread *seen_before(const struct latch_look *before,
                                                   const struct latch_look_thread *t) {
        for (unsigned i = 0; i < before->count; i++)
                if (before->of[i].id == t->id && before->of[i].tid == t->tid)
                        return &before->of[i];
        return NULL;
}

/* The same hold: another one of its class would have another number. */
static void carry_over(struct latch_look_thread *t, const struct latch_look_thread *before) {
        for (unsigned i = 0; i < t->count && i < before->count; i++) {
                struct latch_look_hold *h = &t->holds[i];
                const struct latch_look_hold *b = &before->holds[i];

                if (h->lock != b->lock || h->site != b->site || h->number != b->number)
                        break; /* and so is what lies above it */
                h->seen_ns = b->seen_ns;
                h->told = b->told;
        }
        if (t->waits == before->waits && t->waits_since_ns == before->waits_since_ns)
                t->told = before->told;
}

static void begin_report(const char *what, uint64_t ns, const struct latch_look_thread *t) {
        atomic_fetch_add_explicit(&stalls, 1, memory_order_relaxed);
        flockfile(stderr);
        fprintf(stderr, "latch: %s, for %.3f s\n", what, (double)ns / 1e9);
        fprintf(stderr, "  %-10s %s (tid %d)\n", "thread", t->name, (int)t->tid);
}

static void end_report(void) {
        fflush(stderr);
        funlockfile(stderr);
}

static uint64_t lasts(uint64_t since_ns, uint64_t now) {
        if (since_ns < awake_ns)
                since_ns = awake_ns;
        return now > since_ns ? now - since_ns : 0;
}

static void judge_hold(const struct latch_look_thread *t, struct latch_look_hold *h, uint64_t now) {
        uint64_t ns = lasts(h->seen_ns, now);

        if (limits.hold_ns == 0 || h->told || ns < limits.hold_ns)
                return;
        h->told = true;
        begin_report("a lock is held for too long", ns, t);
        fprintf(stderr, "  %-10s %s%s at %p\n", "class", latch_class_name(h->class),
                h->shared ? " (read)" : "", h->lock);
        latch_print_site("taken at", h->site);
        end_report();
}

static void judge_wait(const struct latch_look *look, struct latch_look_thread *t, uint64_t now) {
        uint64_t ns = lasts(t->waits_since_ns, now);

        if (limits.wait_ns == 0 || t->told || ns < limits.wait_ns || !latch_look_waits(t) ||
            t->waits == LATCH_WAITS_HEIR) /* for work, as on a condition */
                return;
        t->told = true;
        begin_report("a lock is waited for too long", ns, t);
        latch_print_site("at", t->waits_at);
        latch_look_print_to(stderr, look, now);
        end_report();
}

static void print_look(const void *look) {
        latch_look_print_to(stderr, look, latch_now_ns());
}

/* Seen in two looks: one may have caught the threads in between. It is final: nobody is told twice. */
static void judge_circle(const struct latch_look *look, const struct latch_look *before) {
        unsigned path[LATCH_LOOK_MAX], n = latch_look_circle(look, path);

        for (unsigned i = 0; i < n; i++) {
                const struct latch_look_thread *t = &look->of[path[i]];
                const struct latch_look_thread *b = seen_before(before, t);

                if (!b || b->waits_since_ns != t->waits_since_ns)
                        return;
        }
        if (n == 0)
                return;
        latch_report_about(LATCH_DEADLOCK, NULL, NULL, print_look, look);
}

static void judge(struct latch_look *look, const struct latch_look *before, uint64_t now) {
        for (unsigned i = 0; i < look->count; i++) {
                struct latch_look_thread *t = &look->of[i];
                const struct latch_look_thread *b = seen_before(before, t);

                for (unsigned j = 0; j < t->count; j++)
                        t->holds[j].seen_ns = now;
                if (b)
                        carry_over(t, b);
                for (unsigned j = 0; j < t->count; j++)
                        judge_hold(t, &t->holds[j], now);
                judge_wait(look, t, now);
        }
        judge_circle(look, before);
}

/* ---- its thread ---- */

/* False: it is to stop. */
static bool rest(uint64_t until_ns) {
        const struct timespec until = latch_timespec(until_ns);
        int r = 0;

        latch_must_(pthread_mutex_lock(&lock));
        while (!stops && r == 0)
                r = pthread_cond_timedwait(&told_to_stop.cond, &lock, &until);
        bool goes_on = !stops;
        latch_must_(pthread_mutex_unlock(&lock));
        return goes_on;
}

static void *watch(void *unused) {
        uint64_t last = awake_ns = latch_now_ns();
        unsigned turn = 0;

        (void)unused;
        (void)pthread_setname_np(pthread_self(), "latch-watch");
        looks[0].count = looks[1].count = 0;
        while (rest(last + limits.period_ns)) {
                uint64_t now = latch_now_ns();

                if (now - last > PERIODS_LATE * limits.period_ns)
                        awake_ns = now; /* the process was stopped, or the machine slept */
                last = now;
                latch_look(&looks[turn]);
                judge(&looks[turn], &looks[!turn], now);
                turn = !turn;
        }
        return NULL;
}

/* No signal is for it: a handler would run in a thread that the program does not know. */
static int begin_watching(void) {
        sigset_t all, before;

        sigfillset(&all);
        latch_must_(pthread_sigmask(SIG_SETMASK, &all, &before));
        int r = pthread_create(&thread, NULL, watch, NULL);
        latch_must_(pthread_sigmask(SIG_SETMASK, &before, NULL));
        return r;
}

static void make_cond(void) {
        latch_cond_init(&told_to_stop);
}

/* Of a fork that came while others were anywhere in here. */
void latch_watchdog_in_child(void) {
        latch_must_(pthread_mutex_init(&lock, NULL));
        if (runs)
                make_cond();
        runs = false;
}

int latch_watchdog_start(const struct latch_watchdog *w) {
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        int r = 0;

        if (w->period_ns == 0)
                return -EINVAL;
        pthread_once(&once, make_cond);
        latch_must_(pthread_mutex_lock(&lock));
        if (runs) {
                r = -EALREADY;
        } else {
                limits = *w;
                limits.period_ns = MIN(w->period_ns, PERIOD_MAX_NS);
                stops = false;
                r = -begin_watching();
                runs = r == 0;
        }
        latch_must_(pthread_mutex_unlock(&lock));
        return r;
}

void latch_watchdog_stop(void) {
        latch_must_(pthread_mutex_lock(&lock));
        bool there = runs;
        stops = true;
        if (there)
                latch_cond_signal(&told_to_stop);
        latch_must_(pthread_mutex_unlock(&lock));
        if (!there)
                return;
        (void)pthread_join(thread, NULL);
        latch_must_(pthread_mutex_lock(&lock));
        runs = false;
        latch_must_(pthread_mutex_unlock(&lock));
}
