/* lock_guards.h - what the guards of lock.h are made of. Include lock.h instead.
 *
 * What each version of clang is shown of a scope is in scopes.h. The probes are empty and free at -O2; gcc sees
 * plain code.
 */
#pragma once

#include "latch/lock.h"
#include "latch/lock_kinds.h"
#include "latch/scopes.h"

#pragma GCC visibility push(default)

/* What is not plain (lock_fast.h); class: the guard's. False: this thread has it already, and the policy lets it go on. */
bool latch_take_long_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind,
                      enum latch_class class);
/* Reports a lock that is of another class. */
void latch_judge_class_(const struct latch_head *h, const struct latch_site *site,
                        enum latch_class class);
/* It was pushed, and is not had at once, or has an heir. */
bool latch_take_late_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
void latch_drop_long_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
/* From here on, a site of NULL is a hold of level 0. */
bool latch_take_try_(struct latch_head *h, const struct latch_site *site, enum latch_kind kind);
bool latch_take_until_(struct latch_head *h, uint64_t mono_ns, const struct latch_site *site,
                       enum latch_kind kind);
bool latch_take_handed_(struct latch_mutex *m, const struct latch_site *site);
void latch_hand_over_(struct latch_mutex *m, struct latch_thread *to, const struct latch_site *site)
        LATCH_TSA_(requires_capability(*m));
/* This thread has m's mutex, which was handed over: has it again once the heir has let it go. */
void latch_yield_to_heir_(struct latch_mutex *m, const struct latch_site *site);
void latch_cond_wait_(struct latch_cond *c, struct latch_mutex *m, const struct latch_site *site)
        LATCH_TSA_(requires_capability(*m));
int latch_cond_wait_until_(struct latch_cond *c, struct latch_mutex *m, uint64_t mono_ns,
                           const struct latch_site *site) LATCH_TSA_(requires_capability(*m));

#pragma GCC visibility pop

#define LATCH_HERE_()                                                                              \
        ({                                                                                         \
                static const struct latch_site here_ = {__FILE__, __LINE__, __func__};             \
                &here_;                                                                            \
        })

#include "latch/lock_fast.h" /* IWYU pragma: export */

/* ---- what a guard does at each level ---- */

LATCH_INLINE_ void latch_take_plain_(struct latch_head *h, enum latch_kind kind) {
        latch_must_(latch_kind_lock_(h, kind));
        if (latch_kind_has_heir_(h, kind))
                latch_yield_to_heir_(latch_mutex_of_(h), NULL);
}

/* Which level is asked for first was measured (docs/benchmarks.md): a mutex asks for 1, a rwlock for 0. */
LATCH_INLINE_ bool latch_is_off_(unsigned level, enum latch_kind kind, bool first) {
        return (kind != LATCH_MUTEX) == first && level == LATCH_LEVEL_OFF;
}

/* NULL at level 0; else a lock of another class is reported. */
static inline const struct latch_site *latch_watched_(const struct latch_head *h,
                                                      const struct latch_site *site,
                                                      enum latch_class class) {
        if (latch_level() == LATCH_LEVEL_OFF)
                return NULL;
        latch_judge_class_(h, site, class);
        return site;
}

/* One guard type for each way to hold. `lock` is NULL if it was not had, `site` if the hold began at level 0. */
#define LATCH_GUARD_TYPE_(mode, type, kind, take)                                                  \
        struct latch_guard_##mode {                                                                \
                struct type *lock;                                                                 \
                const struct latch_site *site;                                                     \
        };                                                                                         \
        LATCH_INLINE_ void latch_guard_end_##mode(struct latch_guard_##mode *g) {                  \
                if (!g->lock)                                                                      \
                        return;                                                                    \
                if (g->site)                                                                       \
                        latch_drop_fast_(&g->lock->head, g->site, kind);                           \
                else                                                                               \
                        latch_kind_unlock_(&g->lock->head, kind);                                  \
        }                                                                                          \
        LATCH_INLINE_ struct latch_guard_##mode latch_plain_##mode(struct type *l) {               \
                latch_take_plain_(&l->head, kind);                                                 \
                return (struct latch_guard_##mode){l, NULL};                                       \
        }                                                                                          \
        LATCH_INLINE_ struct latch_guard_##mode latch_begin_##mode(                                \
                struct type *l, const struct latch_site *site, enum latch_class class)             \
                LATCH_TSA_(take(*l)) LATCH_UNCHECKED_ {                                            \
                unsigned level = latch_level();                                                    \
                if (!l)                                                                            \
                        __builtin_unreachable();                                                   \
                if (LATCH_LIKELY_(latch_is_off_(level, kind, true)))                               \
                        return latch_plain_##mode(l);                                              \
                if (LATCH_LIKELY_(level == LATCH_LEVEL_CHECK))                                     \
                        return (struct latch_guard_##mode){                                        \
                                latch_take_fast_(&l->head, site, kind, class) ? l : NULL, site};   \
                if (latch_is_off_(level, kind, false))                                             \
                        return latch_plain_##mode(l);                                              \
                return (struct latch_guard_##mode){                                                \
                        latch_take_long_(&l->head, site, kind, class) ? l : NULL, site};           \
        }                                                                                          \
        static inline struct latch_guard_##mode latch_begin_try_##mode(                            \
                struct type *l, const struct latch_site *site, enum latch_class class) {           \
                site = latch_watched_(&l->head, site, class);                                      \
                return (struct latch_guard_##mode){                                                \
                        latch_take_try_(&l->head, site, kind) ? l : NULL, site};                   \
        }                                                                                          \
        static inline struct latch_guard_##mode latch_begin_until_##mode(                          \
                struct type *l, uint64_t at, const struct latch_site *site,                        \
                enum latch_class class) {                                                          \
                site = latch_watched_(&l->head, site, class);                                      \
                return (struct latch_guard_##mode){                                                \
                        latch_take_until_(&l->head, at, site, kind) ? l : NULL, site};             \
        }
LATCH_GUARD_TYPE_(mutex, latch_mutex, LATCH_MUTEX, acquire_capability)
LATCH_GUARD_TYPE_(read, latch_rwlock, LATCH_READ, acquire_shared_capability)
LATCH_GUARD_TYPE_(write, latch_rwlock, LATCH_WRITE, acquire_capability)
#undef LATCH_GUARD_TYPE_

#define latch_guard_handed     latch_guard_mutex
#define latch_guard_end_handed latch_guard_end_mutex
static inline struct latch_guard_mutex latch_begin_handed(struct latch_mutex *m,
                                                          const struct latch_site *site,
                                                          enum latch_class class)
        LATCH_TSA_(acquire_capability(*m)) LATCH_UNCHECKED_ {
        site = latch_watched_(&m->head, site, class);
        return (struct latch_guard_mutex){latch_take_handed_(m, site) ? m : NULL, site};
}

/* Two mutexes of one class, in the order of their addresses; they may be one and the same. */
struct latch_guard_both {
        struct latch_guard_mutex low, high;
};

static inline struct latch_guard_both latch_begin_both(struct latch_mutex *const pair[2],
                                                       const struct latch_site *site,
                                                       enum latch_class class) LATCH_UNCHECKED_ {
        bool ordered = (uintptr_t)pair[0] < (uintptr_t)pair[1];
        struct latch_guard_both both = {latch_begin_mutex(pair[!ordered], site, class),
                                        {NULL, NULL}};

        if (pair[0] != pair[1])
                both.high = latch_begin_mutex(pair[ordered], site, class);
        return both;
}

static inline void latch_guard_end_both(struct latch_guard_both *g) {
        latch_guard_end_mutex(&g->high);
        latch_guard_end_mutex(&g->low);
}

#define LATCH_PROBES_(mode, type, name, take, drop, assertion)                                     \
        static inline void latch_probe_take_##mode##_##name(struct type *l)                        \
                LATCH_TSA_(take(*l, latch_class_##name)) LATCH_UNCHECKED_ {                        \
                (void)l;                                                                           \
        }                                                                                          \
        static inline void latch_probe_drop_##mode##_##name(struct type *l)                        \
                LATCH_TSA_(drop(*l, latch_class_##name)) LATCH_UNCHECKED_ {                        \
                (void)l;                                                                           \
        }                                                                                          \
        static inline bool latch_probe_got_##mode##_##name(struct type *l)                         \
                LATCH_TSA_(assertion(*l, latch_class_##name)) LATCH_UNCHECKED_ {                   \
                return l != NULL;                                                                  \
        }                                                                                          \
        static inline void latch_scope_end_##mode##_##name(struct latch_guard_##mode **l)          \
                LATCH_TSA_(drop(*(struct type *)*l, latch_class_##name)) LATCH_UNCHECKED_ {        \
                (void)l;                                                                           \
        }                                                                                          \
        static inline struct latch_guard_##mode latch_begin_##mode##_##name(                       \
                struct type *l, const struct latch_site *site)                                     \
                LATCH_TSA_(LATCH_BEGINS_(take, assertion)(*l, latch_class_##name))                 \
                        LATCH_UNCHECKED_ {                                                         \
                return latch_begin_##mode(l, site, LATCH_CLASS_##name);                            \
        }

/* The pair is one lock to the analysis: it knows classes. */
#define LATCH_PROBES_BOTH_(name)                                                                   \
        static inline void latch_probe_take_both_##name(struct latch_mutex *const *pair)           \
                LATCH_TSA_(acquire_capability(latch_class_##name)) LATCH_UNCHECKED_ {              \
                (void)pair;                                                                        \
        }                                                                                          \
        static inline void latch_probe_drop_both_##name(struct latch_mutex *const *pair)           \
                LATCH_TSA_(release_capability(latch_class_##name)) LATCH_UNCHECKED_ {              \
                (void)pair;                                                                        \
        }                                                                                          \
        static inline void latch_scope_end_both_##name(struct latch_guard_both **l)                \
                LATCH_TSA_(release_capability(latch_class_##name)) LATCH_UNCHECKED_ {              \
                (void)l;                                                                           \
        }                                                                                          \
        static inline struct latch_guard_both latch_begin_both_##name(                             \
                struct latch_mutex *const *pair, const struct latch_site *site)                    \
                LATCH_TSA_(LATCH_BEGINS_(acquire_capability, assert_capability)(                   \
                        latch_class_##name)) LATCH_UNCHECKED_ {                                    \
                return latch_begin_both(pair, site, LATCH_CLASS_##name);                           \
        }

#define X(name, under)                                                                             \
        LATCH_PROBES_(mutex, latch_mutex, name, acquire_capability, release_capability,            \
                      assert_capability)                                                           \
        LATCH_PROBES_(handed, latch_mutex, name, acquire_capability, release_capability,           \
                      assert_capability)                                                           \
        LATCH_PROBES_BOTH_(name)                                                                   \
        LATCH_PROBES_(read, latch_rwlock, name, acquire_shared_capability,                         \
                      release_shared_capability, assert_shared_capability)                         \
        LATCH_PROBES_(write, latch_rwlock, name, acquire_capability, release_capability,           \
                      assert_capability)
LATCH_CLASSES(X)
#undef X
#undef LATCH_PROBES_
#undef LATCH_PROBES_BOTH_

#define LATCH_GUARD_INIT_(mode, name, p)                                                           \
        (LATCH_SHOW_TAKE_(mode, name, p), latch_begin_##mode##_##name(p, LATCH_HERE_()))

/* Either compiler judges its order. */
#define LATCH_UNTIL_INIT_(mode, name, p, mono_ns)                                                  \
        (LATCH_SHOW_ORDER_(name), latch_probe_take_##mode##_##name(p),                             \
         latch_probe_drop_##mode##_##name(p),                                                      \
         latch_begin_until_##mode(p, mono_ns, LATCH_HERE_(), LATCH_CLASS_##name))

#define LATCH_GUARD_(mode, name, p, n) LATCH_GUARD_2_(mode, name, p, n)
#define LATCH_GUARD_2_(mode, name, p, n)                                                           \
        struct latch_guard_##mode latch_guard_##n                                                  \
                __attribute__((cleanup(latch_guard_end_##mode), unused)) =                         \
                        LATCH_GUARD_INIT_(mode, name, p) LATCH_SCOPE_(mode, name, p, n)

#define LATCH_WITH_(mode, name, p, n) LATCH_WITH_2_(mode, name, p, n)
#define LATCH_WITH_2_(mode, name, p, n)                                                            \
        for (struct latch_guard_##mode latch_guard_##n                                             \
             __attribute__((cleanup(latch_guard_end_##mode), unused)) =                            \
                     LATCH_GUARD_INIT_(mode, name, p) LATCH_SCOPE_(mode, name, p, n);              \
             ; ({ goto latch_end_##n; }))                                                          \
                if (0) {                                                                           \
                        latch_end_##n : LATCH_SHOW_DROP_(mode, name, p);                           \
                        break;                                                                     \
                } else

/* What may not be had: the analysis takes it for held in the first branch alone. */
#define LATCH_MAYBE_(mode, name, p, begin, n) LATCH_MAYBE_2_(mode, name, p, begin, n)
#define LATCH_MAYBE_2_(mode, name, p, begin, n)                                                    \
        for (struct latch_guard_##mode latch_guard_##n                                             \
             __attribute__((cleanup(latch_guard_end_##mode), unused)) = begin;                     \
             ; ({ goto latch_end_##n; }))                                                          \
                if (0) {                                                                           \
                        latch_end_##n : break;                                                     \
                } else if (latch_guard_##n.lock && latch_probe_got_##mode##_##name(p))             \
        LATCH_SCOPE_OF_GOT_(mode, name, p, n)
