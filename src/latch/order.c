/* order.c - the declared order of classes, closed over transitivity at the first use. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "latch/latch_private.h"

#define LATCH_ALONE      ""
#define LATCH_UNDER(...) #__VA_ARGS__
#define X(name, under)   {#name, under},
static const struct {
        const char *name;
        const char *under; /* "a, b": the classes that may be held already */
} classes[] = {LATCH_CLASSES(X)};
#undef X

static uint64_t under[LATCH_CLASS_COUNT]; /* fixed once `once` has run */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A class token is never touched: the pointer exists for clang's analysis. */
#define X(name, order) struct latch_class_token *const latch_class_##name = NULL;
LATCH_CLASSES(X)
#undef X

static uint64_t bit_of(const char *name, size_t n) {
        for (size_t i = 0; i < LATCH_CLASS_COUNT; i++)
                if (strlen(classes[i].name) == n && strncmp(classes[i].name, name, n) == 0)
                        return UINT64_C(1) << i;
        fprintf(stderr, "latch: the table of classes names %.*s, which it does not have\n", (int)n,
                name);
        __builtin_trap();
}

static uint64_t mask_of(const char *list) {
        uint64_t mask = 0;

        while (*list) {
                size_t skip = strspn(list, ", "), n = strcspn(list + skip, ", ");
                if (n > 0)
                        mask |= bit_of(list + skip, n);
                list += skip + n;
        }
        return mask;
}

/* Warshall's closure (JACM 9(1), 1962) over the masks. */
static void close_order(void) {
        for (size_t i = 0; i < LATCH_CLASS_COUNT; i++)
                under[i] = mask_of(classes[i].under);
        for (size_t k = 0; k < LATCH_CLASS_COUNT; k++)
                for (size_t i = 0; i < LATCH_CLASS_COUNT; i++)
                        if (under[i] >> k & 1)
                                under[i] |= under[k];
        for (size_t i = 0; i < LATCH_CLASS_COUNT; i++)
                if (under[i] >> i & 1) {
                        fprintf(stderr, "latch: the declared order of %s is a circle\n",
                                classes[i].name);
                        __builtin_trap();
                }
}

uint64_t latch_order_under(enum latch_class class) {
        pthread_once(&once, close_order);
        return under[class];
}

const char *latch_class_name(enum latch_class class) {
        return (unsigned)class < LATCH_CLASS_COUNT ? classes[class].name : "unknown";
}
