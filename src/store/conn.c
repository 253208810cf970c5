/* Connections and statements. The contract is in store/store_private.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"
#include "latch/lock.h"
#include "store/store_private.h"

#define BUSY_MS 5000

static const char *const sql[STATEMENT_COUNT] = {
        [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
        [STATEMENT_COMMIT] = "COMMIT",
        [STATEMENT_ROLLBACK] = "ROLLBACK",
        [STATEMENT_UID_LAST] = "SELECT max(uid) FROM uids WHERE uid >= ?1 AND uid < ?2",
        [STATEMENT_UID_GIVE] = "INSERT INTO uids (uid) VALUES (?1)",
        [STATEMENT_USER_ADD] =
                "INSERT INTO users (name, password, role, uid) VALUES (?1, ?2, ?3, ?4)",
        [STATEMENT_USER_BY_NAME] =
                "SELECT id, name, password, role, uid, disabled, deleted FROM users WHERE name = ?1",
        [STATEMENT_USER_BY_ID] =
                "SELECT id, name, password, role, uid, disabled, deleted FROM users WHERE id = ?1",
        [STATEMENT_USER_CHANGE] =
                "UPDATE users SET password = coalesce(?2, password), role = coalesce(?3, role), "
                "disabled = coalesce(?4, disabled), deleted = coalesce(?5, deleted) WHERE id = ?1",
        [STATEMENT_USER_ADMINS] =
                "SELECT count(*) FROM users WHERE role = 'admin' AND disabled = 0 "
                "AND deleted = 0",
        [STATEMENT_USER_REMOVE] = "DELETE FROM users WHERE id = ?1 AND deleted = 1",
        [STATEMENT_USER_LIST] =
                "SELECT id, name, password, role, uid, disabled, deleted FROM users ORDER BY name",
        [STATEMENT_USER_COUNT] = "SELECT count(*) FROM users",
        [STATEMENT_TOKEN_ADD] = "INSERT INTO tokens (hash, user_id, kind, created_ms, expires_ms, "
                                "address) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        [STATEMENT_TOKEN_TAKE] = "DELETE FROM tokens WHERE hash = ?1 AND kind = ?2 "
                                 "RETURNING user_id, created_ms, expires_ms",
        [STATEMENT_TOKEN_GET] = "SELECT user_id, created_ms, expires_ms FROM tokens "
                                "WHERE hash = ?1 AND kind = ?2",
        [STATEMENT_TOKEN_COUNT] = "SELECT count(*) FROM tokens WHERE user_id = ?1 AND kind = ?2",
        [STATEMENT_TOKEN_DROP_OLDEST] =
                "DELETE FROM tokens WHERE hash = (SELECT hash FROM tokens WHERE user_id = ?1 AND "
                "kind = ?2 ORDER BY created_ms, rank LIMIT 1) RETURNING hash",
        [STATEMENT_TOKEN_PURGE] = "DELETE FROM tokens WHERE expires_ms <= ?1",
        [STATEMENT_TOKEN_LIST] =
                "SELECT rank, hash, created_ms, expires_ms, address FROM tokens "
                "WHERE user_id = ?1 AND kind = ?2 AND expires_ms > ?3 ORDER BY rank",
        [STATEMENT_TOKEN_ADDRESS] = "UPDATE tokens SET address = ?2 WHERE hash = ?1",
        [STATEMENT_TOKEN_END] = "DELETE FROM tokens WHERE user_id = ?1 AND kind = ?2 AND rank = ?3 "
                                "RETURNING hash",
        [STATEMENT_TOKEN_END_ALL] = "DELETE FROM tokens WHERE user_id = ?1 AND hash IS NOT ?2",
        [STATEMENT_SESSION_PUT] =
                "INSERT INTO sessions (id, user_id, kind, state, tty, tombstone, path, title, "
                "started_ms, ended_ms, code, signal, verdict, wall_ms, cpu_ms, peak_bytes, end_offset) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) "
                "ON CONFLICT (id) DO UPDATE SET user_id = excluded.user_id, kind = excluded.kind, "
                "state = excluded.state, tty = excluded.tty, tombstone = excluded.tombstone, "
                "path = excluded.path, title = excluded.title, started_ms = excluded.started_ms, "
                "ended_ms = excluded.ended_ms, code = excluded.code, signal = excluded.signal, "
                "verdict = excluded.verdict, wall_ms = excluded.wall_ms, cpu_ms = excluded.cpu_ms, "
                "peak_bytes = excluded.peak_bytes, end_offset = excluded.end_offset",
        [STATEMENT_SESSION_REMOVE] = "DELETE FROM sessions WHERE id = ?1",
        [STATEMENT_SESSION_LIST] =
                "SELECT id, user_id, kind, state, tty, tombstone, path, title, started_ms, ended_ms, "
                "code, signal, verdict, wall_ms, cpu_ms, peak_bytes, end_offset FROM sessions "
                "ORDER BY started_ms, id",
        [STATEMENT_AUDIT_ADD] =
                "INSERT INTO audit (seq, time_ms, what, user, address, object, outcome, count, hash) "
                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        [STATEMENT_AUDIT_START] = "SELECT seq, hash FROM audit_start",
        [STATEMENT_AUDIT_LAST] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
        [STATEMENT_AUDIT_READ] =
                "SELECT seq, time_ms, what, user, address, object, outcome, count, hash FROM audit "
                "WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        [STATEMENT_AUDIT_ONE] = "SELECT seq, hash FROM audit WHERE seq = ?1",
        [STATEMENT_AUDIT_DROP] = "DELETE FROM audit WHERE seq <= ?1",
        [STATEMENT_COURSE_ADD] = "INSERT INTO courses (name) VALUES (?1)",
        [STATEMENT_COURSE_GET] = "SELECT 1 FROM courses WHERE name = ?1",
        [STATEMENT_COURSE_LIST] = "SELECT c.name, u.name FROM courses c "
                                  "LEFT JOIN course_teachers t ON t.course = c.name "
                                  "LEFT JOIN users u ON u.id = t.user_id AND u.deleted = 0 "
                                  "ORDER BY c.name, u.name",
        [STATEMENT_TEACHER_ADD] =
                "INSERT OR IGNORE INTO course_teachers (course, user_id) VALUES (?1, ?2)",
        [STATEMENT_TEACHER_REMOVE] =
                "DELETE FROM course_teachers WHERE course = ?1 AND user_id = ?2",
        [STATEMENT_TEACHER_ANY] = "SELECT 1 FROM course_teachers WHERE user_id = ?1 LIMIT 1",
        [STATEMENT_TEACHER_GET] =
                "SELECT 1 FROM course_teachers WHERE course = ?1 AND user_id = ?2",
        [STATEMENT_AUDIT_BEGIN_AT] = "UPDATE audit_start SET seq = ?1, hash = ?2",
};

static int store_error(sqlite3 *db, int rc) {
        switch (rc & 0xff) {
        case SQLITE_OK: return 0;
        case SQLITE_NOMEM: return -ENOMEM;
        case SQLITE_FULL: return -ENOSPC;
        case SQLITE_BUSY: return -EBUSY;
        case SQLITE_CONSTRAINT:
                if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
                        return -ENOENT;
                if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
                        return -EEXIST;
                return -EIO;
        case SQLITE_IOERR: {
                int error = db ? sqlite3_system_errno(db) : 0;
                if (error == ENOSPC || error == EDQUOT)
                        return -ENOSPC;
                return rc == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO;
        }
        default: return -EIO;
        }
}

int store_complain(struct conn *c, int rc, char **ret_error) {
        int r = store_error(c->db, rc);

        if (!ret_error || r == -ENOMEM || r == 0)
                return r;
        *ret_error = str_printf("%s: %s", c->store->path,
                                c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
        if (!*ret_error)
                return -ENOMEM;
        return (rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB ? -EUCLEAN : r;
}

/* ---- connections ---- */

/* synchronous=FULL: what was acknowledged survives power loss, too. The journal is cut back after a
 * burst, and the cache is small: there may be sixteen of these. */
static int conn_configure(struct conn *c) {
        int rc = sqlite3_extended_result_codes(c->db, 1);

        if (rc == SQLITE_OK)
                rc = sqlite3_busy_timeout(c->db, BUSY_MS);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(c->db,
                                  "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; "
                                  "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -512; "
                                  "PRAGMA journal_size_limit = 4194304; PRAGMA temp_store = MEMORY",
                                  NULL, NULL, NULL);
        return rc;
}

int conn_open(struct store *s, struct conn **ret, char **ret_error) {
        _cleanup_(conn_closep) struct conn *c = calloc(1, sizeof *c);
        int flags = (s->reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;

        if (!c)
                return -ENOMEM;
        c->store = s;
        int rc = sqlite3_open_v2(s->path, &c->db, flags, NULL);
        if (rc == SQLITE_OK)
                rc = conn_configure(c);
        if (rc != SQLITE_OK)
                return store_complain(c, rc, ret_error);
        *ret = TAKE_PTR(c);
        return 0;
}

struct conn *conn_close(struct conn *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < STATEMENT_COUNT; i++)
                sqlite3_finalize(c->statements[i]); /* repeats the last step's result */
        CHECK(sqlite3_close(c->db) == SQLITE_OK);
        free(c);
        return NULL;
}

/* A PRAGMA of this kind acts when it is prepared: it cannot be kept. */
int conn_hurry(struct conn *c, bool on) {
        int rc = sqlite3_exec(c->db,
                              on ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
                              NULL, NULL, NULL);

        if (rc == SQLITE_OK)
                c->hasty = on;
        return rc == SQLITE_OK ? 0 : store_error(c->db, rc);
}

static int permit_take(sem_t *permits) {
        uint64_t until = clock_mono_ns() + BUSY_MS * UINT64_C(1000000);
        struct timespec t = {.tv_sec = (time_t)(until / 1000000000),
                             .tv_nsec = (long)(until % 1000000000)};

        while (sem_clockwait(permits, CLOCK_MONOTONIC, &t) < 0)
                if (errno != EINTR)
                        return -EBUSY;
        return 0;
}

int conn_take(struct store *s, struct conn **ret) {
        latch_blocking("store");
        int r = permit_take(&s->permits);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTS(s->idle); i++) {
                struct conn *c = atomic_exchange(&s->idle[i], NULL);
                if (c) {
                        *ret = c;
                        return 0;
                }
        }
        r = conn_open(s, ret, NULL);
        if (r < 0)
                CHECK(sem_post(&s->permits) == 0);
        return r;
}

struct conn *conn_put(struct conn *c) {
        if (!c)
                return NULL;
        struct store *s = c->store;
        bool kept = false;

        /* A transaction that even ROLLBACK could not end must not meet the next caller. */
        if (sqlite3_get_autocommit(c->db) && !c->hasty)
                for (size_t i = 0; !kept && i < ELEMENTS(s->idle); i++) {
                        struct conn *none = NULL;
                        kept = atomic_compare_exchange_strong(&s->idle[i], &none, c);
                }
        if (!kept)
                conn_close(c);
        CHECK(sem_post(&s->permits) == 0);
        return NULL;
}

/* ---- statements ---- */

static int bind_one(sqlite3_stmt *st, int place, char type, va_list *args) {
        switch (type) {
        case 'i': return sqlite3_bind_int64(st, place, va_arg(*args, int64_t));
        case 'n': {
                int64_t v = va_arg(*args, int64_t);
                return v < 0 ? sqlite3_bind_null(st, place) : sqlite3_bind_int64(st, place, v);
        }
        case 't':
                return sqlite3_bind_text(st, place, va_arg(*args, const char *), -1, SQLITE_STATIC);
        case 'h':
                return sqlite3_bind_blob(st, place, va_arg(*args, const void *), TOKEN_HASH_BYTES,
                                         SQLITE_STATIC);
        default: CHECK(false); return SQLITE_MISUSE;
        }
}

int statement_bind(struct conn *c, enum statement which, sqlite3_stmt **ret, const char *types,
                   ...) {
        sqlite3_stmt **st = &c->statements[which];
        int rc = SQLITE_OK;
        va_list args;

        if (!*st)
                rc = sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
        if (rc != SQLITE_OK)
                return store_error(c->db, rc);
        va_start(args, types);
        for (int i = 0; rc == SQLITE_OK && types[i]; i++)
                rc = bind_one(*st, i + 1, types[i], &args);
        va_end(args);
        if (rc != SQLITE_OK)
                return store_error(c->db, rc);
        *ret = *st;
        return 0;
}

int statement_step(sqlite3_stmt *st) {
        int rc = sqlite3_step(st);

        if (rc == SQLITE_ROW)
                return 1;
        return rc == SQLITE_DONE ? 0 : store_error(sqlite3_db_handle(st), rc);
}

void statement_resetp(sqlite3_stmt **st) {
        if (!*st)
                return;
        (void)sqlite3_reset(*st); /* repeats what step said */
        (void)sqlite3_clear_bindings(*st);
}

int statement_finish(struct conn *c, sqlite3_stmt *st) {
        int r;

        do
                r = statement_step(st);
        while (r > 0);
        return r < 0 ? r : sqlite3_changes(c->db);
}

int transaction_begin(struct conn *c) {
        int r = permit_take(&c->store->writing);

        if (r < 0)
                return r;
        r = statement_run(c, STATEMENT_BEGIN, "");
        if (r < 0)
                CHECK(sem_post(&c->store->writing) == 0);
        return MIN(r, 0);
}

int transaction_open(struct store *s, struct conn **ret) {
        _cleanup_(conn_putp) struct conn *c = NULL;
        int r = conn_take(s, &c);

        if (r == 0)
                r = transaction_begin(c);
        if (r == 0)
                *ret = TAKE_PTR(c);
        return r;
}

int transaction_end(struct conn *c, int r) {
        if (r == 0) {
                int committed = statement_run(c, STATEMENT_COMMIT, "");
                r = MIN(committed, 0);
        }
        /* A full disk may have rolled back already; what ROLLBACK cannot end, conn_put closes. */
        if (!sqlite3_get_autocommit(c->db))
                (void)!statement_run(c, STATEMENT_ROLLBACK, "");
        CHECK(sem_post(&c->store->writing) == 0);
        return r;
}

int column_text(sqlite3_stmt *st, int column, char *to, size_t size) {
        const char *text = (const char *)sqlite3_column_text(st, column);

        if (!text)
                return sqlite3_errcode(sqlite3_db_handle(st)) == SQLITE_NOMEM ? -ENOMEM : -EIO;
        if (strlen(text) >= size)
                return -EIO;
        memcpy(to, text, strlen(text) + 1);
        return 0;
}

int word_index(const char *const *words, size_t n, const char *word) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(words[i], word) == 0)
                        return (int)i;
        return -EIO;
}
