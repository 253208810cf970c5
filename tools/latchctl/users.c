/* latchctl user ... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/auth.h"
#include "command.h"
#include "main/people.h"
#include "workspace/workspace.h"

/* ---- add ---- */

int user_add_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;

        return command_request(config,
                               json_pack("{s:s, s:s, s:s, s:s}", "command", "user.add", "name",
                                         c->arg[0], "role", c->option[OPTION_ROLE], "password",
                                         c->password),
                               COMMAND_ANSWER_MS, &reply, ret_error);
}

static int add(const struct command *c, const struct people *p, char **ret_error) {
        enum role role;
        int r = role_parse(c->option[OPTION_ROLE], &role);

        if (r == 0)
                r = people_add(p, c->arg[0], role, c->password, NULL);
        if (r == 0)
                return audit_direct(p->store, "admin.user_add", c->arg[0], ret_error);
        bool told = r == -EINVAL || r == -EEXIST || r == -ERANGE || r == -EMSGSIZE;
        return COMPLAIN(ret_error, told ? -ECANCELED : r, "%s",
                        told ? people_words(r) : strerror(-r));
}

int user_add_direct(const struct command *c, const struct config *config, char **ret_error) {
        struct people p = {.config = config};
        int r = store_open(config->data, &p.store, ret_error);

        if (r < 0)
                return r;
        r = workspace_prepare(config->data);
        if (r == 0)
                r = auth_new(p.store, config, &p.auth);
        if (r < 0)
                r = COMPLAIN(ret_error, r, "%s: %s", config->data, strerror(-r));
        else
                r = add(c, &p, ret_error);
        auth_free(p.auth);
        store_close(p.store);
        return r;
}

/* ---- list ---- */

static int print_user(const char *name, const char *role, int64_t uid, bool disabled) {
        int n = printf("%s\t%s\t%lld%s\n", name, role, (long long)uid,
                       disabled ? "\tdisabled" : "");

        return n < 0 ? -EIO : 0;
}

static int print_page(const json_t *users, const char **ret_last) {
        size_t i;
        json_t *u;

        json_array_foreach(users, i, u) {
                const char *name = json_string_value(json_object_get(u, "name"));
                const char *role = json_string_value(json_object_get(u, "role"));
                if (!name || !role)
                        return -EPROTO;
                int r = print_user(name, role, json_integer_value(json_object_get(u, "uid")),
                                   json_is_true(json_object_get(u, "disabled")));
                if (r < 0)
                        return r;
                *ret_last = name;
        }
        return 0;
}

int user_list_ask(const struct command *c, const struct config *config, char **ret_error) {
        char after[USER_NAME_MAX + 1] = "";

        (void)c;
        for (;;) {
                json_auto_t *reply = NULL;
                const char *last = NULL;
                int r = command_request(
                        config, json_pack("{s:s, s:s}", "command", "user.list", "after", after),
                        COMMAND_ANSWER_MS, &reply, ret_error);
                if (r == 0)
                        r = print_page(json_object_get(reply, "users"), &last);
                if (r < 0 || !json_is_true(json_object_get(reply, "more")))
                        return r;
                if (!last || str_copy(after, sizeof after, last) < 0)
                        return -EPROTO; /* more, but nothing to go on from */
        }
}

int user_list_direct(const struct command *c, const struct config *config, char **ret_error) {
        _cleanup_(freep) struct store_user *users = NULL;
        struct store *store = NULL;
        size_t n = 0;
        int r = store_open(config->data, &store, ret_error);

        (void)c;
        if (r < 0)
                return r;
        r = store_user_list(store, &users, &n);
        store_close(store);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = print_user(users[i].name, role_name(users[i].role), users[i].uid,
                               users[i].disabled);
        return r < 0 ? COMPLAIN(ret_error, r, "the users: %s", strerror(-r)) : 0;
}
