/* courses.c - admin.course_*: what latchctl course does, over the socket. */
#include <errno.h>
#include <stdlib.h>

#include <jansson.h>

#include "api/api_private.h"
#include "audit/audit.h"
#include "base/str.h"
#include "store/store.h"
#include "workspace/courses.h"

static const struct api_deps *deps_of(const struct rpc_request *r) {
        return rpc_context(r);
}

static int finish(struct rpc_request *r, const char *what, const char *course, int error) {
        audit_note(deps_of(r)->audit, &(struct audit_event){.what = what,
                                                            .user = r->account->name,
                                                            .address = r->port->address,
                                                            .object = course,
                                                            .error = error});
        if (error == -EINVAL || error == -EEXIST || error == -ESRCH || error == -ENOENT ||
            error == -EACCES)
                return rpc_fail(r, error, NULL, "%s", courses_words(error));
        return error;
}

static int course_add(struct rpc_request *r, json_t **ret) {
        const char *name = text_param(r, "name");

        (void)ret;
        return finish(r, "admin.course_add", name,
                      courses_add(deps_of(r)->config->data, deps_of(r)->store, name,
                                  text_param(r, "teacher")));
}

static int course_teacher(struct rpc_request *r, json_t **ret) {
        const char *course = text_param(r, "course");

        (void)ret;
        return finish(r, "admin.course_teacher", course,
                      courses_set_teacher(deps_of(r)->store, course, text_param(r, "teacher"),
                                          json_is_true(json_object_get(r->params, "teaches"))));
}

/* Rows of one course stand together. */
static int list_json(const struct store_course *rows, size_t n, json_t **ret) {
        json_t *list = json_array(), *teachers = NULL;
        int e = list ? 0 : -1;

        for (size_t i = 0; e == 0 && i < n; i++) {
                if (i == 0 || !str_eq(rows[i].name, rows[i - 1].name)) {
                        teachers = json_array(); /* of the list from here on */
                        e = json_array_append_new(list,
                                                  json_pack("{s:s, s:o}", "name", rows[i].name,
                                                            "teachers", teachers));
                }
                if (e == 0 && rows[i].teacher[0])
                        e = json_array_append_new(teachers, json_string(rows[i].teacher));
        }
        if (e < 0) {
                json_decref(list);
                return -ENOMEM;
        }
        *ret = list;
        return 0;
}

static int course_list(struct rpc_request *r, json_t **ret) {
        _cleanup_(freep) struct store_course *rows = NULL;
        size_t n;
        int e = store_course_list(deps_of(r)->store, &rows, &n);

        return e < 0 ? e : list_json(rows, n, ret);
}

static const struct rpc_method methods[] = {
        {.name = "admin.course_add",
         .params = {{"name", 's', true}, {"teacher", 's', false}},
         .handle = course_add},
        {.name = "admin.course_teacher",
         .params = {{"course", 's', true}, {"teacher", 's', true}, {"teaches", 'b', true}},
         .handle = course_teacher},
        {.name = "admin.course_list", .handle = course_list},
};

int api_courses_add(struct rpc *rpc, const struct api_deps *deps) {
        return api_group(rpc, methods, ELEMENTS(methods), ROLE_ADMIN, deps);
}
