/* classes.h - Latch's lock classes: the one table.
 *
 * From it come the order that is checked at run time, the words for clang's -Wthread-safety, and the
 * names in reports. A class may be taken while another is held only where the table says so: give the
 * classes that may already be held with LATCH_UNDER(...), or LATCH_ALONE if none may be. Order is
 * transitive. LATCH_NO_MALLOC: nothing is allocated under it, which test builds check (heap.h). Other
 * programs that link liblatch have a table of their own: this one is not installed.
 */
#pragma once

#define LATCH_CLASSES(X)                                                                           \
        X(registry, LATCH_ALONE LATCH_NO_MALLOC)      /* one registry's writers */                 \
        X(pool, LATCH_ALONE LATCH_NO_MALLOC)          /* the pool's queues, turns, strands */      \
        X(audit, LATCH_ALONE LATCH_NO_MALLOC)         /* events that wait to be written */         \
        X(auth_gate, LATCH_ALONE LATCH_NO_MALLOC)     /* how many hashes run, who waits */         \
        X(auth_tickets, LATCH_ALONE LATCH_NO_MALLOC)  /* each user's tickets, drawn, spent */      \
        X(auth_attempts, LATCH_ALONE LATCH_NO_MALLOC) /* failed sign-ins by address, name */       \
        X(quota, LATCH_ALONE LATCH_NO_MALLOC)         /* what each user's files take */            \
        X(session, LATCH_ALONE LATCH_NO_MALLOC)       /* state, driver, viewers, gate */           \
        X(port, LATCH_ALONE LATCH_NO_MALLOC)          /* one socket's channel table */             \
        X(watch, LATCH_ALONE LATCH_NO_MALLOC)         /* what its thread is asked to do */         \
        X(outbox, LATCH_ALONE LATCH_NO_MALLOC)        /* one socket's frames to be sent */         \
        X(lobby, LATCH_ALONE LATCH_NO_MALLOC)         /* who has not asked for anything yet */     \
        X(conns, LATCH_ALONE LATCH_NO_MALLOC)         /* deadlines of slow clients */
