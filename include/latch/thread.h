/* thread.h - what liblatch knows of a thread: its name, its number, what it holds.
 *
 * Every thread may take locks without asking; one that calls latch_thread_begin has a name in reports
 * and may enter RCU read sections. A thread that ends while it holds a lock, or inside a read section, is reported.
 */
#pragma once

#include "latch/lock.h"

#pragma GCC visibility push(default)

/* Names the thread and registers it with RCU. Once a thread, before its first read section. */
void latch_thread_begin(const char *name);

/* Leaves RCU; must hold nothing, and be in no read section. For a thread that goes on without RCU: one that ends leaves
 * it by itself. */
void latch_thread_end(void);

/* The calling thread, while it lives. Never NULL. */
struct latch_thread *latch_thread_self(void);

/* The first line of a signal handler: a lock that it takes, or whatever it calls, is reported. */
#define LATCH_SIGNAL_HANDLER()                                                                     \
        __attribute__((cleanup(latch_handler_end_), unused))                                       \
        const char latch_handler_ = latch_handler_begin_()
char latch_handler_begin_(void);
void latch_handler_end_(const char *unused);

#pragma GCC visibility pop
