/* Tokens and one-time links. The contract is in store/store.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_private.h"

static const char *const kinds[] = {[TOKEN_SESSION] = "session", [TOKEN_LINK] = "link"};

static int add_token(struct conn *c, const struct store_token *t) {
        int r = statement_run(c, STATEMENT_TOKEN_ADD, "hitiit", t->hash, t->user_id, kinds[t->kind],
                              (int64_t)t->created_ms, (int64_t)t->expires_ms, t->address);

        return MIN(r, 0);
}

int store_token_add(struct store *s, const struct store_token *t) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        return transaction_end(c, add_token(c, t));
}

/* TAKE and GET: the row of one token. */
static int one_token(struct conn *c, enum statement which, const unsigned char *hash,
                     enum token_kind kind, struct store_token *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, which, &st, "ht", hash, kinds[kind]);

        if (r == 0)
                r = statement_step(st);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        struct store_token t = {.user_id = sqlite3_column_int64(st, 0),
                                .kind = kind,
                                .created_ms = (uint64_t)sqlite3_column_int64(st, 1),
                                .expires_ms = (uint64_t)sqlite3_column_int64(st, 2)};
        memcpy(t.hash, hash, sizeof t.hash);
        r = statement_step(st); /* a DELETE has ended only when it says so */
        if (r < 0)
                return r;
        *ret = t;
        return 0;
}

int store_token_take(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                     enum token_kind kind, struct store_token *ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        struct store_token t;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        r = transaction_end(c, one_token(c, STATEMENT_TOKEN_TAKE, hash, kind, &t));
        if (r == 0)
                *ret = t;
        return r;
}

int store_token_get(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                    enum token_kind kind, struct store_token *ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = conn_take(s, &c);

        return r < 0 ? r : one_token(c, STATEMENT_TOKEN_GET, hash, kind, ret);
}

static int exchange(struct conn *c, const unsigned char *old, enum token_kind old_kind,
                    uint64_t now_ms, struct store_token *t) {
        struct store_token taken;
        int r = one_token(c, STATEMENT_TOKEN_TAKE, old, old_kind, &taken);

        if (r < 0)
                return r;
        if (taken.expires_ms <= now_ms)
                return -ENOENT;
        t->user_id = taken.user_id;
        return add_token(c, t);
}

int store_token_exchange(struct store *s, const unsigned char old[TOKEN_HASH_BYTES],
                         enum token_kind old_kind, uint64_t now_ms, struct store_token *t) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        struct store_token added = *t;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        r = transaction_end(c, exchange(c, old, old_kind, now_ms, &added));
        if (r == 0)
                *t = added;
        return r;
}

static int count_tokens(struct conn *c, int64_t user_id, enum token_kind kind, int64_t *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_TOKEN_COUNT, &st, "it", user_id, kinds[kind]);

        if (r == 0)
                r = statement_step(st);
        if (r < 0)
                return r;
        *ret = sqlite3_column_int64(st, 0);
        return 0;
}

/* The hash of the one row that a DELETE ... RETURNING has. */
static int dropped(sqlite3_stmt *st, unsigned char *hash) {
        int r = statement_step(st);

        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        if (sqlite3_column_bytes(st, 0) != TOKEN_HASH_BYTES)
                return -EIO;
        memcpy(hash, sqlite3_column_blob(st, 0), TOKEN_HASH_BYTES);
        r = statement_step(st);
        return MIN(r, 0);
}

static int drop_oldest(struct conn *c, int64_t user_id, enum token_kind kind, unsigned char *hash) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_TOKEN_DROP_OLDEST, &st, "it", user_id, kinds[kind]);

        return r < 0 ? r : dropped(st, hash);
}

static int trim(struct conn *c, int64_t user_id, enum token_kind kind, unsigned keep,
                unsigned char *hash) {
        int64_t n;
        int r = count_tokens(c, user_id, kind, &n); /* again: now nobody else writes */

        if (r == 0 && n <= keep)
                r = -ENOENT;
        return r < 0 ? r : drop_oldest(c, user_id, kind, hash);
}

int store_token_trim(struct store *s, int64_t user_id, enum token_kind kind, unsigned keep,
                     unsigned char ret_hash[TOKEN_HASH_BYTES]) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        unsigned char hash[TOKEN_HASH_BYTES];
        int64_t n;
        int r = conn_take(s, &c);

        if (r == 0)
                r = count_tokens(c, user_id, kind, &n); /* a look without a write is cheap */
        if (r == 0 && n <= keep)
                r = -ENOENT;
        if (r == 0)
                r = transaction_begin(c);
        if (r < 0)
                return r;
        r = transaction_end(c, trim(c, user_id, kind, keep, hash));
        if (r == 0)
                memcpy(ret_hash, hash, sizeof hash);
        return r;
}

int store_token_purge(struct store *s, uint64_t now_ms) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        int removed = statement_run(c, STATEMENT_TOKEN_PURGE, "i", (int64_t)now_ms);
        return transaction_end(c, MIN(removed, 0));
}

/* ---- a user's own ---- */

static int read_row(sqlite3_stmt *st, struct store_token *t) {
        if (sqlite3_column_bytes(st, 1) != TOKEN_HASH_BYTES)
                return -EIO;
        t->number = sqlite3_column_int64(st, 0);
        memcpy(t->hash, sqlite3_column_blob(st, 1), TOKEN_HASH_BYTES);
        t->created_ms = (uint64_t)sqlite3_column_int64(st, 2);
        t->expires_ms = (uint64_t)sqlite3_column_int64(st, 3);
        return column_text(st, 4, t->address, sizeof t->address);
}

int store_token_list(struct store *s, int64_t user_id, enum token_kind kind, uint64_t now_ms,
                     struct store_token **ret, size_t *ret_n) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        _cleanup_(freep) struct store_token *list = NULL;
        size_t n = 0, cap = 0;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_TOKEN_LIST, &st, "iti", user_id, kinds[kind],
                                   (int64_t)now_ms);
        while (r == 0 && (r = statement_step(st)) > 0) {
                if (n == cap) {
                        cap = MAX(cap * 2, (size_t)16);
                        struct store_token *more = realloc(list, cap * sizeof *list);
                        if (!more)
                                return -ENOMEM;
                        list = more;
                }
                list[n] = (struct store_token){.user_id = user_id, .kind = kind};
                r = read_row(st, &list[n++]);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list);
        *ret_n = n;
        return 0;
}

int store_token_set_address(struct store *s, const unsigned char hash[TOKEN_HASH_BYTES],
                            const char *address) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        r = statement_run(c, STATEMENT_TOKEN_ADDRESS, "ht", hash, address);
        return transaction_end(c, r < 0 ? r : r == 0 ? -ENOENT : 0);
}

static int end_one(struct conn *c, int64_t user_id, int64_t number, unsigned char *hash) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        int r = statement_bind(c, STATEMENT_TOKEN_END, &st, "iti", user_id, kinds[TOKEN_SESSION],
                               number);

        return r < 0 ? r : dropped(st, hash);
}

int store_token_end(struct store *s, int64_t user_id, int64_t number,
                    unsigned char ret_hash[TOKEN_HASH_BYTES]) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        unsigned char hash[TOKEN_HASH_BYTES];
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        r = transaction_end(c, end_one(c, user_id, number, hash));
        if (r == 0)
                memcpy(ret_hash, hash, sizeof hash);
        return r;
}

int tokens_end(struct conn *c, int64_t user_id, const unsigned char *keep) {
        struct store_token kept;
        int r = keep ? one_token(c, STATEMENT_TOKEN_GET, keep, TOKEN_SESSION, &kept) : 0;

        if (r == 0 && keep && kept.user_id != user_id)
                r = -ENOENT;
        if (r == 0)
                r = statement_run(c, STATEMENT_TOKEN_END_ALL, "ih", user_id, keep);
        return MIN(r, 0);
}

int store_token_end_all(struct store *s, int64_t user_id, const unsigned char *keep) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        return r < 0 ? r : transaction_end(c, tokens_end(c, user_id, keep));
}
