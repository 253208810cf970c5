/* threads.c - the threads that live and ever took a lock: whom a report, the figures and the watchdog walk. */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "latch/latch_private.h"

/* No lock of ours: it is taken where those are judged, and nothing is taken under it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct latch_thread *first;

void latch_threads_lock(void) {
        latch_must_(pthread_mutex_lock(&lock));
}

void latch_threads_unlock(void) {
        latch_must_(pthread_mutex_unlock(&lock));
}

static void link_in(struct latch_thread *t) {
        t->before = NULL;
        t->next = first;
        if (first)
                first->before = t;
        first = t;
}

void latch_threads_add(struct latch_thread *t) {
        latch_threads_lock();
        link_in(t);
        latch_threads_unlock();
}

/* The counts go over in the same moment, so that no total lacks them or has them twice. */
static void fold_locked(struct latch_thread *t) {
        latch_figures_of_ended(t);
        latch_trace_end(t);
}

void latch_threads_end(struct latch_thread *t) {
        latch_threads_lock();
        if (t->before)
                t->before->next = t->next;
        else
                first = t->next;
        if (t->next)
                t->next->before = t->before;
        fold_locked(t);
        latch_threads_unlock();
}

void latch_threads_each_locked(void (*fn)(struct latch_thread *t, void *arg), void *arg) {
        for (struct latch_thread *t = first; t; t = t->next)
                fn(t, arg);
}

void latch_threads_each(void (*fn)(struct latch_thread *t, void *arg), void *arg) {
        latch_threads_lock();
        latch_threads_each_locked(fn, arg);
        latch_threads_unlock();
}

void latch_threads_name(struct latch_thread *t, const char *name) {
        latch_threads_lock();
        strncpy(t->name, name, sizeof t->name - 1);
        latch_threads_unlock();
}

void latch_threads_before_fork(void) {
        latch_threads_lock();
}

void latch_threads_after_fork(void) {
        latch_threads_unlock();
}

void latch_threads_in_child(struct latch_thread *only) {
        for (struct latch_thread *t = first; t; t = t->next)
                if (t != only)
                        fold_locked(t);
        first = NULL;
        if (only->tid != 0) {
                only->tid = gettid();
                link_in(only);
        }
        latch_trace_in_child(only);
        latch_threads_unlock();
}
