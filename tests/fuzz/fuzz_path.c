/* fuzz_path.c - a path of the wire, and of a request's line: what is let through is what workspace.h says, judged
 * here a second time in other words.
 */
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/str.h"
#include "front/uri.h"
#include "fuzz.h"
#include "workspace/workspace.h"

/* RFC 3629 by the code point: what a character decodes to must need as many bytes as it has. */
static bool utf8(const uint8_t *p, size_t n) {
        for (size_t i = 0; i < n;) {
                static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
                unsigned k = p[i] < 0x80   ? 1
                             : p[i] < 0xc0 ? 0
                             : p[i] < 0xe0 ? 2
                             : p[i] < 0xf0 ? 3
                             : p[i] < 0xf8 ? 4
                                           : 0;
                uint32_t c = k == 1 ? p[i] : k ? p[i] & (0x7fu >> k) : 0;
                if (k == 0 || i + k > n)
                        return false;
                for (unsigned j = 1; j < k; j++) {
                        if ((p[i + j] & 0xc0) != 0x80)
                                return false;
                        c = c << 6 | (p[i + j] & 0x3f);
                }
                if (c < least[k] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                        return false;
                i += k;
        }
        return true;
}

/* The bytes that a name on the wire stands for: \\xHH, of a backslash or of no UTF-8. */
static size_t unescape(const uint8_t *p, size_t n, char to[NAME_MAX + 1]) {
        size_t out = 0;

        for (size_t i = 0; i < n; out++) {
                unsigned byte = 0;
                char hex[5] = "";
                if (n - i >= 4)
                        memcpy(hex, p + i, 4);
                bool is = hex[0] == '\\' && hex[1] == 'x' &&
                          strspn(hex + 2, "0123456789ABCDEF") == 2;
                if (is)
                        byte = (unsigned)strtoul(hex + 2, NULL, 16);
                is = is && (byte >= 0x80 || byte == '\\');
                if (out == NAME_MAX)
                        return NAME_MAX + 1;
                to[out] = (char)(is ? byte : p[i]);
                i += is ? 4 : 1;
        }
        to[out] = '\0';
        return out;
}

/* A name on the wire: not "", ".", "..", not too long, and the one way to write it. */
static bool name_allowed(struct input part) {
        char raw[NAME_MAX + 1], wire[WORKSPACE_NAME_MAX];
        size_t n = unescape(part.p, part.n, raw);

        if (n == 0 || n > NAME_MAX || str_eq(raw, ".") || str_eq(raw, ".."))
                return false;
        workspace_name_wire(raw, wire);
        return strlen(wire) == part.n && memcmp(wire, part.p, part.n) == 0;
}

static bool allowed(const uint8_t *p, size_t n) {
        struct input in = {p, n};

        if (n == 0)
                return true;
        if (n > WORKSPACE_PATH_MAX || memchr(p, '\0', n) || !utf8(p, n) || p[n - 1] == '/')
                return false;
        while (in.n > 0)
                if (!name_allowed(take_until(&in, '/')))
                        return false;
        return true;
}

/* Whatever a program calls its file: on the wire it is UTF-8, a path, and the same file again. */
static void check_name(const uint8_t *p, size_t n) {
        char name[NAME_MAX + 1], wire[WORKSPACE_NAME_MAX], back[NAME_MAX + 1];
        char path[WORKSPACE_NAME_MAX];

        n = MIN(n, (size_t)NAME_MAX);
        for (size_t i = 0; i < n; i++)
                name[i] = (char)(p[i] == 0 || p[i] == '/' ? '_' : p[i]);
        name[n] = '\0';
        workspace_name_wire(name, wire);
        CHECK(utf8((const uint8_t *)wire, strlen(wire)));
        CHECK(unescape((const uint8_t *)wire, strlen(wire), back) == n && str_eq(back, name));
        CHECK((workspace_path_check(wire, strlen(wire)) == 0) ==
              !(str_eq(name, ".") || str_eq(name, "..")));
        CHECK(workspace_path_wire(name, path, sizeof path) ==
              workspace_path_check(wire, strlen(wire)));
        CHECK(str_eq(path, wire));
}

/* Every byte as %XX reads back as itself. */
static void check_escaped(const uint8_t *p, size_t n) {
        char *text = malloc(3 * n + 1), *back;

        CHECK(text);
        for (size_t i = 0; i < n; i++) {
                const char *digits = i % 2 ? "0123456789abcdef" : "0123456789ABCDEF";
                text[3 * i] = '%';
                text[3 * i + 1] = digits[p[i] >> 4];
                text[3 * i + 2] = digits[p[i] & 15];
        }
        text[3 * n] = '\0';
        back = uri_decode(text);
        CHECK((back == NULL) == (memchr(p, '\0', n) != NULL));
        CHECK(!back || (strlen(back) == n && memcmp(back, p, n) == 0));
        free(back);
        free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1), *path;

        CHECK(text);
        if (size)
                memcpy(text, data, size);
        text[size] = '\0';
        CHECK((workspace_path_check(text, size) == 0) == allowed((const uint8_t *)text, size));
        path = uri_decode(text);
        CHECK(!path || strlen(path) <= strlen(text));
        if (path && !strchr(text, '%'))
                CHECK(str_eq(path, text));
        if (path)
                CHECK((workspace_path_check(path, strlen(path)) == 0) ==
                      allowed((const uint8_t *)path, strlen(path)));
        check_name((const uint8_t *)text, size);
        if (size < 600)
                check_escaped((const uint8_t *)text, size);
        free(path);
        free(text);
        return 0;
}
