/* Opening and closing, and the names of things. The contract is in store/store.h. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "store/store_private.h"

/* error is looked at first: making the words may change errno. */
#define COMPLAIN(ret, error, ...)                                                                  \
        ({                                                                                         \
                int complain_r_ = (error);                                                         \
                *(ret) = str_printf(__VA_ARGS__);                                                  \
                *(ret) ? complain_r_ : -ENOMEM;                                                    \
        })

static const char *const roles[] = {
        [ROLE_STUDENT] = "student", [ROLE_TEACHER] = "teacher", [ROLE_ADMIN] = "admin"};

const char *role_name(enum role role) {
        CHECK((size_t)role < ELEMENTS(roles));
        return roles[role];
}

int role_parse(const char *s, enum role *ret) {
        int i = word_index(roles, ELEMENTS(roles), s);

        if (i < 0)
                return -EINVAL;
        *ret = (enum role)i;
        return 0;
}

bool user_name_valid(const char *name) {
        size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

        return n > 0 && n <= USER_NAME_MAX && name[n] == '\0' && !strchr("._-", name[0]);
}

/* An existing file is never opened here: closing it would drop the locks that SQLite holds on it. */
static int check_file(const char *path, const struct stat *dir, char **ret_error) {
        struct stat st;

        if (lstat(path, &st) < 0)
                return COMPLAIN(ret_error, -errno, "%s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return COMPLAIN(ret_error, -EINVAL, "%s: it is not a file", path);
        if (st.st_uid != geteuid() && st.st_uid != 0 && st.st_uid != dir->st_uid)
                return COMPLAIN(ret_error, -EINVAL, "%s: it belongs to uid %u", path,
                                (unsigned)st.st_uid);
        if (st.st_mode & 077)
                return COMPLAIN(ret_error, -EINVAL,
                                "%s: its mode is %04o, others may use it; it must be 0600", path,
                                (unsigned)st.st_mode & 07777);
        return 0;
}

/* A database that root makes belongs to whom DIR belongs to: the server's user. */
int store_make_file(const char *dir, const char *path, char **ret_error) {
        _cleanup_(fd_closep) int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct stat st;

        if (folder < 0 || fstat(folder, &st) < 0)
                return COMPLAIN(ret_error, -errno, "%s: %s", dir, strerror(errno));
        _cleanup_(fd_closep) int fd =
                open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST) {
                int r = check_file(path, &st, ret_error);
                return r < 0 ? r : -EEXIST;
        }
        if (fd < 0 || (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0) || fsync(fd) < 0 ||
            fsync(folder) < 0)
                return COMPLAIN(ret_error, -errno, "%s: %s", path, strerror(errno));
        return 0;
}

static int open_first(struct store *s, char **ret_error) {
        _cleanup_(conn_closep) struct conn *c = NULL;
        int r = conn_open(s, &c, ret_error);

        if (r == 0)
                r = store_migrate(c, ret_error);
        if (r == 0)
                atomic_store(&s->idle[0], TAKE_PTR(c));
        return r;
}

/* What to do about a damaged file, behind what is wrong with it. */
static int advise(const char *dir, char **ret_error) {
        _cleanup_(freep) char *wrong = *ret_error;

        return COMPLAIN(ret_error, -EINVAL,
                        "%s\n  restore a backup: latchctl --data %s restore FILE"
                        "\n  (it keeps this file beside the new one; see docs/administration.md)",
                        wrong, dir);
}

int store_open(const char *dir, struct store **ret, char **ret_error) {
        latch_blocking("store");
        _cleanup_(freep) struct store *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return -ENOMEM;
        int n = snprintf(s->path, sizeof s->path, "%s/latch.db", dir);
        if (n < 0 || (size_t)n >= sizeof s->path)
                return COMPLAIN(ret_error, -ENAMETOOLONG, "%s: the path is too long", dir);
        r = store_make_file(dir, s->path, ret_error);
        if (r < 0 && r != -EEXIST)
                return r;
        r = open_first(s, ret_error);
        if (r == -EUCLEAN)
                return advise(dir, ret_error);
        if (r < 0)
                return r;
        CHECK(sem_init(&s->permits, 0, STORE_CONNECTIONS) == 0);
        CHECK(sem_init(&s->writing, 0, 1) == 0);
        *ret = TAKE_PTR(s);
        return 0;
}

struct store *store_close(struct store *s) {
        int permits;

        if (!s)
                return NULL;
        latch_blocking("store");
        CHECK(sem_getvalue(&s->permits, &permits) == 0 && permits == (int)STORE_CONNECTIONS);
        for (size_t i = 0; i < ELEMENTS(s->idle); i++)
                conn_close(atomic_exchange(&s->idle[i], NULL));
        CHECK(sem_destroy(&s->permits) == 0);
        CHECK(sem_destroy(&s->writing) == 0);
        free(s);
        return NULL;
}
