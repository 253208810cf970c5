/* macros.h - the few words every file may use. Includes nothing of ours.
 *
 * Threads: any. Lock: none.
 */
#pragma once

#include <stddef.h>

#define _cleanup_(fn)  __attribute__((cleanup(fn)))
#define _must_use_     __attribute__((warn_unused_result))
#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _unused_       __attribute__((unused))

/* A broken promise inside the program. Never compiled out, never for input. */
#define CHECK(expr) ((expr) ? (void)0 : check_failed(#expr, __FILE__, __LINE__, __func__))

/* Prints the expression and the place to stderr, then aborts. */
_Noreturn void check_failed(const char *expr, const char *file, int line, const char *func);

/* Hand a pointer over: yields it and leaves NULL, so _cleanup_ lets it go. */
#define TAKE_PTR(p)                                                                                \
        ({                                                                                         \
                __typeof__(p) taken_ = (p);                                                        \
                (p) = NULL;                                                                        \
                taken_;                                                                            \
        })

/* For free functions that return NULL: gives the ...p form that _cleanup_ wants. */
#define DEFINE_CLEANUP(type, fn)                                                                   \
        static inline void fn##p(type **p) {                                                       \
                *p = fn(*p);                                                                       \
        }

#define ELEMENTS(a) (sizeof(a) / sizeof *(a))
/* Arguments are evaluated twice: give them no side effects. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The object whose member `m` the pointer p points at. */
#define CONTAINER_OF(p, type, m) ((type *)(void *)(((char *)(p)) - offsetof(type, m)))

/* _cleanup_(freep) char *s = ...; */
void freep(void *p);
