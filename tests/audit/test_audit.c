/* Unit tests for src/audit: events become rows of a whole chain, refusals are folded, rows are pruned. */
#include <errno.h>
#include <unistd.h>

#include "world.h"

static void test_an_event_becomes_a_row_as_it_was(void **state) {
        (void)state;
        world_note("fs.write", "home/a.py");
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(
                world_sql("SELECT count(*) FROM audit WHERE seq = 1 AND what = 'fs.write' AND "
                          "user = 'ann' AND address = '::1' AND object = 'home/a.py' AND "
                          "outcome = 'ok' AND count = 1 AND abs(time_ms - "
                          "strftime('%%s', 'now') * 1000) < 60000"),
                1);
}

static void test_an_event_is_written_without_being_asked_for(void **state) {
        (void)state;
        world_note("fs.write", "home/a.py");
        for (int i = 0; i < 1000 && world_sql("SELECT count(*) FROM audit") == 0; i++)
                (void)usleep(10000); /* at most 10 s; the writer tells nobody */
        assert_int_equal(world_sql("SELECT count(*) FROM audit"), 1);
}

static void test_durable_means_on_disk(void **state) {
        (void)state;
        for (int i = 1; i <= 20; i++) {
                const struct audit_event e = {.what = "admin.user_add", .object = "bob"};
                assert_int_equal(audit_note_durable(w.audit, &e), 0);
                assert_int_equal(world_sql("SELECT count(*) FROM audit"), i);
        }
}

static void test_a_chain_goes_on_behind_a_restart(void **state) {
        (void)state;
        for (int i = 0; i < 3; i++) {
                world_note("session.run", "home/a.py");
                world_close(); /* writes what waits */
                world_open(0);
        }
        struct chain_verdict v = world_verify();
        assert_true(v.whole);
        assert_int_equal(v.rows, 3);
        assert_int_equal(v.last.seq, 3);
}

static void test_what_was_changed_is_found_where_it_was_changed(void **state) {
        static const char *const changes[] = {
                "UPDATE audit SET user = 'eve' WHERE seq = %d",
                "UPDATE audit SET time_ms = time_ms + 1 WHERE seq = %d",
                "UPDATE audit SET object = object || 'x', outcome = 'ok' WHERE seq = %d",
                "UPDATE audit SET count = 2 WHERE seq = %d",
                "UPDATE audit SET hash = zeroblob(32) WHERE seq = %d",
                "UPDATE audit SET address = '', object = address || object WHERE seq = %d",
                "DELETE FROM audit WHERE seq = %d",
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(changes); i++) {
                for (int k = 0; k < 20; k++)
                        world_note("fs.write", "home/a.py");
                assert_int_equal(audit_flush(w.audit), 0);
                assert_true(world_verify().whole);
                int seq = 20 - 2 * (int)i; /* before what was broken last */
                char sql[128];
                (void)snprintf(sql, sizeof sql, changes[i], seq);
                world_sql("%s", sql);
                struct chain_verdict v = world_verify();
                assert_false(v.whole);
                assert_int_equal(v.broken, seq);
                world_sql("DELETE FROM audit");
                world_close();
                world_open(0);
        }
}

static void test_refusals_are_folded_by_what_and_address(void **state) {
        (void)state;
        for (int i = 0; i < 1000; i++)
                world_refuse("auth.refused", i % 2 ? "10.0.0.1" : "10.0.0.2", NULL);
        world_refuse("request.refused", "10.0.0.1", "ann");
        world_refuse("request.refused", "10.0.0.1", "bob");
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(world_sql("SELECT count(*) FROM audit"), 3);
        assert_int_equal(world_sql("SELECT min(count) FROM audit WHERE what = 'auth.refused'"),
                         500);
        assert_int_equal(world_sql("SELECT count FROM audit WHERE user = '*'"), 2);
        assert_true(world_verify().whole);
}

static void test_invented_addresses_cannot_grow_a_minute(void **state) {
        (void)state;
        for (unsigned i = 0; i < 100000; i++) {
                char address[32];
                (void)snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255,
                               i & 255);
                world_refuse("auth.refused", address, NULL);
        }
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(world_sql("SELECT count(*) FROM audit"), AUDIT_REFUSED_MAX + 1);
        assert_int_equal(world_sql("SELECT sum(count) FROM audit"), 100000);
        assert_int_equal(world_sql("SELECT count FROM audit WHERE address = 'others'"),
                         100000 - (int)AUDIT_REFUSED_MAX);
}

static void test_administration_that_failed_is_not_folded(void **state) {
        const struct audit_event e = {
                .what = "admin.user_add", .address = "::1", .user = "root", .error = -EEXIST};

        (void)state;
        audit_note(w.audit, &e);
        audit_note(w.audit, &e);
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(world_sql("SELECT count(*) FROM audit WHERE outcome = 'EEXIST'"), 2);
}

static void test_a_text_of_any_bytes_and_length_is_kept_as_text(void **state) {
        char longer[2 * AUDIT_OBJECT_MAX];

        (void)state;
        world_note("fs.write", "caf\xe9\n=1");
        memset(longer, 'x', sizeof longer - 1);
        longer[AUDIT_OBJECT_MAX - 1] = '\xc3'; /* a character that would be cut in half */
        longer[AUDIT_OBJECT_MAX] = '\xa9';
        longer[sizeof longer - 1] = '\0';
        world_note("fs.write", longer);
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(
                world_sql("SELECT count(*) FROM audit WHERE object = 'caf?' || char(10) || '=1'"),
                1);
        assert_int_equal(world_sql("SELECT length(object) FROM audit WHERE seq = 2"),
                         AUDIT_OBJECT_MAX - 1);
        assert_true(world_verify().whole);
}

static void test_what_is_pruned_leaves_a_whole_chain(void **state) {
        (void)state;
        world_close();
        world_open(1000);
        for (int i = 0; i < 5000; i++) {
                world_note("fs.write", "home/a.py");
                if (i % 500 == 0)
                        assert_int_equal(audit_flush(w.audit), 0);
        }
        assert_int_equal(audit_flush(w.audit), 0);
        struct chain_verdict v = world_verify();
        assert_true(v.whole);
        assert_true(v.rows >= 1000 && v.rows <= 1000 + 1000 / 16);
        assert_int_equal(v.last.seq, 5000);
        assert_int_equal(v.start.seq, 5000 - (int64_t)v.rows);
        world_sql("DELETE FROM audit WHERE seq <= %d", (int)v.start.seq + 1); /* behind its back */
        assert_int_equal(world_verify().broken, v.start.seq + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_an_event_becomes_a_row_as_it_was),
                TEST(test_an_event_is_written_without_being_asked_for),
                TEST(test_durable_means_on_disk),
                TEST(test_a_chain_goes_on_behind_a_restart),
                TEST(test_what_was_changed_is_found_where_it_was_changed),
                TEST(test_refusals_are_folded_by_what_and_address),
                TEST(test_invented_addresses_cannot_grow_a_minute),
                TEST(test_administration_that_failed_is_not_folded),
                TEST(test_a_text_of_any_bytes_and_length_is_kept_as_text),
                TEST(test_what_is_pruned_leaves_a_whole_chain),
        };

        return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
