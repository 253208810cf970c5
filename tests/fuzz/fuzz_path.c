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

static bool allowed(const uint8_t *p, size_t n) {
        struct input in = {p, n};

        if (n == 0)
                return true;
        if (n > WORKSPACE_PATH_MAX || memchr(p, '\0', n) || !utf8(p, n) || p[n - 1] == '/')
                return false;
        while (in.n > 0) {
                struct input part = take_until(&in, '/');
                if (part.n == 0 || part.n > NAME_MAX || (part.n == 1 && part.p[0] == '.') ||
                    (part.n == 2 && part.p[0] == '.' && part.p[1] == '.'))
                        return false;
        }
        return true;
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
        if (size < 600)
                check_escaped((const uint8_t *)text, size);
        free(path);
        free(text);
        return 0;
}
