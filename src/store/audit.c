/* Audit events. The contract is in store/store.h. */
#include <errno.h>
#include <string.h>

#include "store/store_private.h"

static int column_hash(sqlite3_stmt *st, int column, unsigned char hash[AUDIT_HASH_BYTES]) {
        const void *blob = sqlite3_column_blob(st, column);

        if (!blob || sqlite3_column_bytes(st, column) != AUDIT_HASH_BYTES)
                return -EIO;
        memcpy(hash, blob, AUDIT_HASH_BYTES);
        return 0;
}

/* seq and hash of the one row that a statement has. -ENOENT: it has none. Takes the statement. */
static int read_link(sqlite3_stmt *bound, struct store_audit_link *ret) {
        _cleanup_(statement_resetp) sqlite3_stmt *st = bound;
        struct store_audit_link link;
        int r = statement_step(st);

        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        link.seq = sqlite3_column_int64(st, 0);
        r = column_hash(st, 1, link.hash);
        if (r == 0)
                *ret = link;
        return r;
}

static int read_start(struct conn *c, struct store_audit_link *ret) {
        sqlite3_stmt *st;
        int r = statement_bind(c, STATEMENT_AUDIT_START, &st, "");

        if (r == 0)
                r = read_link(st, ret);
        return r == -ENOENT ? -EIO : r;
}

static int read_last(struct conn *c, struct store_audit_link *ret) {
        sqlite3_stmt *st;
        int r = statement_bind(c, STATEMENT_AUDIT_LAST, &st, "");

        return r < 0 ? r : read_link(st, ret);
}

int store_audit_ends(struct store *s, struct store_audit_link *ret_start,
                     struct store_audit_link *ret_last) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        struct store_audit_link start = {0}, last;
        int r = conn_take(s, &c);

        if (r == 0)
                r = read_last(c, &last); /* first: the start only ever moves towards it */
        bool none = r == -ENOENT;
        if (r == 0 || none)
                r = read_start(c, &start);
        if (r < 0)
                return r;
        *ret_start = start;
        *ret_last = none ? start : last;
        return 0;
}

static int add_rows(struct conn *c, const struct store_audit *rows, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const struct store_audit *a = &rows[i];
                r = statement_run(c, STATEMENT_AUDIT_ADD, "iitttttih", a->seq, (int64_t)a->time_ms,
                                  a->what, a->user, a->address, a->object, a->outcome,
                                  (int64_t)a->count, a->hash);
        }
        return MIN(r, 0);
}

int store_audit_add(struct store *s, const struct store_audit *rows, size_t n) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        return transaction_end(c, add_rows(c, rows, n));
}

/* A text that stands in the row as long as the statement is not stepped; -EIO for none. */
static int column_words(sqlite3_stmt *st, int column, const char **ret) {
        *ret = (const char *)sqlite3_column_text(st, column);
        return *ret ? 0 : -EIO;
}

static int read_row(sqlite3_stmt *st, struct store_audit *ret) {
        const char **const texts[] = {&ret->what, &ret->user, &ret->address, &ret->object,
                                      &ret->outcome};
        int r = column_hash(st, 8, ret->hash);

        for (size_t i = 0; r == 0 && i < ELEMENTS(texts); i++)
                r = column_words(st, 2 + (int)i, texts[i]);
        ret->seq = sqlite3_column_int64(st, 0);
        ret->time_ms = (uint64_t)sqlite3_column_int64(st, 1);
        ret->count = (uint64_t)sqlite3_column_int64(st, 7);
        return r;
}

int store_audit_read(struct store *s, int64_t after, unsigned limit, store_audit_each *each,
                     void *arg) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        _cleanup_(statement_resetp) sqlite3_stmt *st = NULL;
        struct store_audit row;
        int r = conn_take(s, &c);

        if (r == 0)
                r = statement_bind(c, STATEMENT_AUDIT_READ, &st, "ii", after, (int64_t)limit);
        if (r < 0)
                return r;
        while ((r = statement_step(st)) > 0) {
                r = read_row(st, &row);
                if (r == 0)
                        r = each(arg, &row);
                if (r != 0)
                        return r;
        }
        return r;
}

static int prune(struct conn *c, int64_t seq) {
        struct store_audit_link link;
        sqlite3_stmt *st;
        int r = statement_bind(c, STATEMENT_AUDIT_ONE, &st, "i", seq);

        if (r == 0)
                r = read_link(st, &link);
        if (r == 0)
                r = statement_run(c, STATEMENT_AUDIT_DROP, "i", seq);
        if (r >= 0)
                r = statement_run(c, STATEMENT_AUDIT_BEGIN_AT, "ih", seq, link.hash);
        return MIN(r, 0);
}

int store_audit_prune(struct store *s, int64_t seq) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = transaction_open(s, &c);

        if (r < 0)
                return r;
        return transaction_end(c, prune(c, seq));
}
