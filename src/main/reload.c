/* The contract is in main/reload.h. */
#include "main/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/str.h"
#include "latch/level.h"

/* A start raises the limit before it becomes who it shall be; now it stays as it is. */
static int check_files(const struct config *c, const struct config *fresh, char **ret_error) {
        struct config then = *c;
        struct rlimit l;

        config_take_live(&then, fresh);
        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        if (l.rlim_cur >= config_files_needed(&then))
                return 0;
        *ret_error = str_printf("limits.sessions_per_user: %u sessions need %llu open files; "
                                "this server may have %llu",
                                then.sessions_per_user,
                                (unsigned long long)config_files_needed(&then),
                                (unsigned long long)l.rlim_cur);
        return *ret_error ? -EINVAL : -ENOMEM;
}

static void log_change(const struct config_change *c) {
        char name[64];

        (void)snprintf(name, sizeof name, "%s.%s", c->section, c->key);
        log_event(c->live ? LOG_INFO : LOG_WARN, c->live ? "config.changed" : "config.restart",
                  LOG_S("setting", name), LOG_S("from", c->from), LOG_S("to", c->to),
                  LOG_S("result", c->live ? NULL : "takes a restart"));
}

/* What is said of the change itself passes the old level and the new one. */
static void put_in_force(struct config *c, const struct config *fresh,
                         const struct config_change *changes, size_t n) {
        enum log_level before = (enum log_level)c->log_level, after;
        unsigned lock_level = c->lock_level;

        config_take_live(c, fresh);
        after = (enum log_level)c->log_level;
        if (c->lock_level != lock_level) /* else it is whatever latchctl made it */
                CHECK(latch_set_level(c->lock_level) == 0);
        log_set_level(MIN(before, after));
        for (size_t i = 0; i < n; i++)
                log_change(&changes[i]);
        log_event(LOG_INFO, "config.reloaded", LOG_I("differ", n));
        log_set_level(after);
}

int reload_settings(const struct reload *r, struct config_change **ret, size_t *ret_n,
                    char **ret_error) {
        struct config_change *changes = NULL;
        struct config fresh;
        char *words = NULL;
        size_t n = 0;

        int e = config_load(r->argc, r->argv, &fresh, &words);
        if (e == 0)
                e = check_files(r->config, &fresh, &words);
        if (e == 0)
                e = config_compare(r->config, &fresh, &changes, &n);
        if (e < 0) {
                log_event(LOG_ERROR, "config.refused", LOG_E(e), LOG_S("reason", words),
                          LOG_S("result", "nothing changed"));
                *ret_error = words;
                return e;
        }
        put_in_force(r->config, &fresh, changes, n);
        *ret = changes;
        *ret_n = n;
        return 0;
}
