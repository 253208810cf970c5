/* quota.h - how much of the disk each user's home takes, and how much it may (limits.quota_bytes,
 * .quota_files).
 *
 * What latchd itself writes is counted before it is renamed into place: room is claimed as it comes, and
 * a claim counts against all others, so two saves cannot pass the quota together; what is replaced is
 * given back. What programs write is found by a scan of the home: when a user is first asked about, when
 * the figure is older than 30 s (and than 50 times what a scan took), and before a refusal (if 2 s, and 4 times
 * what it took, have passed since the last). One thread scans a home, others wait for it 200 ms at most. Saves
 * that do not grow a file pass in any case. Bytes are the sizes of regular files, files are all entries.
 *
 * Threads: any. Lock: quota, inside, for a few instructions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "config/config.h"

struct quota;
struct quota_user;

_must_use_ int quota_new(const struct config *config, struct quota **ret);
struct quota *quota_free(struct quota *q); /* nobody uses it any more. NULL is fine; returns NULL */

/* The figures of one user, for as long as the quota lives. 0, -ENOMEM. */
_must_use_ int quota_user(struct quota *q, const char *name, struct quota_user **ret);

/* An amount of bytes and files; in a difference either may be negative. */
struct quota_amount {
        int64_t bytes, files;
};

/* Room for this much more, which nobody else gets until it is settled. home: to scan. 0, -EDQUOT, errors
 * of a walk; -EBUSY: another has begun the first scan, and it takes long. u NULL: there is no quota. */
_must_use_ int quota_claim(struct quota_user *u, int home, struct quota_amount more);
/* The claim becomes this change, which is made now: 0, and quota_done follows. Or it is too small for
 * it: -EDQUOT, and the claim is gone. What only shrinks needs no claim, and is never refused. */
_must_use_ int quota_settle(struct quota_user *u, struct quota_amount claimed,
                            struct quota_amount change);
/* After a settle: it has happened, or not. Until then it counts as claimed, and no scan is relied on. */
void quota_done(struct quota_user *u, struct quota_amount change, bool happened);
void quota_drop(struct quota_user *u, struct quota_amount claimed); /* nothing came of it */
void quota_unsure(struct quota_user *u); /* something of unknown size has changed */

/* What is used; scans where the figure is old. */
_must_use_ int quota_used(struct quota_user *u, int home, struct quota_amount *ret);
