/* Signing in and out. The contract is in auth/auth.h. */
#include "auth/auth.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sodium.h>

#include "auth/auth_private.h"
#include "auth/gcra.h"
#include "auth/token.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"
#include "latch/lock.h"

#define LINKS_PER_USER 8u
#define PURGE_EVERY_NS (UINT64_C(3600) * 1000000000)

int auth_new(struct store *store, const struct config *config, struct auth **ret) {
        latch_blocking("auth");
        struct auth *a = calloc(1, sizeof *a);
        int r = a ? 0 : -ENOMEM;

        if (r == 0 && sodium_init() < 0)
                r = -EIO;
        if (r == 0) {
                a->store = store;
                a->config = config;
                password_decoy(a->decoy);
                latch_mutex_init(&a->tickets, LATCH_CLASS_auth_tickets);
                random_bytes(a->ticket_key, sizeof a->ticket_key);
                a->ticket_ms = TICKET_LIFETIME_S * 1000;
                atomic_init(&a->purge_ns, clock_mono_ns() + PURGE_EVERY_NS);
                r = people_tables_new(a);
        }
        if (r == 0)
                r = gate_new(GATE_AT_ONCE, config->http_threads / 2, &a->gate);
        if (r == 0)
                r = gate_new(1, 0, &a->changes);
        if (r == 0)
                r = attempts_new(&config->failures_per_minute, &a->attempts);
        if (r == 0)
                r = attempts_new(&config->address_requests_per_minute, &a->addresses);
        if (r == 0)
                r = store_token_purge(store, clock_real_ms());
        if (r < 0) {
                auth_free(a);
                return r;
        }
        *ret = a;
        return 0;
}

struct auth *auth_free(struct auth *a) {
        if (!a)
                return NULL;
        people_tables_free(a);
        gate_free(a->gate);
        gate_free(a->changes);
        attempts_free(a->attempts);
        attempts_free(a->addresses);
        latch_mutex_done(&a->tickets);
        free(a);
        return NULL;
}

/* CAP_CHOWN among the effective capabilities (capget(2)): latchd keeps it when it leaves root. */
static bool may_give_files_away(void) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

        if (geteuid() == 0)
                return true;
        CHECK(syscall(SYS_capget, &header, data) == 0);
        return data[CAP_TO_INDEX(CAP_CHOWN)].effective & CAP_TO_MASK(CAP_CHOWN);
}

uid_t auth_host_uid(const struct store_user *u) {
        return may_give_files_away() ? u->uid : geteuid();
}

static bool taken(uint64_t wait_ns, unsigned *ret_retry_ms) {
        if (wait_ns == 0)
                return true;
        *ret_retry_ms = (unsigned)(wait_ns / 1000000 + 1);
        return false;
}

bool account_take_run(struct account *a, unsigned per_minute, unsigned *ret_retry_ms) {
        return taken(gcra_take_shared(&a->runs_tat_ns, clock_mono_ns(), per_minute, 1),
                     ret_retry_ms);
}

bool account_take_request(struct account *a, unsigned per_minute, unsigned units,
                          unsigned *ret_retry_ms) {
        CHECK(units <= REQUEST_UNITS_MAX);
        return taken(gcra_take_shared(&a->requests_tat_ns, clock_mono_ns(), per_minute, units),
                     ret_retry_ms);
}

bool auth_take_address(struct auth *a, const char *address, unsigned units,
                       unsigned *ret_retry_ms) {
        uint64_t key = attempts_key(a->addresses, ATTEMPTS_ADDRESS, address);

        CHECK(units <= REQUEST_UNITS_MAX);
        return taken(attempts_take(a->addresses, key, clock_mono_ns(), units), ret_retry_ms);
}

/* ---- tokens ---- */

static struct store_token new_token(const struct auth *a, enum token_kind kind, const char *address,
                                    char text[TOKEN_TEXT_MAX]) {
        uint64_t now = clock_real_ms();
        unsigned lifetime_s = kind == TOKEN_LINK ? a->config->link_lifetime_s
                                                 : a->config->token_lifetime_s;
        struct store_token t = {
                .kind = kind, .created_ms = now, .expires_ms = now + lifetime_s * UINT64_C(1000)};

        (void)!str_copy(t.address, sizeof t.address, address); /* one that does not fit is none */
        token_make(text, t.hash);
        return t;
}

/* Once an hour, with whoever happens to sign in. A failure here is none of theirs: the store will say
 * the same to the next write that matters, and the next hour tries again. */
static void purge_sometimes(struct auth *a) {
        uint64_t due = atomic_load(&a->purge_ns), now = clock_mono_ns();

        if (now >= due && atomic_compare_exchange_strong(&a->purge_ns, &due, now + PURGE_EVERY_NS))
                (void)!store_token_purge(a->store, clock_real_ms());
}

/* Nobody collects tokens without end: the oldest gives way. It is not this sign-in's failure if that
 * fails; the next one tries again. */
static void keep_newest(struct auth *a, int64_t user_id, enum token_kind kind, unsigned keep) {
        unsigned char hash[TOKEN_HASH_BYTES];

        while (store_token_trim(a->store, user_id, kind, keep, hash) == 0)
                if (kind == TOKEN_SESSION)
                        identity_revoke_hash(a, hash, AUTH_TOO_MANY);
}

/* The token is in the store: it becomes a grant, or is taken back. */
static int grant(struct auth *a, const struct store_token *t, const char *text,
                 struct auth_grant *ret) {
        struct auth_grant g = {.expires_in_s = a->config->token_lifetime_s};
        struct store_token taken;
        int r = identity_of(a, t->hash, &g.identity);

        if (r < 0) {
                if (store_token_take(a->store, t->hash, TOKEN_SESSION, &taken) == 0)
                        identity_revoke_hash(a, t->hash, AUTH_ENDED);
                return r;
        }
        memcpy(g.token, text, sizeof g.token);
        atomic_store(&g.identity->address_key,
                     attempts_key(a->attempts, ATTEMPTS_ADDRESS, t->address));
        keep_newest(a, t->user_id, TOKEN_SESSION, AUTH_TOKENS_PER_USER);
        purge_sometimes(a);
        *ret = g;
        sodium_memzero(&g, sizeof g);
        return 0;
}

/* ---- signing in ---- */

struct attempt {
        uint64_t keys[2];
        size_t n;
};

static struct attempt attempt_of(const struct auth *a, const char *address, const char *name) {
        struct attempt t = {{attempts_key(a->attempts, ATTEMPTS_ADDRESS, address)}, 1};

        if (name)
                t.keys[t.n++] = attempts_key(a->attempts, ATTEMPTS_NAME, name);
        return t;
}

static int attempt_allowed(struct auth *a, const struct attempt *t, unsigned *ret_retry_s) {
        uint64_t now = clock_mono_ns(), wait = 0;

        for (size_t i = 0; i < t->n; i++)
                wait = MAX(wait, attempts_wait_ns(a->attempts, t->keys[i], now));
        if (wait == 0)
                return 0;
        *ret_retry_s = (unsigned)(wait / 1000000000 + 1);
        return -EAGAIN;
}

static int attempt_failed(struct auth *a, const struct attempt *t) {
        uint64_t now = clock_mono_ns();

        for (size_t i = 0; i < t->n; i++)
                attempts_failed(a->attempts, t->keys[i], now);
        return -EACCES;
}

/* The hash is made for everybody alike. Failures that came in while we waited at the gate count, too:
 * so at most one more than allowed is ever tried for each that runs at once. */
static int check_password(struct auth *a, const struct attempt *t, const char *hash,
                          const char *password, bool patient, unsigned *ret_retry_s) {
        int r = patient ? gate_enter(a->gate, false) : gate_try(a->gate);

        if (r < 0) {
                *ret_retry_s = 1;
                return r;
        }
        r = attempt_allowed(a, t, ret_retry_s);
        if (r == 0)
                r = password_verify(hash, password);
        if (r == -EACCES)
                r = attempt_failed(a, t); /* before the next may go in */
        gate_leave(a->gate);
        return r;
}

int password_try(struct auth *a, const char *name, const char *address, const char *hash,
                 const char *password, bool patient, unsigned *ret_retry_s) {
        struct attempt t = attempt_of(a, address, name);

        if (strnlen(password, PASSWORD_MAX + 1) > PASSWORD_MAX) { /* nobody has one */
                int r = attempt_allowed(a, &t, ret_retry_s);

                return r < 0 ? r : attempt_failed(a, &t);
        }
        return check_password(a, &t, hash, password, patient, ret_retry_s);
}

int password_make(struct auth *a, const char *password, bool patient, char ret[PASSWORD_HASH_MAX]) {
        size_t n = strnlen(password, PASSWORD_MAX + 1);

        if (n < PASSWORD_MIN || n > PASSWORD_MAX)
                return -EMSGSIZE;
        int r = patient ? gate_enter(a->gate, true) : gate_try(a->gate);
        if (r < 0)
                return r;
        r = password_hash(password, ret);
        gate_leave(a->gate);
        return r;
}

/* -ENOENT alone means that there is no such user; any other failure is the store's. */
static int find_user(struct auth *a, const char *name, struct store_user *u) {
        int r = user_name_valid(name) ? store_user_by_name(a->store, name, u) : -ENOENT;

        if (r == 0 && (u->disabled || u->deleted || u->password[0] == '\0'))
                r = -ENOENT;
        return r;
}

/* With auth.single_session the newest is the only one. */
static int end_others(struct auth *a, const struct identity *newest) {
        int r = a->config->single_session
                        ? auth_end_all(a, newest->account->user_id, newest, AUTH_ELSEWHERE)
                        : 0;

        return r == -ENOENT ? -EAGAIN : r; /* a newer one has ended us already */
}

/* While the hash was made, the password may have become another: whoever changed it ended all tokens, and
 * this one came too late for that. */
static int settle(struct auth *a, const struct store_user *checked, struct auth_grant *g,
                  unsigned *ret_retry_s) {
        struct store_user now;
        int r = store_user_by_id(a->store, checked->id, &now);

        if (r == -ENOENT || (r == 0 && !str_eq(now.password, checked->password)))
                r = -EACCES;
        if (r == 0)
                r = end_others(a, g->identity);
        if (r == 0)
                return 0;
        *ret_retry_s = 1;
        if (auth_sign_out(a, g->identity) < 0)
                identity_revoke(a, g->identity, AUTH_ENDED); /* until the next start, at least */
        g->identity = identity_unref(g->identity);
        return r;
}

int auth_sign_in(struct auth *a, const char *name, const char *password, const char *address,
                 struct auth_grant *ret, unsigned *ret_retry_s) {
        latch_blocking("sign in");
        struct attempt t = attempt_of(a, address, name);
        struct auth_grant g;
        struct store_user u;
        char text[TOKEN_TEXT_MAX];
        int r = attempt_allowed(a, &t, ret_retry_s);

        if (r < 0)
                return r;
        if (strnlen(password, PASSWORD_MAX + 1) > PASSWORD_MAX)
                return attempt_failed(a, &t); /* nobody has one; whose name it is does not matter */
        int found = find_user(a, name, &u);
        if (found < 0 && found != -ENOENT)
                return found;
        r = check_password(a, &t, found == 0 ? u.password : a->decoy, password, true, ret_retry_s);
        if (r == 0 && found < 0)
                r = attempt_failed(a, &t); /* the decoy's hash is nobody's */
        if (r < 0)
                return r;

        struct store_token token = new_token(a, TOKEN_SESSION, address, text);
        token.user_id = u.id;
        r = store_token_add(a->store, &token);
        if (r == 0)
                r = grant(a, &token, text, &g);
        sodium_memzero(text, sizeof text);
        if (r == 0)
                r = settle(a, &u, &g, ret_retry_s);
        if (r == 0)
                *ret = g;
        sodium_memzero(&g, sizeof g);
        return r;
}

/* A new session token in place of a link or an older token: both or neither. */
static int exchange(struct auth *a, const unsigned char *hash, enum token_kind kind,
                    const char *address, struct auth_grant *ret) {
        char text[TOKEN_TEXT_MAX];
        struct auth_grant g;
        struct store_token token = new_token(a, TOKEN_SESSION, address, text);
        int r = store_token_exchange(a->store, hash, kind, clock_real_ms(), &token);

        if (r == 0 && kind == TOKEN_SESSION)
                identity_revoke_hash(a, hash, AUTH_RENEWED);
        if (r == 0)
                r = grant(a, &token, text, &g);
        sodium_memzero(text, sizeof text);
        if (r == 0 && kind == TOKEN_LINK && (r = end_others(a, g.identity)) < 0)
                g.identity = identity_unref(g.identity);
        if (r == 0)
                *ret = g;
        sodium_memzero(&g, sizeof g);
        return r == -ENOENT ? -EACCES : r;
}

int auth_sign_in_link(struct auth *a, const char *link, const char *address, struct auth_grant *ret,
                      unsigned *ret_retry_s) {
        latch_blocking("sign in");
        struct attempt t = attempt_of(a, address, NULL);
        unsigned char hash[TOKEN_HASH_BYTES];
        int r = attempt_allowed(a, &t, ret_retry_s);

        if (r < 0)
                return r;
        r = token_hash(link, hash) < 0 ? -EACCES : exchange(a, hash, TOKEN_LINK, address, ret);
        return r == -EACCES ? attempt_failed(a, &t) : r;
}

int auth_renew(struct auth *a, struct identity *old, const char *address, struct auth_grant *ret) {
        latch_blocking("renew");
        return identity_valid(old) ? exchange(a, old->hash, TOKEN_SESSION, address, ret) : -EACCES;
}

int auth_sign_out(struct auth *a, struct identity *i) {
        latch_blocking("sign out");
        struct store_token taken;
        int r = store_token_take(a->store, i->hash, TOKEN_SESSION, &taken);

        if (r < 0 && r != -ENOENT)
                return r; /* it would come back with the next start: better to say so now */
        identity_revoke(a, i, AUTH_SIGNED_OUT);
        return 0;
}

int auth_authenticate(struct auth *a, const char *token, struct identity **ret) {
        unsigned char hash[TOKEN_HASH_BYTES];

        return token_hash(token, hash) < 0 ? -EACCES : identity_of(a, hash, ret);
}

/* ---- links ---- */

int auth_make_link(struct auth *a, int64_t user_id, char ret[TOKEN_TEXT_MAX]) {
        latch_blocking("make a link");
        char text[TOKEN_TEXT_MAX];
        struct store_token token = new_token(a, TOKEN_LINK, "", text);

        token.user_id = user_id;
        int r = store_token_add(a->store, &token);
        if (r == 0) {
                memcpy(ret, text, sizeof text);
                keep_newest(a, user_id, TOKEN_LINK, LINKS_PER_USER);
        }
        sodium_memzero(text, sizeof text);
        return r;
}
