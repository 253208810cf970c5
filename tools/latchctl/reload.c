/* latchctl reload. */
#include <errno.h>
#include <stdio.h>

#include "command.h"

static const char *text(const json_t *of, const char *key) {
        const char *s = json_string_value(json_object_get(of, key));

        return s ? s : "";
}

static int print_change(const json_t *c) {
        bool live = json_is_true(json_object_get(c, "live"));

        return printf("%s: %s -> %s%s\n", text(c, "setting"), text(c, "from"), text(c, "to"),
                      live ? "" : " (takes a restart)");
}

int reload_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        const json_t *change;
        size_t i;

        (void)c;
        int r = command_request(config, json_pack("{s:s}", "command", "reload"), COMMAND_ANSWER_MS,
                                &reply, ret_error);
        if (r < 0)
                return r;
        if (json_object_get(reply, "refused"))
                return COMPLAIN(ret_error, -EINVAL, "%s (nothing changed)", text(reply, "refused"));
        json_array_foreach(json_object_get(reply, "changes"), i, change)
                if (print_change(change) < 0)
                        return -EIO;
        return 0;
}
