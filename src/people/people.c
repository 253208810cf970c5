/* The contract is in people/people.h. */
#include "people/people.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit.h"
#include "base/log.h"
#include "base/random.h"
#include "base/str.h"
#include "workspace/workspace.h"

#define END_MS 4000u /* for the programs of one that is purged: TERM, its grace, KILL */

int people_add(const struct people *p, const char *name, enum role role, const char *password,
               struct store_user *ret_user) {
        struct store_user u;
        int r = auth_user_add(p->auth, name, role, password, &u);

        if (r < 0 && r != -EEXIST)
                return r;
        int found = r == -EEXIST ? store_user_by_name(p->store, name, &u) : 0;
        if (found == 0 && u.deleted)
                return -EUCLEAN;
        if (found == 0)
                found = workspace_make_user(p->config->data, u.name, auth_host_uid(&u));
        if (r == 0)
                r = found;
        if (r == 0 && ret_user)
                *ret_user = u;
        return r;
}

/* ---- orders ---- */

static const struct {
        const char *word, *what;
} acts[PEOPLE_ACTS] = {
        [PEOPLE_PASSWORD] = {"password", "admin.user_password"},
        [PEOPLE_LINK] = {"link", "admin.user_link"},
        [PEOPLE_ROLE] = {"role", "admin.user_role"},
        [PEOPLE_DISABLE] = {"disable", "admin.user_disable"},
        [PEOPLE_ENABLE] = {"enable", "admin.user_enable"},
        [PEOPLE_DELETE] = {"delete", "admin.user_delete"},
        [PEOPLE_PURGE] = {"purge", "admin.user_purge"},
        [PEOPLE_SIGN_OUT] = {"sign_out", "admin.user_sign_out"},
};

int people_act_parse(const char *word, enum people_act *ret) {
        for (unsigned i = 0; i < PEOPLE_ACTS; i++) {
                if (str_eq(acts[i].word, word)) {
                        *ret = (enum people_act)i;
                        return 0;
                }
        }
        return -EINVAL;
}

/* Its programs are told to end; they have timeout_ms until we look. */
static int end_programs(const struct people *p, int64_t user_id, unsigned timeout_ms) {
        _cleanup_(account_unrefp) struct account *account = NULL;

        if (!p->sessions)
                return 0; /* the next server does it at its start: people_settle */
        int r = auth_account(p->auth, user_id, &account);
        return r < 0 ? r : sessions_end_of(p->sessions, account, timeout_ms);
}

static int shut(const struct people *p, int64_t user_id, struct store_user_change change,
                enum auth_end why) {
        int r = auth_change(p->auth, user_id, &change, why);

        if (r == 0)
                r = end_programs(p, user_id, 0);
        return r == -ETIMEDOUT ? 0 : r; /* they have their grace */
}

/* What is kept of its ended programs goes, too: holders have the user's uid and folder. */
static int forget_programs(const struct people *p, int64_t user_id) {
        _cleanup_(account_unrefp) struct account *account = NULL;
        _cleanup_(freep) struct store_session *all = NULL;
        size_t n = 0;
        int r = 0;

        if (p->sessions) {
                r = auth_account(p->auth, user_id, &account);
                if (r == 0)
                        r = sessions_end_of(p->sessions, account, END_MS);
                return r < 0 ? r : sessions_forget_of(p->sessions, account);
        }
        r = store_session_list(p->store, &all, &n);
        for (size_t i = 0; r == 0 && i < n; i++)
                if (all[i].user_id == user_id)
                        r = -EBUSY;
        return r;
}

static int purge(const struct people *p, const struct store_user *u) {
        if (!u->deleted)
                return -ENODATA;
        int r = forget_programs(p, u->id);
        if (r == 0)
                r = workspace_remove_user(p->config->data, u->name);
        if (r == 0)
                r = auth_forget(p->auth, u->id);
        return r == -ETIMEDOUT ? -EBUSY : r;
}

static int act(const struct people *p, const struct people_order *o, const struct store_user *u,
               char link[TOKEN_TEXT_MAX]) {
        struct store_user_change change = STORE_USER_CHANGE;

        if (u->deleted && o->act != PEOPLE_DELETE && o->act != PEOPLE_PURGE)
                return -EUCLEAN;
        switch (o->act) {
        case PEOPLE_PASSWORD: return auth_set_password(p->auth, u->id, o->password);
        case PEOPLE_LINK: return u->disabled ? -EKEYREJECTED : auth_make_link(p->auth, u->id, link);
        case PEOPLE_ROLE:
                if (u->role == o->role)
                        return 0;
                change.role = &o->role;
                return auth_change(p->auth, u->id, &change, AUTH_ROLE);
        case PEOPLE_DISABLE: change.disabled = 1; return shut(p, u->id, change, AUTH_DISABLED);
        case PEOPLE_ENABLE:
                if (!u->disabled)
                        return 0; /* who works is not signed out */
                change.disabled = 0;
                return auth_change(p->auth, u->id, &change, AUTH_DISABLED);
        case PEOPLE_DELETE: change.deleted = 1; return shut(p, u->id, change, AUTH_DELETED);
        case PEOPLE_PURGE: return purge(p, u);
        case PEOPLE_SIGN_OUT: return auth_end_all(p->auth, u->id, NULL, AUTH_ENDED);
        case PEOPLE_ACTS: break;
        }
        CHECK(false);
        return -EINVAL;
}

int people_carry_out(const struct people *p, const struct people_order *o,
                     char link[TOKEN_TEXT_MAX]) {
        struct store_user u;
        int r = user_name_valid(o->name) ? store_user_by_name(p->store, o->name, &u) : -ENOENT;

        if (r == 0)
                r = act(p, o, &u, link);
        int noted = audit_note_durable(p->audit, &(struct audit_event){.what = acts[o->act].what,
                                                                       .user = o->by,
                                                                       .address = o->address,
                                                                       .object = o->name,
                                                                       .error = r});
        log_event(r < 0 || noted < 0 ? LOG_WARN : LOG_INFO, acts[o->act].what,
                  LOG_S("user", o->name), LOG_S("by", o->by),
                  LOG_S("error", r < 0       ? strerrorname_np(-r)
                                 : noted < 0 ? strerrorname_np(-noted)
                                             : NULL));
        if (r == 0 && noted < 0)
                return -ENOTRECOVERABLE;
        return r;
}

const char *people_words(int error, bool *ret_told) {
        static const struct {
                int error;
                const char *words;
        } rows[] = {
                {-EINVAL,
                 "a name is a-z, 0-9, '.', '_' or '-', begins with a letter or digit, and has at most 32 characters"},
                {-EEXIST, "there is such a user already"},
                {-ERANGE, "no uid is left for another user (users.uid_count)"},
                {-EMSGSIZE, "a password has 8 to 1024 bytes"},
                {-ENOENT, "there is no such user"},
                {-EDEADLK, "this is the last admin who can sign in: make another one first"},
                {-EUCLEAN, "this user is deleted: purge it, and the name is free again"},
                {-ENODATA, "only a deleted user can be purged: delete it first"},
                {-EKEYREJECTED, "this user is disabled: enable it first"},
                {-EBUSY,
                 "programs of this user, or what is kept of them, are still there: purge it in a moment, while the server runs"},
                {-ENOTRECOVERABLE, "it is done, but it could not be put on record: see the log"},
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (rows[i].error == error) {
                        *ret_told = true;
                        return rows[i].words;
                }
        }
        *ret_told = false;
        return error == -ENOSPC ? "the disk is full"
                                : "the server could not do it; its log says why";
}

int people_settle(const struct people *p) {
        _cleanup_(freep) struct store_user *users = NULL;
        size_t n = 0;
        int r = store_user_list(p->store, &users, &n);

        for (size_t i = 0; r == 0 && i < n; i++)
                if (users[i].disabled || users[i].deleted) {
                        r = end_programs(p, users[i].id, 0);
                        if (r == -ETIMEDOUT)
                                r = 0;
                }
        return r;
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
