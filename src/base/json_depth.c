/* The contract is in base/json_depth.h. */
#include "base/json_depth.h"

bool json_deeper(const char *text, size_t n, unsigned depth) {
        unsigned at = 0;
        bool quoted = false;

        for (size_t i = 0; i < n; i++) {
                char c = text[i];

                if (quoted) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                quoted = false;
                } else if (c == '"') {
                        quoted = true;
                } else if (c == '{' || c == '[') {
                        if (++at > depth)
                                return true;
                } else if ((c == '}' || c == ']') && at > 0) {
                        at--;
                }
        }
        return false;
}
