/* latchctl_main.c - people and scripts tell a server what to do, whether it runs or not.
 *
 * The server that owns DIR is asked through DIR/control.sock. Only whoever gets DIR's lock works on the
 * store itself; if another has the lock and does not answer yet (it starts, or ends), we wait a little.
 * Exit status: 0; of attach the program's; 78 a setting or path, named; 1 anything else.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "command.h"
#include "config/config.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "main/privileges.h"
#include "store/datadir.h"

#define EXIT_CONFIG   78 /* EX_CONFIG of sysexits(3head) */
#define OWNER_WAIT_MS 10000u
#define OWNER_LOOK_MS 50

static int refuse(int status, int error, char *words) {
        fprintf(stderr, "latchctl: %s\n", words ? words : strerror(-error));
        free(words);
        return status;
}

/* The settings of latchd, found as latchd finds them. */
static int load_settings(const struct command *c, struct config *ret, char **ret_error) {
        const char *given_data = c->option[OPTION_DATA], *given_file = c->option[OPTION_CONFIG];
        char data_option[] = "--data", config_option[] = "--config", program[] = "latchctl";
        _cleanup_(freep) char *data = given_data ? strdup(given_data) : NULL;
        _cleanup_(freep) char *file = given_file ? strdup(given_file) : NULL;
        char *argv[5] = {program};
        int argc = 1;

        if ((given_data && !data) || (given_file && !file))
                return -ENOMEM;
        if (data) {
                argv[argc++] = data_option;
                argv[argc++] = data;
        }
        if (file) {
                argv[argc++] = config_option;
                argv[argc++] = file;
        }
        return config_load(argc, argv, ret, ret_error);
}

/* What may come before the first start. */
static int prepare(const struct command *c, const struct config *config, char **ret_error) {
        struct privileges who;

        if (!c->row->makes_data)
                return 0;
        int r = privileges_find(config->user, &who, ret_error);
        return r < 0 ? r : datadir_prepare(config->data, who.uid, who.gid, ret_error);
}

static int with_lock(const struct command *c, const struct config *config, int *lock,
                     char **ret_error) {
        int r = prepare(c, config, ret_error);

        if (r == 0)
                r = datadir_lock(config->data, lock);
        if (r == -EBUSY || (r < 0 && *ret_error))
                return r;
        if (r < 0)
                return COMPLAIN(ret_error, r, "%s: %s", config->data, strerror(-r));
        if (!c->row->direct)
                return COMPLAIN(ret_error, -ECANCELED, "%s: no server runs there", config->data);
        return c->row->direct(c, config, ret_error);
}

static int carry_out(const struct command *c, const struct config *config, char **ret_error) {
        uint64_t deadline = clock_mono_ms() + OWNER_WAIT_MS;

        for (;;) {
                _cleanup_(fd_closep) int lock = -1;
                int r = c->row->ask ? c->row->ask(c, config, ret_error) : -ENOENT;
                if (r != -ENOENT && r != -ECONNREFUSED)
                        return r;
                r = with_lock(c, config, &lock, ret_error);
                if (r != -EBUSY || lock >= 0)
                        return r;
                if (!c->row->ask)
                        return COMPLAIN(ret_error, -EBUSY,
                                        "%s: a server runs there: end it first (latchctl stop)",
                                        config->data);
                if (clock_mono_ms() >= deadline)
                        return COMPLAIN(ret_error, -EBUSY,
                                        "%s: another process works on it and does not answer",
                                        config->data);
                (void)poll(NULL, 0,
                           OWNER_LOOK_MS); /* its start or its end has no event for strangers */
        }
}

int main(int argc, char **argv) {
        struct command c;
        struct config config;
        char *words = NULL;

        int r = command_parse(argc, argv, &c, &words);
        if (r < 0)
                return refuse(EXIT_FAILURE, r, words);
        r = load_settings(&c, &config, &words);
        if (r < 0)
                return refuse(r == -EINVAL ? EXIT_CONFIG : EXIT_FAILURE, r, words);
        if (c.option[OPTION_PASSWORD_STDIN]) {
                r = command_read_password(&c, &words);
                if (r < 0)
                        return refuse(EXIT_FAILURE, r, words);
        }
        umask(022);
        log_set_level(LOG_WARN);
        latch_thread_begin("latchctl");
        r = carry_out(&c, &config, &words);
        latch_rcu_barrier();
        latch_thread_end();
        explicit_bzero(c.password, sizeof c.password);
        if (r < 0)
                return refuse(r == -EINVAL ? EXIT_CONFIG : EXIT_FAILURE, r, words);
        return fflush(stdout) == 0 ? r : refuse(EXIT_FAILURE, -errno, NULL);
}
