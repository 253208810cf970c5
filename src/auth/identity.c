/* Living accounts and identities: loaded when they are first asked for. The contracts are in auth/auth.h
 * and auth/auth_private.h.
 *
 * There is at most one object for each token, so that revoking it reaches everybody who uses it. An
 * identity is forgotten to make room only while nobody uses it: `users` goes from 0 to EVICTED in one
 * step, and nobody takes a reference from there.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth_private.h"
#include "base/clock.h"
#include "base/random.h"
#include "latch/lock.h"

#define EVICTED UINT_MAX

/* ---- accounts ---- */

static struct account *account_from(struct registry_item *item) {
        return CONTAINER_OF(item, struct account, item);
}

static void account_reclaim(struct registry_item *item) {
        free(account_from(item));
}

struct account *account_ref(struct account *a) {
        registry_item_ref(&a->item);
        return a;
}

struct account *account_unref(struct account *a) {
        if (a)
                registry_item_unref(&a->item);
        return NULL;
}

static struct account *account_find(struct auth *a, int64_t user_id) {
        struct registry_item *item = registry_find(a->accounts, &user_id, sizeof user_id);

        return item ? account_from(item) : NULL;
}

static int account_make(struct auth *a, const struct store_user *u, struct account **ret) {
        struct account *made = calloc(1, sizeof *made);

        if (!made)
                return -ENOMEM;
        made->user_id = u->id;
        memcpy(made->name, u->name, sizeof made->name);
        atomic_init(&made->role, u->role);
        atomic_init(&made->shut, u->disabled || u->deleted);
        made->uid = auth_host_uid(u);
        pool_turn_init(&made->turn);
        registry_item_init(a->accounts, &made->item, &made->user_id, sizeof made->user_id);
        *ret = made;
        return 0;
}

static void account_take(struct account *account, const struct store_user *u) {
        atomic_store(&account->role, u->role);
        atomic_store(&account->shut, u->disabled || u->deleted);
}

int account_refresh(struct auth *a, int64_t user_id) {
        _cleanup_(account_unrefp) struct account *account = account_find(a, user_id);
        struct store_user u;
        int r = account ? store_user_by_id(a->store, user_id, &u) : -ENOENT;

        if (r == 0)
                account_take(account, &u);
        return account ? r : 0;
}

void account_forget(struct auth *a, int64_t user_id) {
        _cleanup_(account_unrefp) struct account *account = account_find(a, user_id);

        if (!account)
                return;
        atomic_store(&account->shut, true);
        registry_remove(a->accounts, &account->item);
}

/* The row that it was made from may have changed before it was found here: who changes writes first and
 * looks second, who makes one publishes first and looks again. */
static int account_settle(struct auth *a, struct account *made, struct account **ret) {
        int r = gate_enter(a->changes, true);

        if (r < 0)
                return r;
        r = account_refresh(a, made->user_id);
        gate_leave(a->changes);
        if (r < 0)
                registry_remove(a->accounts, &made->item);
        else
                *ret = account_ref(made);
        return r;
}

/* The living account of this row, made if it is not there. */
static int account_of(struct auth *a, const struct store_user *u, struct account **ret) {
        _cleanup_(account_unrefp) struct account *made = NULL;
        struct account *found = account_find(a, u->id);
        int r;

        while (!found) {
                r = made ? 0 : account_make(a, u, &made);
                if (r == 0)
                        r = registry_add(a->accounts, &made->item);
                if (r == 0)
                        r = account_settle(a, made, &found);
                else if (r == -EEXIST)
                        found = account_find(a, u->id); /* another was quicker */
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        *ret = found;
        return 0;
}

int auth_account(struct auth *a, int64_t user_id, struct account **ret) {
        struct account *found = account_find(a, user_id);
        struct store_user u;

        if (found) {
                *ret = found;
                return 0;
        }
        int r = store_user_by_id(a->store, user_id, &u);
        return r < 0 ? r : account_of(a, &u, ret);
}

/* ---- identities ---- */

static struct identity *identity_from(struct registry_item *item) {
        return CONTAINER_OF(item, struct identity, item);
}

static void identity_reclaim(struct registry_item *item) {
        struct identity *i = identity_from(item);

        account_unref(i->account);
        free(i);
}

static bool identity_use(struct identity *i) {
        unsigned n = atomic_load(&i->users);

        while (n != EVICTED)
                if (atomic_compare_exchange_weak(&i->users, &n, n + 1))
                        return true;
        return false;
}

struct identity *identity_ref(struct identity *i) {
        atomic_fetch_add(&i->users, 1);
        registry_item_ref(&i->item);
        return i;
}

struct identity *identity_unref(struct identity *i) {
        if (!i)
                return NULL;
        atomic_fetch_sub(&i->users, 1);
        registry_item_unref(&i->item);
        return NULL;
}

static bool below_floor(const struct identity *i) {
        return atomic_load(&i->stamp) < atomic_load(&i->account->floor);
}

bool identity_valid(const struct identity *i) {
        return !atomic_load(&i->revoked) && !below_floor(i) && clock_real_ms() < i->expires_ms;
}

enum auth_end identity_why(const struct identity *i) {
        if (atomic_load(&i->revoked))
                return atomic_load(&i->why);
        return below_floor(i) ? atomic_load(&i->account->floor_why) : AUTH_EXPIRED;
}

/* One that is being forgotten is helped on its way, so that the next may be made at once. */
static struct identity *identity_find(struct auth *a, const unsigned char *hash) {
        struct registry_item *item = registry_find(a->identities, hash, TOKEN_HASH_BYTES);

        if (!item)
                return NULL;
        if (identity_use(identity_from(item)))
                return identity_from(item);
        registry_remove(a->identities, item);
        registry_item_unref(item);
        return NULL;
}

void identity_revoke(struct auth *a, struct identity *i, enum auth_end why) {
        unsigned first = AUTH_EXPIRED;

        atomic_compare_exchange_strong(&i->why, &first, why);
        atomic_store(&i->revoked, true);
        registry_remove(a->identities, &i->item);
}

void identity_revoke_hash(struct auth *a, const unsigned char hash[TOKEN_HASH_BYTES],
                          enum auth_end why) {
        _cleanup_(identity_unrefp) struct identity *i = identity_find(a, hash);

        if (i)
                identity_revoke(a, i, why);
}

/* No list of identities is needed, so this cannot fail: those that are being loaded have a stamp above the
 * floor, or below it, and find their row gone either way. */
void account_end_all(struct auth *a, int64_t user_id, const struct identity *keep,
                     enum auth_end why) {
        _cleanup_(account_unrefp) struct account *account = account_find(a, user_id);
        uint64_t stamp = atomic_fetch_add(&a->stamps, 1) + 1;

        if (!account)
                return; /* nobody has an identity of it */
        if (keep)
                atomic_store(&((struct identity *)keep)->stamp, stamp);
        atomic_store(&account->floor_why, why);
        atomic_store(&account->floor, stamp);
}

/* Forgets all that nobody uses. The store still has them. */
static int make_room(struct auth *a) {
        struct registry_item **items;
        size_t n;
        int r = registry_list(a->identities, &items, &n);

        if (r < 0)
                return r;
        for (size_t k = 0; k < n; k++) {
                unsigned unused = 0;
                if (atomic_compare_exchange_strong(&identity_from(items[k])->users, &unused,
                                                   EVICTED))
                        registry_remove(a->identities, items[k]);
        }
        registry_list_free(items, n);
        return 0;
}

static int identity_make(struct auth *a, const struct store_token *t, struct account *account,
                         struct identity **ret) {
        struct identity *i = calloc(1, sizeof *i);

        if (!i)
                return -ENOMEM;
        memcpy(i->hash, t->hash, sizeof i->hash);
        i->account = account_ref(account);
        i->expires_ms = t->expires_ms;
        atomic_init(&i->stamp, atomic_fetch_add(&a->stamps, 1) + 1);
        atomic_init(&i->users, 1);
        registry_item_init(a->identities, &i->item, i->hash, sizeof i->hash);
        *ret = i;
        return 0;
}

/* What the store says of a token that is good now. */
static int ask_store(struct auth *a, const unsigned char *hash, struct store_token *t,
                     struct account **ret) {
        struct store_user u;
        int r = store_token_get(a->store, hash, TOKEN_SESSION, t);

        if (r == 0 && t->expires_ms <= clock_real_ms())
                return -EACCES;
        if (r == 0)
                r = store_user_by_id(a->store, t->user_id, &u);
        if (r == -ENOENT || (r == 0 && (u.disabled || u.deleted)))
                return -EACCES;
        return r < 0 ? r : account_of(a, &u, ret);
}

/* Publishes, making room once if there is none. */
static int publish(struct auth *a, struct identity *i) {
        int r = registry_add(a->identities, &i->item);

        if (r == -EUSERS)
                r = make_room(a);
        else
                return r;
        return r < 0 ? r : registry_add(a->identities, &i->item);
}

/* Between our first look at the store and the publication somebody may have revoked it, and found
 * nothing to mark: so the store is asked again. Who revokes deletes first and looks second. */
static int still_there(struct auth *a, struct identity *i) {
        struct store_token t;
        int r = store_token_get(a->store, i->hash, TOKEN_SESSION, &t);

        if (r < 0)
                identity_revoke(a, i, AUTH_ENDED);
        return r == -ENOENT ? -EACCES : r;
}

static int identity_load(struct auth *a, const unsigned char *hash, struct identity **ret) {
        _cleanup_(identity_unrefp) struct identity *made = NULL;
        _cleanup_(account_unrefp) struct account *account = NULL;
        struct store_token t;
        int r = ask_store(a, hash, &t, &account);

        if (r == 0)
                r = identity_make(a, &t, account, &made);
        if (r == 0)
                r = publish(a, made);
        if (r == 0)
                r = still_there(a, made);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r;
}

int identity_visit(struct auth *a, struct account *account, struct identity **ret) {
        _cleanup_(identity_unrefp) struct identity *made = NULL;
        struct store_token t = {.expires_ms = clock_real_ms() +
                                              a->config->token_lifetime_s * UINT64_C(1000)};

        random_bytes(t.hash, sizeof t.hash);
        int r = identity_make(a, &t, account, &made);
        if (r < 0)
                return r;
        made->visit = true;
        r = publish(a, made);
        if (r == 0)
                *ret = TAKE_PTR(made);
        return r;
}

int identity_of(struct auth *a, const unsigned char hash[TOKEN_HASH_BYTES], struct identity **ret) {
        latch_blocking("identity");
        for (;;) {
                _cleanup_(identity_unrefp) struct identity *found = identity_find(a, hash);
                if (found && !identity_valid(found))
                        return -EACCES;
                if (found) {
                        *ret = TAKE_PTR(found);
                        return 0;
                }
                int r = identity_load(a, hash, ret);
                if (r != -EEXIST)
                        return r;
                /* Another thread has just loaded it, or is just forgetting it. */
        }
}

int auth_stats(struct auth *a, struct auth_stats *ret) {
        struct auth_stats s = {.tokens = registry_count(a->identities)};
        struct registry_item **items;
        size_t n;
        int r = registry_list(a->accounts, &items, &n);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                s.present += atomic_load(&account_from(items[i])->sockets) > 0;
        registry_list_free(items, n);
        *ret = s;
        return 0;
}

/* ---- the tables ---- */

int people_tables_new(struct auth *a) {
        const struct config *c = a->config;
        size_t at_once = (size_t)c->max_sockets + c->http_threads + c->workers;
        int r = registry_new(MAX((size_t)c->uid_count, (size_t)65536), account_reclaim,
                             &a->accounts);

        if (r == 0)
                r = registry_new(MAX(at_once * 4, (size_t)4096), identity_reclaim, &a->identities);
        return r;
}

static void empty(struct registry *reg) {
        struct registry_item **items;
        size_t n;

        CHECK(registry_list(reg, &items, &n) == 0);
        for (size_t i = 0; i < n; i++)
                registry_remove(reg, items[i]);
        registry_list_free(items, n);
}

void people_tables_free(struct auth *a) {
        if (a->identities)
                empty(a->identities);
        a->identities = registry_free(a->identities); /* and lets the accounts go */
        if (a->accounts)
                empty(a->accounts);
        a->accounts = registry_free(a->accounts);
}
