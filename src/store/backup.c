/* backup.c - a copy of the database while it is in use. The contract is in store/store.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "store/copy.h"

/* ---- readers ---- */

int reader_open(const char *path, struct store **ret, int64_t *ret_version, char **ret_error) {
        _cleanup_(freep) struct store *s = calloc(1, sizeof *s);
        _cleanup_(conn_closep) struct conn *c = NULL;

        if (!s)
                return -ENOMEM;
        s->reader = true;
        if (str_copy(s->path, sizeof s->path, path) < 0)
                return COMPLAIN(ret_error, -ENAMETOOLONG, "%s: the path is too long", path);
        if (access(path, R_OK) < 0)
                return COMPLAIN(ret_error, -errno, "%s: %s", path, strerror(errno));
        int r = conn_open(s, &c, ret_error);
        if (r == 0)
                r = store_check_kind(c, ret_version, ret_error);
        if (r < 0)
                return r == -EUCLEAN ? -EINVAL : r;
        CHECK(sem_init(&s->permits, 0, STORE_CONNECTIONS) == 0);
        CHECK(sem_init(&s->writing, 0, 1) == 0);
        atomic_store(&s->idle[0], TAKE_PTR(c));
        *ret = TAKE_PTR(s);
        return 0;
}

int store_open_reader(const char *path, struct store **ret, char **ret_error) {
        latch_blocking("store");
        struct store *s = NULL;
        int64_t version = 0;
        int r = reader_open(path, &s, &version, ret_error);

        if (r < 0)
                return r;
        if (version < store_newest()) {
                store_close(s);
                return COMPLAIN(
                        ret_error, -EINVAL,
                        "%s: it is older than this program; a start of latchd brings it up to date",
                        path);
        }
        *ret = s;
        return 0;
}

/* ---- copies ---- */

int copy_into(struct store *from, const char *path, char **ret_error) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        sqlite3_stmt *st = NULL;
        int r = conn_take(from, &c);

        if (r < 0)
                return COMPLAIN(ret_error, r, "%s: %s", from->path, strerror(-r));
        int rc = sqlite3_prepare_v2(c->db, "VACUUM INTO ?1", -1, &st, NULL);
        if (rc == SQLITE_OK)
                rc = sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        sqlite3_finalize(st);
        r = rc == SQLITE_DONE ? 0 : store_complain(c, rc, ret_error);
        return r == -EUCLEAN ? -EINVAL : r;
}

int check_copy(const char *path, char **ret_error) {
        struct conn *c = NULL;
        struct store *s = NULL;
        int64_t version;
        int r = reader_open(path, &s, &version, ret_error);

        if (r < 0)
                return r;
        r = conn_take(s, &c);
        if (r == 0)
                r = store_check_all(c, ret_error);
        conn_put(c);
        store_close(s);
        return r == -EUCLEAN ? -EINVAL : r;
}

/* The folder that a path lies in, to be synced: a name is on disk when its folder is. */
int folder_sync(const char *path) {
        _cleanup_(freep) char *folder = strdup(path);
        char *slash = folder ? strrchr(folder, '/') : NULL;

        if (!folder)
                return -ENOMEM;
        if (slash)
                slash[slash == folder ? 1 : 0] = '\0';
        _cleanup_(fd_closep) int fd =
                open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int sync_file(const char *path) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_empty(const char *path) {
        if (unlink(path) < 0 && errno != ENOENT) /* of a backup that was cut off */
                return -errno;
        _cleanup_(fd_closep) int fd =
                open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : 0;
}

static int give_name(const char *fresh, const char *file, bool replace) {
        int r = sync_file(fresh);

        if (r == 0 &&
            renameat2(AT_FDCWD, fresh, AT_FDCWD, file, replace ? 0 : RENAME_NOREPLACE) < 0)
                r = -errno;
        return r < 0 ? r : folder_sync(file);
}

int store_backup(struct store *s, const char *file, bool replace, char **ret_error) {
        latch_blocking("store");
        _cleanup_(freep) char *fresh = str_printf("%s.latch-new", file);

        if (!fresh)
                return -ENOMEM;
        if (!replace && access(file, F_OK) == 0) /* told before the work; the name decides again */
                return COMPLAIN(ret_error, -EEXIST, "%s: it exists already (--force replaces it)",
                                file);
        int r = make_empty(fresh);
        if (r < 0)
                return COMPLAIN(ret_error, r, "%s: %s", fresh, strerror(-r));
        r = copy_into(s, fresh, ret_error);
        if (r == 0)
                r = check_copy(fresh, ret_error);
        if (r == 0) {
                r = give_name(fresh, file, replace);
                if (r < 0)
                        r = COMPLAIN(ret_error, r, "%s: %s", file, strerror(-r));
        }
        if (r < 0)
                (void)unlink(fresh);
        return r;
}
