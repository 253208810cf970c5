/* The contract is in main/people.h. */
#include "main/people.h"

#include <errno.h>

#include "base/random.h"
#include "workspace/workspace.h"

int people_add(const struct people *p, const char *name, enum role role, const char *password,
               struct store_user *ret_user) {
        struct store_user u;
        int r = auth_user_add(p->auth, name, role, password, &u);

        if (r < 0 && r != -EEXIST)
                return r;
        int found = r == -EEXIST ? store_user_by_name(p->store, name, &u) : 0;
        if (found == 0)
                found = workspace_make_user(p->config->data, u.name, auth_host_uid(&u));
        if (r == 0)
                r = found;
        if (r == 0 && ret_user)
                *ret_user = u;
        return r;
}

const char *people_words(int error) {
        switch (error) {
        case -EINVAL:
                return "a name is a-z, 0-9, '.', '_' or '-', begins with a letter or digit, and has at most 32 characters";
        case -EEXIST: return "there is such a user already";
        case -ERANGE: return "no uid is left for another user (users.uid_count)";
        case -EMSGSIZE: return "a password has 8 to 1024 bytes";
        case -ENOSPC: return "the disk is full";
        default: return "the server could not do it; its log says why";
        }
}

int people_make_first(const struct people *p, bool *ret_made, struct people_first *ret) {
        struct store_user admin;
        size_t n;
        int r = store_user_count(p->store, &n);

        if (r < 0 || n > 0) {
                *ret_made = false;
                return r;
        }
        random_id(ret->password);
        r = people_add(p, "admin", ROLE_ADMIN, ret->password, &admin);
        if (r == 0)
                r = auth_make_link(p->auth, admin.id, ret->link);
        *ret_made = r == 0;
        return r;
}
