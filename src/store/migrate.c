/* Migrations: the n-th brings a database of version n to n + 1. Once released, none is ever changed.
 * The contract is in store/store_private.h. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "store/store_private.h"

#define APPLICATION_ID                                                                             \
        0x4c746368 /* "Ltch", so that no other program's database is taken for ours */

static const char *const migrations[] = {
        /* 1: users. AUTOINCREMENT and uids: neither an id nor a uid is ever given twice. */
        "CREATE TABLE uids (uid INTEGER PRIMARY KEY) STRICT;"
        "CREATE TABLE users ("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  name TEXT NOT NULL UNIQUE,"
        "  password TEXT NOT NULL,"
        "  role TEXT NOT NULL CHECK (role IN ('student', 'teacher', 'admin')),"
        "  uid INTEGER NOT NULL UNIQUE REFERENCES uids (uid),"
        "  disabled INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1))"
        ") STRICT;",

        /* 2: tokens. rank tells apart those of one millisecond. */
        "CREATE TABLE tokens ("
        "  rank INTEGER PRIMARY KEY AUTOINCREMENT,"
        "  hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),"
        "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
        "  kind TEXT NOT NULL CHECK (kind IN ('session', 'link')),"
        "  created_ms INTEGER NOT NULL,"
        "  expires_ms INTEGER NOT NULL"
        ") STRICT;"
        "CREATE INDEX tokens_of_user ON tokens (user_id, kind, created_ms);"
        "CREATE INDEX tokens_by_end ON tokens (expires_ms);",

        /* 3: session records. */
        "CREATE TABLE sessions ("
        "  id TEXT PRIMARY KEY CHECK (length(id) = 26),"
        "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
        "  kind TEXT NOT NULL CHECK (kind IN ('run', 'shell', 'repl')),"
        "  state TEXT NOT NULL CHECK (state IN ('starting', 'running', 'ended')),"
        "  tty INTEGER NOT NULL CHECK (tty IN (0, 1)),"
        "  tombstone INTEGER NOT NULL CHECK (tombstone IN (0, 1)),"
        "  path TEXT NOT NULL,"
        "  title TEXT NOT NULL,"
        "  started_ms INTEGER NOT NULL,"
        "  ended_ms INTEGER NOT NULL,"
        "  code INTEGER NOT NULL,"
        "  signal INTEGER NOT NULL,"
        "  verdict TEXT NOT NULL,"
        "  wall_ms INTEGER NOT NULL,"
        "  cpu_ms INTEGER NOT NULL,"
        "  peak_bytes INTEGER NOT NULL,"
        "  end_offset INTEGER NOT NULL"
        ") STRICT;"
        "CREATE INDEX sessions_of_user ON sessions (user_id);",

        /* 4: audit events. Rows are only added, or taken from the front: start is where the chain begins. */
        "CREATE TABLE audit ("
        "  seq INTEGER PRIMARY KEY,"
        "  time_ms INTEGER NOT NULL,"
        "  what TEXT NOT NULL,"
        "  user TEXT NOT NULL,"
        "  address TEXT NOT NULL,"
        "  object TEXT NOT NULL,"
        "  outcome TEXT NOT NULL,"
        "  count INTEGER NOT NULL CHECK (count > 0),"
        "  hash BLOB NOT NULL CHECK (length(hash) = 32)"
        ") STRICT;"
        "CREATE TABLE audit_start ("
        "  one INTEGER PRIMARY KEY CHECK (one = 1),"
        "  seq INTEGER NOT NULL,"
        "  hash BLOB NOT NULL CHECK (length(hash) = 32)"
        ") STRICT;"
        "INSERT INTO audit_start (one, seq, hash) VALUES (1, 0, zeroblob(32));",

        /* 5: users may be deleted, their files kept; a token says from where it is used. */
        "ALTER TABLE users "
        "  ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1));"
        "ALTER TABLE tokens ADD COLUMN address TEXT NOT NULL DEFAULT '';",

        /* 6: courses, and who teaches them. */
        "CREATE TABLE courses (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
        "CREATE TABLE course_teachers ("
        "  course TEXT NOT NULL REFERENCES courses (name) ON DELETE CASCADE,"
        "  user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
        "  PRIMARY KEY (course, user_id)"
        ") STRICT, WITHOUT ROWID;",
};

#define NEWEST ((int64_t)ELEMENTS(migrations))

int64_t store_newest(void) {
        return NEWEST;
}

#define COMPLAIN(ret, ...) ((*(ret) = str_printf(__VA_ARGS__)) ? -EINVAL : -ENOMEM)

int store_number(struct conn *c, const char *query, int64_t *ret) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(c->db, query, -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Whose file it is comes first: nothing is written to a stranger's. */
int store_check_kind(struct conn *c, int64_t *ret_version, char **ret_error) {
        int64_t application = 0, version = 0, tables = 0;
        const char *path = c->store->path;
        int rc = store_number(c, "PRAGMA application_id", &application);

        if (rc == SQLITE_OK)
                rc = store_number(c, "PRAGMA user_version", &version);
        if (rc == SQLITE_OK)
                rc = store_number(c, "SELECT count(*) FROM sqlite_schema", &tables);
        if (rc != SQLITE_OK)
                return store_complain(c, rc, ret_error);
        if (application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0))
                return COMPLAIN(ret_error, "%s: this is the database of another program", path);
        if (version > NEWEST || version < 0)
                return COMPLAIN(ret_error,
                                "%s: its version is %" PRId64
                                ", this program knows those up to %" PRId64
                                "; a newer latchd has been here",
                                path, version, NEWEST);
        *ret_version = version;
        return 0;
}

static int migrate_from(struct conn *c, int64_t version) {
        char mark[96];
        int rc = SQLITE_OK;

        for (; rc == SQLITE_OK && version < NEWEST; version++)
                rc = sqlite3_exec(c->db, migrations[version], NULL, NULL, NULL);
        if (rc != SQLITE_OK)
                return rc;
        sqlite3_snprintf(sizeof mark, mark, "PRAGMA user_version = %d; PRAGMA application_id = %d",
                         (int)NEWEST, APPLICATION_ID);
        return sqlite3_exec(c->db, mark, NULL, NULL, NULL);
}

int store_migrate(struct conn *c, char **ret_error) {
        int64_t version;
        int r = store_check_kind(c, &version, ret_error);

        if (r == 0)
                r = store_check_start(c, ret_error);
        if (r < 0 || version == NEWEST)
                return r;

        int rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        /* Another process may have been quicker: the version counts that is read under the lock. */
        if (rc == SQLITE_OK)
                rc = store_number(c, "PRAGMA user_version", &version);
        if (rc == SQLITE_OK)
                rc = migrate_from(c, version);
        if (rc == SQLITE_OK)
                rc = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
                return 0;
        r = store_complain(c, rc, ret_error);
        if (!sqlite3_get_autocommit(c->db))
                (void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return r;
}
