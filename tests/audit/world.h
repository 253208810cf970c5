/* world.h - a store with an audit log, and a second look at its rows. For the tests of audit. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../store/temp_dir.h"
#include "audit/audit.h"
#include "audit/chain.h"

struct world {
        struct temp_dir dir;
        struct store *store;
        struct audit *audit;
};
static struct world w;

_unused_ static void world_open(uint64_t keep_rows) {
        char *error = NULL;

        if (store_open(w.dir.path, &w.store, &error) != 0)
                fail_msg("store_open: %s", error ? error : "?");
        assert_int_equal(audit_new(w.store, keep_rows, &w.audit), 0);
}

_unused_ static void world_close(void) {
        w.audit = audit_free(w.audit);
        w.store = store_close(w.store);
}

_unused_ static int world_set_up(void **state) {
        (void)state;
        assert_int_equal(temp_dir_make(&w.dir), 0);
        world_open(0);
        return 0;
}

_unused_ static int world_tear_down(void **state) {
        (void)state;
        world_close();
        temp_dir_remove(&w.dir);
        return 0;
}

/* SQL by a connection of our own; its one number, if it has one. */
_unused_ static int64_t world_sql(const char *fmt, ...) {
        char query[512], path[128];
        sqlite3_stmt *st = NULL;
        sqlite3 *db = NULL;
        int64_t v = -1;
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(query, sizeof query, fmt, args);
        va_end(args);
        (void)snprintf(path, sizeof path, "%s/latch.db", w.dir.path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_busy_timeout(db, 5000), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
        int rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                v = sqlite3_column_int64(st, 0);
        assert_true(rc == SQLITE_ROW || rc == SQLITE_DONE);
        sqlite3_finalize(st);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return v;
}

_unused_ static void world_note(const char *what, const char *object) {
        audit_note(w.audit,
                   &(struct audit_event){
                           .what = what, .user = "ann", .address = "::1", .object = object});
}

_unused_ static void world_refuse(const char *what, const char *address, const char *user) {
        audit_note(w.audit,
                   &(struct audit_event){
                           .what = what, .user = user, .address = address, .error = -EACCES});
}

_unused_ static struct chain_verdict world_verify(void) {
        struct chain_verdict v;

        assert_int_equal(chain_verify(w.store, NULL, &v), 0);
        return v;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_set_up, world_tear_down)
