/* The contract is in auth/password.h. */
#include "auth/password.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "latch/lock.h"

#define OPERATIONS crypto_pwhash_OPSLIMIT_INTERACTIVE
#define MEMORY     (PASSWORD_MEMORY_KIB * 1024u)

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "a hash has room");

/* ---- the gate ---- */

struct gate {
        unsigned at_once, waiting_max; /* fixed */
        struct latch_mutex lock;
        struct latch_cond moved;
        unsigned running LATCH_GUARDED_BY(auth_gate);
        unsigned waiting LATCH_GUARDED_BY(auth_gate);
        uint64_t last_ticket LATCH_GUARDED_BY(auth_gate); /* drawn */
        uint64_t serving LATCH_GUARDED_BY(auth_gate);     /* may go in next */
};

int gate_new(unsigned at_once, unsigned waiting_max, struct gate **ret) {
        struct gate *g = calloc(1, sizeof *g);

        if (!g)
                return -ENOMEM;
        g->at_once = at_once;
        g->waiting_max = waiting_max;
        latch_mutex_init(&g->lock, LATCH_CLASS_auth_gate);
        latch_cond_init(&g->moved);
        *ret = g;
        return 0;
}

struct gate *gate_free(struct gate *g) {
        if (!g)
                return NULL;
        latch_cond_done(&g->moved);
        latch_mutex_done(&g->lock);
        free(g);
        return NULL;
}

int gate_enter(struct gate *g, bool patient) {
        latch_blocking("password gate");
        LATCH_GUARD(auth_gate, &g->lock);
        bool full = g->running == g->at_once || g->waiting > 0;

        if (full && !patient && g->waiting >= g->waiting_max)
                return -EAGAIN;
        uint64_t ticket = g->last_ticket++;
        g->waiting++;
        while (ticket != g->serving || g->running == g->at_once)
                latch_cond_wait(&g->moved, &g->lock);
        g->waiting--;
        g->serving++;
        g->running++;
        latch_cond_broadcast(&g->moved); /* there may be room for the next, too */
        return 0;
}

int gate_try(struct gate *g) {
        LATCH_GUARD(auth_gate, &g->lock);

        if (g->running == g->at_once || g->waiting > 0)
                return -EAGAIN;
        g->last_ticket++;
        g->serving++;
        g->running++;
        return 0;
}

void gate_leave(struct gate *g) {
        LATCH_GUARD(auth_gate, &g->lock);

        CHECK(g->running > 0);
        g->running--;
        latch_cond_broadcast(&g->moved);
}

/* ---- hashes ---- */

int password_hash(const char *password, char ret[PASSWORD_HASH_MAX]) {
        latch_blocking("password hash");
        return crypto_pwhash_str(ret, password, strlen(password), OPERATIONS, MEMORY) == 0
                       ? 0
                       : -ENOMEM;
}

#define SALT_CHARS 22u
#define HASH_CHARS 43u
#define HASH_BYTES 32u

struct parsed {
        unsigned memory_kib, passes;
        unsigned char salt[crypto_pwhash_SALTBYTES], hash[HASH_BYTES];
};

static int decode(const char *text, unsigned char *to, size_t n) {
        size_t got = 0;

        if (sodium_base642bin(to, n, text, strlen(text), NULL, &got, NULL,
                              sodium_base64_VARIANT_ORIGINAL_NO_PADDING) < 0)
                return -EIO;
        return got == n ? 0 : -EIO;
}

/* The encoded form of crypto_pwhash_str(3), with bounds on what it may cost us. */
static int parse(const char *text, struct parsed *ret) {
        char salt[SALT_CHARS + 1], hash[HASH_CHARS + 1];
        struct parsed p;
        int end = 0;

        if (sscanf(text, "$argon2id$v=19$m=%7u,t=%2u,p=1$%22[A-Za-z0-9+/]$%43[A-Za-z0-9+/]%n",
                   &p.memory_kib, &p.passes, salt, hash, &end) != 4 ||
            text[end] != '\0')
                return -EIO;
        if (p.memory_kib < 8 || p.memory_kib > (1u << 20) || p.passes < 1 || p.passes > 16)
                return -EIO;
        if (decode(salt, p.salt, sizeof p.salt) < 0 || decode(hash, p.hash, sizeof p.hash) < 0)
                return -EIO;
        *ret = p;
        return 0;
}

/* crypto_pwhash_str_verify answers alike for a wrong password and for no memory (1.0.18); so the hash is
 * made here, and compared in constant time. */
int password_verify(const char *hash, const char *password) {
        unsigned char made[HASH_BYTES];
        struct parsed p;
        int r = parse(hash, &p);

        latch_blocking("password hash");
        if (r < 0)
                return r;
        if (crypto_pwhash(made, sizeof made, password, strlen(password), p.salt, p.passes,
                          (size_t)p.memory_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) < 0)
                return -ENOMEM;
        r = sodium_memcmp(made, p.hash, sizeof made) == 0 ? 0 : -EACCES;
        sodium_memzero(made, sizeof made);
        return r;
}

void password_decoy(char ret[PASSWORD_HASH_MAX]) {
        unsigned char salt[crypto_pwhash_SALTBYTES], hash[HASH_BYTES];
        char salt_text[SALT_CHARS + 1], hash_text[HASH_CHARS + 1];

        randombytes_buf(salt, sizeof salt);
        randombytes_buf(hash, sizeof hash);
        sodium_bin2base64(salt_text, sizeof salt_text, salt, sizeof salt,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        sodium_bin2base64(hash_text, sizeof hash_text, hash, sizeof hash,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
        (void)snprintf(ret, PASSWORD_HASH_MAX, "$argon2id$v=19$m=%u,t=%u,p=1$%s$%s",
                       (unsigned)(MEMORY / 1024), (unsigned)OPERATIONS, salt_text, hash_text);
}
