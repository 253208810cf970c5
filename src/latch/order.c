/* order.c - the declared order of the program's classes, closed over transitivity at the first use. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "latch/heap.h"
#include "latch/latch_private.h"
#include "latch/orders.h"

/* Fixed once `once` has run. */
static uint64_t declared[LATCH_CLASSES_MAX], under[LATCH_CLASSES_MAX], by_address, no_malloc;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint64_t bit_of(const char *name, size_t n) {
        for (unsigned i = 0; i < latch_table.count; i++)
                if (strlen(latch_table.classes[i].name) == n &&
                    strncmp(latch_table.classes[i].name, name, n) == 0)
                        return UINT64_C(1) << i;
        fprintf(stderr, "latch: the table of classes names %.*s, which it does not have\n", (int)n,
                name);
        __builtin_trap();
}

/* "LATCH_UNDER(a, b)": the classes that may be held already. *rest is what stands after it. */
static uint64_t mask_of(const char *order, const char **rest) {
        static const char alone[] = "LATCH_ALONE", prefix[] = "LATCH_UNDER(";
        const char *at = order + strlen(prefix);
        uint64_t mask = 0;

        *rest = order + strlen(alone);
        if (strncmp(order, alone, strlen(alone)) == 0)
                return 0;
        if (strncmp(order, prefix, strlen(prefix)) != 0) {
                fprintf(stderr, "latch: the table of classes has %s for an order: %s\n", order,
                        "write LATCH_ALONE or LATCH_UNDER(...) there");
                __builtin_trap();
        }
        while (*at != ')') {
                size_t skip = strspn(at, ", "), n = strcspn(at + skip, ", )");
                if (n > 0)
                        mask |= bit_of(at + skip, n);
                at += skip + n;
        }
        *rest = at + 1;
        return mask;
}

/* The words after the order. */
static void read_words(unsigned class, const char *at) {
        static const struct {
                const char *word;
                uint64_t *classes;
        } words[] = {{"LATCH_BY_ADDRESS", &by_address}, {"LATCH_NO_MALLOC", &no_malloc}};

        while (*(at += strspn(at, " "))) {
                size_t n = strcspn(at, " "), i = 0;

                while (i < ELEMENTS(words) &&
                       (strlen(words[i].word) != n || strncmp(at, words[i].word, n) != 0))
                        i++;
                if (i == ELEMENTS(words)) {
                        fprintf(stderr,
                                "latch: the table of classes has %.*s, which is no word of its\n",
                                (int)n, at);
                        __builtin_trap();
                }
                *words[i].classes |= UINT64_C(1) << class;
                at += n;
        }
}

static void judge_table(void) {
        if (latch_table.abi == LATCH_ABI && latch_table.count <= LATCH_CLASSES_MAX)
                return;
        fprintf(stderr, "latch: the program was compiled for version %u of liblatch, this is %d\n",
                latch_table.abi, LATCH_ABI);
        __builtin_trap();
}

/* Warshall's closure (JACM 9(1), 1962) over the masks. */
static void close_order(void) {
        judge_table();
        for (unsigned i = 0; i < latch_table.count; i++) {
                const char *words;
                under[i] = declared[i] = mask_of(latch_table.classes[i].order, &words);
                read_words(i, words);
        }
        for (unsigned k = 0; k < latch_table.count; k++)
                for (unsigned i = 0; i < latch_table.count; i++)
                        if (under[i] >> k & 1)
                                under[i] |= under[k];
        for (unsigned i = 0; i < latch_table.count; i++)
                if (under[i] >> i & 1) {
                        fprintf(stderr, "latch: the declared order of %s is a circle\n",
                                latch_table.classes[i].name);
                        __builtin_trap();
                }
        (void)atexit(latch_orders_save);
        latch_heap_watch();
}

uint64_t latch_order_under(enum latch_class class) {
        pthread_once(&once, close_order);
        return under[class];
}

uint64_t latch_order_declared(enum latch_class class) {
        pthread_once(&once, close_order);
        return declared[class];
}

bool latch_order_by_address(enum latch_class class) {
        pthread_once(&once, close_order);
        return by_address >> class & 1;
}

void latch_heap_allow(enum latch_class class) {
        pthread_once(&once, close_order);
        no_malloc &= ~(UINT64_C(1) << class);
}

/* No wait for another who reads the table: malloc asks, anywhere. */
uint64_t latch_order_no_malloc(void) {
        return no_malloc;
}

const char *latch_class_name(enum latch_class class) {
        return (unsigned)class < latch_table.count ? latch_table.classes[class].name : "unknown";
}
