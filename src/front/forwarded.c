/* forwarded.c - see forwarded.h. */
#include "front/forwarded.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct walk {
        const struct ipv4_nets *trusted;
        char found[ADDRESS_TEXT_MAX]; /* the left-most so far; "" none */
        unsigned left;                /* entries that may still be looked at */
};

enum step { STEP_ON, STEP_FOUND, STEP_BROKEN };

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

/* One header's entries, from the right. */
static enum step walk_list(struct walk *w, const char *list) {
        size_t end = strlen(list);

        for (;;) {
                size_t begin = end;
                while (begin > 0 && list[begin - 1] != ',')
                        begin--;
                size_t from = begin, to = end;
                while (from < to && is_blank(list[from]))
                        from++;
                while (to > from && is_blank(list[to - 1]))
                        to--;
                if (w->left-- == 0 || address_parse(list + from, to - from, w->found) < 0)
                        return STEP_BROKEN;
                if (!ipv4_nets_have(w->trusted, w->found))
                        return STEP_FOUND;
                if (begin == 0)
                        return STEP_ON;
                end = begin - 1;
        }
}

void forwarded_address(const struct mg_request_info *ri, const struct ipv4_nets *trusted,
                       char ret[ADDRESS_TEXT_MAX]) {
        struct walk w = {.trusted = trusted, .left = FORWARDED_MAX};
        enum step step = STEP_ON;

        snprintf(ret, ADDRESS_TEXT_MAX, "%.45s", ri->remote_addr);
        if (!ipv4_nets_have(trusted, ret))
                return;
        /* A proxy may add a header of its own behind those that it was sent (RFC 9110, 5.2). */
        for (int i = ri->num_headers - 1; i >= 0 && step == STEP_ON; i--)
                if (strcasecmp(ri->http_headers[i].name, "X-Forwarded-For") == 0)
                        step = walk_list(&w, ri->http_headers[i].value);
        if (step != STEP_BROKEN && w.found[0])
                memcpy(ret, w.found, sizeof w.found);
}
