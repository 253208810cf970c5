/* users.c - the user.* methods: what a user may know and change of itself. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/api_private.h"
#include "audit/audit.h"
#include "base/clock.h"
#include "people/people.h"

static const struct people *people_of(const struct rpc_request *r) {
        const struct api_deps *deps = rpc_context(r);

        return deps->people;
}

static int note(const struct rpc_request *r, const char *what, int error) {
        audit_note(people_of(r)->audit, &(struct audit_event){.what = what,
                                                              .user = r->account->name,
                                                              .address = r->port->address,
                                                              .object = r->account->name,
                                                              .error = error});
        return error;
}

static int do_me(struct rpc_request *r, json_t **ret) {
        *ret = json_pack("{s:s, s:s, s:s, s:f}", "name", r->account->name, "role",
                         role_name(r->account->role), "address", r->port->address, "expires",
                         (double)r->port->identity->expires_ms / 1000.0);
        return *ret ? 0 : -ENOMEM;
}

static int do_password(struct rpc_request *r, json_t **ret) {
        unsigned retry_ms = 0;
        int e = note(r, "auth.password",
                     auth_change_password(people_of(r)->auth, r->port->identity,
                                          text_param(r, "old"), text_param(r, "new"),
                                          r->port->address, &retry_ms));

        (void)ret;
        switch (e) {
        case -EPERM: return rpc_fail(r, e, NULL, "the old password is wrong");
        case -EMSGSIZE: return rpc_fail(r, e, NULL, "a password has 8 to 1024 bytes");
        case -EACCES: return rpc_fail(r, e, NULL, "this sign-in has ended");
        case -EAGAIN:
                r->data = json_pack("{s:i}", "retry_after_ms", (int)retry_ms);
                return rpc_fail(r, e, "rate_limited", "too many attempts: try again later");
        default: return e;
        }
}

static json_t *signin_json(const struct store_token *t, const struct identity *current) {
        bool is_current = memcmp(t->hash, current->hash, sizeof t->hash) == 0;

        return json_pack("{s:I, s:f, s:f, s:s, s:b}", "signin", (json_int_t)t->number, "created",
                         (double)t->created_ms / 1000.0, "expires", (double)t->expires_ms / 1000.0,
                         "address", t->address, "current", is_current);
}

static int do_signins(struct rpc_request *r, json_t **ret) {
        _cleanup_(freep) struct store_token *list = NULL;
        size_t n = 0;
        int e = store_token_list(people_of(r)->store, r->account->user_id, TOKEN_SESSION,
                                 clock_real_ms(), &list, &n);

        if (e < 0)
                return e;
        json_t *array = json_array();
        for (size_t i = 0; array && i < n; i++)
                if (json_array_append_new(array, signin_json(&list[i], r->port->identity)) < 0)
                        array = (json_decref(array), NULL);
        *ret = array;
        return array ? 0 : -ENOMEM;
}

static int do_sign_out(struct rpc_request *r, json_t **ret) {
        const json_t *number = json_object_get(r->params, "signin");
        bool others = json_is_true(json_object_get(r->params, "all_others"));
        struct auth *auth = people_of(r)->auth;
        int e;

        (void)ret;
        if ((number != NULL) == others)
                return rpc_fail(r, -EINVAL, NULL, "give signin, or all_others: true");
        e = others ? auth_end_all(auth, r->account->user_id, r->port->identity, AUTH_ENDED)
                   : auth_end_one(auth, r->account->user_id, json_integer_value(number));
        note(r, "auth.sign_out", e);
        return e == -ENOENT ? rpc_fail(r, e, NULL,
                                       others ? "this sign-in has ended"
                                              : "there is no such sign-in (any more)")
                            : e;
}

static const struct rpc_method methods[] = {
        {.name = "user.me", .handle = do_me},
        {.name = "user.password",
         .cost = 10,
         .params = {{"old", 's', true}, {"new", 's', true}},
         .handle = do_password},
        {.name = "user.signins", .cost = 2, .handle = do_signins},
        {.name = "user.sign_out",
         .cost = 2,
         .params = {{"signin", 'i', false}, {"all_others", 'b', false}},
         .handle = do_sign_out},
};

int api_users_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_STUDENT, deps);
}
