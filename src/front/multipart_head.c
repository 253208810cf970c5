/* multipart_head.c - see multipart.h: what stands before a part, and the boundary. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "front/multipart.h"

struct text {
        const char *at, *end;
};

static void skip_blanks(struct text *t) {
        while (t->at < t->end && (*t->at == ' ' || *t->at == '\t'))
                t->at++;
}

static bool take_char(struct text *t, char c) {
        if (t->at == t->end || *t->at != c)
                return false;
        t->at++;
        return true;
}

/* RFC 9110, 5.6.2. Its length; 0: there is none. */
static size_t take_token(struct text *t, const char **ret) {
        *ret = t->at;
        while (t->at < t->end &&
               (isalnum((unsigned char)*t->at) || (*t->at && strchr("!#$%&'*+-.^_`|~", *t->at))))
                t->at++;
        return (size_t)(t->at - *ret);
}

static bool is_word(const char *token, size_t n, const char *word) {
        return n == strlen(word) && !strncasecmp(token, word, n);
}

struct value {
        char *to;
        size_t n, size;
};

static bool value_add(struct value *v, char c) {
        if (v->n + 1 >= v->size || c == '\0')
                return false;
        v->to[v->n++] = c;
        v->to[v->n] = '\0';
        return true;
}

/* Clients disagree about what is escaped (RFC 7578, 4.2): a backslash counts before '"' and '\', and %22, %0D,
 * %0A are what browsers make of the three characters that cannot stand there. All else is itself. */
static bool take_quoted(struct text *t, struct value *v) {
        static const char percents[][4] = {"%22", "%0D", "%0A"};
        static const char meant[] = {'"', '\r', '\n'};

        while (t->at < t->end && *t->at != '"') {
                char c = *t->at++;

                if (c == '\\' && t->at < t->end && (*t->at == '"' || *t->at == '\\'))
                        c = *t->at++;
                for (size_t i = 0; c == '%' && i < ELEMENTS(percents); i++) {
                        if (t->end - t->at < 2 || strncasecmp(t->at - 1, percents[i], 3) != 0)
                                continue;
                        c = meant[i];
                        t->at += 2;
                }
                if (!value_add(v, c))
                        return false;
        }
        return take_char(t, '"');
}

static bool take_value(struct text *t, struct value *v) {
        const char *token;

        v->n = 0;
        v->to[0] = '\0';
        if (take_char(t, '"'))
                return take_quoted(t, v);
        size_t n = take_token(t, &token);
        for (size_t i = 0; i < n; i++)
                if (!value_add(v, token[i]))
                        return false;
        return n > 0;
}

/* RFC 8187: UTF-8'language'%XX... in place. */
static bool decode_extended(char *s) {
        char *from = s + 6, *to = s;

        if (strncasecmp(s, "UTF-8'", 6) != 0 || !(from = strchr(from, '\'')))
                return false;
        for (from++; *from; from++) {
                int high = *from == '%' ? str_hex(from[1]) : -1,
                    low = high < 0 ? -1 : str_hex(from[2]);

                if (*from == '%' && (low < 0 || high * 16 + low == 0))
                        return false;
                if (low < 0)
                        *to++ = *from;
                else
                        *to++ = (char)(high * 16 + low);
                from += low < 0 ? 0 : 2;
        }
        *to = '\0';
        return true;
}

/* The parameters behind "form-data". filename* wins over filename. */
static bool parameters(struct text t, struct multipart_part *p) {
        char other[256], extended[MULTIPART_NAME_MAX + 1];
        bool named = false, starred = false, filed = false;

        for (skip_blanks(&t); t.at < t.end; skip_blanks(&t)) {
                struct value v = {.to = other, .size = sizeof other};
                const char *token;
                bool *seen = NULL;

                if (!take_char(&t, ';'))
                        return false;
                skip_blanks(&t);
                size_t n = take_token(&t, &token);
                if (n == 0 || !take_char(&t, '='))
                        return false;
                if (is_word(token, n, "name"))
                        v = (struct value){.to = p->name, .size = sizeof p->name}, seen = &named;
                else if (is_word(token, n, "filename"))
                        v = (struct value){.to = p->filename, .size = sizeof p->filename},
                        seen = &filed;
                else if (is_word(token, n, "filename*"))
                        v = (struct value){.to = extended, .size = sizeof extended},
                        seen = &starred;
                if ((seen && *seen) || !take_value(&t, &v))
                        return false;
                if (seen)
                        *seen = true;
        }
        if (starred && !decode_extended(extended))
                return false;
        if (starred)
                memcpy(p->filename, extended, sizeof extended);
        p->is_file = p->filename[0] != '\0';
        return named;
}

static bool is_identity(struct text t) {
        const char *token;
        size_t n;

        skip_blanks(&t);
        n = take_token(&t, &token);
        skip_blanks(&t);
        return t.at == t.end && (is_word(token, n, "7bit") || is_word(token, n, "8bit") ||
                                 is_word(token, n, "binary"));
}

/* One line. *disposed: the Content-Disposition was there. */
static bool line(struct text t, struct multipart_part *p, bool *disposed) {
        const char *name, *kind;
        size_t n = take_token(&t, &name);

        if (n == 0 || !take_char(&t, ':') || memchr(t.at, '\r', (size_t)(t.end - t.at)) ||
            memchr(t.at, '\n', (size_t)(t.end - t.at)))
                return false;
        if (is_word(name, n, "Content-Transfer-Encoding"))
                return is_identity(t);
        if (!is_word(name, n, "Content-Disposition"))
                return true;
        if (*disposed)
                return false;
        *disposed = true;
        skip_blanks(&t);
        n = take_token(&t, &kind);
        return is_word(kind, n, "form-data") && parameters(t, p);
}

int multipart_head(const char *text, size_t n, struct multipart_part *ret) {
        const char *end = text + n;
        bool disposed = false;

        memset(ret, 0, sizeof *ret);
        while (text <= end) {
                const char *stop = memmem(text, (size_t)(end - text), "\r\n", 2);

                if (!stop)
                        stop = end;
                if (!line((struct text){text, stop}, ret, &disposed))
                        return -EBADMSG;
                text = stop + 2;
        }
        return disposed ? 0 : -EBADMSG;
}

static bool boundary_char(char c) {
        return isalnum((unsigned char)c) || (c && strchr("'()+_,-./:=? ", c));
}

int multipart_boundary(const char *content_type, char to[MULTIPART_BOUNDARY_MAX + 1]) {
        struct text t = {content_type, content_type + strlen(content_type)};
        char other[256];
        bool found = false;

        if (strncasecmp(t.at, "multipart/form-data", 19) != 0)
                return -EBADMSG;
        t.at += 19;
        for (skip_blanks(&t); t.at < t.end; skip_blanks(&t)) {
                struct value v = {.to = other, .size = sizeof other};
                const char *token;

                if (!take_char(&t, ';'))
                        return -EBADMSG;
                skip_blanks(&t);
                size_t n = take_token(&t, &token);
                if (is_word(token, n, "boundary")) {
                        if (found)
                                return -EBADMSG;
                        v = (struct value){.to = to, .size = MULTIPART_BOUNDARY_MAX + 1};
                        found = true;
                }
                if (n == 0 || !take_char(&t, '=') || !take_value(&t, &v))
                        return -EBADMSG;
        }
        if (!found || !to[0] || to[strlen(to) - 1] == ' ')
                return -EBADMSG;
        for (const char *c = to; *c; c++)
                if (!boundary_char(*c))
                        return -EBADMSG;
        return 0;
}
