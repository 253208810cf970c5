/* lock_guards.h - what the guards of lock.h are made of. Include lock.h instead.
 *
 * clang 14 does not follow `cleanup`. So a guard first shows the analysis a take and a drop (order and
 * recursion are judged there), then asserts possession, which needs no drop at the end of the scope.
 * The probes are empty and free at -O2; gcc sees plain code.
 */
#pragma once

#include "latch/lock.h"

#pragma GCC visibility push(default)

void latch_mutex_done_(struct latch_mutex *m, const struct latch_site *site);
void latch_rwlock_done_(struct latch_rwlock *l, const struct latch_site *site);
/* False: this thread has it already, and the policy lets it go on. */
bool latch_mutex_take_(struct latch_mutex *m, const struct latch_site *site);
void latch_mutex_drop_(struct latch_mutex *m, const struct latch_site *site);
bool latch_read_take_(struct latch_rwlock *l, const struct latch_site *site);
void latch_read_drop_(struct latch_rwlock *l, const struct latch_site *site);
bool latch_write_take_(struct latch_rwlock *l, const struct latch_site *site);
void latch_write_drop_(struct latch_rwlock *l, const struct latch_site *site);
bool latch_mutex_try_(struct latch_mutex *m, const struct latch_site *site);
bool latch_read_try_(struct latch_rwlock *l, const struct latch_site *site);
bool latch_write_try_(struct latch_rwlock *l, const struct latch_site *site);
bool latch_mutex_until_(struct latch_mutex *m, uint64_t mono_ns, const struct latch_site *site);
bool latch_read_until_(struct latch_rwlock *l, uint64_t mono_ns, const struct latch_site *site);
bool latch_write_until_(struct latch_rwlock *l, uint64_t mono_ns, const struct latch_site *site);
void latch_cond_wait_(struct latch_cond *c, struct latch_mutex *m, const struct latch_site *site)
        LATCH_TSA_(requires_capability(*m));
int latch_cond_wait_until_(struct latch_cond *c, struct latch_mutex *m, uint64_t mono_ns,
                           const struct latch_site *site) LATCH_TSA_(requires_capability(*m));
void latch_blocking_(const char *what, const struct latch_site *site);

#pragma GCC visibility pop

#define LATCH_HERE_()                                                                              \
        ({                                                                                         \
                static const struct latch_site here_ = {__FILE__, __LINE__, __func__};             \
                &here_;                                                                            \
        })

/* One guard type for each way to hold. `lock` is NULL once let go. */
#define LATCH_GUARD_TYPE_(mode, type)                                                              \
        struct latch_guard_##mode {                                                                \
                struct type *lock;                                                                 \
                const struct latch_site *site;                                                     \
        };                                                                                         \
        static inline void latch_guard_end_##mode(struct latch_guard_##mode *g) {                  \
                if (g->lock)                                                                       \
                        latch_##mode##_drop_(g->lock, g->site);                                    \
        }                                                                                          \
        static inline struct latch_guard_##mode latch_begin_try_##mode(                            \
                struct type *l, const struct latch_site *site) {                                   \
                return (struct latch_guard_##mode){latch_##mode##_try_(l, site) ? l : NULL, site}; \
        }                                                                                          \
        static inline struct latch_guard_##mode latch_begin_until_##mode(                          \
                struct type *l, uint64_t mono_ns, const struct latch_site *site) {                 \
                bool got = latch_##mode##_until_(l, mono_ns, site);                                \
                return (struct latch_guard_##mode){got ? l : NULL, site};                          \
        }
LATCH_GUARD_TYPE_(mutex, latch_mutex)
LATCH_GUARD_TYPE_(read, latch_rwlock)
LATCH_GUARD_TYPE_(write, latch_rwlock)
#undef LATCH_GUARD_TYPE_

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
        static inline struct latch_guard_##mode latch_begin_##mode##_##name(                       \
                struct type *l, const struct latch_site *site)                                     \
                LATCH_TSA_(assertion(*l, latch_class_##name)) LATCH_UNCHECKED_ {                   \
                return (struct latch_guard_##mode){latch_##mode##_take_(l, site) ? l : NULL,       \
                                                   site};                                          \
        }

#define X(name, under)                                                                             \
        LATCH_PROBES_(mutex, latch_mutex, name, acquire_capability, release_capability,            \
                      assert_capability)                                                           \
        LATCH_PROBES_(read, latch_rwlock, name, acquire_shared_capability,                         \
                      release_shared_capability, assert_shared_capability)                         \
        LATCH_PROBES_(write, latch_rwlock, name, acquire_capability, release_capability,           \
                      assert_capability)
LATCH_CLASSES(X)
#undef X
#undef LATCH_PROBES_

#define LATCH_GUARD_INIT_(mode, name, p)                                                           \
        (latch_probe_take_##mode##_##name(p), latch_probe_drop_##mode##_##name(p),                 \
         latch_begin_##mode##_##name(p, LATCH_HERE_()))

#define LATCH_GUARD_(mode, name, p, n) LATCH_GUARD_2_(mode, name, p, n)
#define LATCH_GUARD_2_(mode, name, p, n)                                                           \
        struct latch_guard_##mode latch_guard_##n                                                  \
                __attribute__((cleanup(latch_guard_end_##mode), unused)) =                         \
                        LATCH_GUARD_INIT_(mode, name, p)

#define LATCH_WITH_(mode, name, p, n) LATCH_WITH_2_(mode, name, p, n)
#define LATCH_WITH_2_(mode, name, p, n)                                                            \
        for (struct latch_guard_##mode latch_guard_##n                                             \
             __attribute__((cleanup(latch_guard_end_##mode), unused)) =                            \
                     LATCH_GUARD_INIT_(mode, name, p);                                             \
             ; ({ goto latch_end_##n; }))                                                          \
                if (0) {                                                                           \
                        latch_end_##n : latch_probe_drop_##mode##_##name(p);                       \
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
                } else if (latch_guard_##n.lock && latch_probe_got_##mode##_##name(p))
