/* lease.h - ownership by token and generation, for what begins on one thread and ends on another.
 *
 * A lease is no lock: nobody waits for one, it is held across calls that block, it is in no order, and it is no thread's.
 * Who takes it has a token, and whoever has the token may let the lease go, once, on any thread. Each hold has a
 * generation of its own, drawn from one counter of the process: a token of before fits no later hold, not even one of
 * another lease at the same address. A second release, or one by a token of before, lets nothing go and is
 * reported, with who has the lease now and where the token's own hold ended. What becomes of the program says
 * policy.h; the level (level.h) makes no difference to leases.
 *
 * Threads: any. Lock: any may be held, none is taken: a take and a release are one compare-exchange each.
 * Signals: in a handler latch_lease_look alone.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "latch/lock.h"

#define LATCH_LEASE_OWNER_MAX                                                                      \
        32                 /* of who says whose it is, with the 0 at its end; more is cut off */
#define LATCH_LEASE_ENDS 4 /* holds before this one whose ends are known */

/* Who took it or let it go. Words, for others read them meanwhile. */
struct latch_lease_note {
        _Atomic uint64_t generation; /* 0: it is being written, or was never */
        _Atomic uint64_t at_ns;
        _Atomic(const struct latch_site *) site;
        _Atomic pid_t tid;
        _Atomic uint64_t thread[16 / 8];
};

struct latch_lease {
        const char *name; /* fixed for life */
        atomic_uint life;
        _Atomic uint64_t word;  /* generation << 1, and 1 while it is held */
        _Atomic unsigned ended; /* how many holds; written by the holder */
        struct latch_lease_note taken;
        _Atomic uint64_t owner[LATCH_LEASE_OWNER_MAX / 8];
        struct latch_lease_note ends[LATCH_LEASE_ENDS];
};

/* A copy of it is the same token. lease is NULL: there is none. */
struct latch_token {
        struct latch_lease *lease;
        uint64_t generation;
};

#define LATCH_NO_TOKEN ((struct latch_token){NULL, 0})

#pragma GCC visibility push(default)

/* name: what reports call it, as the class is called of a lock; it lives as long as the lease. done reports if
 * somebody has it. */
void latch_lease_init(struct latch_lease *l, const char *name);
#define latch_lease_done(l) latch_lease_done_(l, LATCH_HERE_())

/* Without waiting: no token if somebody has it. owner: for those who look, may be NULL. */
#define latch_lease_take(l, owner) latch_lease_take_(l, owner, LATCH_HERE_())
/* No token is fine. */
#define latch_lease_release(token) latch_lease_release_(token, LATCH_HERE_())

/* By who is to have it from now on, with the token of who had it: that fits no more, the new one does, and nobody
 * had it in between. No token if the old one was stale, which is reported. */
#define latch_lease_transfer(token, owner) latch_lease_transfer_(token, owner, LATCH_HERE_())

/* Who has it. tid is 0 where who takes it is about to say so: the rest is not known then. */
struct latch_lease_holder {
        uint64_t generation;
        uint64_t since_ns; /* CLOCK_MONOTONIC */
        const struct latch_site *taken_at;
        pid_t tid;       /* of the thread that took it: it need not live any more */
        char thread[16]; /* its name then */
        char owner[LATCH_LEASE_OWNER_MAX];
};

/* A look, which waits for nobody. False: nobody had it. */
bool latch_lease_look(const struct latch_lease *l, struct latch_lease_holder *ret);

struct latch_token latch_lease_take_(struct latch_lease *l, const char *owner,
                                     const struct latch_site *site);
void latch_lease_release_(struct latch_token t, const struct latch_site *site);
struct latch_token latch_lease_transfer_(struct latch_token t, const char *owner,
                                         const struct latch_site *site);
void latch_lease_done_(struct latch_lease *l, const struct latch_site *site);

#pragma GCC visibility pop

/* ---- a guard ----
 *
 *     LATCH_LEASE_GUARD(guard, &upload->lease, user);      the end of the scope lets it go
 *     if (!guard.token.lease)
 *             return -EBUSY;
 *     job->token = LATCH_LEASE_TAKE(guard);                from here on it is the job's
 *
 * and on the thread that ends what has begun:
 *
 *     LATCH_LEASE_GUARD_TRANSFER(guard, job->token, user);
 */
struct latch_lease_guard {
        struct latch_token token;
        const struct latch_site *site;
};

#define LATCH_LEASE_GUARD(name, l, owner)                                                          \
        LATCH_LEASE_GUARD_(name, latch_lease_take_(l, owner, LATCH_HERE_()))
#define LATCH_LEASE_GUARD_TRANSFER(name, of, owner)                                                \
        LATCH_LEASE_GUARD_(name, latch_lease_transfer_(of, owner, LATCH_HERE_()))
#define LATCH_LEASE_TAKE(name) latch_lease_guard_take_(&(name))

#define LATCH_LEASE_GUARD_(name, by)                                                               \
        struct latch_lease_guard name                                                              \
                __attribute__((cleanup(latch_lease_guard_end_))) = {by, LATCH_HERE_()}

static inline void latch_lease_guard_end_(struct latch_lease_guard *g) {
        latch_lease_release_(g->token, g->site);
}

static inline struct latch_token latch_lease_guard_take_(struct latch_lease_guard *g) {
        struct latch_token token = g->token;

        g->token = LATCH_NO_TOKEN;
        return token;
}
