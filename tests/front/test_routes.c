/* Unit tests for src/front/routes.c: the table says who may what, and nothing else is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "front/assets.h"
#include "front/routes.h"

const struct web_asset web_assets[] __attribute__((weak)) = {
        {"/", "text/html", "\"x\"", (const unsigned char *)"x", 1, false, false},
};
const size_t web_assets_n __attribute__((weak)) = 1;

static const struct route *find(const char *method, const char *path, unsigned *allowed) {
        const char *rest;

        return route_find(path, route_method(method), &rest, allowed);
}

static void test_only_these_need_no_identity(void **state) {
        static const char *const open[] = {"/api/login", "/healthz", "/readyz", "/v1/echo"};

        (void)state;
        for (size_t i = 0; i < routes_n; i++) {
                bool named = false;

                for (size_t n = 0; n < ELEMENTS(open); n++)
                        named |= !strcmp(open[n], routes[i].path);
                assert_int_equal(routes[i].who == WHO_ANYONE || routes[i].who == WHO_DIAGNOSTICS,
                                 named);
        }
}

static void test_rows_of_a_path_agree_on_who(void **state) {
        (void)state;
        for (size_t i = 0; i < routes_n; i++) {
                assert_non_null(routes[i].handle);
                assert_true(routes[i].methods != 0);
                for (size_t j = i + 1; j < routes_n; j++) {
                        if (strcmp(routes[i].path, routes[j].path) != 0)
                                continue;
                        assert_int_equal(routes[i].who, routes[j].who);
                        assert_int_equal(routes[i].methods & routes[j].methods, 0);
                }
        }
}

static void test_paths_match_whole_or_below(void **state) {
        const char *rest;
        unsigned allowed;

        (void)state;
        assert_non_null(find("GET", "/api/me", &allowed));
        assert_null(find("GET", "/api/me/", &allowed));
        assert_int_equal(allowed, 0);
        assert_null(find("GET", "/api/mex", &allowed));
        assert_null(find("GET", "/API/me", &allowed));
        assert_null(find("GET", "//api/me", &allowed));
        assert_null(find("GET", "/api/files", &allowed));
        assert_non_null(route_find("/api/files/home/a b", METHOD_GET, &rest, &allowed));
        assert_string_equal(rest, "home/a b");
        assert_non_null(find("GET", "/", &allowed));
        assert_null(find("GET", "/index.html", &allowed));
        assert_int_equal(allowed, 0);
}

static void test_allow_is_what_the_path_has(void **state) {
        char names[ROUTE_ALLOW_MAX];
        unsigned allowed;

        (void)state;
        assert_null(find("POST", "/api/files/x", &allowed));
        route_allow(allowed, names);
        assert_string_equal(names, "GET, HEAD, PUT, DELETE");
        assert_null(find("GET", "/api/login", &allowed));
        route_allow(allowed, names);
        assert_string_equal(names, "POST");
        assert_null(find("PATCH", "/", &allowed));
        route_allow(allowed, names);
        assert_string_equal(names, "GET, HEAD");
        route_allow(METHOD_GET | METHOD_HEAD | METHOD_POST | METHOD_PUT | METHOD_DELETE, names);
        assert_string_equal(names, "GET, HEAD, POST, PUT, DELETE");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_only_these_need_no_identity),
                cmocka_unit_test(test_rows_of_a_path_agree_on_who),
                cmocka_unit_test(test_paths_match_whole_or_below),
                cmocka_unit_test(test_allow_is_what_the_path_has),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
