/* latchctl stop. */
#include "command.h"

#define STOP_MS 60000u /* the answer comes when the server has ended */

int stop_ask(const struct command *c, const struct config *config, char **ret_error) {
        json_auto_t *reply = NULL;
        bool end = c->option[OPTION_END_SESSIONS] != NULL;

        return command_request(config,
                               json_pack("{s:s, s:b}", "command", "stop", "end_sessions", end),
                               STOP_MS, &reply, ret_error);
}
