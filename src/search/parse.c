/* parse.c - what the tools say, as matches. rg: a JSON object a line. grep: path, NUL, number, ':', text,
 * line break. find: a letter, path, NUL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/str.h"
#include "search/search_private.h"
#include "workspace/workspace.h"

/* ---- text ---- */

/* Bytes of the character at s, 0 if there is none. */
static size_t character(const char *s, size_t n) {
        for (size_t k = 1; k <= 4 && k <= n; k++)
                if (utf8_valid(s, k))
                        return k;
        return 0;
}

char *search_clean(const char *data, size_t n, size_t max) {
        struct buf b = BUF_INIT(max);
        int r = buf_adds(&b, "");

        while (r == 0 && n > 0) {
                size_t k = *data ? character(data, n) : 0;
                r = k > 0 ? buf_add(&b, data, k) : buf_adds(&b, "\xef\xbf\xbd");
                data += k > 0 ? k : 1;
                n -= k > 0 ? k : 1;
        }
        if (r < 0 && r != -ENOBUFS) {
                buf_done(&b);
                return NULL;
        }
        return b.data;
}

/* ---- matches ---- */

/* Takes path and text. */
static int keep(struct search_parse *p, struct search_match m) {
        struct search_result *to = p->to;
        size_t bytes = (m.path ? strlen(m.path) : 0) + (m.text ? strlen(m.text) : 0);
        bool full = to->n >= p->rq->max || p->bytes + bytes > SEARCH_RESULT_BYTES;

        if (!full && to->n == p->room) {
                size_t room = p->room ? p->room * 2 : 64;
                struct search_match *more = reallocarray(to->matches, room, sizeof *more);
                if (more) {
                        to->matches = more;
                        p->room = room;
                }
        }
        if (full || to->n == p->room || !m.path || (!m.text && p->rq->text)) {
                free(m.path);
                free(m.text);
                to->truncated |= full;
                return full ? -EDQUOT : -ENOMEM;
        }
        to->matches[to->n++] = m;
        p->bytes += bytes;
        return 0;
}

/* As the wire says it. NULL: no path of the wire is it (it is passed over, and that is said), or no memory. */
static char *wire_path(struct search_parse *p, const char *path, size_t n) {
        struct buf b = BUF_INIT(WORKSPACE_PATH_MAX);
        char part[256], wire[WORKSPACE_NAME_MAX];
        int r = n > 0 ? 0 : -EINVAL;

        for (size_t at = 0; r == 0 && at <= n;) {
                const char *slash = memchr(path + at, '/', n - at);
                size_t k = slash ? (size_t)(slash - path) - at : n - at;
                if (k >= sizeof part) {
                        r = -EINVAL;
                        break;
                }
                memcpy(part, path + at, k);
                part[k] = '\0';
                workspace_name_wire(part, wire);
                r = buf_addf(&b, "%s%s", at > 0 ? "/" : "", wire);
                at += k + 1;
        }
        if (r == 0 && workspace_path_check(b.data, b.n) == 0)
                return b.data;
        buf_done(&b);
        p->to->truncated = true;
        return NULL;
}

/* ---- rg ---- */

/* {"text"} or {"bytes"}, in base64. *ret_own is to be freed. */
static const char *rg_bytes(const json_t *o, size_t *ret_n, char **ret_own) {
        const json_t *text = json_object_get(o, "text"), *bytes = json_object_get(o, "bytes");

        *ret_own = NULL;
        if (json_is_string(text)) {
                *ret_n = json_string_length(text);
                return json_string_value(text);
        }
        if (!json_is_string(bytes) ||
            base64_decode(json_string_value(bytes), json_string_length(bytes), ret_own, ret_n) < 0)
                return NULL;
        return *ret_own;
}

static int rg_match(struct search_parse *p, const json_t *data) {
        _cleanup_(freep) char *own_path = NULL, *own_line = NULL;
        const json_t *number = json_object_get(data, "line_number");
        const json_t *start =
                json_object_get(json_array_get(json_object_get(data, "submatches"), 0), "start");
        size_t path_n = 0, line_n = 0;
        const char *path = rg_bytes(json_object_get(data, "path"), &path_n, &own_path);
        const char *line = rg_bytes(json_object_get(data, "lines"), &line_n, &own_line);

        if (!path || !line || !json_is_integer(number) || json_integer_value(number) < 1)
                return -EPROTO;
        char *wire = wire_path(p, path, path_n);
        if (!wire)
                return 0;
        while (line_n > 0 && (line[line_n - 1] == '\n' || line[line_n - 1] == '\r'))
                line_n--;
        return keep(p, (struct search_match){
                               .path = wire,
                               .text = search_clean(line, line_n, SEARCH_TEXT_MAX),
                               .line = (uint64_t)json_integer_value(number),
                               .column = (uint64_t)MAX(json_integer_value(start), 0) + 1,
                       });
}

static int rg_line(struct search_parse *p, const char *line, size_t n) {
        json_auto_t *o = json_loadb(line, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        const char *type = json_string_value(json_object_get(o, "type"));

        if (!type)
                return -EPROTO;
        return str_eq(type, "match") ? rg_match(p, json_object_get(o, "data")) : 0;
}

/* ---- grep ---- */

/* grep does not say where in the line: of a text we see ourselves, of an expression we do not. */
static uint64_t column_of(const struct search_request *rq, const char *line) {
        const char *at = rq->regex        ? NULL
                         : rq->exact_case ? strstr(line, rq->text)
                                          : strcasestr(line, rq->text);

        return at ? (uint64_t)(at - line) + 1 : 1;
}

static int grep_line(struct search_parse *p, const char *line, size_t n) {
        const char *nul = memchr(line, '\0', n);
        const char *colon = nul ? memchr(nul, ':', n - (size_t)(nul - line)) : NULL;
        char number[24];
        uint64_t at;

        if (!colon || (size_t)(colon - nul) > sizeof number)
                return -EPROTO;
        size_t digits = (size_t)(colon - nul) - 1;
        memcpy(number, nul + 1, digits);
        number[digits] = '\0';
        if (str_to_u64(number, 1, UINT64_MAX, &at) < 0)
                return -EPROTO;
        char *wire = wire_path(p, line, (size_t)(nul - line));
        if (!wire)
                return 0;
        size_t text_n = n - (size_t)(colon + 1 - line);
        while (text_n > 0 && colon[text_n] == '\r')
                text_n--;
        return keep(p, (struct search_match){
                               .path = wire,
                               .text = search_clean(colon + 1, text_n, SEARCH_TEXT_MAX),
                               .line = at,
                               .column = column_of(p->rq, colon + 1),
                       });
}

/* ---- find ---- */

static int find_line(struct search_parse *p, const char *line, size_t n) {
        if (n < 2)
                return -EPROTO;
        char *wire = wire_path(p, line + 1, n - 1);
        return wire ? keep(p, (struct search_match){.path = wire, .type = line[0]}) : 0;
}

/* ---- pieces to lines ---- */

static int whole_line(struct search_parse *p, const char *line, size_t n) {
        switch (p->tool) {
        case SEARCH_RG: return rg_line(p, line, n);
        case SEARCH_GREP: return grep_line(p, line, n);
        case SEARCH_FIND: return find_line(p, line, n);
        }
        return -EPROTO;
}

/* The end of a line, or NULL. A name in grep's may have line breaks, before its NUL. */
static const char *end_of(const struct search_parse *p, const char *data, size_t n) {
        const char *nul;

        if (p->tool == SEARCH_FIND)
                return memchr(data, '\0', n);
        if (p->tool == SEARCH_RG || p->skipping ||
            (p->line.n > 0 && memchr(p->line.data, '\0', p->line.n)))
                return memchr(data, '\n', n);
        nul = memchr(data, '\0', n);
        return nul ? memchr(nul, '\n', n - (size_t)(nul - data)) : NULL;
}

void search_parse_begin(struct search_parse *p, enum search_tool tool,
                        const struct search_request *rq, struct search_result *to) {
        *p = (struct search_parse){
                .tool = tool, .rq = rq, .to = to, .line = BUF_INIT(SEARCH_LINE_MAX)};
}

void search_parse_done(struct search_parse *p) {
        buf_done(&p->line);
}

static int add_piece(struct search_parse *p, const char *data, size_t n) {
        int r = p->skipping ? 0 : buf_add(&p->line, data, n);

        if (r != -ENOBUFS)
                return r;
        p->skipping = true;
        p->to->truncated = true;
        return 0;
}

int search_parse_feed(struct search_parse *p, const char *data, size_t n) {
        int r = 0;

        while (r == 0 && n > 0) {
                const char *end = end_of(p, data, n);
                size_t k = end ? (size_t)(end - data) : n;
                r = add_piece(p, data, k);
                if (r == 0 && end && !p->skipping)
                        r = whole_line(p, p->line.data ? p->line.data : "", p->line.n);
                if (end) {
                        buf_clear(&p->line);
                        p->skipping = false;
                        k++;
                }
                data += k;
                n -= k;
        }
        return r;
}
