/* The contract is in auth/token.h. */
#include "auth/token.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/random.h"

#define SECRET_BYTES 32u
#define SECRET_CHARS 43u
#define VARIANT      sodium_base64_VARIANT_URLSAFE_NO_PADDING

static void hash_secret(const unsigned char *secret, unsigned char *to) {
        CHECK(crypto_generichash(to, TOKEN_HASH_BYTES, secret, SECRET_BYTES, NULL, 0) == 0);
}

void token_make(char ret_text[TOKEN_TEXT_MAX], unsigned char ret_hash[TOKEN_HASH_BYTES]) {
        unsigned char secret[SECRET_BYTES];

        random_bytes(secret, sizeof secret);
        hash_secret(secret, ret_hash);
        sodium_bin2base64(ret_text, TOKEN_TEXT_MAX, secret, sizeof secret, VARIANT);
        sodium_memzero(secret, sizeof secret);
}

int token_hash(const char *text, unsigned char ret_hash[TOKEN_HASH_BYTES]) {
        unsigned char secret[SECRET_BYTES];
        size_t n = 0;

        if (strnlen(text, SECRET_CHARS + 1) != SECRET_CHARS)
                return -EINVAL;
        if (sodium_base642bin(secret, sizeof secret, text, SECRET_CHARS, NULL, &n, NULL, VARIANT) <
                    0 ||
            n != sizeof secret)
                return -EINVAL;
        hash_secret(secret, ret_hash);
        sodium_memzero(secret, sizeof secret);
        return 0;
}
