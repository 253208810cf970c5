/* The contract is in latch/thread.h. */
#include "latch/thread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <urcu.h>

#include "latch/pct_private.h"

_Thread_local struct latch_thread latch_self_;
static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Who held a lock that nobody will let go, for reports that come later. */
struct latch_thread latch_ended = {.name = "(ended)"};

/* A grace period would wait for it, and look at words that are another's by then. */
static void leave_rcu(struct latch_thread *t) {
        if (t->in_rcu && rcu_read_ongoing())
                latch_report(LATCH_END_IN_SECTION, NULL, NULL, "a thread");
        if (t->in_rcu)
                rcu_unregister_thread();
        t->in_rcu = false;
}

static void thread_ends(void *arg) {
        struct latch_thread *t = arg;

        latch_judge_held(t, LATCH_END_WHILE_HOLDING, NULL, NULL);
        if (LATCH_GET_(t->heir_of) > 0)
                latch_report(LATCH_END_WHILE_HEIR, NULL, NULL, NULL);
        for (unsigned i = 1; i <= latch_held_count(t); i++)
                if (!latch_held_shared(&t->held[i])) {
                        struct latch_head *lock = latch_held_lock(&t->held[i]);
                        LATCH_SET_(lock->left_at, latch_held_site(&t->held[i]));
                        LATCH_SET_(lock->owner, &latch_ended);
                }
        if (latch_pct_is_on())
                latch_pct_end();
        leave_rcu(t);
        latch_threads_end(t);
        LATCH_SET_(t->top, NULL);
        t->tid = 0; /* destructors that come after this one make it anew */
        latch_open_short_way(t);
}

/* In the child nobody would let it go: its owner there is a thread with another number. */
static void forks(void) {
        latch_judge_held(&latch_self_, LATCH_FORK_WHILE_HOLDING, NULL, NULL);
        latch_threads_before_fork();
}

/* A child has one thread, with another number. */
static void forked(void) {
        latch_threads_in_child(&latch_self_);
        latch_watchdog_in_child();
        latch_dump_in_child();
        latch_pct_in_child();
}

/* A thread whose end goes unseen would stay in the list of the living. */
static void must_be_seen(int r, const char *call) {
        if (r == 0)
                return;
        fprintf(stderr, "latch: %s: %s: a thread's end cannot be seen without it\n", call,
                strerror(r));
        abort();
}

static void make_key(void) {
        must_be_seen(pthread_key_create(&at_end, thread_ends), "pthread_key_create");
        must_be_seen(pthread_atfork(forks, latch_threads_after_fork, forked), "pthread_atfork");
        latch_pct_from_environment();
}

static __attribute__((noinline)) void make_self(void) {
        struct latch_thread *t = &latch_self_;

        t->tid = gettid();
        LATCH_SET_(t->top, t->held);
        (void)pthread_getname_np(pthread_self(), t->name, sizeof t->name);
        pthread_once(&once, make_key);
        must_be_seen(pthread_setspecific(at_end, t), "pthread_setspecific");
        latch_threads_add(t);
        latch_open_short_way(t);
}

struct latch_thread *latch_thread_self(void) {
        if (LATCH_UNLIKELY_(latch_self_.tid == 0))
                make_self();
        return &latch_self_;
}

/* Nothing is made here: a handler may have come in the middle of that. */
char latch_handler_begin_(void) {
        latch_self_.handlers++;
        latch_self_.short_to = NULL;
        return 0;
}

void latch_handler_end_(const char *unused) {
        (void)unused;
        latch_self_.handlers--;
        latch_open_short_way(&latch_self_);
}

void latch_thread_begin(const char *name) {
        struct latch_thread *t = latch_thread_self();

        latch_threads_name(t, name);
        (void)pthread_setname_np(pthread_self(), t->name);
        if (!t->in_rcu)
                rcu_register_thread();
        t->in_rcu = true;
        if (latch_pct_is_on())
                latch_pct_begin();
}

void latch_thread_end(void) {
        struct latch_thread *t = latch_thread_self();

        latch_judge_held(t, LATCH_END_WHILE_HOLDING, NULL, NULL);
        leave_rcu(t);
}
