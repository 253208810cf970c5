/* The contract is in latch/heap.h. Runs inside malloc and free, of any thread at any time: it touches this thread's words
 * and the block alone, and is no business of a sanitizer. */
#include "latch/heap.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "latch/latch_private.h"

#define UNSANITIZED_ __attribute__((no_sanitize("address", "thread", "undefined")))
#define LOOKED_AT    ((size_t)64 << 10) /* of a block: what embeds locks is no larger */

/* A report allocates. */
static _Thread_local bool inside;

static struct {
        int (*ownership)(const volatile void *);
        size_t (*size)(const volatile void *);
        void (*print_stack)(void);
} sanitizer;

struct found {
        const struct latch_head *lock;
        const void *caller; /* NULL: the sanitizer knows */
};

static void print_found(const void *thing) {
        const struct found *f = thing;
        Dl_info info;

        latch_print_lock(f->lock);
        if (!f->caller)
                sanitizer.print_stack();
        else if (dladdr(f->caller, &info) != 0)
                fprintf(stderr, "  %-10s %s+0x%" PRIxPTR "%s%s%s\n", "called at", info.dli_fname,
                        (uintptr_t)f->caller - (uintptr_t)info.dli_fbase,
                        info.dli_sname ? " (" : "", info.dli_sname ? info.dli_sname : "",
                        info.dli_sname ? ")" : "");
}

UNSANITIZED_ static void report(enum latch_violation what, const struct found *f,
                                const char *detail) {
        inside = true;
        latch_report_about(what, NULL, detail, print_found, f);
        inside = false;
}

/* The lock taken last of those whose class forbids it. */
UNSANITIZED_ static void allocates(size_t n, const void *caller) {
        const struct latch_thread *t = &latch_self_;
        uint64_t held = latch_held_mask(t) & latch_order_no_malloc();
        char size[32];

        if (held == 0 || inside)
                return;
        unsigned i = latch_held_count(t);
        while (!(held >> latch_held_class(&t->held[i]) & 1))
                i--;
        snprintf(size, sizeof size, "%zu bytes", n);
        report(LATCH_ALLOCATES, &(struct found){latch_held_lock(&t->held[i]), caller}, size);
}

/* Class and life stand side by side at the beginning of a lock. */
_Static_assert(offsetof(struct latch_head, class) == 0 && offsetof(struct latch_head, life) == 4,
               "what frees() looks for");

UNSANITIZED_ static void frees(const void *block, size_t n, const void *caller) {
        const volatile uint64_t *word = block;
        size_t words = (n < LOOKED_AT ? n : LOOKED_AT) / sizeof *word;

        if (inside)
                return;
        for (size_t i = 0; i < words; i++) {
                uint64_t w = word[i];
                if (w >> 32 != LATCH_ALIVE_ || (uint32_t)w >= latch_table.count)
                        continue;
                const struct latch_head *lock = (const struct latch_head *)(uintptr_t)&word[i];
                bool held = LATCH_GET_(lock->owner) || latch_is_read(lock);
                report(held ? LATCH_FREED_HELD : LATCH_FREED_ALIVE, &(struct found){lock, caller},
                       NULL);
        }
}

/* ---- who tells ---- */

UNSANITIZED_ static void sanitizer_allocates(const volatile void *block, size_t n) {
        (void)block;
        allocates(n, NULL);
}

UNSANITIZED_ static void sanitizer_frees(const volatile void *block) {
        if (sanitizer.ownership(block))
                frees((const void *)(uintptr_t)block, sanitizer.size(block), NULL);
}

/* A function's address, from an object's. */
static bool find(const char *name, void *ret) {
        void *at = dlsym(RTLD_DEFAULT, name);

        memcpy(ret, &at, sizeof at);
        return at != NULL;
}

void latch_heap_watch(void) {
        static const struct latch_heap_watch watch = {allocates, frees};
        int (*install)(void (*)(const volatile void *, size_t), void (*)(const volatile void *));
        void (*watch_by)(const struct latch_heap_watch *);

        if (find(LATCH_HEAP_WATCH, &watch_by))
                watch_by(&watch);
        else if (find("__sanitizer_install_malloc_and_free_hooks", &install) &&
                 find("__sanitizer_get_ownership", &sanitizer.ownership) &&
                 find("__sanitizer_get_allocated_size", &sanitizer.size) &&
                 find("__sanitizer_print_stack_trace", &sanitizer.print_stack))
                (void)install(sanitizer_allocates, sanitizer_frees);
}
