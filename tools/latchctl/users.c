/* latchctl user ... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "auth/auth.h"
#include "command.h"
#include "people/people.h"
#include "workspace/workspace.h"

/* ---- add ---- */

static int outcome(int r, char **ret_error) {
        bool told;
        const char *words = people_words(r, &told);

        if (r == 0)
                return 0;
        return COMPLAIN(ret_error, told ? -ECANCELED : r, "%s", told ? words : strerror(-r));
}

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
        int noted = audit_note_durable(
                p->audit,
                &(struct audit_event){.what = "admin.user_add", .object = c->arg[0], .error = r});
        return outcome(r == 0 && noted < 0 ? -ENOTRECOVERABLE : r, ret_error);
}

/* The people of DIR, whose lock we have. */
static int with_people(const struct command *c, const struct config *config,
                       int (*work)(const struct command *c, const struct people *p,
                                   char **ret_error),
                       char **ret_error) {
        struct people p = {.config = config};
        int r = store_open(config->data, &p.store, ret_error);

        if (r < 0)
                return r;
        r = workspace_prepare(config->data);
        if (r == 0)
                r = auth_new(p.store, config, &p.auth);
        if (r == 0)
                r = audit_new(p.store, config->keep_rows, &p.audit);
        if (r < 0)
                r = COMPLAIN(ret_error, r, "%s: %s", config->data, strerror(-r));
        else
                r = work(c, &p, ret_error);
        audit_free(p.audit);
        auth_free(p.auth);
        store_close(p.store);
        return r;
}

int user_add_direct(const struct command *c, const struct config *config, char **ret_error) {
        return with_people(c, config, add, ret_error);
}

/* ---- what is done to one that is there ---- */

/* "user sign-out" is user.sign_out on the control socket. */
static void act_word(const struct command *c, char to[32]) {
        snprintf(to, 32, "%s", c->row->words + strlen("user "));
        for (; *to; to++)
                if (*to == '-')
                        *to = '_';
}

/* Where a browser finds the server, as far as the settings say. */
static int print_link(const struct config *config, const char *link) {
        const char *listen = config->listen, *port = strrchr(listen, ':');
        int n;

        if (config->public_url[0])
                n = printf("%s/#link=%s\n", config->public_url, link);
        else if (!port || str_eq(port, ":0"))
                n = printf("/#link=%s\n", link);
        else if (str_starts(listen, "0.0.0.0:"))
                n = printf("http://127.0.0.1%s/#link=%s\n", port, link);
        else
                n = printf("http://%s/#link=%s\n", listen, link);
        return n < 0 ? -EIO : 0;
}

int user_act_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        char word[32], command[64];

        act_word(c, word);
        snprintf(command, sizeof command, "user.%s", word);
        int r = command_request(config,
                                json_pack("{s:s, s:s, s:s*, s:s*}", "command", command, "name",
                                          c->arg[0], "role", c->option[OPTION_ROLE], "password",
                                          c->option[OPTION_PASSWORD_STDIN] ? c->password : NULL),
                                COMMAND_ANSWER_MS, &reply, ret_error);
        const char *link = json_string_value(json_object_get(reply, "link"));
        return r == 0 && link && *link ? print_link(config, link) : r;
}

static int act(const struct command *c, const struct people *p, char **ret_error) {
        struct people_order o = {.name = c->arg[0], .password = c->password};
        char word[32], link[TOKEN_TEXT_MAX] = "";

        act_word(c, word);
        int r = people_act_parse(word, &o.act);
        if (r == 0 && c->option[OPTION_ROLE])
                r = role_parse(c->option[OPTION_ROLE], &o.role);
        if (r == 0)
                r = people_carry_out(p, &o, link);
        return r == 0 && *link ? print_link(p->config, link) : outcome(r, ret_error);
}

int user_act_direct(const struct command *c, const struct config *config, char **ret_error) {
        return with_people(c, config, act, ret_error);
}

/* ---- list ---- */

static int print_user(const char *name, const char *role, int64_t uid, bool disabled,
                      bool deleted) {
        int n = printf("%s\t%s\t%lld%s\n", name, role, (long long)uid,
                       deleted    ? "\tdeleted"
                       : disabled ? "\tdisabled"
                                  : "");

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
                                   json_is_true(json_object_get(u, "disabled")),
                                   json_is_true(json_object_get(u, "deleted")));
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
                               users[i].disabled, users[i].deleted);
        return r < 0 ? COMPLAIN(ret_error, r, "the users: %s", strerror(-r)) : 0;
}
