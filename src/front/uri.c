/* The contract is in front/uri.h. */
#include "front/uri.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

char *uri_decode(const char *s) {
        char *path = calloc(1, strlen(s) + 1);
        size_t n = 0;

        for (; path && *s; s++) {
                int c = (unsigned char)*s;

                if (c == '%') {
                        int high = str_hex(s[1]), low = high < 0 ? -1 : str_hex(s[2]);

                        if (low < 0 || high * 16 + low == 0) {
                                free(path);
                                return NULL;
                        }
                        c = high * 16 + low;
                        s += 2;
                }
                path[n++] = (char)c;
        }
        return path;
}
