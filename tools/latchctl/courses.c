/* latchctl course ... */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "workspace/courses.h"
#include "workspace/workspace.h"

static int ask(const struct config *config, json_t *request, char **ret_error) {
        json_auto_t *reply = NULL;

        return command_request(config, request, COMMAND_ANSWER_MS, &reply, ret_error);
}

int course_add_ask(const struct command *c, const struct config *config, char **ret_error) {
        return ask(config,
                   json_pack("{s:s, s:s, s:s*}", "command", "course.add", "name", c->arg[0],
                             "teacher", c->option[OPTION_TEACHER]),
                   ret_error);
}

static int teacher_ask(const struct command *c, const struct config *config, bool teaches,
                       char **ret_error) {
        return ask(config,
                   json_pack("{s:s, s:s, s:s, s:b}", "command", "course.teacher", "course",
                             c->arg[0], "teacher", c->arg[1], "teaches", (int)teaches),
                   ret_error);
}

int course_teacher_add_ask(const struct command *c, const struct config *config, char **ret_error) {
        return teacher_ask(c, config, true, ret_error);
}

int course_teacher_remove_ask(const struct command *c, const struct config *config,
                              char **ret_error) {
        return teacher_ask(c, config, false, ret_error);
}

/* ---- without a server ---- */

static int say(int r, char **ret_error) {
        bool told = r == -EINVAL || r == -EEXIST || r == -ESRCH || r == -ENOENT || r == -EACCES;

        if (r == 0)
                return 0;
        return COMPLAIN(ret_error, told ? -ECANCELED : r, "%s",
                        told ? courses_words(r) : strerror(-r));
}

/* What was done goes on record before it is said; what came of it is said either way. */
static int finish(struct store *store, const char *what, const char *course, int r,
                  char **ret_error) {
        r = r < 0 ? say(r, ret_error) : audit_direct(store, what, course, ret_error);
        store_close(store);
        return r;
}

int course_add_direct(const struct command *c, const struct config *config, char **ret_error) {
        struct store *store = NULL;
        int r = store_open(config->data, &store, ret_error);

        if (r < 0)
                return r;
        r = workspace_prepare(config->data);
        if (r == 0)
                r = courses_add(config->data, store, c->arg[0], c->option[OPTION_TEACHER]);
        return finish(store, "admin.course_add", c->arg[0], r, ret_error);
}

static int teacher_direct(const struct command *c, const struct config *config, bool teaches,
                          char **ret_error) {
        struct store *store = NULL;
        int r = store_open(config->data, &store, ret_error);

        if (r < 0)
                return r;
        r = courses_set_teacher(store, c->arg[0], c->arg[1], teaches);
        return finish(store, "admin.course_teacher", c->arg[0], r, ret_error);
}

int course_teacher_add_direct(const struct command *c, const struct config *config,
                              char **ret_error) {
        return teacher_direct(c, config, true, ret_error);
}

int course_teacher_remove_direct(const struct command *c, const struct config *config,
                                 char **ret_error) {
        return teacher_direct(c, config, false, ret_error);
}

/* The store may be read beside a server. A course, and its teachers behind it. */
int course_list(const struct command *c, const struct config *config, char **ret_error) {
        _cleanup_(freep) struct store_course *rows = NULL;
        struct store *store = NULL;
        size_t n = 0;
        int r = store_open(config->data, &store, ret_error);

        (void)c;
        if (r < 0)
                return r;
        r = store_course_list(store, &rows, &n);
        store_close(store);
        for (size_t i = 0; r == 0 && i < n; i++) {
                bool first = i == 0 || !str_eq(rows[i].name, rows[i - 1].name);
                bool last = i + 1 == n || !str_eq(rows[i].name, rows[i + 1].name);
                if (printf("%s%s%s%s", first ? rows[i].name : "", rows[i].teacher[0] ? "\t" : "",
                           rows[i].teacher, last ? "\n" : "") < 0)
                        r = -EIO;
        }
        return r < 0 ? COMPLAIN(ret_error, r, "the courses: %s", strerror(-r)) : 0;
}
