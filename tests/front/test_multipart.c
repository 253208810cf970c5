/* Unit tests for src/front/multipart.c and multipart_head.c: forms, however they are cut, and what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "front/multipart.h"

/* What a form said, as text: [name|filename] data, one behind the other. */
struct said {
        char text[4096];
        size_t n;
};

static void say(struct said *s, const char *data, size_t n) {
        assert_true(s->n + n < sizeof s->text);
        memcpy(s->text + s->n, data, n);
        s->n += n;
        s->text[s->n] = '\0';
}

static int begin(void *arg, const struct multipart_part *p) {
        char head[600];
        int n = snprintf(head, sizeof head, "[%s|%.255s]", p->name, p->is_file ? p->filename : "-");

        say(arg, head, (size_t)n);
        return 0;
}

static int data(void *arg, const char *text, size_t n) {
        say(arg, text, n);
        return 0;
}

static int end(void *arg) {
        say(arg, ";", 1);
        return 0;
}

/* Fed in pieces of this size. */
static int parse(const char *text, size_t n, size_t piece, struct said *s) {
        struct multipart_hooks hooks = {begin, data, end, s};
        struct multipart *m = NULL;
        int r = multipart_new("b0", &hooks, &m);

        s->n = 0;
        s->text[0] = '\0';
        assert_int_equal(r, 0);
        for (size_t at = 0; r == 0 && at < n; at += piece)
                r = multipart_feed(m, text + at, MIN(piece, n - at));
        if (r == 0)
                r = multipart_finish(m);
        multipart_free(m);
        return r;
}

#define FILE_PART(name) "Content-Disposition: form-data; name=\"f\"; filename=\"" name "\"\r\n\r\n"

static void test_forms_however_they_are_cut(void **state) {
        static const char form[] = "passed over\r\n--b0  \r\n" FILE_PART(
                "a/b.txt") "one\r\n--b\r\n-\r\n--b0\r\n"
                           "Content-Disposition: form-data; name=field\r\n\r\nv\r\n--b0\r\n" FILE_PART(
                                   "empty") "\r\n--b0--\r\nand the end";
        struct said s;

        (void)state;
        for (size_t piece = 1; piece <= sizeof form; piece++) {
                assert_int_equal(parse(form, sizeof form - 1, piece, &s), 0);
                assert_string_equal(s.text, "[f|a/b.txt]one\r\n--b\r\n-;[field|-]v;[f|empty];");
        }
}

static void test_what_is_no_form(void **state) {
        static const char *const bad[] = {
                "",
                "--b0",
                "--b0\r\n" FILE_PART("x") "data",
                "--b0\r\n" FILE_PART("x") "data\r\n--b0",
                "--b0\r\n" FILE_PART("x") "data\r\n--b0x\r\n",
                "--b0\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Type: text/plain\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: attachment; name=\"f\"\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: form-data; filename=\"f\"\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: form-data; name=\"f\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
                "name=a\r\n\r\ndata\r\n--b0--",
                "--b0\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; "
                "name=a\r\n\r\ndata\r\n--b0--",
                "--b0\nContent-Disposition: form-data; name=a\n\ndata\n--b0--",
        };
        struct said s;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                if (parse(bad[i], strlen(bad[i]), 7, &s) != -EBADMSG)
                        fail_msg("case %zu", i);
                assert_null(strchr(s.text, ';')); /* no part came whole */
        }
}

static void test_names_of_files(void **state) {
        static const struct {
                const char *head, *name; /* NULL: refused */
        } cases[] = {
                {"filename=\"a.txt\"", "a.txt"},
                {"filename=a.txt", "a.txt"},
                {"filename=\"a\\\"b\\\\c\"", "a\"b\\c"},
                {"filename=\"a\\b\\xE4\"", "a\\b\\xE4"},
                {"filename=\"a%22%0d%0Ab%20\"", "a\"\r\nb%20"},
                {"filename=\"%2\"", "%2"},
                {"filename=\"\xc3\xa4;=\"", "\xc3\xa4;="},
                {"filename=\"x\"; filename*=UTF-8''%c3%a4%2F..", "\xc3\xa4/.."},
                {"filename*=utf-8'de'b; filename=\"x\"", "b"},
                {"filename*=latin1''%e4", NULL},
                {"filename*=UTF-8''%00", NULL},
                {"filename*=UTF-8''%4", NULL},
                {"filename*=UTF-8", NULL},
                {"filename=\"x\"y", NULL},
                {"filename=\"x", NULL},
                {"filename=\"\"", ""},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                struct multipart_part p;
                char head[256];
                int n = snprintf(head, sizeof head, "content-disposition:form-data;name=f; %s",
                                 cases[i].head);
                int r = multipart_head(head, (size_t)n, &p);

                if (r != (cases[i].name ? 0 : -EBADMSG))
                        fail_msg("case %zu: %d", i, r);
                if (cases[i].name)
                        assert_string_equal(p.filename, cases[i].name);
        }
}

static void test_boundaries(void **state) {
        static const struct {
                const char *type, *boundary;
        } cases[] = {
                {"multipart/form-data; boundary=abc", "abc"},
                {"Multipart/Form-Data;charset=utf-8; Boundary=\"a b'()+_,-./:=?c\"",
                 "a b'()+_,-./:=?c"},
                {"multipart/form-data", NULL},
                {"multipart/form-datax; boundary=a", NULL},
                {"multipart/mixed; boundary=a", NULL},
                {"multipart/form-data; boundary=", NULL},
                {"multipart/form-data; boundary=\"\"", NULL},
                {"multipart/form-data; boundary=\"a \"", NULL},
                {"multipart/form-data; boundary=a; boundary=b", NULL},
                {"multipart/form-data; boundary=\"a\\\"b\"", NULL},
                {"multipart/form-data; boundary="
                 "12345678901234567890123456789012345678901234567890123456789012345678901",
                 NULL},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char to[MULTIPART_BOUNDARY_MAX + 1] = "";
                int r = multipart_boundary(cases[i].type, to);

                if (r != (cases[i].boundary ? 0 : -EBADMSG))
                        fail_msg("case %zu: %d", i, r);
                if (cases[i].boundary)
                        assert_string_equal(to, cases[i].boundary);
        }
}

static void test_a_head_has_a_limit(void **state) {
        size_t n = 3 * MULTIPART_HEAD_MAX;
        char *form = malloc(n);
        struct said s;

        (void)state;
        assert_non_null(form);
        memset(form, 'x', n);
        memcpy(form, "--b0\r\n", 6);
        assert_int_equal(parse(form, n, 1000, &s), -E2BIG);
        assert_int_equal(parse(form, n, n, &s), -E2BIG);
        free(form);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms_however_they_are_cut),
                cmocka_unit_test(test_what_is_no_form),
                cmocka_unit_test(test_names_of_files),
                cmocka_unit_test(test_boundaries),
                cmocka_unit_test(test_a_head_has_a_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
