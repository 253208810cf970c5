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
        {.words = "audit verify",
         .args = "",
         .options = OPTION_BIT(OPTION_FILE),
         .usage = "[--file BACKUP]",
         .ask = audit_verify_ask,
         .direct = audit_verify_direct},
        {.words = "audit list",
         .args = "",
         .options = OPTION_BIT(OPTION_FILE) | OPTION_BIT(OPTION_SINCE) | OPTION_BIT(OPTION_USER) |
                    OPTION_BIT(OPTION_WHAT) | OPTION_BIT(OPTION_JSON),
         .usage = "[--since TIME] [--user NAME] [--what PREFIX] [--json] [--file BACKUP]",
         .ask = audit_list_ask,
         .direct = audit_list_direct},
        {.words = "backup",
         .args = "FILE",
         .options = OPTION_BIT(OPTION_FORCE),
         .usage = "[--force]",
         .ask = backup_ask,
         .direct = backup_direct},
        {.words = "restore",
         .args = "FILE",
         .usage = "",
         .direct = restore_direct,
         .makes_data = true},
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
