/* people.h - making a user whole: account, folder; and the first one, on a store that has none.
 *
 * Threads: main. Lock: none may be held (hashing, the store, files).
 */
#pragma once

#include <stdbool.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"
#include "store/store.h"

struct people {
        const struct config *config;
        struct store *store;
        struct auth *auth;
};

/* Adds the user and makes its folder. ret_user may be NULL. Errors: those of auth_user_add and
 * workspace_make_user. If only the folder failed, adding again makes it and still says -EEXIST. */
_must_use_ int people_add(const struct people *p, const char *name, enum role role,
                          const char *password, struct store_user *ret_user);
const char *people_words(int error); /* of people_add, for people */

/* On a store without users: makes `admin` with a random password, and a one-time link. *ret_made false:
 * there are users already. Both texts are secrets. 0 or -errno. */
struct people_first {
        char password[TOKEN_TEXT_MAX], link[TOKEN_TEXT_MAX];
};
_must_use_ int people_make_first(const struct people *p, bool *ret_made, struct people_first *ret);
