/* Changing users, and ending what they are signed in with. The contract is in auth/auth.h.
 *
 * Changes go one at a time: the store first, then the account in memory. So what memory says is what the
 * newest change said, whoever was quicker.
 */
#include <errno.h>
#include <string.h>

#include "auth/auth_private.h"
#include "base/clock.h"
#include "latch/lock.h"

#define NOTE_EVERY_NS (UINT64_C(60) * 1000000000)

int auth_user_add(struct auth *a, const char *name, enum role role, const char *password,
                  struct store_user *ret_user) {
        latch_blocking("add a user");
        struct store_user u = {.role = role};

        if (!user_name_valid(name))
                return -EINVAL;
        memcpy(u.name, name, strlen(name) + 1);
        int r = password ? password_make(a, password, true, u.password) : 0;
        if (r == 0)
                r = store_user_add(a->store, &u, a->config->uid_base, a->config->uid_count);
        if (r == 0 && ret_user)
                *ret_user = u;
        return r;
}

static int change(struct auth *a, int64_t user_id, const struct store_user_change *what,
                  const struct identity *keep, enum auth_end why) {
        struct store_user_change w = *what;

        w.keep = keep ? keep->hash : NULL;
        latch_blocking("change a user");
        int r = gate_enter(a->changes, true);
        if (r < 0)
                return r;
        r = store_user_change(a->store, user_id, &w);
        if (r == 0) {
                account_end_all(a, user_id, keep, why);
                r = account_refresh(a, user_id);
        }
        gate_leave(a->changes);
        return r;
}

int auth_change(struct auth *a, int64_t user_id, const struct store_user_change *what,
                enum auth_end why) {
        return change(a, user_id, what, NULL, why);
}

static int set_password(struct auth *a, int64_t user_id, const char *password, bool patient,
                        const struct identity *keep) {
        struct store_user_change what = STORE_USER_CHANGE;
        char hash[PASSWORD_HASH_MAX];
        int r = password_make(a, password, patient, hash);

        what.password = hash;
        return r < 0 ? r : change(a, user_id, &what, keep, AUTH_PASSWORD);
}

int auth_set_password(struct auth *a, int64_t user_id, const char *password) {
        return set_password(a, user_id, password, true, NULL);
}

int auth_change_password(struct auth *a, struct identity *i, const char *old, const char *password,
                         const char *address, unsigned *ret_retry_ms) {
        struct store_user u;
        unsigned retry_s = 1;
        int r = store_user_by_id(a->store, i->account->user_id, &u);

        *ret_retry_ms = 1000;
        if (r < 0)
                return r == -ENOENT ? -EACCES : r;
        size_t n = strnlen(password, PASSWORD_MAX + 1);
        if (n < PASSWORD_MIN || n > PASSWORD_MAX)
                return -EMSGSIZE;
        r = password_try(a, u.name, address, u.password[0] ? u.password : a->decoy, old, false,
                         &retry_s);
        if (r == -EACCES)
                return -EPERM;
        if (r == 0)
                r = set_password(a, u.id, password, false, i);
        *ret_retry_ms = retry_s * 1000;
        return r == -ENOENT ? -EACCES : r;
}

int auth_forget(struct auth *a, int64_t user_id) {
        int r = gate_enter(a->changes, true);

        if (r < 0)
                return r;
        r = store_user_remove(a->store, user_id);
        if (r == 0)
                account_forget(a, user_id);
        gate_leave(a->changes);
        return r;
}

/* ---- sign-ins ---- */

int auth_end_all(struct auth *a, int64_t user_id, const struct identity *keep, enum auth_end why) {
        latch_blocking("end sign-ins");
        int r = gate_enter(a->changes, true);

        if (r < 0)
                return r;
        r = store_token_end_all(a->store, user_id, keep ? keep->hash : NULL);
        if (r == 0)
                account_end_all(a, user_id, keep, why);
        gate_leave(a->changes);
        return r;
}

int auth_end_one(struct auth *a, int64_t user_id, int64_t number) {
        unsigned char hash[TOKEN_HASH_BYTES];
        int r = store_token_end(a->store, user_id, number, hash);

        if (r == 0)
                identity_revoke_hash(a, hash, AUTH_ENDED);
        return r;
}

void auth_seen(struct auth *a, struct identity *i, const char *address) {
        uint64_t key = attempts_key(a->attempts, ATTEMPTS_ADDRESS, address);
        uint64_t now = clock_mono_ns(), noted = atomic_load(&i->noted_ns);

        if (atomic_load(&i->address_key) == key || (noted != 0 && now - noted < NOTE_EVERY_NS))
                return;
        if (!atomic_compare_exchange_strong(&i->noted_ns, &noted, now))
                return; /* another does it */
        /* Only a help for its owner to know it again: a store that fails says so where it matters. */
        if (store_token_set_address(a->store, i->hash, address) == 0)
                atomic_store(&i->address_key, key);
}
