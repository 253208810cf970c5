/* Unit tests for src/workspace/name.c and path.c: names on the wire and on the disk. */
#include <errno.h>

#include "fixture.h"

static void test_forms(void **state) {
        static const struct {
                const char *name, *wire;
        } cases[] = {
                {"a.py", "a.py"},
                {"\xc3\xa4", "\xc3\xa4"},
                {"\xff", "\\xFF"},
                {"a\xc3", "a\\xC3"},
                {"\xe2\x82z", "\\xE2\\x82z"},
                {"\xed\xa0\x80", "\\xED\\xA0\\x80"}, /* a surrogate is no UTF-8 */
                {"\\", "\\"},
                {"\\x", "\\x"},
                {"\\x41", "\\x41"}, /* stands for itself: no escape has a letter's byte */
                {"\\xff", "\\xff"}, /* nor small digits */
                {"\\xFF", "\\x5CxFF"},
                {"\\x5C", "\\x5Cx5C"},
                {"\\\\xFF", "\\\\x5CxFF"},
                {"\\x\xff", "\\x\\xFF"},
                {"\\x8\xff", "\\x8\\xFF"},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char wire[WORKSPACE_NAME_MAX], raw[WORKSPACE_PATH_MAX + 1];

                workspace_name_wire(cases[i].name, wire);
                assert_string_equal(wire, cases[i].wire);
                assert_int_equal(workspace_path_raw(wire, strlen(wire), raw), 0);
                assert_string_equal(raw, cases[i].name);
        }
}

static void test_paths(void **state) {
        static const struct {
                const char *path;
                int error;
                const char *wire;
        } cases[] = {
                {"home", 0, "home"},
                {"a/\xe2\x82/\xac", 0, "a/\\xE2\\x82/\\xAC"},
                {"a\\x5/C", 0, "a\\x5/C"},
                {"123456789abcdef", 0, "123456789abcdef"},
                {"123456789abcdefg", -ENAMETOOLONG, ""},
                {"123456789abc\xff", -ENAMETOOLONG, ""},
                {"/a", -EINVAL, ""},
                {"a/../b", -EINVAL, ""},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char wire[16];

                assert_int_equal(workspace_path_wire(cases[i].path, wire, sizeof wire),
                                 cases[i].error);
                if (cases[i].error == 0)
                        assert_string_equal(wire, cases[i].wire);
        }
}

/* Escaped without need, so another name of what has one already; and what would leave the path. */
static void test_forms_that_are_none(void **state) {
        static const char *const none[] = {
                "\\xC3\\xA4", "home/\\xC3\\xA4",
                "\\x5C",      "\\x5Cx41",
                "\\x5C\\x5C", "a\\xE2\\x82\\xAC",
                "\xff",       "a/..",
                "..",         "a//b",
                "/a",         "a/",
                "a/.",
        };
        static const char *const plain[] = {"\\x2e\\x2e", "\\x2E\\x2E", "\\x00", "\\x2F", "%2e%2e"};
        char raw[WORKSPACE_PATH_MAX + 1];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(none); i++)
                if (workspace_path_raw(none[i], strlen(none[i]), raw) != -EINVAL)
                        fail_msg("%s is taken", none[i]);
        for (size_t i = 0; i < ELEMENTS(plain); i++) {
                assert_int_equal(workspace_path_raw(plain[i], strlen(plain[i]), raw), 0);
                assert_string_equal(raw, plain[i]);
        }
}

static uint64_t next(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* Bytes that make escapes, halves of characters and their like more often than chance would. */
static size_t random_name(uint64_t *seed, char to[256]) {
        static const char often[] = "\\x58CFAE0\xc3\xa4\xe2\x82\xac\xf0\x9f\xff";
        size_t n = 1 + next(seed) % (next(seed) % 8 ? 12 : 255);

        for (size_t i = 0; i < n; i++) {
                uint64_t any = next(seed);
                char c = often[(any >> 1) % (sizeof often - 1)];

                if (!(any & 1))
                        c = (char)(any >> 8);
                if (c == '\0' || c == '/')
                        c = '_';
                to[i] = c;
        }
        to[n] = '\0';
        return n;
}

static void test_every_name_comes_back(void **state) {
        uint64_t seed = 0x1234567;

        (void)state;
        for (int i = 0; i < 200000; i++) {
                char name[256], wire[WORKSPACE_NAME_MAX], raw[WORKSPACE_PATH_MAX + 1];
                size_t n = random_name(&seed, name);

                if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                        continue;
                workspace_name_wire(name, wire);
                if (workspace_path_raw(wire, strlen(wire), raw) != 0 || strcmp(raw, name) != 0)
                        fail_msg("round %d: \"%s\"", i, wire);
                (void)n;
        }
}

/* No two forms of one name: what is taken is what the name would be listed as. */
static void test_every_form_is_the_only_one(void **state) {
        uint64_t seed = 0x7654321;

        (void)state;
        for (int i = 0; i < 200000; i++) {
                char form[256], raw[WORKSPACE_PATH_MAX + 1], wire[WORKSPACE_NAME_MAX];
                size_t n = random_name(&seed, form);

                if (workspace_path_raw(form, n, raw) != 0)
                        continue;
                workspace_name_wire(raw, wire);
                assert_string_equal(wire, form);
                assert_null(strchr(raw, '/'));
        }
}

static void test_names_of_255_bytes(void **state) {
        struct fixture *f = *state;
        char name[257], path[WORKSPACE_NAME_MAX + 16] = "home/";

        memset(name, '\xff', 255);
        name[255] = '\0';
        workspace_name_wire(name, path + 5);
        assert_int_equal(strlen(path), 5 + 1020);
        assert_int_equal(put(f, path, "x"), 0);
        assert_string_equal(home_get(f, name), "x");
        strcat(path, "\\xFF");
        assert_int_equal(put(f, path, "x"), -EINVAL);
}

/* Made by a program, then listed and worked on by what the list says. */
static void test_they_are_listed_and_operable(void **state) {
        struct fixture *f = *state;
        _cleanup_(freep) struct workspace_stat *list = NULL;
        _cleanup_(freep) char *data = NULL;
        struct workspace_stat st;
        char wire[WORKSPACE_NAME_MAX], path[WORKSPACE_NAME_MAX + 16], to[WORKSPACE_NAME_MAX + 32];
        size_t n;

        home_put(f, "b\xe4r", "bytes");
        assert_int_equal(workspace_list(f->w, "home", 9, &list, &n), 0);
        assert_int_equal(n, 1);
        workspace_name_wire(list[0].name, wire);
        assert_string_equal(wire, "b\\xE4r");
        snprintf(path, sizeof path, "home/%s", wire);
        assert_int_equal(workspace_stat(f->w, path, &st), 0);
        assert_string_equal(st.etag, list[0].etag);
        assert_string_equal(st.name, "b\xe4r");
        assert_int_equal(workspace_read(f->w, path, 0, 10, &data, &n, NULL), 0);
        assert_string_equal(data, "bytes");
        assert_int_equal(workspace_write(f->w, path, "new", 3, st.etag, NULL), 0);
        assert_string_equal(home_get(f, "b\xe4r"), "new");
        assert_int_equal(workspace_mkdir(f->w, "home/d\\xFF"), 0);
        snprintf(to, sizeof to, "home/d\\xFF/%s", wire);
        assert_int_equal(workspace_rename(f->w, path, to, false), 0);
        assert_string_equal(home_get(f, "d\xff/b\xe4r"), "new");
        assert_int_equal(workspace_remove(f->w, to, false, NULL), 0);
        assert_int_equal(workspace_remove(f->w, "home/d\\xFF", true, NULL), 0);
        free(list);
        assert_int_equal(workspace_list(f->w, "home", 9, &list, &n), 0);
        assert_int_equal(n, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_forms),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_forms_that_are_none),
                cmocka_unit_test(test_every_name_comes_back),
                cmocka_unit_test(test_every_form_is_the_only_one),
                with_fixture(test_names_of_255_bytes),
                with_fixture(test_they_are_listed_and_operable),
        };

        become_ordinary();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
