/* store_private.h - connections, statements and transactions of the store. The room's own.
 *
 * Threads: any; a connection is one thread's between conn_take and conn_put.
 * Lock:    none may be held (asserted by conn_take).
 * Errors:  those of store.h.
 */
#pragma once

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <sqlite3.h>

#include "base/macros.h"
#include "latch/lock.h"
#include "store/store.h"

enum statement {
        STATEMENT_BEGIN,
        STATEMENT_COMMIT,
        STATEMENT_ROLLBACK,
        STATEMENT_UID_LAST,
        STATEMENT_UID_GIVE,
        STATEMENT_USER_ADD,
        STATEMENT_USER_BY_NAME,
        STATEMENT_USER_BY_ID,
        STATEMENT_USER_CHANGE,
        STATEMENT_USER_ADMINS,
        STATEMENT_USER_REMOVE,
        STATEMENT_USER_LIST,
        STATEMENT_USER_COUNT,
        STATEMENT_TOKEN_ADD,
        STATEMENT_TOKEN_TAKE,
        STATEMENT_TOKEN_GET,
        STATEMENT_TOKEN_COUNT,
        STATEMENT_TOKEN_DROP_OLDEST,
        STATEMENT_TOKEN_PURGE,
        STATEMENT_TOKEN_LIST,
        STATEMENT_TOKEN_ADDRESS,
        STATEMENT_TOKEN_END,
        STATEMENT_TOKEN_END_ALL,
        STATEMENT_SESSION_PUT,
        STATEMENT_SESSION_REMOVE,
        STATEMENT_SESSION_LIST,
        STATEMENT_AUDIT_ADD,
        STATEMENT_AUDIT_START,
        STATEMENT_AUDIT_LAST,
        STATEMENT_AUDIT_READ,
        STATEMENT_AUDIT_ONE,
        STATEMENT_AUDIT_DROP,
        STATEMENT_AUDIT_BEGIN_AT,
        STATEMENT_COURSE_ADD,
        STATEMENT_COURSE_GET,
        STATEMENT_COURSE_LIST,
        STATEMENT_TEACHER_ADD,
        STATEMENT_TEACHER_REMOVE,
        STATEMENT_TEACHER_GET,
        STATEMENT_TEACHER_ANY,
        STATEMENT_COUNT
};

struct conn {
        struct store *store;
        sqlite3 *db;
        sqlite3_stmt *statements[STATEMENT_COUNT]; /* NULL: not prepared yet */
        bool hasty; /* its commits do not wait for the disk (conn_hurry) */
};

struct store {
        char path[512]; /* fixed: DIR/latch.db, or a reader's file */
        bool reader;    /* fixed: it only reads */
        sem_t permits;  /* calls that may still begin */
        sem_t writing; /* 1 while nobody of us writes: who waits for SQLite's lock sleeps and looks again */
        _Atomic(struct conn *) idle[STORE_CONNECTIONS]; /* whoever swaps one out has it */
};

/* A new connection, set up for use. ret_error may be NULL. */
_must_use_ int conn_open(struct store *s, struct conn **ret, char **ret_error);
struct conn *conn_close(struct conn *c); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct conn, conn_close)

/* A connection for this call: an idle one, or a new one. Waits at most 5 s for others, then -EBUSY. */
_must_use_ int conn_take(struct store *s, struct conn **ret) LATCH_BLOCKS;
struct conn *conn_put(struct conn *c); /* NULL is fine; returns NULL */
DEFINE_CLEANUP(struct conn, conn_put)

/* Outside of a transaction: whether a commit survives SIGKILL alone (on), or power loss, too. One that is not set
 * back is not used again. */
_must_use_ int conn_hurry(struct conn *c, bool on);

/* BEGIN IMMEDIATE; then COMMIT if r is 0, else ROLLBACK. end returns r, or the failure of COMMIT. */
_must_use_ int transaction_begin(struct conn *c);
_must_use_ int transaction_open(struct store *s, struct conn **ret); /* conn_take, then begin */
_must_use_ int transaction_end(struct conn *c, int r);

/* The prepared statement with its parameters bound, one letter each: i int64_t, n int64_t that is NULL below 0,
 * t text, h hash (of TOKEN_HASH_BYTES); a NULL pointer is NULL. What is bound must live until the
 * statement is reset. */
_must_use_ int statement_bind(struct conn *c, enum statement which, sqlite3_stmt **ret,
                              const char *types, ...);
_must_use_ int statement_step(sqlite3_stmt *st); /* 1 a row, 0 no more, -errno */
void statement_resetp(sqlite3_stmt **st);

/* Binds, runs to its end, resets. How many rows it changed, or -errno. */
#define statement_run(c, which, ...)                                                               \
        ({                                                                                         \
                _cleanup_(statement_resetp) sqlite3_stmt *run_st_ = NULL;                          \
                int run_r_ = statement_bind(c, which, &run_st_, __VA_ARGS__);                      \
                run_r_ == 0 ? statement_finish(c, run_st_) : run_r_;                               \
        })
_must_use_ int statement_finish(struct conn *c, sqlite3_stmt *st);

/* A column into to[size]. -EIO: it does not fit, so it is not ours. */
_must_use_ int column_text(sqlite3_stmt *st, int column, char *to, size_t size);

/* 0 or -errno for a result of SQLite on this connection, and words if ret_error is not NULL; a file that is
 * damaged or no database is -EUCLEAN then. */
_must_use_ int store_complain(struct conn *c, int rc, char **ret_error);

/* Checks whose file it is, its version and its integrity, and migrates it. -EINVAL and words; -EUCLEAN
 * and words: it is damaged. */
_must_use_ int store_migrate(struct conn *c, char **ret_error);
int64_t store_newest(void); /* the version that migrating gives */
/* That it is ours, and no newer than we are. -EINVAL and words, -EUCLEAN likewise. */
_must_use_ int store_check_kind(struct conn *c, int64_t *ret_version, char **ret_error);
/* The one number of a query. SQLite's result. */
_must_use_ int store_number(struct conn *c, const char *query, int64_t *ret);

/* check.c: at a start, every table but the audit events, and these, too, in a file below 16 MiB: a chain of
 * hashes tells more of them than SQLite, and a start does not wait for it. -EUCLEAN and words. */
_must_use_ int store_check_start(struct conn *c, char **ret_error);
_must_use_ int store_check_all(struct conn *c,
                               char **ret_error); /* indexes, too; as long as it takes */

/* A new file (0600), whom DIR belongs to; -EEXIST. */
_must_use_ int store_make_file(const char *dir, const char *path, char **ret_error);

/* Ends all tokens and links of a user but keep (NULL: none). -ENOENT: keep is not among them. */
_must_use_ int tokens_end(struct conn *c, int64_t user_id, const unsigned char *keep);

/* One word for each value, as it stands in the database; the index, or -EIO for another. */
_must_use_ int word_index(const char *const *words, size_t n, const char *word);
