/* The contract is in workspace/courses.h. */
#include "workspace/courses.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "latch/lock.h"
#include "workspace/workspace_private.h"

/* Whoever makes it, latchctl as root or latchd, it belongs to whom the folder of all courses belongs. */
static int make(const char *dir, const char *name) {
        _cleanup_(freep) char *path = str_printf("%s/%s", dir, WORKSPACE_COURSES);
        struct stat st;

        if (!path)
                return -ENOMEM;
        _cleanup_(fd_closep) int courses =
                open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (courses < 0 || fstat(courses, &st) < 0)
                return -errno;
        int r = make_folder(courses, name, 0755, st.st_uid, NULL);
        if (r == 0 && fsync(courses) < 0)
                r = -errno;
        return r;
}

static int find_teacher(struct store *store, const char *name, struct store_user *ret) {
        int r = store_user_by_name(store, name, ret);

        if (r == 0 && ret->deleted)
                r = -ENOENT;
        return r == 0 && ret->role == ROLE_STUDENT ? -EACCES : r;
}

int courses_add(const char *dir, struct store *store, const char *name, const char *teacher) {
        struct store_user u;
        int r = course_name_valid(name) ? 0 : -EINVAL;

        latch_blocking("courses_add");
        if (r == 0 && teacher)
                r = find_teacher(store, teacher, &u);
        if (r == 0)
                r = make(dir, name);
        if (r == 0)
                r = store_course_add(store, name);
        if (r == 0 && teacher)
                r = store_course_set_teacher(store, name, u.id, true);
        return r;
}

int courses_set_teacher(struct store *store, const char *course, const char *teacher,
                        bool teaches) {
        struct store_user u;
        int r = teaches ? find_teacher(store, teacher, &u) : store_user_by_name(store, teacher, &u);

        if (r < 0)
                return r;
        r = store_course_set_teacher(store, course, u.id, teaches);
        return r == -ENOENT ? -ESRCH : r;
}

const char *courses_words(int error) {
        switch (error) {
        case -EINVAL:
                return "a course's name is letters, digits, '.', '_' or '-', begins with a letter or digit, and has at most 64 characters";
        case -EEXIST: return "there is such a course already";
        case -ESRCH: return "there is no such course";
        case -ENOENT: return "there is no such user";
        case -EACCES: return "a student cannot teach: give the user the role teacher first";
        case -ENOSPC: return "the disk is full";
        default: return "the server could not do it; its log says why";
        }
}
