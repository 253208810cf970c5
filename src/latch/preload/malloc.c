/* malloc.c - liblatch-malloc.so: stands between a program and glibc's malloc, and tells liblatch (latch/heap.h). */
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "latch/heap.h"

#define SHOWN_ __attribute__((visibility("default")))

/* glibc's own, under the names that it has for this. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *block, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *block);

static _Atomic(const struct latch_heap_watch *) watch;

void latch_heap_watch_by(const struct latch_heap_watch *by); /* LATCH_HEAP_WATCH */
SHOWN_ void latch_heap_watch_by(const struct latch_heap_watch *by) {
        atomic_store_explicit(&watch, by, memory_order_release);
}

static const struct latch_heap_watch *watcher(void) {
        return atomic_load_explicit(&watch, memory_order_acquire);
}

static void tell(size_t n, const void *caller) {
        if (watcher())
                watcher()->allocates(n, caller);
}

static void tell_of_end(void *block, const void *caller) {
        if (watcher() && block)
                watcher()->frees(block, malloc_usable_size(block), caller);
}

SHOWN_ void *malloc(size_t n) {
        tell(n, __builtin_return_address(0));
        return __libc_malloc(n);
}

SHOWN_ void *calloc(size_t count, size_t n) {
        tell(count * n, __builtin_return_address(0));
        return __libc_calloc(count, n);
}

/* Whether it moves or not: a lock may not. */
SHOWN_ void *realloc(void *block, size_t n) {
        tell(n, __builtin_return_address(0));
        tell_of_end(block, __builtin_return_address(0));
        return __libc_realloc(block, n);
}

SHOWN_ void *aligned_alloc(size_t align, size_t n) {
        tell(n, __builtin_return_address(0));
        return __libc_memalign(align, n);
}

SHOWN_ void *memalign(size_t align, size_t n) {
        tell(n, __builtin_return_address(0));
        return __libc_memalign(align, n);
}

SHOWN_ int posix_memalign(void **ret, size_t align, size_t n) {
        tell(n, __builtin_return_address(0));
        if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0)
                return EINVAL;
        int before = errno;
        void *block = __libc_memalign(align, n);
        errno = before;
        if (!block)
                return ENOMEM;
        *ret = block;
        return 0;
}

SHOWN_ void free(void *block) {
        tell_of_end(block, __builtin_return_address(0));
        __libc_free(block);
}
