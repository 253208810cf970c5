/* Courses. The contract is in store/store.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

bool course_name_valid(const char *name) {
        size_t n = strlen(name);

        return n > 0 && n <= COURSE_NAME_MAX && isalnum((unsigned char)name[0]) &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
                       n;
}

int store_course_add(struct store *s, const char *name) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_run(c, STATEMENT_COURSE_ADD, "t", name);
        return r < 0 ? r : 0;
}

/* The course is looked for in the transaction that changes it. */
static int set_teacher(struct conn *c, const char *course, int64_t user_id, bool teaches) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_COURSE_GET, &st, "t", course);

        if (r == 0)
                r = statement_step(st);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        r = statement_run(c, teaches ? STATEMENT_TEACHER_ADD : STATEMENT_TEACHER_REMOVE, "ti",
                          course, user_id);
        return r < 0 ? r : 0;
}

int store_course_set_teacher(struct store *s, const char *course, int64_t user_id, bool teaches) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        return transaction_end(c, set_teacher(c, course, user_id, teaches));
}

int store_course_teaches(struct store *s, const char *course, int64_t user_id) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_TEACHER_GET, &st, "ti", course, user_id);
        if (r == 0)
                r = statement_step(st);
        return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

int store_course_teaches_any(struct store *s, int64_t user_id) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_TEACHER_ANY, &st, "i", user_id);
        if (r == 0)
                r = statement_step(st);
        return r < 0 ? r : r > 0 ? 0 : -ENOENT;
}

static int read_course(sqlite3_stmt *st, struct store_course *ret) {
        struct store_course c = {0};
        int r = column_text(st, 0, c.name, sizeof c.name);

        if (r == 0 && sqlite3_column_type(st, 1) != SQLITE_NULL)
                r = column_text(st, 1, c.teacher, sizeof c.teacher);
        if (r == 0)
                *ret = c;
        return r;
}

int store_course_list(struct store *s, struct store_course **ret, size_t *ret_n) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        _cleanup_(freep) struct store_course *list = NULL;
        size_t n = 0;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_COURSE_LIST, &st, "");
        while (r == 0 && (r = statement_step(st)) > 0) {
                struct store_course *more = reallocarray(list, n + 1, sizeof *list);
                if (!more)
                        return -ENOMEM;
                list = more;
                r = read_course(st, &list[n++]);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}
