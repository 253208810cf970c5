/* Unit tests for src/front/outbox.c and watchdog.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <errno.h>

#include "base/clock.h"
#include "base/fault.h"
#include "front/outbox.h"
#include "front/watchdog.h"

static void drop_all(struct outbox *o, struct outbox_frame *f) {
        while (f)
                f = outbox_sent(o, f);
}

static void test_frames_leave_in_order_with_their_headers(void **state) {
        struct outbox o;
        struct outbox_frame *f;

        (void)state;
        outbox_init(&o, 1000, 10);
        assert_null(outbox_take(&o));
        assert_int_equal(outbox_add(&o, 1, "ab", 2), 0);
        assert_int_equal(outbox_add(&o, 9, "", 0), 0);
        f = outbox_take(&o);
        assert_int_equal(f->n, 4);
        assert_memory_equal(f->bytes,
                            "\x81\x02"
                            "ab",
                            4);
        assert_true(f->data);
        assert_memory_equal(f->next->bytes, "\x89\x00", 2);
        assert_false(f->next->data);
        assert_null(f->next->next);
        assert_int_equal(atomic_load(&o.bytes), 6); /* until they have left */
        drop_all(&o, f);
        assert_int_equal(atomic_load(&o.bytes), 0);
        outbox_done(&o);
}

static void test_both_limits_hold_until_frames_have_left(void **state) {
        struct outbox o;
        struct outbox_frame *f;

        (void)state;
        outbox_init(&o, 100, 3);
        assert_int_equal(outbox_add(&o, 1, "0123456789", 10), 0);
        assert_int_equal(outbox_add(&o, 1, "0123456789", 10), 0);
        assert_int_equal(outbox_add(&o, 1, "0123456789", 10), 0);
        assert_int_equal(outbox_add(&o, 1, "", 0), -ENOBUFS);
        f = outbox_take(&o);
        assert_int_equal(outbox_add(&o, 1, "", 0), -ENOBUFS); /* taken is not sent */
        drop_all(&o, f);
        char big[99];
        memset(big, 'x', sizeof big);
        assert_int_equal(outbox_add(&o, 1, big, sizeof big), -ENOBUFS);
        assert_int_equal(outbox_add(&o, 1, big, 98), 0);
        outbox_done(&o);
}

static void test_the_close_frame_is_the_last_and_always_fits(void **state) {
        struct outbox o;
        struct outbox_frame *f;

        (void)state;
        outbox_init(&o, 4, 1);
        assert_int_equal(outbox_add(&o, 1, "ab", 2), 0);
        assert_int_equal(outbox_close(&o, 1012, "restarting"), 0);
        assert_int_equal(outbox_close(&o, 1001, "later"), -EPIPE);
        assert_int_equal(outbox_add(&o, 1, "ab", 2), -EPIPE);
        f = outbox_take(&o);
        assert_true(f->next->close);
        assert_memory_equal(f->next->bytes, "\x88\x0c\x03\xf4restarting", 14);
        drop_all(&o, f);
        outbox_done(&o);
}

static void test_a_long_reason_is_cut_to_a_control_frame(void **state) {
        struct outbox o;
        struct outbox_frame *f;
        char reason[300];

        (void)state;
        memset(reason, 'r', sizeof reason);
        reason[sizeof reason - 1] = '\0';
        outbox_init(&o, 1000, 10);
        assert_int_equal(outbox_close(&o, 1008, reason), 0);
        f = outbox_take(&o);
        assert_int_equal(f->n, 127);
        drop_all(&o, f);
        outbox_done(&o);
}

static void test_no_memory_is_said(void **state) {
        struct outbox o;

        (void)state;
        outbox_init(&o, 1000, 10);
        fault_arm(1, 0);
        assert_int_equal(outbox_add(&o, 1, "ab", 2), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_null(outbox_take(&o));
        outbox_done(&o);
}

#define WRITERS 4
#define EACH    2000u

static struct outbox shared;

static void *write_many(void *arg) {
        unsigned char who = *(unsigned char *)arg;

        for (uint32_t i = 0; i < EACH;) {
                unsigned char data[5] = {who, (unsigned char)(i >> 24), (unsigned char)(i >> 16),
                                         (unsigned char)(i >> 8), (unsigned char)i};

                if (outbox_add(&shared, 2, data, sizeof data) == 0)
                        i++;
        }
        return NULL;
}

static void test_many_writers_lose_nothing_and_keep_their_order(void **state) {
        pthread_t threads[WRITERS];
        unsigned char names[WRITERS] = {0, 1, 2, 3};
        uint32_t seen[WRITERS] = {0};
        unsigned left = WRITERS * EACH;

        (void)state;
        outbox_init(&shared, 4000, 100);
        for (size_t i = 0; i < WRITERS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, write_many, &names[i]), 0);
        while (left > 0) {
                struct outbox_frame *f = outbox_take(&shared);

                for (; f; f = outbox_sent(&shared, f), left--) {
                        const unsigned char *p = f->bytes + 2;
                        uint32_t i = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 |
                                     (uint32_t)p[3] << 8 | p[4];

                        assert_int_equal(i, seen[p[0]]++);
                }
        }
        for (size_t i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
        outbox_done(&shared);
}

static void test_a_watch_shuts_what_waits_too_long(void **state) {
        struct watchdog *d;
        struct watch *w, *other;
        int pair[2], pair2[2];
        char byte;

        (void)state;
        assert_int_equal(watchdog_new(&d), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair2), 0);
        assert_int_equal(watch_new(d, pair[0], &w), 0);
        assert_int_equal(watch_new(d, pair2[0], &other), 0);
        watch_until(other, clock_mono_ns() + 60000000000ull);
        watch_until(w, clock_mono_ns() + 50000000u);
        assert_int_equal(recv(pair[0], &byte, 1, 0), 0); /* until the watchdog comes */
        assert_true(watch_fired(w));
        assert_false(watch_fired(other));
        assert_int_equal(send(pair[0], "x", 1, MSG_NOSIGNAL), 1); /* an answer is still possible */
        watch_free(w);
        assert_int_equal(recv(pair[1], &byte, 1, 0), 1);
        assert_int_equal(recv(pair[1], &byte, 1, 0), 0); /* its descriptor went with it */
        watch_free(other);
        watchdog_free(d);
        close(pair[1]);
        close(pair2[1]);
}

static void test_a_watch_that_is_taken_off_does_nothing(void **state) {
        struct watchdog *d;
        struct watch *w;
        int pair[2];

        (void)state;
        assert_int_equal(watchdog_new(&d), 0);
        for (int i = 0; i < 200; i++) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
                assert_int_equal(watch_new(d, pair[0], &w), 0);
                watch_until(w, clock_mono_ns() + 1);
                if (i & 1)
                        watch_until(w, 0);
                watch_free(w);
                close(pair[1]);
        }
        watchdog_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_leave_in_order_with_their_headers),
                cmocka_unit_test(test_both_limits_hold_until_frames_have_left),
                cmocka_unit_test(test_the_close_frame_is_the_last_and_always_fits),
                cmocka_unit_test(test_a_long_reason_is_cut_to_a_control_frame),
                cmocka_unit_test(test_no_memory_is_said),
                cmocka_unit_test(test_many_writers_lose_nothing_and_keep_their_order),
                cmocka_unit_test(test_a_watch_shuts_what_waits_too_long),
                cmocka_unit_test(test_a_watch_that_is_taken_off_does_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
