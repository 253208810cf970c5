/* people.h - the life of a user as a whole: account, folder, sign-ins, programs; and the first one, on a
 * store that has none. What latchctl, the control socket and admin.* ask for is carried out here alone.
 *
 * Disabled: signs in nowhere, its programs end. Deleted: the same, for good; the files are kept, and so is the
 * name, until it is purged. Purged: files and name are gone, the uid is never given again.
 *
 * Threads: any. Lock: none may be held (hashing, the store, files).
 */
#pragma once

#include <stdbool.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"
#include "session/session.h"
#include "store/store.h"

struct audit;

struct people { /* fixed; all outlive it */
        const struct config *config;
        struct store *store;
        struct auth *auth;
        struct sessions *sessions; /* NULL: no server runs */
        struct audit *audit;       /* NULL: nobody keeps a record */
};

/* Adds the user and makes its folder. password NULL: none, a link signs in. ret_user may be NULL. Errors:
 * those of auth_user_add and workspace_make_user; -EUCLEAN a deleted user has the name. If only the folder
 * failed, adding again makes it and still says -EEXIST. */
_must_use_ int people_add(const struct people *p, const char *name, enum role role,
                          const char *password, struct store_user *ret_user);

enum people_act {
        PEOPLE_PASSWORD, /* sign-ins end */
        PEOPLE_LINK,
        PEOPLE_ROLE, /* sign-ins end: what a page shows, and what is let in, are of one role */
        PEOPLE_DISABLE,
        PEOPLE_ENABLE,
        PEOPLE_DELETE,
        PEOPLE_PURGE,
        PEOPLE_SIGN_OUT,
        PEOPLE_ACTS
};
_must_use_ int people_act_parse(const char *word,
                                enum people_act *ret); /* "sign_out". 0, -EINVAL */

struct people_order {
        enum people_act act;
        const char *name;
        const char *password;     /* of PASSWORD */
        enum role role;           /* of ROLE */
        const char *by, *address; /* for the record: who wants it, from where; NULL: latchctl */
};
/* Carries it out and puts it on record. link: of LINK, what goes behind /#link= . Asked again, it is done
 * again, or was done: no error. 0; -ENOENT no such user; -EDEADLK the last admin who can sign in; -EUCLEAN the
 * user is deleted; -ENODATA to be purged it must be deleted; -EKEYREJECTED no link for one that is disabled;
 * -EBUSY programs still end; -EMSGSIZE; -ENOTRECOVERABLE done, but not on record; -errno. */
_must_use_ int people_carry_out(const struct people *p, const struct people_order *o,
                                char link[TOKEN_TEXT_MAX]);

/* Words for people; of add and carry_out. told: it is the asker's to mend, else ours. */
const char *people_words(int error, bool *ret_told);

/* At a start: programs of those who may have none any more end. 0 or -errno of the store. */
_must_use_ int people_settle(const struct people *p);

/* On a store without users: makes `admin` with a random password, and a one-time link. *ret_made false:
 * there are users already. Both texts are secrets. 0 or -errno. */
struct people_first {
        char password[TOKEN_TEXT_MAX], link[TOKEN_TEXT_MAX];
};
_must_use_ int people_make_first(const struct people *p, bool *ret_made, struct people_first *ret);
