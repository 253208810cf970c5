/* auth_private.h - what the files of this room share: the tables of accounts and identities.
 *
 * Threads: any registered thread. Lock: none may be held (the store is asked).
 */
#pragma once

#include <stdatomic.h>

#include "auth/attempts.h"
#include "auth/auth.h"
#include "auth/password.h"
#include "latch/lock.h"

struct auth {
        struct store *store;         /* fixed, not ours */
        const struct config *config; /* fixed, not ours */
        struct registry *accounts, *identities;
        struct gate *gate;
        struct gate *changes; /* of users: one at a time, so that memory has what the store has */
        _Atomic uint64_t stamps;       /* given to identities, ever higher */
        struct attempts *attempts;     /* failed sign-ins */
        struct attempts *addresses;    /* requests without an identity */
        char decoy[PASSWORD_HASH_MAX]; /* fixed: what unknown names are checked against */
        struct latch_mutex tickets;
        unsigned char ticket_key[32]; /* fixed: crypto_generichash_KEYBYTES */
        unsigned ticket_ms;           /* fixed: how long one is good */
        _Atomic uint64_t purge_ns;    /* monotonic: when expired tokens are removed next */
};

_must_use_ int people_tables_new(struct auth *a); /* 0, -ENOMEM */
void people_tables_free(struct auth *a);          /* nobody holds a reference */

/* The living identity of this hash: from memory, else from the store. 0; -EACCES none, expired,
 * revoked, or its user is disabled; -errno of the store. */
_must_use_ int identity_of(struct auth *a, const unsigned char hash[TOKEN_HASH_BYTES],
                           struct identity **ret) LATCH_BLOCKS;

/* An identity that no store knows, of this account. 0, -EUSERS, -ENOMEM. */
_must_use_ int identity_visit(struct auth *a, struct account *account, struct identity **ret);

/* From now on it is not valid, nor found. The store's row must be gone already. */
void identity_revoke(struct auth *a, struct identity *i, enum auth_end why);
/* The same for one that may not even be in memory. */
void identity_revoke_hash(struct auth *a, const unsigned char hash[TOKEN_HASH_BYTES],
                          enum auth_end why);
/* The same for all of a user but keep. Within the gate of changes. */
void account_end_all(struct auth *a, int64_t user_id, const struct identity *keep,
                     enum auth_end why);

/* The account in memory takes what the row has. Within the gate of changes. -errno of the store. */
_must_use_ int account_refresh(struct auth *a, int64_t user_id);
/* Nobody finds it any more. */
void account_forget(struct auth *a, int64_t user_id);

/* ---- what signing in is made of (auth.c) ---- */

/* One more wrong guess than allowed is tried at most for each hash that runs at once. patient: waits for its
 * turn as a sign-in does; else -EAGAIN where it would have to wait. 0; -EACCES, counted; -EAGAIN. */
_must_use_ int password_try(struct auth *a, const char *name, const char *address, const char *hash,
                            const char *password, bool patient, unsigned *ret_retry_s);
/* Of a new password, hashed. -EMSGSIZE; -EAGAIN if not patient; -ENOMEM. */
_must_use_ int password_make(struct auth *a, const char *password, bool patient,
                             char ret[PASSWORD_HASH_MAX]);
