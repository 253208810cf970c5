/* Rules that tie settings to each other and to the machine. The contract is in config/settings.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "config/settings.h"

#define COMPLAIN(ret, ...) ((*(ret) = str_printf(__VA_ARGS__)) ? -EINVAL : -ENOMEM)

static int check_data(const struct config *c, char **ret_error) {
        if (c->data[0] != '\0')
                return 0;
        return COMPLAIN(ret_error,
                        "server.data is missing: give --data DIR, or set XDG_STATE_HOME or "
                        "HOME to an absolute path");
}

static int check_window(const struct config *c, char **ret_error) {
        if (c->window_bytes <= c->ring_bytes / 2)
                return 0;
        return COMPLAIN(
                ret_error,
                "limits.window_bytes = %zu: allowed is at most half of session.ring_bytes, %zu",
                c->window_bytes, c->ring_bytes / 2);
}

/* 65534 is nobody's, 65535 is -1 in 16 bits: neither may own a student's files. */
static int check_uids(const struct config *c, char **ret_error) {
        uint64_t last = (uint64_t)c->uid_base + c->uid_count - 1;

        if (c->uid_base > 65535 || last < 65534)
                return 0;
        return COMPLAIN(
                ret_error,
                "users.uid_base = %u: with users.uid_count = %u the range holds 65534 or 65535; "
                "allowed is a range without them",
                (unsigned)c->uid_base, c->uid_count);
}

/* Looked for here, although the spawner tries the whole cage later: nothing has been made yet. */
static int check_bwrap(const struct config *c, char **ret_error) {
        const char *why = NULL;
        struct stat st;

        if (stat(c->bwrap, &st) < 0 || access(c->bwrap, X_OK) < 0)
                why = strerror(errno);
        else if (!S_ISREG(st.st_mode))
                why = "it is not a file";
        if (!why)
                return 0;
        return COMPLAIN(ret_error,
                        "sandbox.bwrap = %s: %s; allowed is the path of bubblewrap, executable",
                        c->bwrap, why);
}

int settings_check_together(const struct config *c, char **ret_error) {
        static int (*const checks[])(const struct config *c, char **ret_error) = {
                check_data, check_window, check_uids, check_bwrap};
        int r = 0;

        for (size_t i = 0; r == 0 && i < ELEMENTS(checks); i++)
                r = checks[i](c, ret_error);
        return r;
}
