/* usage.h - how many bytes a user's files take.
 *
 * Threads: any. Lock: none may be held (it reads the folders).
 */
#pragma once

#include <stdint.h>

#include "auth/auth.h"
#include "base/macros.h"
#include "config/config.h"

#define USAGE_FOLDERS_MAX 2000u /* looked at; what lies beyond is not counted */

/* Sizes of the regular files beneath home/. 0 or -errno of workspace.h. */
_must_use_ int usage_of(const struct config *c, const struct account *a, uint64_t *ret_bytes);
