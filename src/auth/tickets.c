/* Tickets: what opens one socket, once, where a header cannot be sent. The contract is in auth/auth.h.
 *
 * A ticket says which token it stands for, until when, and its number among those of its user, under a keyed
 * BLAKE2b (RFC 7693). Which of a user's newest numbers were spent is one word of bits: nothing grows.
 */
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "auth/auth_private.h"
#include "base/clock.h"
#include "latch/lock.h"

#define MAC_BYTES 16u
#define VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(AUTH_TICKETS_AT_ONCE == 64, "one bit each");

struct ticket {
        unsigned char token[TOKEN_HASH_BYTES];
        uint64_t number;
        uint64_t expires_ms; /* monotonic: the key is this process's, too */
        unsigned char mac[MAC_BYTES];
};
_Static_assert(sizeof(struct ticket) == TOKEN_HASH_BYTES + 16 + MAC_BYTES, "no holes");
_Static_assert(sodium_base64_ENCODED_LEN(sizeof(struct ticket), VARIANT) <= TICKET_TEXT_MAX,
               "a ticket has room");

static void sign(const struct auth *a, const struct ticket *t, unsigned char mac[MAC_BYTES]) {
        static const char purpose[] = "latch: one socket";
        crypto_generichash_state state;

        CHECK(crypto_generichash_init(&state, a->ticket_key, sizeof a->ticket_key, MAC_BYTES) == 0);
        CHECK(crypto_generichash_update(&state, (const unsigned char *)purpose, sizeof purpose) ==
              0);
        CHECK(crypto_generichash_update(&state, (const unsigned char *)t,
                                        offsetof(struct ticket, mac)) == 0);
        CHECK(crypto_generichash_final(&state, mac, MAC_BYTES) == 0);
}

void auth_make_ticket(struct auth *a, struct identity *i, char ret[TICKET_TEXT_MAX]) {
        struct ticket t = {.expires_ms = clock_mono_ms() + a->ticket_ms};

        memcpy(t.token, i->hash, sizeof t.token);
        LATCH_WITH(auth_tickets, &a->tickets) {
                t.number = ++i->account->tickets_made;
                i->account->tickets_spent <<= 1;
        }
        sign(a, &t, t.mac);
        sodium_bin2base64(ret, TICKET_TEXT_MAX, (const unsigned char *)&t, sizeof t, VARIANT);
}

int auth_make_visit(struct auth *a, struct account *account, char ret[TICKET_TEXT_MAX]) {
        _cleanup_(identity_unrefp) struct identity *i = NULL;
        int r = atomic_load(&account->shut) ? -EACCES : identity_visit(a, account, &i);

        if (r == 0)
                auth_make_ticket(a, i, ret);
        return r;
}

static int read_ticket(const struct auth *a, const char *text, struct ticket *ret) {
        unsigned char mac[MAC_BYTES];
        struct ticket t;
        size_t n = 0;

        if (strnlen(text, TICKET_TEXT_MAX) >= TICKET_TEXT_MAX)
                return -EACCES;
        if (sodium_base642bin((unsigned char *)&t, sizeof t, text, strlen(text), NULL, &n, NULL,
                              VARIANT) < 0 ||
            n != sizeof t)
                return -EACCES;
        sign(a, &t, mac);
        if (sodium_memcmp(mac, t.mac, sizeof mac) != 0 || clock_mono_ms() >= t.expires_ms)
                return -EACCES;
        *ret = t;
        return 0;
}

/* Of two who show one ticket, one gets in. */
static bool spend(struct auth *a, struct account *account, uint64_t number) {
        LATCH_GUARD(auth_tickets, &a->tickets);
        uint64_t age = account->tickets_made - number;

        if (age >= AUTH_TICKETS_AT_ONCE || account->tickets_spent & UINT64_C(1) << age)
                return false;
        account->tickets_spent |= UINT64_C(1) << age;
        return true;
}

int auth_redeem(struct auth *a, const char *text, struct identity **ret) {
        _cleanup_(identity_unrefp) struct identity *i = NULL;
        struct ticket t;
        int r = read_ticket(a, text, &t);

        if (r == 0)
                r = identity_of(a, t.token, &i);
        if (r == 0 && !spend(a, i->account, t.number))
                r = -EACCES;
        if (r == 0)
                *ret = TAKE_PTR(i);
        return r;
}
