/* table.h - what a program's table of lock classes becomes. Include lock.h instead.
 *
 * A program has one table, a header that defines LATCH_CLASSES(X): an X(name, order) for each class, where
 * the order is LATCH_ALONE or LATCH_UNDER(class, ...) (up to six; it is transitive). LATCH_CLASSES_HEADER is
 * its name, "latch/classes.h" where that is not defined. After the order may stand LATCH_BY_ADDRESS: two of the class
 * may be held, the one at the lower address taken first. One source of the program says
 *
 *     LATCH_DEFINE_CLASSES;
 *
 * which makes the object that the library reads. The library itself knows no class: without the object a
 * program does not link, with two of them it does not either, and one compiled for another version of the
 * library stops at its first lock. One table, for an order is one of the whole process, and its classes
 * are the bits of one word.
 */
#pragma once

#ifdef LATCH_CLASSES_HEADER
#include LATCH_CLASSES_HEADER
#elif __has_include("latch/classes.h")
#define LATCH_CLASSES_HEADER "latch/classes.h"
#include LATCH_CLASSES_HEADER
#else
#error "liblatch: name your table of lock classes: -DLATCH_CLASSES_HEADER='\"my_classes.h\"' (docs/liblatch.md)"
#endif

#if defined(__clang__)
#define LATCH_TSA_(x) __attribute__((x))
#else
#define LATCH_TSA_(x)
#endif
#define LATCH_UNCHECKED_ LATCH_TSA_(no_thread_safety_analysis)

/* Of what is compiled into a program: the layout of locks and of the table. The library's soname ends in it. */
#define LATCH_ABI         2
#define LATCH_CLASSES_MAX 64

#define X(name, under) LATCH_CLASS_##name,
enum latch_class { LATCH_CLASSES(X) LATCH_CLASS_COUNT };
#undef X
_Static_assert(LATCH_CLASS_COUNT <= LATCH_CLASSES_MAX, "a thread's classes are one 64-bit mask");

#pragma GCC visibility push(default)

struct latch_class_entry {
        const char *name;
        const char *order; /* as the table spells it: "LATCH_ALONE", "LATCH_UNDER(a, b)" */
};

struct latch_table {
        unsigned abi;
        unsigned count;
        const char *header; /* where it is declared */
        const struct latch_class_entry *classes;
};
extern const struct latch_table latch_table;

/* An argument that is made a string is not expanded: the order stays as it is written. */
#define LATCH_ENTRY_(name, order) {#name, #order},
#define LATCH_DEFINE_CLASSES                                                                       \
        const struct latch_table latch_table = {                                                   \
                LATCH_ABI, LATCH_CLASS_COUNT, LATCH_CLASSES_HEADER,                                \
                (const struct latch_class_entry[]){LATCH_CLASSES(LATCH_ENTRY_)}}

/* "unknown" for what the table does not have. */
const char *latch_class_name(enum latch_class class);

#pragma GCC visibility pop

/* ---- for clang's analysis ---- */

/* A class is a phantom: the analysis follows it, no object stands behind it. */
struct LATCH_TSA_(capability("lock class")) latch_class_token {
        char unused;
};

#define LATCH_PICK_(a, b, c, d, e, f, name, ...) name
#define LATCH_T1_(a)                             latch_class_##a
#define LATCH_T2_(a, ...)                        latch_class_##a, LATCH_T1_(__VA_ARGS__)
#define LATCH_T3_(a, ...)                        latch_class_##a, LATCH_T2_(__VA_ARGS__)
#define LATCH_T4_(a, ...)                        latch_class_##a, LATCH_T3_(__VA_ARGS__)
#define LATCH_T5_(a, ...)                        latch_class_##a, LATCH_T4_(__VA_ARGS__)
#define LATCH_T6_(a, ...)                        latch_class_##a, LATCH_T5_(__VA_ARGS__)
#define LATCH_TOKENS_(...)                                                                         \
        LATCH_PICK_(__VA_ARGS__, LATCH_T6_, LATCH_T5_, LATCH_T4_, LATCH_T3_, LATCH_T2_,            \
                    LATCH_T1_, )                                                                   \
        (__VA_ARGS__)

#define LATCH_ALONE
#define LATCH_UNDER(...) LATCH_TSA_(acquired_after(LATCH_TOKENS_(__VA_ARGS__)))
#define LATCH_BY_ADDRESS
#define LATCH_NO_MALLOC
#define X(name, under) extern struct latch_class_token *const latch_class_##name under;
LATCH_CLASSES(X)
#undef X
#undef LATCH_ALONE
#undef LATCH_UNDER
#undef LATCH_BY_ADDRESS
#undef LATCH_NO_MALLOC

/* Words for declarations. */
#define LATCH_GUARDED_BY(name)  LATCH_TSA_(guarded_by(latch_class_##name))
#define LATCH_MUST_HOLD(name)   LATCH_TSA_(requires_capability(latch_class_##name))
#define LATCH_NEVER_UNDER(name) LATCH_TSA_(locks_excluded(latch_class_##name))

/* May block: its callers hold no lock of any class. */
extern struct latch_class_token *const latch_class_no_other_; /* ends the list, no object either */
#define LATCH_TOKEN_AND_(name, order) latch_class_##name,
#define LATCH_BLOCKS                                                                               \
        LATCH_TSA_(locks_excluded(LATCH_CLASSES(LATCH_TOKEN_AND_) latch_class_no_other_))

/* Whether a class is LATCH_ALONE: what a guard of it shows the analysis before it takes the lock. */
#define LATCH_ALONE      1
#define LATCH_UNDER(...) 0
#define LATCH_BY_ADDRESS
#define LATCH_NO_MALLOC
#define X(name, order) latch_alone_##name = (order),
enum { LATCH_CLASSES(X) };
#undef X
#undef LATCH_ALONE
#undef LATCH_UNDER
#undef LATCH_BY_ADDRESS
#undef LATCH_NO_MALLOC
static inline void latch_taken_alone_(void) LATCH_BLOCKS {
}
