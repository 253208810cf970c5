/* Unit tests for src/audit: a store that does not take what it is given, as a full disk does not. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "world.h"

#define EVENT_BYTES 2000 /* of an object, so that few fill the queue */

static void refuse_rows(void) {
        world_sql(
                "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'no'); END");
}

static void take_rows(void) {
        world_sql("DROP TRIGGER refuse");
}

static void note_long(unsigned number) {
        char object[EVENT_BYTES + 1];

        memset(object, 'x', EVENT_BYTES);
        object[EVENT_BYTES] = '\0';
        (void)snprintf(object, sizeof object, "%u", number);
        object[strlen(object)] = ' ';
        world_note("fs.write", object);
}

static void test_what_is_refused_is_said_kept_and_written_later(void **state) {
        const struct audit_event e = {.what = "admin.user_add", .object = "bob"};

        (void)state;
        refuse_rows();
        for (int i = 0; i < 10; i++)
                world_note("fs.write", "home/a.py");
        assert_int_equal(audit_note_durable(w.audit, &e), -EIO);
        assert_int_equal(audit_flush(w.audit), -EIO);
        take_rows();
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(world_sql("SELECT count(*) FROM audit WHERE what = 'fs.write'"), 10);
        assert_int_equal(world_sql("SELECT seq FROM audit WHERE what = 'admin.user_add'"), 11);
        assert_true(world_verify().whole);
}

static void test_it_is_tried_again_unasked(void **state) {
        (void)state;
        refuse_rows();
        world_note("fs.write", "home/a.py");
        assert_int_equal(audit_flush(w.audit), -EIO);
        take_rows();
        for (int i = 0; i < 1000 && world_sql("SELECT count(*) FROM audit") == 0; i++)
                (void)usleep(10000); /* at most 10 s; the writer tells nobody */
        assert_int_equal(world_sql("SELECT count(*) FROM audit"), 1);
}

static void test_what_finds_no_room_is_counted_and_told(void **state) {
        const unsigned n = 4 * AUDIT_QUEUE_BYTES / EVENT_BYTES;

        (void)state;
        refuse_rows();
        for (unsigned i = 0; i < n; i++)
                note_long(i);
        assert_int_equal(audit_flush(w.audit), -EIO);
        for (unsigned i = 0; i < 100; i++)
                world_refuse("auth.refused", "10.0.0.1", NULL); /* folded, so there is room */
        take_rows();
        assert_int_equal(audit_flush(w.audit), 0);
        int64_t dropped = world_sql("SELECT sum(count) FROM audit WHERE what = 'audit.dropped'");
        assert_true(dropped > 0);
        assert_int_equal(world_sql("SELECT count(*) FROM audit WHERE what = 'fs.write'") + dropped,
                         n);
        assert_int_equal(world_sql("SELECT count FROM audit WHERE what = 'auth.refused'"), 100);
        assert_true(world_verify().whole);
}

static void test_administration_waits_for_room_and_is_refused_without(void **state) {
        const struct audit_event e = {.what = "admin.user_add", .object = "bob"};

        (void)state;
        refuse_rows();
        for (unsigned i = 0; i < 4 * AUDIT_QUEUE_BYTES / EVENT_BYTES; i++)
                note_long(i);
        assert_int_equal(audit_note_durable(w.audit, &e), -EIO);
        take_rows();
        assert_int_equal(audit_note_durable(w.audit, &e), 0);
        assert_true(world_sql("SELECT count(*) FROM audit WHERE what = 'admin.user_add'") >= 1);
}

static void test_an_end_does_not_wait_for_ever(void **state) {
        (void)state;
        refuse_rows();
        for (int i = 0; i < 10; i++)
                world_note("fs.write", "home/a.py");
        uint64_t began = clock_mono_ms();
        w.audit = audit_free(w.audit);
        assert_true(clock_mono_ms() - began < 4000);
        take_rows();
        assert_int_equal(world_sql("SELECT count(*) FROM audit"), 0);
}

static void test_somebody_elses_rows_are_gone_on_from(void **state) {
        (void)state;
        world_note("fs.write", "home/a.py");
        assert_int_equal(audit_flush(w.audit), 0);
        struct audit *other =
                NULL; /* as latchctl on a store that nobody has, and a mistake beside a server */
        assert_int_equal(audit_new(w.store, 0, &other), 0);
        const struct audit_event e = {.what = "admin.user_add", .object = "bob"};
        assert_int_equal(audit_note_durable(other, &e), 0);
        audit_free(other);
        world_note("fs.write", "home/b.py");
        int r = audit_flush(w.audit);
        assert_true(r == 0 || r == -EEXIST); /* it is said once, then it is known better */
        assert_int_equal(audit_flush(w.audit), 0);
        assert_int_equal(world_verify().rows, 3);
        assert_true(world_verify().whole);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_what_is_refused_is_said_kept_and_written_later),
                TEST(test_it_is_tried_again_unasked),
                TEST(test_what_finds_no_room_is_counted_and_told),
                TEST(test_administration_waits_for_room_and_is_refused_without),
                TEST(test_an_end_does_not_wait_for_ever),
                TEST(test_somebody_elses_rows_are_gone_on_from),
        };

        return cmocka_run_group_tests_name("refusing", tests, NULL, NULL);
}
