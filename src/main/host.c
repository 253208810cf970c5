/* The contract is in main/host.h. */
#include "main/host.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "main/reach.h"
#include "store/datadir.h"
#include "workspace/workspace.h"

#define FILES_WANTED 65536u

/* ---- looking ---- */

static int find_exec_dir(char *to, size_t size) {
        ssize_t n = readlink("/proc/self/exe", to, size);

        if (n < 0)
                return -errno;
        if ((size_t)n >= size)
                return -ENAMETOOLONG;
        to[n] = '\0';
        char *slash = strrchr(to, '/');
        if (!slash)
                return -EIO;
        *slash = '\0';
        return 0;
}

static int check_programs(const struct host *h, char **ret_error) {
        static const char *const ours[] = {"latch-spawn", "latch-hold", "latch-init"};
        const uid_t user = h->config->uid_base; /* whom programs run as, where we are root */
        int r = 0;

        for (size_t i = 0; i < ELEMENTS(ours) && r == 0; i++) {
                _cleanup_(freep) char *path = str_printf("%s/%s", h->exec_dir, ours[i]);
                r = path ? reach_check_program(ours[i], path, user, ret_error) : -ENOMEM;
        }
        if (r == 0)
                r = reach_check("sandbox.bwrap", h->config->bwrap, X_OK, user, ret_error);
        if (r == 0)
                r = reach_check("sandbox.python", h->config->python, X_OK, user, ret_error);
        return r;
}

/* latchd writes it with CAP_DAC_OVERRIDE where it was root, so it is our own rights that count. */
static int check_port_file(const struct config *c, char **ret_error) {
        _cleanup_(freep) char *copy = strdup(c->port_file);

        if (!copy)
                return -ENOMEM;
        if (c->port_file[0] == '\0' || access(dirname(copy), W_OK | X_OK) == 0)
                return 0;
        *ret_error = str_printf("--port-file: %s: its folder: %s", c->port_file, strerror(errno));
        return *ret_error ? -EINVAL : -ENOMEM;
}

static int check_files(const struct config *c, char **ret_error) {
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        if (geteuid() == 0 || l.rlim_max >= config_files_needed(c))
                return 0; /* root raises it, and says so if it cannot */
        *ret_error =
                str_printf("server.max_sockets: %u sockets need %llu open files; the limit is %llu",
                           c->max_sockets, (unsigned long long)config_files_needed(c),
                           (unsigned long long)l.rlim_max);
        return *ret_error ? -EINVAL : -ENOMEM;
}

int host_check(const struct config *config, struct host *ret, char **ret_error) {
        *ret = (struct host){.config = config, .lock = -1};

        int r = privileges_find(config->user, &ret->who, ret_error);
        if (r == 0)
                r = find_exec_dir(ret->exec_dir, sizeof ret->exec_dir);
        if (r == 0)
                r = check_programs(ret, ret_error);
        if (r == 0)
                r = reach_check_folder("server.data", config->data, config->uid_base, ret_error);
        if (r == 0)
                r = check_port_file(config, ret_error);
        if (r == 0)
                r = check_files(config, ret_error);
        return r;
}

/* ---- taking ---- */

static int take_dir(struct host *h, char **ret_error) {
        const char *dir = h->config->data;
        int r = datadir_prepare(dir, h->who.uid, h->who.gid, ret_error);

        if (r < 0)
                return r;
        r = datadir_lock(dir, &h->lock);
        if (r == -EBUSY)
                *ret_error = str_printf(
                        "%s: another process works on it (a latchd that runs, or latchctl)", dir);
        if (r == 0)
                r = workspace_prepare(dir);
        return r;
}

static int start_spawner(struct host *h, char **ret_error) {
        const struct config *c = h->config;
        const struct spawn_options o = {
                .exec_dir = h->exec_dir,
                .data = c->data,
                .bwrap = c->bwrap,
                .python = c->python,
                .uid_base = c->uid_base,
                .uid_count = c->uid_count,
                .latchd_uid = h->who.uid,
                .latchd_gid = h->who.gid,
        };

        return spawner_start(&o, &h->spawner, ret_error);
}

/* After the spawner: programs keep the limit that we were started with. */
static int raise_files(const struct config *c, char **ret_error) {
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        rlim_t wanted = MAX(config_files_needed(c), (rlim_t)FILES_WANTED);
        if (geteuid() == 0 && l.rlim_max < wanted) {
                struct rlimit more = {wanted, wanted};
                if (setrlimit(RLIMIT_NOFILE, &more) == 0)
                        return 0;
        }
        l.rlim_cur = MIN(wanted, l.rlim_max);
        if (l.rlim_cur < config_files_needed(c)) {
                *ret_error = str_printf(
                        "server.max_sockets: %u sockets need %llu open files; the limit is %llu",
                        c->max_sockets, (unsigned long long)config_files_needed(c),
                        (unsigned long long)l.rlim_max);
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        return setrlimit(RLIMIT_NOFILE, &l) < 0 ? -errno : 0;
}

int host_take(struct host *h, char **ret_error) {
        umask(022);

        int r = take_dir(h, ret_error);
        if (r == 0)
                r = start_spawner(h, ret_error);
        if (r == 0)
                r = raise_files(h->config, ret_error);
        if (r < 0)
                return r;
        r = privileges_drop(&h->who);
        if (r < 0)
                *ret_error = str_printf(
                        "cannot become %s with CAP_CHOWN, CAP_FOWNER and CAP_DAC_OVERRIDE alone: %s",
                        h->config->user, strerror(-r));
        return r;
}

void host_done(struct host *h) {
        h->spawner = spawner_free(h->spawner);
        h->lock = fd_close(h->lock);
}
