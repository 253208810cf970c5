/* Through the server. The contract is in command.h; the messages are in store/datadir.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/str.h"
#include "command.h"
#include "store/datadir.h"

#define ANSWER_MS 30000u
#define STOP_MS   60000u /* the answer comes when the server has ended */

static int complain(int error, char **ret_error, const char *dir) {
        if (error == -ENOENT || error == -ECONNREFUSED || error == -ENOMEM)
                return error; /* there is nobody: not a failure yet */
        *ret_error =
                str_printf("%s: the server: %s", dir,
                           error == -EPIPE ? "it went away without an answer" : strerror(-error));
        return *ret_error ? error : -ENOMEM;
}

/* One request and its reply, which is an object with "ok": true. */
static int ask(const char *dir, json_t *request, unsigned timeout_ms, json_t **ret,
               char **ret_error) {
        char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
        _cleanup_(freep) char *answer = NULL;

        json_decref(request);
        if (!text)
                return -ENOMEM;
        int r = datadir_ask(dir, text, timeout_ms, &answer);
        explicit_bzero(text, strlen(text)); /* there may be a password in it */
        free(text);
        if (r < 0)
                return complain(r, ret_error, dir);

        json_auto_t *reply = json_loads(answer, JSON_REJECT_DUPLICATES, NULL);
        if (json_is_true(json_object_get(reply, "ok"))) {
                *ret = TAKE_PTR(reply);
                return 0;
        }
        const char *words = json_string_value(json_object_get(reply, "error"));
        *ret_error = str_printf("%s", words ? words : "the server's answer is none");
        return *ret_error ? -ECANCELED : -ENOMEM;
}

static int print_page(const json_t *users, const char **ret_last) {
        size_t i;
        json_t *u;

        json_array_foreach(users, i, u) {
                const char *name = json_string_value(json_object_get(u, "name"));
                const char *role = json_string_value(json_object_get(u, "role"));
                if (!name || !role)
                        return -EPROTO;
                int r = command_print_user(name, role,
                                           json_integer_value(json_object_get(u, "uid")),
                                           json_is_true(json_object_get(u, "disabled")));
                if (r < 0)
                        return r;
                *ret_last = name;
        }
        return 0;
}

static int list_users(const char *dir, char **ret_error) {
        char after[USER_NAME_MAX + 1] = "";

        for (;;) {
                json_auto_t *reply = NULL;
                const char *last = NULL;
                int r = ask(dir, json_pack("{s:s, s:s}", "command", "user.list", "after", after),
                            ANSWER_MS, &reply, ret_error);
                if (r == 0)
                        r = print_page(json_object_get(reply, "users"), &last);
                if (r < 0 || !json_is_true(json_object_get(reply, "more")))
                        return r;
                if (!last || str_copy(after, sizeof after, last) < 0)
                        return -EPROTO; /* more, but nothing to go on from */
        }
}

int command_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;

        switch (c->kind) {
        case COMMAND_USER_ADD:
                return ask(config->data,
                           json_pack("{s:s, s:s, s:s, s:s}", "command", "user.add", "name", c->name,
                                     "role", role_name(c->role), "password", c->password),
                           ANSWER_MS, &reply, ret_error);
        case COMMAND_USER_LIST: return list_users(config->data, ret_error);
        case COMMAND_STOP:
                return ask(
                        config->data,
                        json_pack("{s:s, s:b}", "command", "stop", "end_sessions", c->end_sessions),
                        STOP_MS, &reply, ret_error);
        }
        CHECK(false);
        return -EINVAL;
}
