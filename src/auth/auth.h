/* auth.h - who is asking: passwords, tokens, one-time links, and the living accounts and identities.
 *
 * An account is a user who is known to this process: what is counted or queued for each user hangs on
 * it. An identity is one live token of an account. Both are registry items: find gives a reference.
 *
 * Threads: any registered thread. Lock: auth_gate, auth_attempts inside; none may be held by the
 * caller (passwords take 90 ms, the store is I/O).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"
#include "config/config.h"
#include "latch/lock.h"
#include "pool/pool.h"
#include "registry/registry.h"
#include "store/store.h"

struct account {
        struct registry_item item;    /* by user id */
        int64_t user_id;              /* fixed */
        char name[USER_NAME_MAX + 1]; /* fixed */
        _Atomic enum role role;
        atomic_bool shut;       /* disabled or deleted: nothing more is begun for it */
        _Atomic uint64_t floor; /* identities with a lower stamp have ended */
        atomic_uint floor_why;  /* enum auth_end of those */
        uid_t uid;              /* fixed: host uid of the user's files and programs */
        struct pool_turn turn;  /* the pool's */
        atomic_uint sockets;    /* open ones */
        atomic_uint http;       /* requests under way over HTTP; front's */
        atomic_uint lingering;  /* those that were answered and may not have read it yet; front's */
        atomic_uint sessions;   /* living ones */
        atomic_uint watches;    /* of folders, on all its sockets */
        atomic_uint searches;   /* under way */
        atomic_size_t requested; /* bytes of requests received and not answered; rpc's */
        /* GCRA: theoretical arrival times of the next run and the next request, monotonic */
        _Atomic uint64_t runs_tat_ns, requests_tat_ns;
        uint64_t tickets_made LATCH_GUARDED_BY(auth_tickets);
        uint64_t tickets_spent LATCH_GUARDED_BY(
                auth_tickets); /* bit n: the n-th before the newest */
};

enum auth_end { /* why an identity has ended */
                AUTH_EXPIRED,
                AUTH_SIGNED_OUT, /* by itself */
                AUTH_RENEWED,
                AUTH_TOO_MANY,
                AUTH_ELSEWHERE, /* auth.single_session: a newer sign-in */
                AUTH_ENDED,     /* by another sign-in of the user, or by an admin */
                AUTH_PASSWORD,
                AUTH_ROLE,
                AUTH_DISABLED,
                AUTH_DELETED,
};

struct identity {
        struct registry_item item;            /* by token hash */
        unsigned char hash[TOKEN_HASH_BYTES]; /* fixed */
        struct account *account;              /* fixed, referenced */
        uint64_t expires_ms;                  /* fixed, real time */
        bool visit;             /* fixed: whoever runs the server, as this user; in no store */
        atomic_bool revoked;    /* sockets with this identity are closed within a second */
        atomic_uint why;        /* enum auth_end, once revoked */
        _Atomic uint64_t stamp; /* see the account's floor */
        _Atomic uint64_t address_key; /* what it was used from last, hashed */
        _Atomic uint64_t noted_ns;    /* when that was written down, monotonic */
        atomic_uint users;            /* references outside the registry; auth's own */
};

struct auth;

_must_use_ int auth_new(struct store *store, const struct config *config,
                        struct auth **ret) LATCH_BLOCKS;
struct auth *auth_free(struct auth *a);

struct account *account_ref(struct account *a);
struct account *account_unref(struct account *a);
DEFINE_CLEANUP(struct account, account_unref)
struct identity *identity_ref(struct identity *i);
struct identity *identity_unref(struct identity *i);
DEFINE_CLEANUP(struct identity, identity_unref)

/* False once it is revoked or expired. */
bool identity_valid(const struct identity *i);
enum auth_end identity_why(const struct identity *i); /* of one that is not valid any more */

/* What is in memory now. 0, -ENOMEM. */
struct auth_stats {
        size_t tokens;  /* that somebody used since the start, and that are not forgotten */
        size_t present; /* users with an open socket */
};
_must_use_ int auth_stats(struct auth *a, struct auth_stats *ret);

/* The living account of a user, made on demand. 0, -ENOENT, -errno of the store. */
_must_use_ int auth_account(struct auth *a, int64_t user_id, struct account **ret);

#define TOKEN_TEXT_MAX       64
#define AUTH_TOKENS_PER_USER 256u /* signed in at once; then the oldest is revoked */
struct auth_grant {
        char token[TOKEN_TEXT_MAX]; /* secret: base64url of 32 random bytes */
        unsigned expires_in_s;
        struct identity *identity; /* referenced */
};
/* Sign in. address: the peer's, for the count of failures. 0; -EACCES wrong name, password or link;
 * -EAGAIN too many failures or too many hashes waiting: *ret_retry_s says how long; -errno of the
 * store. A wrong name takes as long as a wrong password. */
_must_use_ int auth_sign_in(struct auth *a, const char *name, const char *password,
                            const char *address, struct auth_grant *ret,
                            unsigned *ret_retry_s) LATCH_BLOCKS;
_must_use_ int auth_sign_in_link(struct auth *a, const char *link, const char *address,
                                 struct auth_grant *ret, unsigned *ret_retry_s) LATCH_BLOCKS;
_must_use_ int auth_renew(struct auth *a, struct identity *old, const char *address,
                          struct auth_grant *ret) LATCH_BLOCKS; /* ends old */
_must_use_ int auth_sign_out(struct auth *a, struct identity *i)
        LATCH_BLOCKS; /* revokes; 0 or -errno of the store */

/* Who this token is: reads memory, and asks the store for one that it does not know. 0 and a reference;
 * -EACCES it is none, expired or revoked; -errno of the store (an answer of 503, never of 401). */
_must_use_ int auth_authenticate(struct auth *a, const char *token, struct identity **ret);

/* A ticket stands for a token on one socket, once, for TICKET_LIFETIME_S, and ends with the token. Of one
 * user's the newest AUTH_TICKETS_AT_ONCE are good. */
#define TICKET_TEXT_MAX      128
#define TICKET_LIFETIME_S    30u
#define AUTH_TICKETS_AT_ONCE 64u
void auth_make_ticket(struct auth *a, struct identity *i, char ret[TICKET_TEXT_MAX]);
/* One for whoever runs the server, who comes as this user: it stands for no token, and the user's sign-ins do
 * not show it. 0; -EACCES the account is shut; -EUSERS, -ENOMEM. */
_must_use_ int auth_make_visit(struct auth *a, struct account *account, char ret[TICKET_TEXT_MAX]);
/* Spends it. 0 and a reference; -EACCES it is none, spent, too old, or its token has ended; -errno of the
 * store. */
_must_use_ int auth_redeem(struct auth *a, const char *ticket, struct identity **ret);

/* The host uid that a user's files and programs have: the user's own where this process may give files
 * away (root, or CAP_CHOWN), else the process's. What workspace_make_user wants; account.uid is it. */
uid_t auth_host_uid(const struct store_user *u);

/* A new user, with the password hashed here; NULL: none, so that only a link signs in. ret_user may be
 * NULL. -EINVAL bad name; -EEXIST; -ERANGE no uid left; -EMSGSIZE password shorter than 8 or longer than
 * 1024 bytes; -errno of the store. */
_must_use_ int auth_user_add(struct auth *a, const char *name, enum role role, const char *password,
                             struct store_user *ret_user) LATCH_BLOCKS;

/* A one-time link's secret for a user: it goes behind /#link= . */
_must_use_ int auth_make_link(struct auth *a, int64_t user_id,
                              char ret[TOKEN_TEXT_MAX]) LATCH_BLOCKS;

/* ---- changing users: one change at a time, and what it ends is ended when it returns ---- */

/* The store's row, and the living account. The user's sign-ins and links end. what->keep is not looked at. 0;
 * -ENOENT, -EDEADLK (store.h); -errno of the store. */
_must_use_ int auth_change(struct auth *a, int64_t user_id, const struct store_user_change *what,
                           enum auth_end why);
/* A new password, hashed here; all sign-ins end. -EMSGSIZE as auth_user_add. */
_must_use_ int auth_set_password(struct auth *a, int64_t user_id, const char *password);
/* By the user: old is checked, and failures count as those of signing in; the other sign-ins end. Never
 * waits for other hashes. 0; -EPERM the old one is wrong;
 * -EAGAIN *ret_retry_ms; -EMSGSIZE; -EACCES i has ended meanwhile; -errno of the store. */
_must_use_ int auth_change_password(struct auth *a, struct identity *i, const char *old,
                                    const char *password, const char *address,
                                    unsigned *ret_retry_ms);
/* A deleted user's row goes, the living account is forgotten. -ENOENT: there is none that is deleted. */
_must_use_ int auth_forget(struct auth *a, int64_t user_id);

/* The sign-ins and links of a user end, but keep (NULL: none). -ENOENT: keep has ended. */
_must_use_ int auth_end_all(struct auth *a, int64_t user_id, const struct identity *keep,
                            enum auth_end why) LATCH_BLOCKS;
_must_use_ int auth_end_one(struct auth *a, int64_t user_id, int64_t number); /* -ENOENT */
/* The identity was used from here: written down where it is news, at most once a minute. */
void auth_seen(struct auth *a, struct identity *i, const char *address);

/* GCRA over the account (ITU-T I.371): true if a run may start now, else *ret_retry_ms. Lock-free. */
bool account_take_run(struct account *a, unsigned per_minute, unsigned *ret_retry_ms);

/* The same for a request of so many units, at most REQUEST_UNITS_MAX, over all sockets and routes. */
#define REQUEST_UNITS_MAX 100u
bool account_take_request(struct account *a, unsigned per_minute, unsigned units,
                          unsigned *ret_retry_ms);
/* For a request without an identity: limits.address_requests_per_minute, in a table of fixed size. */
bool auth_take_address(struct auth *a, const char *address, unsigned units, unsigned *ret_retry_ms);
