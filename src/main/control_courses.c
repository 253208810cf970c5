/* What latchctl asks about courses. The contract is in main/control_private.h. */

#include "main/control_private.h"
#include "workspace/courses.h"

static const char *text(const json_t *m, const char *name) {
        return json_string_value(json_object_get(m, name));
}

static json_t *finish(struct control *c, const char *what, const char *course, int r) {
        json_t *unwritten = control_note(c, what, course, r);

        if (r < 0) {
                json_decref(unwritten);
                return control_refusal(courses_words(r));
        }
        return unwritten ? unwritten : json_pack("{s:b}", "ok", 1);
}

json_t *control_course_add(struct control *c, const json_t *m) {
        const char *name = text(m, "name");

        if (!name)
                return control_refusal("course.add needs a name");
        return finish(
                c, "admin.course_add", name,
                courses_add(c->deps.config->data, c->deps.people->store, name, text(m, "teacher")));
}

json_t *control_course_teacher(struct control *c, const json_t *m) {
        const char *course = text(m, "course"), *teacher = text(m, "teacher");

        if (!course || !teacher)
                return control_refusal("course.teacher needs course and teacher");
        return finish(c, "admin.course_teacher", course,
                      courses_set_teacher(c->deps.people->store, course, teacher,
                                          json_is_true(json_object_get(m, "teaches"))));
}
