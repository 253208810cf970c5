/* fuzz_request.c - a request as front judges it: the line, its headers, what they say of ranges, conditions,
 * cookies, origins and proxies. What is let through is judged here a second time, in other words.
 */
#include <stdlib.h>
#include <strings.h>

#include <civetweb.h>

#include "base/net.h"
#include "base/str.h"
#include "front/entity.h"
#include "front/forwarded.h"
#include "front/judge.h"
#include "front/routes.h"
#include "fuzz.h"

#define TEXT_BYTES 16384u

struct parsed {
        struct mg_request_info ri;
        char text[TEXT_BYTES + 2];
};

static char *cut(char **at, char separator) {
        char *part = *at, *end = strchr(part, separator);

        if (end)
                *end = '\0';
        *at = end ? end + 1 : part + strlen(part);
        return part;
}

/* METHOD URI VERSION, then a line a header, as civetweb hands them on. */
static void parse(struct parsed *p, const uint8_t *data, size_t size) {
        char *at = p->text;

        size = MIN(size, (size_t)TEXT_BYTES);
        if (size)
                memcpy(p->text, data, size);
        p->text[size] = '\0';
        p->ri = (struct mg_request_info){.content_length = -1};
        char *line = cut(&at, '\n');
        p->ri.request_method = cut(&line, ' ');
        p->ri.local_uri_raw = p->ri.local_uri = p->ri.request_uri = cut(&line, ' ');
        p->ri.http_version = line;
        CHECK(str_copy(p->ri.remote_addr, sizeof p->ri.remote_addr, "127.0.0.1") == 0);
        while (*at && p->ri.num_headers < MG_MAX_HEADERS) {
                line = cut(&at, '\n');
                struct mg_header *h = &p->ri.http_headers[p->ri.num_headers++];
                h->name = cut(&line, ':');
                h->value = line + strspn(line, " ");
        }
        const char *length = judge_header(&p->ri, "Content-Length");
        if (length)
                p->ri.content_length = strtoll(length, NULL, 10);
}

static int count(const struct mg_request_info *ri, const char *name) {
        int n = 0;

        for (int i = 0; i < ri->num_headers; i++)
                n += strcasecmp(ri->http_headers[i].name, name) == 0;
        return n;
}

static void check_judged(const struct mg_request_info *ri) {
        struct refusal no = {0};
        const char *length = judge_header(ri, "Content-Length");

        if (!judge_request(ri, &no)) {
                CHECK(no.status >= 400 && no.status < 600 && no.code && no.message);
                return;
        }
        CHECK(count(ri, "Host") == 1 && count(ri, "Content-Length") <= 1);
        CHECK(count(ri, "Transfer-Encoding") == 0 && count(ri, "Authorization") <= 1);
        CHECK(ri->local_uri_raw[0] == '/' && str_eq(ri->http_version, "1.1"));
        for (const char *c = length; c && *c; c++)
                CHECK(*c >= '0' && *c <= '9');
        CHECK(!length || ri->content_length >= 0);
        if (judge_wants_socket(ri))
                CHECK(str_eq(ri->request_method, "GET") && ri->content_length <= 0 &&
                      strlen(judge_header(ri, "Sec-WebSocket-Key")) == 24);
}

static void check_route(const struct mg_request_info *ri) {
        unsigned method = route_method(ri->request_method), allowed = 0;
        const char *rest = "";
        const struct route *r = route_find(ri->local_uri_raw, method, &rest, &allowed);
        char names[ROUTE_ALLOW_MAX];

        if (r) {
                CHECK((r->methods & method) != 0);
                CHECK(str_ends(ri->local_uri_raw, rest));
        } else if (allowed) {
                CHECK((allowed & method) == 0);
                route_allow(allowed, names);
                CHECK(names[0]);
        }
}

static void check_range(const char *range) {
        static const uint64_t sizes[] = {0, 1, 1000, UINT64_MAX};

        for (size_t i = 0; range && i < ELEMENTS(sizes); i++) {
                uint64_t from = 0, n = 0;
                if (entity_range(range, sizes[i], &from, &n) == ENTITY_PART)
                        CHECK(n > 0 && from < sizes[i] && n <= sizes[i] - from);
        }
}

static void check_origin(const struct mg_request_info *ri, const char *public_url) {
        const char *origin = judge_header(ri, "Origin"), *host = judge_header(ri, "Host");

        if (!host)
                return;
        if (origin && judge_origin(origin, host, public_url)) {
                size_t o = strlen(origin), h = strlen(host);
                CHECK((*public_url && strcasecmp(origin, public_url) == 0) ||
                      (o > h && strcasecmp(origin + o - h, host) == 0 && origin[o - h - 1] == '/'));
        }
        if (judge_same_site(ri, true, public_url))
                CHECK(origin && judge_origin(origin, host, public_url) &&
                      judge_same_site(ri, false, public_url));
}

static void check_headers(const struct mg_request_info *ri) {
        static const struct ipv4_nets none;
        char token[64] = "", address[ADDRESS_TEXT_MAX], again[ADDRESS_TEXT_MAX];
        struct ipv4_nets ours;
        const char *list = judge_header(ri, "If-None-Match");

        if (judge_cookie(judge_header(ri, "Cookie"), token, sizeof token))
                CHECK(strlen(token) < sizeof token && token[0] && !strchr(token, ';'));
        if (list && entity_listed(list, "\"abc\"", false))
                CHECK(strchr(list, '*') || strstr(list, "\"abc\""));
        if (list && entity_listed(list, "\"abc\"", true))
                CHECK(entity_listed(list, "\"abc\"", false));
        (void)entity_accepts(judge_header(ri, "Accept-Encoding"), "gzip");
        (void)judge_lists(judge_header(ri, "Connection"), "close");
        forwarded_address(ri, &none, address);
        CHECK(str_eq(address, "127.0.0.1")); /* nobody is trusted: only the peer says who it is */
        CHECK(ipv4_nets_parse("127.0.0.0/8", &ours) == 0);
        forwarded_address(ri, &ours, address);
        CHECK(address_parse(address, strlen(address), again) == 0 && str_eq(address, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct parsed p;

        parse(&p, data, size);
        check_judged(&p.ri);
        check_route(&p.ri);
        check_range(judge_header(&p.ri, "Range"));
        check_origin(&p.ri, "");
        check_origin(&p.ri, "https://code.example.org");
        check_headers(&p.ri);
        return 0;
}
