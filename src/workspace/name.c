/* The contract is in workspace.h: names on the wire and on the disk. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "workspace/workspace_private.h"

#define ESCAPE_CHARS 4 /* \xHH */

static const char digits[] = "0123456789ABCDEF";

static int digit(char c) {
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int)(p - digits) : -1;
}

/* The byte that an escape at s stands for: of no UTF-8, or a backslash. -1: it is no escape. */
static int escaped(const char *s, size_t n) {
        if (n < ESCAPE_CHARS || s[0] != '\\' || s[1] != 'x')
                return -1;
        int high = digit(s[2]), low = digit(s[3]);
        if (high < 0 || low < 0)
                return -1;
        int byte = high * 16 + low;
        return byte >= 0x80 || byte == '\\' ? byte : -1;
}

/* Bytes of the one character at s; 0: there is none. */
static size_t character(const char *s, size_t n) {
        for (size_t k = 1; k <= 4 && k <= n; k++)
                if (utf8_valid(s, k))
                        return k;
        return 0;
}

/* What the first bytes of a name are on the wire: *ret_n characters from *ret_used bytes. */
static void encode_next(const char *name, size_t n, char to[ESCAPE_CHARS], size_t *ret_used,
                        size_t *ret_n) {
        size_t k = escaped(name, n) >= 0 ? 0 : character(name, n);

        *ret_used = k > 0 ? k : 1;
        *ret_n = k > 0 ? k : ESCAPE_CHARS;
        if (k > 0) {
                memcpy(to, name, k);
                return;
        }
        unsigned byte = (unsigned char)name[0];
        memcpy(to, (char[]){'\\', 'x', digits[byte >> 4], digits[byte & 15]}, ESCAPE_CHARS);
}

/* Parts of a path may be encoded together: no character and no escape has a '/' in it. */
static int encode(const char *name, char *to, size_t size) {
        size_t n = strlen(name), at = 0, out = 0;

        while (at < n) {
                char form[ESCAPE_CHARS];
                size_t used, made;

                encode_next(name + at, n - at, form, &used, &made);
                if (made >= size - out)
                        break;
                memcpy(to + out, form, made);
                at += used;
                out += made;
        }
        to[out] = '\0';
        return at < n ? -ENAMETOOLONG : 0;
}

void workspace_name_wire(const char *name, char to[WORKSPACE_NAME_MAX]) {
        (void)encode(name, to, WORKSPACE_NAME_MAX);
}

int workspace_path_wire(const char *path, char *to, size_t size) {
        int r = encode(path, to, size);

        return r < 0 ? r : workspace_path_check(to, strlen(to));
}

static bool is_form_of(const char *wire, size_t n, const char *raw, size_t raw_n) {
        size_t at = 0, out = 0;

        while (at < raw_n) {
                char form[ESCAPE_CHARS];
                size_t used, made;

                encode_next(raw + at, raw_n - at, form, &used, &made);
                if (made > n - out || memcmp(wire + out, form, made) != 0)
                        return false;
                at += used;
                out += made;
        }
        return out == n;
}

bool name_decode(const char *wire, size_t n, char *to, size_t *ret_n) {
        size_t out = 0;

        for (size_t at = 0; at < n;) {
                int byte = escaped(wire + at, n - at);

                if (byte < 0)
                        to[out++] = wire[at];
                else
                        to[out++] = (char)byte;
                at += byte < 0 ? 1 : ESCAPE_CHARS;
        }
        to[out] = '\0';
        *ret_n = out;
        return out == n || is_form_of(wire, n, to, out);
}
