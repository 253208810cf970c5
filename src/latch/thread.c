/* The contract is in latch/thread.h. */
#include "latch/thread.h"

#include <string.h>
#include <unistd.h>

#include <urcu.h>

#include "latch/latch_private.h"

static _Thread_local struct latch_thread self;
static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Who held a lock that nobody will let go, for reports that come later. */
static struct latch_thread ended = {.name = "(ended)"};

static void thread_ends(void *arg) {
        struct latch_thread *t = arg;

        latch_judge_held(t, LATCH_END_WHILE_HOLDING, NULL, NULL);
        for (unsigned i = 0; i < t->held_count; i++)
                if (t->held[i].mode == LATCH_EXCLUSIVE)
                        atomic_store_explicit(&t->held[i].lock->owner, &ended,
                                              memory_order_relaxed);
        t->held_count = 0;
        t->held_mask = 0;
}

/* In the child nobody would let it go: its owner there is a thread with another number. */
static void forks(void) {
        latch_judge_held(&self, LATCH_FORK_WHILE_HOLDING, NULL, NULL);
}

/* A child has one thread, with another number. */
static void forked(void) {
        if (self.tid != 0)
                self.tid = gettid();
}

static void make_key(void) {
        if (pthread_key_create(&at_end, thread_ends) != 0 ||
            pthread_atfork(forks, NULL, forked) != 0)
                __builtin_trap();
}

struct latch_thread *latch_thread_self(void) {
        if (__builtin_expect(self.tid == 0, 0)) {
                self.tid = gettid();
                (void)pthread_getname_np(pthread_self(), self.name, sizeof self.name);
                pthread_once(&once, make_key);
                (void)pthread_setspecific(at_end, &self);
        }
        return &self;
}

/* Nothing is made here: a handler may have come in the middle of that. */
char latch_handler_begin_(void) {
        self.handlers++;
        return 0;
}

void latch_handler_end_(const char *unused) {
        (void)unused;
        self.handlers--;
}

void latch_thread_begin(const char *name) {
        struct latch_thread *t = latch_thread_self();

        strncpy(t->name, name, sizeof t->name - 1);
        (void)pthread_setname_np(pthread_self(), t->name);
        if (!t->in_rcu)
                rcu_register_thread();
        t->in_rcu = true;
}

void latch_thread_end(void) {
        struct latch_thread *t = latch_thread_self();

        latch_judge_held(t, LATCH_END_WHILE_HOLDING, NULL, NULL);
        if (t->in_rcu)
                rcu_unregister_thread();
        t->in_rcu = false;
}
