/* names.h - which names a folder has, as far as somebody must know: a bounded set of 64-bit hashes.
 *
 * inotify(7) says that a name was moved in, not whether it stood there before. A save is such a move.
 *
 * Threads: one at a time. Lock: none may be held (memory, and reading a folder).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX 4096u

struct names {
        uint64_t *hashes; /* sorted */
        size_t n, cap;
        bool unknown; /* too many: nothing is known */
};

uint64_t names_hash(const unsigned char key[16], const char *name);
/* What stands in an open folder. Never fails: at worst nothing is known. */
void names_read(struct names *s, const unsigned char key[16], int folder);
void names_forget(struct names *s); /* nothing is known from now on */
bool names_have(const struct names *s, uint64_t hash);
void names_add(struct names *s, uint64_t hash); /* there or not */
void names_drop(struct names *s, uint64_t hash);
