/* The contract is in base/str.h. */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *str_printf(const char *fmt, ...) {
        va_list args;
        char *s;

        va_start(args, fmt);
        int n = vasprintf(&s, fmt, args);
        va_end(args);
        return n < 0 ? NULL : s;
}

int str_copy(char *to, size_t size, const char *from) {
        size_t n = strlen(from);

        if (n >= size) {
                to[0] = '\0';
                return -ENAMETOOLONG;
        }
        memcpy(to, from, n + 1);
        return 0;
}

int str_hex(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

bool str_eq(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

bool str_starts(const char *s, const char *prefix) {
        return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix) {
        size_t n = strlen(s), k = strlen(suffix);

        return n >= k && memcmp(s + n - k, suffix, k) == 0;
}

/* How many bytes the sequence at s has, 0 if it is not well formed. */
static size_t utf8_sequence(const unsigned char *s, size_t n) {
        static const struct {
                unsigned char first_min, first_max, second_min, second_max, length;
        } forms[] = {
                {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
                {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
                {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
                {0xf4, 0xf4, 0x80, 0x8f, 4},
        };

        for (size_t f = 0; f < ELEMENTS(forms); f++) {
                if (s[0] < forms[f].first_min || s[0] > forms[f].first_max)
                        continue;
                size_t length = forms[f].length;
                if (length > n)
                        return 0;
                if (length > 1 && (s[1] < forms[f].second_min || s[1] > forms[f].second_max))
                        return 0;
                for (size_t i = 2; i < length; i++)
                        if ((s[i] & 0xc0) != 0x80)
                                return 0;
                return length;
        }
        return 0;
}

bool utf8_valid(const char *s, size_t n) {
        for (size_t i = 0, k; i < n; i += k) {
                k = utf8_sequence((const unsigned char *)s + i, n - i);
                if (k == 0)
                        return false;
        }
        return true;
}

int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t v = 0;

        if (*s == '\0')
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                uint64_t digit = (uint64_t)(*s - '0');
                if (v > (UINT64_MAX - digit) / 10)
                        return -ERANGE;
                v = v * 10 + digit;
        }
        if (v < min || v > max)
                return -ERANGE;
        *ret = v;
        return 0;
}
