/* Users. The contract is in store/store.h. */
#include <errno.h>
#include <stdlib.h>

#include "store/store_private.h"

static int read_user(sqlite3_stmt *st, struct store_user *ret) {
        struct store_user u = {.id = sqlite3_column_int64(st, 0),
                               .uid = (uid_t)sqlite3_column_int64(st, 4),
                               .disabled = sqlite3_column_int(st, 5) != 0,
                               .deleted = sqlite3_column_int(st, 6) != 0};
        char role[16];
        int r = column_text(st, 1, u.name, sizeof u.name);

        if (r == 0)
                r = column_text(st, 2, u.password, sizeof u.password);
        if (r == 0)
                r = column_text(st, 3, role, sizeof role);
        if (r < 0)
                return r;
        if (role_parse(role, &u.role) < 0)
                return -EIO;
        *ret = u;
        return 0;
}

static int next_uid(struct conn *c, uid_t uid_base, unsigned uid_count, uid_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int64_t first = (int64_t)uid_base, behind = first + uid_count;
        int r = statement_bind(c, STATEMENT_UID_LAST, &st, "ii", first, behind);

        if (r == 0)
                r = statement_step(st);
        if (r < 0)
                return r;
        bool given = sqlite3_column_type(st, 0) != SQLITE_NULL;
        int64_t uid = given ? sqlite3_column_int64(st, 0) + 1 : first;
        if (uid >= behind)
                return -ERANGE;
        *ret = (uid_t)uid;
        return 0;
}

static int add_user(struct conn *c, struct store_user *u, uid_t uid_base, unsigned uid_count) {
        uid_t uid = 0;
        int r = next_uid(c, uid_base, uid_count, &uid);

        if (r < 0)
                return r;
        r = statement_run(c, STATEMENT_UID_GIVE, "i", (int64_t)uid);
        if (r >= 0)
                r = statement_run(c, STATEMENT_USER_ADD, "ttti", u->name, u->password,
                                  role_name(u->role), (int64_t)uid);
        if (r < 0)
                return r;
        u->id = sqlite3_last_insert_rowid(c->db);
        u->uid = uid;
        u->disabled = u->deleted = false;
        return 0;
}

int store_user_add(struct store *s, struct store_user *u, uid_t uid_base, unsigned uid_count) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        struct store_user added = *u;

        if (!user_name_valid(u->name))
                return -EINVAL;
        int r = transaction_open(s, &c);
        if (r < 0)
                return r;
        r = transaction_end(c, add_user(c, &added, uid_base, uid_count));
        if (r == 0)
                *u = added;
        return r;
}

static int get_user(sqlite3_stmt *st, struct store_user *ret) {
        int r = statement_step(st);

        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        return read_user(st, ret);
}

int store_user_by_name(struct store *s, const char *name, struct store_user *ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_USER_BY_NAME, &st, "t", name);
        return r < 0 ? r : get_user(st, ret);
}

int store_user_by_id(struct store *s, int64_t id, struct store_user *ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_USER_BY_ID, &st, "i", id);
        return r < 0 ? r : get_user(st, ret);
}

static int user_in(struct conn *c, int64_t id, struct store_user *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_USER_BY_ID, &st, "i", id);

        return r < 0 ? r : get_user(st, ret);
}

static int count_admins(struct conn *c, int64_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_USER_ADMINS, &st, "");

        if (r == 0)
                r = statement_step(st);
        if (r < 0)
                return r;
        *ret = sqlite3_column_int64(st, 0);
        return 0;
}

static int change(struct conn *c, int64_t id, const struct store_user_change *what) {
        struct store_user before;
        int64_t admins = 0;
        int r = user_in(c, id, &before);

        if (r < 0)
                return r;
        r = statement_run(c, STATEMENT_USER_CHANGE, "ittnn", id, what->password,
                          what->role ? role_name(*what->role) : NULL, (int64_t)what->disabled,
                          (int64_t)what->deleted);
        if (r >= 0)
                r = tokens_end(c, id, what->keep);
        if (r == 0)
                r = count_admins(c, &admins);
        if (r == 0 && admins == 0 && before.role == ROLE_ADMIN && !before.disabled &&
            !before.deleted)
                r = -EDEADLK;
        return r;
}

int store_user_change(struct store *s, int64_t id, const struct store_user_change *what) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        return r < 0 ? r : transaction_end(c, change(c, id, what));
}

int store_user_remove(struct store *s, int64_t id) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        r = statement_run(c, STATEMENT_USER_REMOVE, "i", id);
        return transaction_end(c, r < 0 ? r : r == 0 ? -ENOENT : 0);
}

int store_user_list(struct store *s, struct store_user **ret, size_t *ret_n) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        _cleanup_(freep) struct store_user *users = NULL;
        size_t n = 0, cap = 0;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_USER_LIST, &st, "");
        if (r < 0)
                return r;
        while ((r = statement_step(st)) > 0) {
                if (n == cap) {
                        cap = MAX(cap * 2, (size_t)64);
                        struct store_user *more = realloc(users, cap * sizeof *users);
                        if (!more)
                                return -ENOMEM;
                        users = more;
                }
                r = read_user(st, &users[n++]);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(users);
        *ret_n = n;
        return 0;
}

int store_user_count(struct store *s, size_t *ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_USER_COUNT, &st, "");
        if (r == 0)
                r = statement_step(st);
        if (r < 0)
                return r;
        *ret = (size_t)sqlite3_column_int64(st, 0);
        return 0;
}
