/* routes.c - see routes.h. */
#include "front/routes.h"

#include <string.h>

#include "base/str.h"
#include "front/assets.h"
#include "front/counters.h"

#define READ (METHOD_GET | METHOD_HEAD)

/* clang-format off */
const struct route routes[] = {
        /* path          methods         who              socket        cost body        handler */
        {"/api/login",    METHOD_POST,    WHO_ANYONE,      SOCKET_NONE,  5,  BODY_SMALL,  http_login},
        {"/api/logout",   METHOD_POST,    WHO_SIGNED_IN,   SOCKET_NONE,  1,  BODY_SMALL,  http_logout},
        {"/api/renew",    METHOD_POST,    WHO_SIGNED_IN,   SOCKET_NONE,  5,  BODY_SMALL,  http_renew},
        {"/api/tickets",  METHOD_POST,    WHO_SIGNED_IN,   SOCKET_NONE,  1,  BODY_SMALL,  http_ticket},
        {"/api/me",       READ,           WHO_SIGNED_IN,   SOCKET_NONE,  5,  BODY_NONE,   http_me},
        {"/api/files/",   READ,           WHO_SIGNED_IN,   SOCKET_NONE,  2,  BODY_NONE,   http_files_get},
        {"/api/files/",   METHOD_PUT,     WHO_SIGNED_IN,   SOCKET_NONE,  5,  BODY_UPLOAD, http_files_put},
        {"/api/files/",   METHOD_DELETE,  WHO_SIGNED_IN,   SOCKET_NONE,  2,  BODY_NONE,   http_files_delete},
        {"/api/zip/",     READ,           WHO_SIGNED_IN,   SOCKET_NONE,  50, BODY_NONE,   http_zip},
        {"/api/upload/",  METHOD_POST,    WHO_SIGNED_IN,   SOCKET_NONE,  50, BODY_UPLOAD, http_upload},
        {"/healthz",      READ,           WHO_ANYONE,      SOCKET_NONE,  1,  BODY_NONE,   http_healthz},
        {"/readyz",       READ,           WHO_ANYONE,      SOCKET_NONE,  2,  BODY_NONE,   http_readyz},
        {"/metrics",      READ,           WHO_METRICS,     SOCKET_NONE,  5,  BODY_NONE,   http_metrics},
        {"/v1/ws",        METHOD_GET,     WHO_SIGNED_IN,   SOCKET_LATCH, 5,  BODY_NONE,   http_no_socket},
        {"/v1/attach/",   METHOD_GET,     WHO_SIGNED_IN,   SOCKET_RAW,   5,  BODY_NONE,   http_no_socket},
        {"/v1/echo",      METHOD_GET,     WHO_DIAGNOSTICS, SOCKET_ECHO,  0,  BODY_NONE,   http_no_socket},
};
const size_t routes_n = ELEMENTS(routes);
_Static_assert(ELEMENTS(routes) <= COUNTED_ROUTES, "each row is counted");

/* What the binary carries decides which paths these are. */
const struct route route_asset = {"/", READ, WHO_ANYONE, SOCKET_NONE, 1, BODY_NONE, http_asset};
/* clang-format on */

const char *route_who_name(enum route_who who) {
        static const char *const names[] = {
                [WHO_ANYONE] = "anyone",       [WHO_DIAGNOSTICS] = "diagnostics",
                [WHO_SIGNED_IN] = "signed in", [WHO_TEACHER] = "teacher",
                [WHO_ADMIN] = "admin",         [WHO_METRICS] = "admin or loopback",
        };

        return names[who];
}

static const struct {
        unsigned bit;
        const char *name;
} methods[] = {
        {METHOD_GET, "GET"}, {METHOD_HEAD, "HEAD"},     {METHOD_POST, "POST"},
        {METHOD_PUT, "PUT"}, {METHOD_DELETE, "DELETE"},
};

unsigned route_method(const char *name) {
        for (size_t i = 0; i < ELEMENTS(methods); i++)
                if (str_eq(methods[i].name, name))
                        return methods[i].bit;
        return 0;
}

const char *route_method_name(unsigned method) {
        for (size_t i = 0; i < ELEMENTS(methods); i++)
                if (methods[i].bit == method)
                        return methods[i].name;
        CHECK(!"one of the table's");
        return "";
}

void route_allow(unsigned allowed, char to[ROUTE_ALLOW_MAX]) {
        size_t n = 0;

        to[0] = '\0';
        for (size_t i = 0; i < ELEMENTS(methods); i++) {
                if (!(allowed & methods[i].bit))
                        continue;
                strcpy(to + n, n ? ", " : "");
                n += strlen(to + n);
                strcpy(to + n, methods[i].name);
                n += strlen(to + n);
        }
}

static bool matches(const struct route *route, const char *path, const char **ret_rest) {
        size_t n = strlen(route->path);

        if (n > 1 && route->path[n - 1] == '/') {
                if (!str_starts(path, route->path))
                        return false;
                *ret_rest = path + n;
                return true;
        }
        *ret_rest = "";
        return str_eq(path, route->path);
}

static bool is_asset(const char *path) {
        for (size_t i = 0; i < web_assets_n; i++)
                if (str_eq(web_assets[i].path, path))
                        return true;
        return false;
}

const struct route *route_find(const char *path, unsigned method, const char **ret_rest,
                               unsigned *ret_allow) {
        const char *rest;

        *ret_allow = 0;
        for (size_t i = 0; i < routes_n; i++) {
                if (!matches(&routes[i], path, &rest))
                        continue;
                *ret_allow |= routes[i].methods;
                if (routes[i].methods & method) {
                        *ret_rest = rest;
                        return &routes[i];
                }
        }
        if (!is_asset(path))
                return NULL;
        *ret_allow = route_asset.methods;
        *ret_rest = path;
        return route_asset.methods & method ? &route_asset : NULL;
}
