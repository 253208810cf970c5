/* world.h - auth over a real store in a folder of its own, with one user. Included by each test once. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "../store/temp_dir.h"
#include "auth/auth.h"
#include "auth/auth_private.h"
#include "latch/rcu.h"
#include "latch/thread.h"

#define HERE     "192.0.2.1"
#define PASSWORD "correct horse"

static struct temp_dir dir;
static struct config config;
static struct store *store;
static struct auth *auth;
static struct store_user ann;

_unused_ static void start(void) {
        char *error = NULL;

        if (store_open(dir.path, &store, &error) != 0)
                fail_msg("store_open: %s", error ? error : "?");
        assert_int_equal(auth_new(store, &config, &auth), 0);
}

_unused_ static void stop(void) {
        auth = auth_free(auth);
        store = store_close(store);
}

_unused_ static void raw(const char *sql) {
        char path[100];
        sqlite3 *db;

        (void)snprintf(path, sizeof path, "%s/latch.db", dir.path);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

_unused_ static int sign_in(const char *name, const char *password, struct auth_grant *g) {
        unsigned retry_s = 0;

        return auth_sign_in(auth, name, password, HERE, g, &retry_s);
}

_unused_ static struct auth_grant signed_in(void) {
        struct auth_grant g;

        assert_int_equal(sign_in("ann", PASSWORD, &g), 0);
        return g;
}

/* A token without the cost of a password. */
_unused_ static struct auth_grant by_link(int64_t user_id) {
        char link[TOKEN_TEXT_MAX];
        struct auth_grant g;
        unsigned retry_s;

        assert_int_equal(auth_make_link(auth, user_id, link), 0);
        assert_int_equal(auth_sign_in_link(auth, link, HERE, &g, &retry_s), 0);
        return g;
}

/* Whose token this is, or NULL; the store must not fail. */
_unused_ static struct identity *identify(const char *token) {
        struct identity *i = NULL;
        int r = auth_authenticate(auth, token, &i);

        assert_true(r == 0 || r == -EACCES);
        return i;
}

_unused_ static int set_up(void **state) {
        (void)state;
        config_defaults(&config);
        if (temp_dir_make(&dir) < 0)
                return -1;
        start();
        ann = (struct store_user){0};
        return auth_user_add(auth, "ann", ROLE_TEACHER, PASSWORD, &ann);
}

_unused_ static int tear_down(void **state) {
        (void)state;
        stop();
        temp_dir_remove(&dir);
        return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
