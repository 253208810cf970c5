/* The contract is in watch/names.h. */
#include "watch/names.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/fd.h"

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == sizeof(uint64_t),
               "SipHash-2-4");

uint64_t names_hash(const unsigned char key[16], const char *name) {
        uint64_t hash;

        crypto_shorthash((unsigned char *)&hash, (const unsigned char *)name, strlen(name), key);
        return hash;
}

void names_forget(struct names *s) {
        free(s->hashes);
        *s = (struct names){.unknown = true};
}

static bool make_room(struct names *s) {
        if (s->n < s->cap)
                return true;
        size_t cap = s->cap ? s->cap * 2 : 16;
        uint64_t *more = cap <= NAMES_MAX ? reallocarray(s->hashes, cap, sizeof *more) : NULL;
        if (!more) {
                names_forget(s);
                return false;
        }
        s->hashes = more;
        s->cap = cap;
        return true;
}

static int by_value(const void *a, const void *b) {
        const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return (x > y) - (x < y);
}

void names_read(struct names *s, const unsigned char key[16], int folder) {
        int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *e;

        if (!d) {
                fd_close(fd);
                names_forget(s);
                return;
        }
        while ((e = readdir(d)) && make_room(s))
                s->hashes[s->n++] = names_hash(key, e->d_name);
        (void)closedir(d); /* only read from */
        if (s->n > 1)
                qsort(s->hashes, s->n, sizeof *s->hashes, by_value);
}

/* Where it stands, or would. */
static size_t place_of(const struct names *s, uint64_t hash) {
        size_t low = 0, high = s->n;

        while (low < high) {
                size_t middle = (low + high) / 2;
                if (s->hashes[middle] < hash)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool names_have(const struct names *s, uint64_t hash) {
        size_t at = place_of(s, hash);

        return at < s->n && s->hashes[at] == hash;
}

void names_add(struct names *s, uint64_t hash) {
        if (s->unknown || names_have(s, hash) || !make_room(s))
                return;
        size_t at = place_of(s, hash);
        memmove(&s->hashes[at + 1], &s->hashes[at], (s->n - at) * sizeof *s->hashes);
        s->hashes[at] = hash;
        s->n++;
}

void names_drop(struct names *s, uint64_t hash) {
        size_t at = place_of(s, hash);

        if (at == s->n || s->hashes[at] != hash)
                return;
        s->n--;
        memmove(&s->hashes[at], &s->hashes[at + 1], (s->n - at) * sizeof *s->hashes);
}
