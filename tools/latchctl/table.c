/* The table of commands. The contract is in command.h. */
#include "command.h"

static const struct command_row rows[] = {
        {.words = "user add",
         .args = "NAME",
         .options = OPTION_BIT(OPTION_ROLE) | OPTION_BIT(OPTION_PASSWORD_STDIN),
         .needed = OPTION_BIT(OPTION_ROLE) | OPTION_BIT(OPTION_PASSWORD_STDIN),
         .usage = "--role student|teacher|admin --password-stdin",
         .ask = user_add_ask,
         .direct = user_add_direct,
         .makes_data = true},
        {.words = "user list",
         .args = "",
         .usage = "",
         .ask = user_list_ask,
         .direct = user_list_direct},
        {.words = "reload", .args = "", .usage = "", .ask = reload_ask},
        {.words = "stop",
         .args = "",
         .options = OPTION_BIT(OPTION_END_SESSIONS),
         .usage = "[--end-sessions]",
         .ask = stop_ask},
};

const struct command_row *command_row_at(size_t i) {
        return i < ELEMENTS(rows) ? &rows[i] : NULL;
}
