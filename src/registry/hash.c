/* The contract is in registry/hash.h. */
#include "registry/hash.h"

#include <endian.h>
#include <string.h>

static uint64_t rotate(uint64_t x, unsigned by) {
        return x << by | x >> (64 - by);
}

static inline void round_of(uint64_t v[4]) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
}

static inline void take_word(uint64_t v[4], uint64_t word) {
        v[3] ^= word;
        round_of(v);
        v[0] ^= word;
}

uint64_t hash_bytes(const struct hash_seed *seed, const void *data, size_t n) {
        /* "somepseudorandomlygeneratedbytes", as the paper has it */
        uint64_t v[4] = {
                seed->k0 ^ UINT64_C(0x736f6d6570736575),
                seed->k1 ^ UINT64_C(0x646f72616e646f6d),
                seed->k0 ^ UINT64_C(0x6c7967656e657261),
                seed->k1 ^ UINT64_C(0x7465646279746573),
        };
        const unsigned char *p = data;
        uint64_t word, last = (uint64_t)n << 56;
        size_t left = n;

        for (; left >= 8; left -= 8, p += 8) {
                memcpy(&word, p, 8);
                take_word(v, le64toh(word));
        }
        for (size_t i = 0; i < left; i++)
                last |= (uint64_t)p[i] << (8 * i);
        take_word(v, last);

        v[2] ^= 0xff;
        for (int i = 0; i < 3; i++)
                round_of(v);
        return v[0] ^ v[1] ^ v[2] ^ v[3];
}
