/* On the store itself. The contract is in command.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "base/str.h"
#include "command.h"
#include "main/people.h"
#include "workspace/workspace.h"

#define COMPLAIN(ret, error, ...)                                                                  \
        ({                                                                                         \
                int complain_r_ = (error);                                                         \
                *(ret) = str_printf(__VA_ARGS__);                                                  \
                *(ret) ? complain_r_ : -ENOMEM;                                                    \
        })

static int add_user(const struct command *c, const struct config *config, struct store *store,
                    char **ret_error) {
        struct people p = {.config = config, .store = store};
        int r = workspace_prepare(config->data);

        if (r == 0)
                r = auth_new(store, config, &p.auth);
        if (r < 0)
                return COMPLAIN(ret_error, r, "%s: %s", config->data, strerror(-r));
        r = people_add(&p, c->name, c->role, c->password, NULL);
        p.auth = auth_free(p.auth);
        if (r == 0)
                return 0;
        bool told = r == -EINVAL || r == -EEXIST || r == -ERANGE || r == -EMSGSIZE;
        return COMPLAIN(ret_error, told ? -ECANCELED : r, "%s",
                        told ? people_words(r) : strerror(-r));
}

static int list_users(struct store *store, char **ret_error) {
        _cleanup_(freep) struct store_user *users = NULL;
        size_t n = 0;
        int r = store_user_list(store, &users, &n);

        for (size_t i = 0; r == 0 && i < n; i++)
                r = command_print_user(users[i].name, role_name(users[i].role), users[i].uid,
                                       users[i].disabled);
        return r < 0 ? COMPLAIN(ret_error, r, "the users: %s", strerror(-r)) : 0;
}

int command_do(const struct command *c, const struct config *config, char **ret_error) {
        struct store *store = NULL;

        if (c->kind == COMMAND_STOP)
                return COMPLAIN(ret_error, -ECANCELED, "%s: no server runs there", config->data);
        int r = store_open(config->data, &store, ret_error);
        if (r < 0)
                return r;
        r = c->kind == COMMAND_USER_ADD ? add_user(c, config, store, ret_error)
                                        : list_users(store, ret_error);
        store_close(store);
        return r;
}
