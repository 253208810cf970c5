/* password.h - argon2id (RFC 9106), and the gate before it: a hash costs 64 MiB and 90 ms.
 *
 * Threads: any. Lock: auth_gate, inside, never while hashing; none may be held by the caller.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "latch/lock.h"

#define PASSWORD_HASH_MAX 128 /* crypto_pwhash_STRBYTES */
#define PASSWORD_MIN      8   /* bytes of a new one */
#define PASSWORD_MAX      1024
#define GATE_AT_ONCE      2u

/* Of one hash: crypto_pwhash_MEMLIMIT_INTERACTIVE. The sanitizers' builds take less: they make a thousand. */
#ifndef PASSWORD_MEMORY_KIB
#define PASSWORD_MEMORY_KIB 65536u
#endif

struct gate;

_must_use_ int gate_new(unsigned at_once, unsigned waiting_max, struct gate **ret); /* 0, -ENOMEM */
struct gate *gate_free(struct gate *g); /* NULL is fine; NULL */

/* Waits for its turn, first come first served; at most at_once are in. 0; -EAGAIN: waiting_max
 * wait already (never, if patient: for the few who administrate). */
_must_use_ int gate_enter(struct gate *g, bool patient) LATCH_BLOCKS;
_must_use_ int gate_try(struct gate *g); /* 0; -EAGAIN: it would have to wait */
void gate_leave(struct gate *g);

/* Both within the gate. hash: 0, -ENOMEM. verify: 0; -EACCES it is another; -EIO the hash is none of
 * ours; -ENOMEM: and that is never taken for a wrong password. */
_must_use_ int password_hash(const char *password, char ret[PASSWORD_HASH_MAX]) LATCH_BLOCKS;
_must_use_ int password_verify(const char *hash, const char *password) LATCH_BLOCKS;

/* A hash that no password has, as costly as a real one. */
void password_decoy(char ret[PASSWORD_HASH_MAX]);
