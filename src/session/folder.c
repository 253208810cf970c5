/* The contract is in session/folder.h. */
#include "session/folder.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "latch/lock.h"

char *folder_path(const char *data, const char *id, const char *suffix) {
        return id ? str_printf("%s/sessions/%s%s", data, id, suffix)
                  : str_printf("%s/sessions", data);
}

void folder_unlink(const char *data, const char *id, const char *suffix) {
        _cleanup_(freep) char *path = folder_path(data, id, suffix);

        latch_blocking("unlink");
        if (!path || (unlink(path) < 0 && errno != ENOENT))
                log_event(LOG_WARN, "session.unlink", LOG_S("session", id), LOG_S("file", suffix),
                          LOG_E(path ? errno : ENOMEM));
}
