/* str.h - strings: making, copying, UTF-8, numbers.
 *
 * Threads: any. Lock: none may be held where a function allocates.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* A new string, or NULL without memory. */
_must_use_ char *str_printf(const char *fmt, ...) _printf_(1, 2);

/* Copies with its NUL into to[size]. 0, or -ENAMETOOLONG and to is "". */
_must_use_ int str_copy(char *to, size_t size, const char *from);

bool str_eq(const char *a, const char *b);          /* NULL equals only NULL */
bool str_starts(const char *s, const char *prefix); /* s begins with prefix */
bool str_ends(const char *s, const char *suffix);

int str_hex(char c); /* the digit's value; -1: it is none */

/* Well-formed UTF-8 by RFC 3629: no surrogates, no overlong forms, at most U+10FFFF. */
bool utf8_valid(const char *s, size_t n);

/* A decimal number of digits only, min..max. 0, -EINVAL for other characters or none, -ERANGE. */
_must_use_ int str_to_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
