/* The contract is in base/random.h. */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "base/macros.h"

void random_bytes(void *to, size_t n) {
        for (size_t got = 0; got < n;) {
                ssize_t k = getrandom((char *)to + got, n - got, 0);
                CHECK(k > 0 || errno == EINTR);
                if (k > 0)
                        got += (size_t)k;
        }
}

void random_id(char to[RANDOM_ID_CHARS + 1]) {
        static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        const unsigned fair = 252; /* a multiple of 36: a byte above it would favour some letters */
        unsigned char raw[RANDOM_ID_CHARS * 2];
        size_t n = 0;

        while (n < RANDOM_ID_CHARS) {
                random_bytes(raw, sizeof raw);
                for (size_t i = 0; i < sizeof raw && n < RANDOM_ID_CHARS; i++)
                        if (raw[i] < fair)
                                to[n++] = alphabet[raw[i] % 36];
        }
        to[n] = '\0';
}
