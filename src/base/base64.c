/* The contract is in base/base64.h. */
#include "base/base64.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *data, size_t n, char *to) {
        const unsigned char *in = data;

        for (size_t i = 0; i < n; i += 3) {
                size_t k = MIN(n - i, (size_t)3);
                uint32_t three = (uint32_t)in[i] << 16;
                if (k > 1)
                        three |= (uint32_t)in[i + 1] << 8;
                if (k > 2)
                        three |= in[i + 2];
                *to++ = alphabet[three >> 18];
                *to++ = alphabet[three >> 12 & 63];
                *to++ = '=';
                *to++ = '=';
                if (k > 1)
                        to[-2] = alphabet[three >> 6 & 63];
                if (k > 2)
                        to[-1] = alphabet[three & 63];
        }
        *to = '\0';
}

static int value_of(unsigned char c) {
        if (c >= 'A' && c <= 'Z')
                return c - 'A';
        if (c >= 'a' && c <= 'z')
                return c - 'a' + 26;
        if (c >= '0' && c <= '9')
                return c - '0' + 52;
        return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, the last `pad` of them '='. */
static int decode_four(const char *four, size_t pad, char *to) {
        uint32_t three = 0;

        for (size_t i = 0; i < 4; i++) {
                int v = i < 4 - pad ? value_of((unsigned char)four[i]) : 0;
                if (v < 0)
                        return -EINVAL;
                three = three << 6 | (uint32_t)v;
        }
        if (pad > 0 && (three & (pad == 1 ? 0xffu : 0xffffu)) != 0)
                return -EINVAL;
        for (size_t i = 0; i < 3 - pad; i++)
                to[i] = (char)(unsigned char)(three >> (16 - 8 * i));
        return 0;
}

int base64_decode(const char *text, size_t n, char **ret, size_t *ret_n) {
        size_t pad = 0;

        if (n % 4 != 0)
                return -EINVAL;
        if (n > 0 && text[n - 1] == '=')
                pad = text[n - 2] == '=' ? 2 : 1;
        _cleanup_(freep) char *data = malloc(n / 4 * 3 + 1);
        if (!data)
                return -ENOMEM;
        for (size_t i = 0; i < n / 4; i++) {
                int r = decode_four(text + 4 * i, i == n / 4 - 1 ? pad : 0, data + 3 * i);
                if (r < 0)
                        return r;
        }
        *ret_n = n / 4 * 3 - pad;
        data[*ret_n] = '\0';
        *ret = TAKE_PTR(data);
        return 0;
}
