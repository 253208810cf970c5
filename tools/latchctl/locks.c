/* latchctl locks. */
#include <errno.h>
#include <stdio.h>

#include "command.h"

static int print_level(const json_t *reply) {
        int was = (int)json_integer_value(json_object_get(reply, "was")),
            is = (int)json_integer_value(json_object_get(reply, "is"));

        return printf("lock level %d (it was %d)\n", is, was) < 0 ? -EIO : 0;
}

int locks_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        int level = c->option[OPTION_LEVEL][0] - '0';
        int r = command_request(config,
                                json_pack("{s:s, s:i}", "command", "locks.level", "level", level),
                                COMMAND_ANSWER_MS, &reply, ret_error);

        return r < 0 ? r : print_level(reply);
}
