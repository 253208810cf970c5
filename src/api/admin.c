/* admin.c - the admin.* methods: what admins do to users. people/people.h carries it out. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/api_private.h"
#include "audit/audit.h"
#include "people/people.h"

#define PAGE_MAX 500u

static const struct people *people_of(const struct rpc_request *r) {
        const struct api_deps *deps = rpc_context(r);

        return deps->people;
}

static int fail(struct rpc_request *r, int error) {
        bool told;
        const char *words = people_words(error, &told), *code = NULL;

        if (error == -EDEADLK || error == -EUCLEAN || error == -ENODATA || error == -EKEYREJECTED)
                code = "conflict";
        else if (error == -ENOTRECOVERABLE)
                code = "unavailable";
        else if (error == -ERANGE)
                code = "limit_reached";
        return told ? rpc_fail(r, error, code, "%s", words) : error;
}

static int read_role(struct rpc_request *r, enum role *ret) {
        return role_parse(text_param(r, "role"), ret) < 0
                       ? rpc_fail(r, -EINVAL, NULL, "role is \"student\", \"teacher\" or \"admin\"")
                       : 0;
}

/* ---- add, list ---- */

static int give_link(const struct rpc_request *r, const char *link, json_t **ret) {
        *ret = json_pack("{s:s, s:i}", "link", link, "expires_in",
                         (int)people_of(r)->config->link_lifetime_s);
        return *ret ? 0 : -ENOMEM;
}

/* Without a password a link is made, for the user to sign in and choose one. */
static int do_add(struct rpc_request *r, json_t **ret) {
        const struct people *p = people_of(r);
        const char *name = text_param(r, "name"), *password = text_param(r, "password");
        char link[TOKEN_TEXT_MAX] = "";
        struct store_user u;
        enum role role;
        int e = read_role(r, &role);

        if (e < 0)
                return e;
        e = people_add(p, name, role, password, &u);
        if (e == 0 && !password)
                e = auth_make_link(p->auth, u.id, link);
        int noted = audit_note_durable(p->audit, &(struct audit_event){.what = "admin.user_add",
                                                                       .user = r->account->name,
                                                                       .address = r->port->address,
                                                                       .object = name,
                                                                       .error = e});
        if (e == 0 && noted < 0)
                e = -ENOTRECOVERABLE;
        if (e == 0 && !password)
                e = give_link(r, link, ret);
        explicit_bzero(link, sizeof link);
        return fail(r, e);
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct store_user *)a)->name, ((const struct store_user *)b)->name);
}

static json_t *user_json(const struct store_user *u) {
        return json_pack("{s:s, s:s, s:s, s:I}", "name", u->name, "role", role_name(u->role),
                         "state",
                         u->deleted    ? "deleted"
                         : u->disabled ? "disabled"
                                       : "enabled",
                         "uid", (json_int_t)u->uid);
}

static int do_list(struct rpc_request *r, json_t **ret) {
        _cleanup_(freep) struct store_user *users = NULL;
        const char *after = text_param(r, "after");
        size_t n = 0, i = 0;
        int e = store_user_list(people_of(r)->store, &users, &n);

        if (e < 0)
                return e;
        if (n > 0)
                qsort(users, n, sizeof *users, by_name);
        while (after && i < n && strcmp(users[i].name, after) <= 0)
                i++;
        json_t *list = json_array();
        for (; list && i < n && json_array_size(list) < PAGE_MAX; i++)
                if (json_array_append_new(list, user_json(&users[i])) < 0)
                        list = (json_decref(list), NULL);
        *ret = list ? json_pack("{s:o, s:b}", "users", list, "more", i < n) : NULL;
        return *ret ? 0 : -ENOMEM;
}

/* ---- what is done to one that is there ---- */

static int do_act(struct rpc_request *r, enum people_act act, json_t **ret) {
        struct people_order o = {.act = act,
                                 .name = text_param(r, "name"),
                                 .password = text_param(r, "password"),
                                 .by = r->account->name,
                                 .address = r->port->address};
        char link[TOKEN_TEXT_MAX] = "";
        int e = act == PEOPLE_ROLE ? read_role(r, &o.role) : 0;

        if (e < 0)
                return e;
        e = people_carry_out(people_of(r), &o, link);
        if (e == 0 && act == PEOPLE_LINK)
                e = give_link(r, link, ret);
        explicit_bzero(link, sizeof link);
        return fail(r, e);
}

#define ACT(name, act)                                                                             \
        static int name(struct rpc_request *r, json_t **ret) {                                     \
                return do_act(r, act, ret);                                                        \
        }
ACT(do_password, PEOPLE_PASSWORD)
ACT(do_link, PEOPLE_LINK)
ACT(do_role, PEOPLE_ROLE)
ACT(do_disable, PEOPLE_DISABLE)
ACT(do_enable, PEOPLE_ENABLE)
ACT(do_delete, PEOPLE_DELETE)
ACT(do_purge, PEOPLE_PURGE)
ACT(do_sign_out, PEOPLE_SIGN_OUT)

#define COST 5u /* of each, in units */

static const struct rpc_method methods[] = {
        {.name = "admin.user_add",
         .cost = COST,
         .params = {{"name", 's', true}, {"role", 's', true}, {"password", 's', false}},
         .handle = do_add},
        {.name = "admin.user_list",
         .cost = COST,
         .params = {{"after", 's', false}},
         .handle = do_list},
        {.name = "admin.user_password",
         .cost = COST,
         .params = {{"name", 's', true}, {"password", 's', true}},
         .handle = do_password},
        {.name = "admin.user_link",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_link},
        {.name = "admin.user_role",
         .cost = COST,
         .params = {{"name", 's', true}, {"role", 's', true}},
         .handle = do_role},
        {.name = "admin.user_disable",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_disable},
        {.name = "admin.user_enable",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_enable},
        {.name = "admin.user_delete",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_delete},
        {.name = "admin.user_purge",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_purge},
        {.name = "admin.user_sign_out",
         .cost = COST,
         .params = {{"name", 's', true}},
         .handle = do_sign_out},
};

int api_admin_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_ADMIN, deps);
}
