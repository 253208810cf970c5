/* file_type.h - what a browser is told a user's file is, by its name.
 *
 * Threads: any. Lock: any may be held.
 */
#pragma once

#include <stdbool.h>

const char *file_type(const char *name); /* a Content-Type; application/octet-stream for most */
bool file_type_shown(
        const char *name); /* an image or plain text: may be shown, the rest is saved */
