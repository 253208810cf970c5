/* The contract is in main/reach.h. */
#include "main/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

struct reach_answer {
        int error; /* 0: reached */
        size_t n;  /* bytes of the path that name what failed */
};

/* From the root down, so that the first part that is in the way is named. */
static struct reach_answer walk(char *path, int access) {
        size_t n = strlen(path);

        for (size_t i = 1; i < n; i++) {
                if (path[i] != '/')
                        continue;
                path[i] = '\0';
                int r = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
                path[i] = '/';
                if (r < 0)
                        return (struct reach_answer){errno, i};
        }
        return (struct reach_answer){faccessat(AT_FDCWD, path, access, AT_EACCESS) < 0 ? errno : 0,
                                     n};
}

/* What is asked: about a path, or about an open file of that path. */
struct reach_question {
        char *path;
        int fd; /* -1: the path is walked */
        int access;
        uid_t uid;
};

static struct reach_answer answer(const struct reach_question *q) {
        if (q->fd < 0)
                return walk(q->path, q->access);
        int r = faccessat(q->fd, "", q->access, AT_EMPTY_PATH | AT_EACCESS);
        return (struct reach_answer){r < 0 ? errno : 0, strlen(q->path)};
}

/* As that user, and root again: there is no second thread yet that would be him for as long (setresuid(2)). */
static int answer_as(const struct reach_question *q, struct reach_answer *ret) {
        gid_t groups[NGROUPS_MAX], gid = getegid();
        int n = getgroups(NGROUPS_MAX, groups);

        if (n < 0)
                return -errno;
        if (setgroups(0, NULL) < 0)
                return -errno;
        *ret = (struct reach_answer){EPERM, 0};
        if (setegid(q->uid) == 0 && seteuid(q->uid) == 0)
                *ret = answer(q);
        CHECK(seteuid(0) == 0 && setegid(gid) == 0 && setgroups((size_t)n, groups) == 0);
        return 0;
}

static int look(const char *what, const struct reach_question *q, char **ret_error) {
        struct reach_answer a = {0};
        int r = 0;

        if (geteuid() == 0)
                r = answer_as(q, &a);
        else
                a = answer(q);
        if (r < 0 || a.error == 0)
                return r;
        if (geteuid() == 0)
                *ret_error = str_printf("%s: %s cannot be reached by uid %u: %.*s: %s", what,
                                        q->path, q->uid, (int)a.n, q->path, strerror(a.error));
        else
                *ret_error = str_printf("%s: %s cannot be reached: %.*s: %s", what, q->path,
                                        (int)a.n, q->path, strerror(a.error));
        return *ret_error ? -EINVAL : -ENOMEM;
}

int reach_check(const char *what, const char *path, int access, uid_t uid, char **ret_error) {
        _cleanup_(freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        return look(what, &(struct reach_question){copy, -1, access, uid}, ret_error);
}

int reach_check_program(const char *what, const char *path, uid_t uid, char **ret_error) {
        _cleanup_(freep) char *copy = strdup(path);
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (!copy)
                return -ENOMEM;
        if (fd < 0) {
                *ret_error = str_printf("%s: %s: %s", what, path, strerror(errno));
                return *ret_error ? -EINVAL : -ENOMEM;
        }
        return look(what, &(struct reach_question){copy, fd, X_OK, uid}, ret_error);
}

int reach_check_folder(const char *what, const char *path, uid_t uid, char **ret_error) {
        _cleanup_(freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        while (faccessat(AT_FDCWD, copy, F_OK, 0) < 0 && errno == ENOENT) {
                char *slash = strrchr(copy, '/');
                if (!slash || slash == copy)
                        return 0; /* the root is left, and that is reached */
                *slash = '\0';
        }
        return look(what, &(struct reach_question){copy, -1, X_OK, uid}, ret_error);
}
