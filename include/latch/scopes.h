/* scopes.h - what clang's analysis is shown of a guard's scope. Include lock.h instead.
 *
 * clang 14 does not follow `cleanup`. So a guard first shows it a take and a drop (order and recursion are judged
 * there), then asserts possession, which needs no drop at the end of the scope; a use after the scope is not seen.
 *
 * clang 22 follows `cleanup` of a variable that is an alias of what is let go. So beside each guard stands a pointer
 * to its lock, which is cleaned up as the guard is, by a function that does nothing and says that it lets go. What is
 * used after an inner scope, or where a try has failed, is found then.
 *
 * All of it is free at -O2; gcc sees none of it.
 */
#pragma once

/* acquired_after says nothing of two classes that have no order. */
#define LATCH_SHOW_ORDER_(name) ((void)(latch_alone_##name ? latch_taken_alone_() : (void)0))

#if defined(__clang__) && __clang_major__ >= 22

#define LATCH_BEGINS_(take, assertion)          take
#define LATCH_SHOW_TAKE_(mode, name, p)         LATCH_SHOW_ORDER_(name)
#define LATCH_SHOW_DROP_(mode, name, p)         (void)0
#define LATCH_SCOPE_VARIABLE_(mode, name, p, n) *LATCH_SCOPE_VARIABLE_2_(mode, name, p, n)
#define LATCH_SCOPE_VARIABLE_2_(mode, name, p, n)                                                  \
        latch_scope_##n __attribute__((cleanup(latch_scope_end_##mode##_##name), unused)) =        \
                (struct latch_guard_##mode *)(void *)(p)
/* Of the same declaration as the guard. */
#define LATCH_SCOPE_(mode, name, p, n) , LATCH_SCOPE_VARIABLE_(mode, name, p, n)
/* The block of what was had. */
#define LATCH_SCOPE_OF_GOT_(mode, name, p, n)                                                      \
        for (struct latch_guard_##mode LATCH_SCOPE_VARIABLE_(mode, name, p, n);;                   \
             ({ goto latch_end_##n; }))

#else

#define LATCH_BEGINS_(take, assertion) assertion
#define LATCH_SHOW_TAKE_(mode, name, p)                                                            \
        (LATCH_SHOW_ORDER_(name), latch_probe_take_##mode##_##name(p),                             \
         latch_probe_drop_##mode##_##name(p))
#define LATCH_SHOW_DROP_(mode, name, p) latch_probe_drop_##mode##_##name(p)
#define LATCH_SCOPE_(mode, name, p, n)
#define LATCH_SCOPE_OF_GOT_(mode, name, p, n)

#endif
