/* audit.h - who did what, when, from where: events that are kept in the store as a chain of hashes.
 *
 * An event is copied into a queue of fixed size; one thread writes the queue to the store, many events a
 * transaction, at most 100 ms later. Refusals (an error, and a client's address) are folded: one row for
 * each what and address a minute, with a count; where users or objects differ, it has "*". Beyond
 * AUDIT_REFUSED_MAX of them a minute the address is "others". What does not fit, or cannot be written, is
 * counted, logged, and becomes a row "audit.dropped": nothing is left out in silence.
 *
 * Each row's hash is BLAKE2b-256 over the hash before and the row's fields (chain.h), so no row can be changed,
 * removed or put in later unnoticed by whoever knows a later hash: a start and a stop log the last one,
 * `latchctl audit verify` prints it. A start verifies the chain (audit_check). Rows beyond keep_rows go, the
 * oldest first; the store keeps the hash behind which the chain begins.
 *
 * Threads: any. Lock: audit, inside, for a few instructions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "latch/lock.h"
#include "store/store.h"

struct audit;

/* Whatever may happen. Nothing else is taken: a new kind of event gets its line here. */
#define AUDIT_WHATS                                                                                \
        "server.start", "server.stop", "server.settings", "audit.dropped", /* the server itself */ \
                "auth.sign_in", "auth.sign_out", "auth.renew", "auth.password", "auth.ticket",     \
                "auth.refused",    /* no or no valid identity, a failed sign-in */                 \
                "request.refused", /* not allowed, too many, too much: object says what */         \
                "session.run", "session.shell", "session.repl", "session.end_other",               \
                "session.type_other", "session.attach_other", "session.watch", "fs.write",         \
                "fs.upload", "fs.mkdir", "fs.remove", "fs.rename", "fs.archive", "admin.user_add", \
                "admin.user_role", "admin.user_password", "admin.user_link", "admin.user_disable", \
                "admin.user_enable", "admin.user_delete", "admin.user_purge",                      \
                "admin.user_sign_out", "admin.user_import", "admin.course_add",                    \
                "admin.course_remove", "admin.course_teacher", "admin.settings", "admin.stop",     \
                "admin.restore"

#define AUDIT_QUEUE_BYTES (256u << 10) /* twice, of memory */
#define AUDIT_OBJECT_MAX  4096u        /* bytes of an object; more is cut off */
#define AUDIT_REFUSED_MAX 256u         /* of a minute */
#define AUDIT_ADDRESS_MAX 64u

struct audit_event {
        const char *what;    /* one of AUDIT_WHATS */
        const char *user;    /* who; NULL: nobody is known. Never what somebody typed in vain */
        const char *address; /* the client's; NULL: from this machine */
        const char *object;  /* to what: a path, a name, an id; NULL: nothing. Never a secret */
        int error;           /* 0, or -errno that it was answered with */
};

/* Goes on behind the last event of the store. keep_rows 0: all of them. 0, -ENOMEM, -errno of the store. */
_must_use_ int audit_new(struct store *store, uint64_t keep_rows, struct audit **ret);
/* Verifies the chain once, beside the service, and logs what it finds. Once, by whoever frees it. 0,
 * -EAGAIN. */
_must_use_ int audit_check(struct audit *a);
/* Writes what waits, for at most a second where the store refuses. NULL is fine; returns NULL. */
struct audit *audit_free(struct audit *a);

/* Never waits for the disk. a NULL: nobody keeps a record (unit tests of other rooms). */
void audit_note(struct audit *a, const struct audit_event *e);

/* How many events wait for the disk (refusals, which are folded, not counted). a may be NULL as above. */
uint64_t audit_queued(struct audit *a);

/* For administration: returns once the row is on disk. It may block, so no lock may be held. 0, or why it is
 * not there yet (it is tried again): -ENOSPC, -EIO, -ETIMEDOUT, -EBUSY. a may be NULL as above. */
_must_use_ int audit_note_durable(struct audit *a, const struct audit_event *e) LATCH_BLOCKS;

/* Everything that was noted before is on disk, folded refusals, too. Errors as above. */
_must_use_ int audit_flush(struct audit *a) LATCH_BLOCKS;
