/* file.h - the configuration file. The room's own.
 *
 * inih alone is lenient: it cuts long lines, takes an indented line for more of the last value, and says
 * nothing of an unknown section without keys. So each line is looked at before inih sees it.
 */
#pragma once

#include "base/macros.h"
#include "config/config.h"

/* Reads path over c. 0; -EINVAL and *ret_error (malloc'd) names section.key or the line; -ENOMEM. */
_must_use_ int config_file_read(const char *path, struct config *c, char **ret_error);
