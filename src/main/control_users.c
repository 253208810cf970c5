/* What latchctl asks about users. The contract is in main/control_private.h. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "main/control_private.h"
#include "people/people.h"
#include "store/datadir.h"

json_t *control_user_add(struct control *c, const json_t *m) {
        const char *name = json_string_value(json_object_get(m, "name"));
        const char *role_text = json_string_value(json_object_get(m, "role"));
        const char *password = json_string_value(json_object_get(m, "password"));
        enum role role;
        bool told;

        if (!name || !role_text || !password || role_parse(role_text, &role) < 0)
                return control_refusal(
                        "user.add needs name, role (student, teacher, admin) and password");
        int r = people_add(c->deps.people, name, role, password, NULL);
        log_event(r < 0 ? LOG_WARN : LOG_INFO, "user.add", LOG_S("user", name),
                  LOG_S("role", role_text), LOG_S("error", r < 0 ? strerrorname_np(-r) : NULL));
        json_t *unwritten = control_note(c, "admin.user_add", name, r);
        if (r < 0) {
                json_decref(unwritten);
                return control_refusal(people_words(r, &told));
        }
        return unwritten ? unwritten : json_pack("{s:b}", "ok", 1);
}

/* {"command":"user.disable","name", "password"?, "role"?} */
json_t *control_user_act(struct control *c, const json_t *m) {
        const char *command = json_string_value(json_object_get(m, "command"));
        const char *role = json_string_value(json_object_get(m, "role"));
        struct people_order o = {.name = json_string_value(json_object_get(m, "name")),
                                 .password = json_string_value(json_object_get(m, "password"))};
        char link[TOKEN_TEXT_MAX] = "";
        bool told;

        if (people_act_parse(command + strlen("user."), &o.act) < 0 || !o.name ||
            (o.act == PEOPLE_PASSWORD && !o.password) ||
            (o.act == PEOPLE_ROLE && (!role || role_parse(role, &o.role) < 0)))
                return control_refusal("a name is needed, and what it is to be");
        int r = people_carry_out(c->deps.people, &o, link);
        json_t *reply = r < 0 ? control_refusal(people_words(r, &told))
                              : json_pack("{s:b, s:s}", "ok", 1, "link", link);
        explicit_bzero(link, sizeof link);
        return reply;
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const struct store_user *)a)->name, ((const struct store_user *)b)->name);
}

static json_t *page(const struct store_user *users, size_t n, const char *after) {
        json_t *list = json_array();
        size_t i = 0;

        while (i < n && strcmp(users[i].name, after) <= 0)
                i++;
        for (; i < n && json_array_size(list) < DATADIR_USERS_PAGE; i++) {
                json_t *one = json_pack("{s:s, s:s, s:I, s:b, s:b}", "name", users[i].name, "role",
                                        role_name(users[i].role), "uid", (json_int_t)users[i].uid,
                                        "disabled", users[i].disabled, "deleted", users[i].deleted);
                if (json_array_append_new(list, one) < 0) {
                        json_decref(list);
                        return NULL;
                }
        }
        return json_pack("{s:b, s:o, s:b}", "ok", 1, "users", list, "more", i < n);
}

json_t *control_user_list(struct control *c, const json_t *m) {
        const char *after = json_string_value(json_object_get(m, "after"));
        _cleanup_(freep) struct store_user *users = NULL;
        size_t n = 0;
        bool told;
        int r = store_user_list(c->deps.people->store, &users, &n);

        if (r < 0)
                return control_refusal(people_words(r, &told));
        if (n > 0)
                qsort(users, n, sizeof *users, by_name);
        return page(users, n, after ? after : "");
}
