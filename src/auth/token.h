/* token.h - secrets that stand for a user: 32 random bytes, shown as base64url (RFC 4648), kept as their
 * BLAKE2b-256 (RFC 7693). Whoever reads the store cannot sign in with what it holds.
 *
 * Threads: any. Lock: none may be held (random bytes).
 */
#pragma once

#include "auth/auth.h"
#include "base/macros.h"

/* A new secret and its hash. */
void token_make(char ret_text[TOKEN_TEXT_MAX], unsigned char ret_hash[TOKEN_HASH_BYTES]);

/* The hash of a text that token_make may have made. 0; -EINVAL: it cannot have. */
_must_use_ int token_hash(const char *text, unsigned char ret_hash[TOKEN_HASH_BYTES]);
