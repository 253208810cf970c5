/* check.c - whether a database is whole. The contract is in store/store_private.h. */
#include <errno.h>

#include "base/str.h"
#include "store/store_private.h"

#define WHOLE_MAX (16 << 20) /* bytes of a file that is checked in a few milliseconds */

/* 0 and *ret says whether the first text of the answer is the wanted one. SQLite's result. */
static int says(struct conn *c, const char *query, const char *wanted, bool *ret) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(c->db, query, -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret = str_eq((const char *)sqlite3_column_text(st, 0), wanted);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int check(struct conn *c, const char *query, char **ret_error) {
        bool whole = false;
        int rc = says(c, query, "ok", &whole);

        if (rc != SQLITE_OK)
                return store_complain(c, rc, ret_error);
        if (whole)
                return 0;
        *ret_error = str_printf("%s: the integrity check failed: it is damaged", c->store->path);
        return *ret_error ? -EUCLEAN : -ENOMEM;
}

/* Table by table, but for the one that grows. */
static int check_tables(struct conn *c, char **ret_error) {
        static const char names[] =
                "SELECT 'PRAGMA quick_check(' || name || ')' FROM sqlite_schema "
                "WHERE type = 'table' AND name != 'audit' AND "
                "name NOT LIKE 'sqlite_%'";
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(c->db, names, -1, &st, NULL), r = 0;

        while (rc == SQLITE_OK && r == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
                const char *query = (const char *)sqlite3_column_text(st, 0);
                r = query ? check(c, query, ret_error) : -ENOMEM;
                rc = SQLITE_OK;
        }
        sqlite3_finalize(st);
        if (r < 0)
                return r;
        return rc == SQLITE_DONE ? 0 : store_complain(c, rc, ret_error);
}

int store_check_start(struct conn *c, char **ret_error) {
        int64_t bytes = 0;
        bool wal = false;
        int rc = store_number(
                c, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                &bytes);

        if (rc != SQLITE_OK)
                return store_complain(c, rc, ret_error);
        int r = bytes < WHOLE_MAX ? check(c, "PRAGMA quick_check(1)", ret_error)
                                  : check_tables(c, ret_error);
        if (r < 0)
                return r;
        rc = says(c, "PRAGMA journal_mode = WAL", "wal", &wal);
        if (rc != SQLITE_OK)
                return store_complain(c, rc, ret_error);
        if (wal)
                return 0;
        *ret_error =
                str_printf("%s: its file system cannot hold a write-ahead log", c->store->path);
        return *ret_error ? -EINVAL : -ENOMEM;
}

int store_check_all(struct conn *c, char **ret_error) {
        return check(c, "PRAGMA integrity_check(1)", ret_error);
}
