/* heap.h - what is done with memory while locks are held, watched in test builds.
 *
 * Reported are an allocation under a class that the table declares LATCH_NO_MALLOC, and memory that is freed with a lock
 * in it that is held, or was not destroyed. It is watched from a program's first lock on: by itself where the program
 * is built with the address or the thread sanitizer, and in any other that is started with LD_PRELOAD=liblatch-malloc.so,
 * whichever way it links liblatch. Of a block its first 64 KiB is looked through.
 *
 * Threads: any.
 */
#pragma once

#include <stddef.h>

#include "latch/table.h"

#pragma GCC visibility push(default)

/* Takes LATCH_NO_MALLOC from a class, for the rest of the program: for tests whose doubles have its locks. Before there
 * are threads. */
void latch_heap_allow(enum latch_class class);

#pragma GCC visibility pop

/* What stands between a program and its malloc, and tells liblatch: liblatch-malloc.so has a function of this name, which
 * liblatch looks for and gives these. Both are called before the heap is: with the address from which it was called. */
struct latch_heap_watch {
        void (*allocates)(size_t n, const void *caller);
        void (*frees)(const void *block, size_t n, const void *caller);
};
#define LATCH_HEAP_WATCH "latch_heap_watch_by"
