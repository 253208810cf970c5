/* classes.h - Latch's lock classes: the one table.
 *
 * From it come the order that is checked at run time, the words for clang's -Wthread-safety, and the
 * names in reports. A class may be taken while another is held only where the table says so: give the
 * classes that may already be held with LATCH_UNDER(...), or LATCH_ALONE if none may be. Order is
 * transitive. Other programs that link liblatch have a table of their own: this one is not installed.
 */
#pragma once

#define LATCH_CLASSES(X)                                                                           \
        X(registry, LATCH_ALONE)      /* one registry's writers: check, publish, count */          \
        X(pool, LATCH_ALONE)          /* queues, turns and strands of the worker pool */           \
        X(audit, LATCH_ALONE)         /* audit events that wait to be written */                   \
        X(auth_gate, LATCH_ALONE)     /* how many password hashes run, who waits */                \
        X(auth_tickets, LATCH_ALONE)  /* how many tickets each user drew, which are spent */       \
        X(auth_attempts, LATCH_ALONE) /* failed sign-ins by address and name */                    \
        X(quota, LATCH_ALONE)         /* what each user's files take */                            \
        X(session, LATCH_ALONE)       /* one session: state, driver, viewers, gate */              \
        X(port, LATCH_ALONE)          /* one socket's channel table */                             \
        X(watch, LATCH_ALONE)         /* what the thread of watches is asked to do */              \
        X(outbox, LATCH_ALONE)        /* one socket's queue of frames not yet sent */              \
        X(lobby, LATCH_ALONE)         /* who has connected and not asked for anything yet */       \
        X(conns, LATCH_ALONE)         /* deadlines of clients that send slowly */
