/* judge.c - see judge.h. */
#include "front/judge.h"

#include <string.h>
#include <strings.h>

#include "base/macros.h"
#include "base/str.h"

#define COOKIE        "latch_session="
#define URI_MAX       (3u * 4096u + 256u) /* a whole path, every byte of it as %XX */
#define HOST_MAX      255u
#define LENGTH_DIGITS 15u

static bool refuse(struct refusal *ret, int status, const char *code, const char *message) {
        *ret = (struct refusal){status, code, message};
        return false;
}

const char *judge_header(const struct mg_request_info *ri, const char *name) {
        for (int i = 0; i < ri->num_headers; i++)
                if (!strcasecmp(ri->http_headers[i].name, name))
                        return ri->http_headers[i].value;
        return NULL;
}

static int count(const struct mg_request_info *ri, const char *name) {
        int n = 0;

        for (int i = 0; i < ri->num_headers; i++)
                n += !strcasecmp(ri->http_headers[i].name, name);
        return n;
}

bool judge_lists(const char *list, const char *token) {
        size_t n = strlen(token);

        while (list && *list) {
                size_t part;

                list += strspn(list, " \t,");
                part = strcspn(list, ",");
                while (part > 0 && (list[part - 1] == ' ' || list[part - 1] == '\t'))
                        part--;
                if (part == n && !strncasecmp(list, token, n))
                        return true;
                list += strcspn(list, ",");
        }
        return false;
}

static bool known_method(const char *m) {
        static const char *const methods[] = {"GET",    "HEAD",  "POST",   "PUT",
                                              "DELETE", "PATCH", "OPTIONS"};

        for (size_t i = 0; i < ELEMENTS(methods); i++)
                if (str_eq(m, methods[i]))
                        return true;
        return false;
}

/* RFC 9110 7.2, 9112 3.2: a name or address, perhaps with a port. */
static bool host_valid(const char *host) {
        size_t n = strlen(host);

        return n > 0 && n <= HOST_MAX &&
               strspn(host,
                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == n;
}

/* Headers of which two would leave open which one counts. */
static bool judge_single(const struct mg_request_info *ri, struct refusal *ret) {
        static const char *const single[] = {"Content-Length",
                                             "Authorization",
                                             "Origin",
                                             "Content-Type",
                                             "Sec-WebSocket-Key",
                                             "Sec-WebSocket-Version",
                                             "Sec-Fetch-Site",
                                             "Range",
                                             "Expect",
                                             "Transfer-Encoding"};

        for (size_t i = 0; i < ELEMENTS(single); i++)
                if (count(ri, single[i]) > 1)
                        return refuse(ret, 400, "bad_request",
                                      "a header stands twice that may stand once");
        return true;
}

/* RFC 9112 6: what a body's length is must be beyond doubt. */
static bool judge_length(const struct mg_request_info *ri, struct refusal *ret) {
        const char *length = judge_header(ri, "Content-Length");
        bool coded = count(ri, "Transfer-Encoding") > 0;

        if (coded && length)
                return refuse(ret, 400, "bad_request", "both Transfer-Encoding and Content-Length");
        if (coded)
                return refuse(ret, 411, "length_required", "send the body with a Content-Length");
        if (length && (!*length || strlen(length) > LENGTH_DIGITS ||
                       strspn(length, "0123456789") != strlen(length)))
                return refuse(ret, 400, "bad_request", "Content-Length is no number");
        return true;
}

bool judge_wants_socket(const struct mg_request_info *ri) {
        const char *connection = judge_header(ri, "Connection"),
                   *upgrade = judge_header(ri, "Upgrade");

        return connection && upgrade && strcasestr(connection, "upgrade") &&
               strcasestr(upgrade, "websocket");
}

/* RFC 6455 4.1: 16 bytes in base64. */
static bool key_valid(const char *key) {
        static const char digits[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/";

        return key && strlen(key) == 24 && strspn(key, digits) == 22 && str_eq(key + 22, "==");
}

/* RFC 6455 4.2.1. */
static bool judge_upgrade(const struct mg_request_info *ri, struct refusal *ret) {
        if (!str_eq(ri->request_method, "GET"))
                return refuse(ret, 400, "bad_request", "a WebSocket begins with GET");
        if (!judge_lists(judge_header(ri, "Connection"), "upgrade") ||
            !judge_lists(judge_header(ri, "Upgrade"), "websocket"))
                return refuse(ret, 400, "bad_request",
                              "Connection or Upgrade is not a WebSocket's");
        if (!str_eq(judge_header(ri, "Sec-WebSocket-Version"), "13"))
                return refuse(ret, 426, "upgrade_required", "only WebSocket version 13 is spoken");
        if (!key_valid(judge_header(ri, "Sec-WebSocket-Key")))
                return refuse(ret, 400, "bad_request",
                              "Sec-WebSocket-Key is not 16 bytes in base64");
        if (ri->content_length > 0)
                return refuse(ret, 400, "bad_request", "a WebSocket's beginning has no body");
        return true;
}

bool judge_request(const struct mg_request_info *ri, struct refusal *ret) {
        if (!known_method(ri->request_method))
                return refuse(ret, 501, "not_implemented", "that method is not known here");
        if (!str_eq(ri->http_version, "1.1"))
                return refuse(ret, 505, "bad_request", "only HTTP/1.1 is spoken");
        if (ri->num_headers >= MG_MAX_HEADERS)
                return refuse(ret, 431, "too_large", "at most 63 headers are taken");
        if (!ri->local_uri_raw || ri->local_uri_raw[0] != '/')
                return refuse(ret, 400, "bad_request", "the request is for no path of this server");
        if (strlen(ri->local_uri_raw) > URI_MAX)
                return refuse(ret, 414, "too_large", "the path is too long");
        if (count(ri, "Host") != 1 || !host_valid(judge_header(ri, "Host")))
                return refuse(ret, 400, "bad_request",
                              "there must be one Host, and it a valid one");
        if (!judge_single(ri, ret) || !judge_length(ri, ret))
                return false;
        return !judge_wants_socket(ri) || judge_upgrade(ri, ret);
}

static const char *host_of(const char *url) {
        const char *p = strstr(url, "://");

        return p ? p + 3 : "";
}

bool judge_origin(const char *origin, const char *host, const char *public_url) {
        if (*public_url && !strcasecmp(origin, public_url))
                return true;
        /* For the public name the scheme counts, too: a page that came without TLS is not ours. */
        if (*public_url && !strcasecmp(host_of(public_url), host))
                return false;
        return (!strncasecmp(origin, "http://", 7) || !strncasecmp(origin, "https://", 8)) &&
               !strcasecmp(host_of(origin), host);
}

bool judge_same_site(const struct mg_request_info *ri, bool unsafe, const char *public_url) {
        const char *origin = judge_header(ri, "Origin"), *host = judge_header(ri, "Host");
        const char *site = judge_header(ri, "Sec-Fetch-Site");

        if (origin && !judge_origin(origin, host, public_url))
                return false;
        if (unsafe && !origin)
                return false;
        return !site || strcasecmp(site, "cross-site") != 0;
}

bool judge_cookie(const char *header, char *to, size_t size) {
        while (header && *header) {
                size_t n;

                header += strspn(header, " \t;");
                n = strcspn(header, ";");
                if (n > strlen(COOKIE) && !strncmp(header, COOKIE, strlen(COOKIE))) {
                        n -= strlen(COOKIE);
                        if (n >= size)
                                return false;
                        memcpy(to, header + strlen(COOKIE), n);
                        to[n] = '\0';
                        return true;
                }
                header += n;
        }
        return false;
}
