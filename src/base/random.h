/* random.h - random bytes from the kernel, and the ids made of them.
 *
 * Threads: any. Lock: none may be held (early in the boot of a machine getrandom(2) blocks).
 */
#pragma once

#include <stddef.h>

void random_bytes(void *to, size_t n); /* getrandom(2); never fails on Linux 3.17 or later */

#define RANDOM_ID_CHARS 26

/* 26 characters of a-z0-9 and a NUL: 134 bits, unguessable. */
void random_id(char to[RANDOM_ID_CHARS + 1]);
