/* base64.h - base64 with the standard alphabet and padding (RFC 4648, section 4).
 *
 * Threads: any. Lock: none may be held (decoding and encoding long data takes its time).
 */
#pragma once

#include <stddef.h>

#include "base/macros.h"

/* Characters for n bytes, without the NUL. n at most SIZE_MAX / 2. */
#define BASE64_CHARS(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_CHARS(n) characters and a NUL. */
void base64_encode(const void *data, size_t n, char *to);

/* Strict: nothing but the alphabet, padded, and the bits behind the end zero, so that each content has
 * one form. *ret is malloc'd, with a NUL after the bytes. 0, -EINVAL, -ENOMEM. */
_must_use_ int base64_decode(const char *text, size_t n, char **ret, size_t *ret_n);
