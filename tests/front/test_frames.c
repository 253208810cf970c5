/* Unit tests for src/front/frames.c: what RFC 6455 says of frames from a client, case by case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "front/frames.h"

#define LIMIT 1000u

static struct frames_budget budget = {.limit = 1 << 20};

/* ---- writing frames ---- */

struct wire {
        unsigned char bytes[300000];
        size_t n;
};

static void put(struct wire *w, const void *data, size_t n) {
        assert_true(w->n + n <= sizeof w->bytes);
        memcpy(w->bytes + w->n, data, n);
        w->n += n;
}

/* first: the raw first byte. The mask is one that shows a mistake in its place. */
static void put_frame(struct wire *w, unsigned first, const void *payload, size_t n) {
        static const unsigned char mask[4] = {0x11, 0x22, 0x44, 0x88};
        unsigned char head[10];
        size_t h = frames_header(head, first & 0x0f, n);

        head[0] = (unsigned char)first;
        head[1] |= 0x80;
        put(w, head, h);
        put(w, mask, 4);
        for (size_t i = 0; i < n; i++) {
                unsigned char b = ((const unsigned char *)payload)[i] ^ mask[i & 3];

                put(w, &b, 1);
        }
}

static void put_text(struct wire *w, unsigned first, const char *s) {
        put_frame(w, first, s, strlen(s));
}

/* ---- reading events ---- */

struct seen {
        char log[4096]; /* "T:hello B:.. P:x O: C1000 !1002" */
};

static void note(struct seen *s, const struct frames_event *e) {
        static const char letters[] = {[FRAMES_TEXT] = 'T',
                                       [FRAMES_BINARY] = 'B',
                                       [FRAMES_PING] = 'P',
                                       [FRAMES_PONG] = 'O'};
        size_t at = strlen(s->log);

        if (e->what == FRAMES_CLOSE)
                snprintf(s->log + at, sizeof s->log - at, "C%u ", e->code);
        else if (e->what == FRAMES_BAD)
                snprintf(s->log + at, sizeof s->log - at, "!%u ", e->code);
        else if (e->what != FRAMES_MORE)
                snprintf(s->log + at, sizeof s->log - at, "%c:%.*s ", letters[e->what],
                         (int)(e->n < 40 ? e->n : 40), (const char *)e->data);
}

static void feed_pieces(struct frames *f, const struct wire *w, size_t piece, struct seen *s) {
        unsigned char *copy = malloc(w->n + 1);
        size_t at = 0;

        assert_non_null(copy);
        memcpy(copy, w->bytes, w->n);
        while (at < w->n) {
                size_t n = w->n - at < piece ? w->n - at : piece, used;
                struct frames_event e;

                frames_feed(f, copy + at, n, &used, &e);
                assert_true(used > 0 && used <= n);
                at += used;
                note(s, &e);
                if (e.what == FRAMES_BAD || e.what == FRAMES_CLOSE)
                        break;
        }
        free(copy);
}

/* The same in one go, byte by byte, and in pieces that fit nothing. */
static void expect(const struct wire *w, const char *log) {
        static const size_t pieces[] = {300000, 1, 2, 3, 7, 125};

        for (size_t i = 0; i < ELEMENTS(pieces); i++) {
                struct frames f;
                struct seen s = {""};

                frames_init(&f, LIMIT, &budget);
                feed_pieces(&f, w, pieces[i], &s);
                frames_done(&f);
                assert_string_equal(s.log, log);
        }
        assert_int_equal(atomic_load(&budget.used), 0);
}

#define ONE(log, ...)                                                                              \
        do {                                                                                       \
                static struct wire w_;                                                             \
                w_.n = 0;                                                                          \
                put_frame(&w_, __VA_ARGS__);                                                       \
                expect(&w_, log);                                                                  \
        } while (0)

static void test_whole_messages(void **state) {
        (void)state;
        ONE("T:hello ", 0x81, "hello", 5);
        ONE("T: ", 0x81, "", 0);
        ONE("B: ", 0x82, "", 0);
        ONE("B:abc ", 0x82, "abc", 3);
}

static void test_each_length_form(void **state) {
        static const size_t sizes[] = {1, 124, 125, 126, 127, 128, 999, 1000, 65535, 65536, 100000};
        static struct wire w;
        char *big = malloc(100000);

        (void)state;
        assert_non_null(big);
        memset(big, 'x', 100000);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                struct frames f;
                struct frames_event e;
                size_t used;

                w.n = 0;
                put_frame(&w, 0x82, big, sizes[i]);
                frames_init(&f, 100000, &budget);
                frames_feed(&f, w.bytes, w.n, &used, &e);
                assert_int_equal(e.what, FRAMES_BINARY);
                assert_int_equal(e.n, sizes[i]);
                assert_memory_equal(e.data, big, sizes[i]);
                assert_int_equal(used, w.n);
                frames_done(&f);
        }
        free(big);
        assert_int_equal(atomic_load(&budget.used), 0);
}

static void test_fragments_are_joined_with_control_frames_between(void **state) {
        static struct wire w;

        (void)state;
        put_text(&w, 0x01, "he");
        put_text(&w, 0x89, "are you there");
        put_text(&w, 0x00, "");
        put_text(&w, 0x8a, "");
        put_text(&w, 0x00, "l");
        put_text(&w, 0x80, "lo");
        put_text(&w, 0x82, "next");
        expect(&w, "P:are you there O: T:hello B:next ");
}

static void test_what_breaks_the_protocol(void **state) {
        static const struct {
                unsigned char bytes[16];
                size_t n;
                const char *log;
        } cases[] = {
                {{0xc1, 0x80, 0, 0, 0, 0}, 6, "!1002 "}, /* RSV1 */
                {{0xa1, 0x80, 0, 0, 0, 0}, 6, "!1002 "}, /* RSV2 */
                {{0x91, 0x80, 0, 0, 0, 0}, 6, "!1002 "}, /* RSV3 */
                {{0xc9, 0x80, 0, 0, 0, 0}, 6, "!1002 "}, /* RSV1 on a ping */
                {{0x83, 0x80, 0, 0, 0, 0}, 6, "!1002 "}, /* reserved opcodes */
                {{0x84, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x85, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x86, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x87, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x8b, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x8c, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x8d, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x8e, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x8f, 0x80, 0, 0, 0, 0}, 6, "!1002 "},
                {{0x81, 0x01, 'a'}, 3, "!1002 "},                /* not masked */
                {{0x80, 0x80, 0, 0, 0, 0}, 6, "!1002 "},         /* continues nothing */
                {{0x00, 0x80, 0, 0, 0, 0}, 6, "!1002 "},         /* the same, unfinished */
                {{0x09, 0x80, 0, 0, 0, 0}, 6, "!1002 "},         /* a fragmented ping */
                {{0x08, 0x80, 0, 0, 0, 0}, 6, "!1002 "},         /* a fragmented close */
                {{0x89, 0xfe, 0, 126, 0, 0, 0, 0}, 8, "!1002 "}, /* a ping of 126 bytes */
                {{0x88, 0xfe, 0, 126, 0, 0, 0, 0}, 8, "!1002 "},
                {{0x82, 0xfe, 0, 125, 0, 0, 0, 0}, 8, "!1002 "}, /* a length in too many bytes */
                {{0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, 14, "!1002 "},
                {{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14, "!1002 "}, /* 2^63 */
                {{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
                 14,
                 "!1009 "},
                {{0x82, 0xfe, 0x03, 0xe9, 0, 0, 0, 0},
                 8,
                 "!1009 "}, /* 1001 bytes, none of them sent */
        };
        static struct wire w;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                w.n = 0;
                put(&w, cases[i].bytes, cases[i].n);
                expect(&w, cases[i].log);
        }
}

static void test_a_message_inside_another(void **state) {
        static struct wire w;

        (void)state;
        put_text(&w, 0x01, "a");
        put_text(&w, 0x81, "b");
        expect(&w, "!1002 ");
        w.n = 0;
        put_text(&w, 0x02, "a");
        put_text(&w, 0x02, "b");
        expect(&w, "!1002 ");
}

static void test_the_limit_counts_all_fragments(void **state) {
        static struct wire w;
        static char half[LIMIT / 2 + 1];

        (void)state;
        memset(half, 'x', sizeof half);
        put_frame(&w, 0x02, half, LIMIT / 2);
        put_frame(&w, 0x80, half, LIMIT / 2);
        {
                struct frames f;
                struct frames_event e;
                size_t used;

                frames_init(&f, LIMIT, &budget);
                frames_feed(&f, w.bytes, w.n, &used, &e);
                assert_int_equal(e.what, FRAMES_BINARY);
                assert_int_equal(e.n, LIMIT);
                frames_done(&f);
        }
        w.n = 0;
        put_frame(&w, 0x02, half, LIMIT / 2);
        put_frame(&w, 0x80, half, LIMIT / 2 + 1);
        expect(&w, "!1009 ");
}

/* RFC 3629, and what Markus Kuhn's stress test looks for. */
static void test_text_is_utf8(void **state) {
        static const struct {
                const char *text;
                bool good;
        } cases[] = {
                {"\xce\xba\xe1\xbd\xb9\xcf\x83", true},
                {"\xf0\x90\x80\x80", true},
                {"\xf4\x8f\xbf\xbf", true},
                {"\xed\x9f\xbf", true},
                {"\xee\x80\x80", true},
                {"\xef\xbf\xbf", true},
                {"\xc2\x80", true},
                {"\x80", false},
                {"\xbf", false},
                {"\xc0\x80", false},
                {"\xc1\xbf", false},
                {"\xe0\x80\x80", false},
                {"\xe0\x9f\xbf", false},
                {"\xed\xa0\x80", false},
                {"\xed\xbf\xbf", false},
                {"\xf0\x8f\xbf\xbf", false},
                {"\xf4\x90\x80\x80", false},
                {"\xf5\x80\x80\x80", false},
                {"\xf8\x88\x80\x80\x80", false},
                {"\xfe", false},
                {"\xff", false},
                {"\xc2", false},
                {"\xe1\x80", false},
                {"\xf1\x80\x80", false},
                {"a\xc2z", false},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                static struct wire w;
                char log[32];

                w.n = 0;
                put_text(&w, 0x81, cases[i].text);
                snprintf(log, sizeof log, "T:%s ", cases[i].text);
                expect(&w, cases[i].good ? log : "!1007 ");
        }
}

static void test_a_character_may_span_fragments_but_not_messages(void **state) {
        static struct wire w;

        (void)state;
        put_text(&w, 0x01, "\xf0\x9f");
        put_text(&w, 0x89, "");
        put_text(&w, 0x00, "\x98");
        put_text(&w, 0x80, "\x80");
        expect(&w, "P: T:\xf0\x9f\x98\x80 ");
        w.n = 0;
        put_text(&w, 0x01, "\xf0\x9f");
        put_text(&w, 0x80, "\x98");
        put_text(&w, 0x81, "\x80");
        expect(&w, "!1007 ");
}

static void test_bad_text_is_noticed_before_its_end(void **state) {
        static struct wire w;

        (void)state;
        put_text(&w, 0x01, "ok\xff");
        expect(&w, "!1007 ");
}

static void test_binary_may_be_anything(void **state) {
        (void)state;
        ONE("B:\xff\xfe\xc0 ", 0x82, "\xff\xfe\xc0", 3);
}

static void test_close_codes(void **state) {
        static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                        1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
        static const unsigned bad[] = {0,    999,  1004, 1005, 1006, 1015,
                                       1016, 1100, 2000, 2999, 5000, 65535};
        char log[16];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                unsigned char code[2] = {(unsigned char)(good[i] >> 8), (unsigned char)good[i]};

                snprintf(log, sizeof log, "C%u ", good[i]);
                ONE(log, 0x88, code, 2);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                unsigned char code[2] = {(unsigned char)(bad[i] >> 8), (unsigned char)bad[i]};

                ONE("!1002 ", 0x88, code, 2);
        }
}

static void test_close_payloads(void **state) {
        static char longest[125];

        (void)state;
        memset(longest, 'r', sizeof longest);
        longest[0] = 0x03;
        longest[1] = (char)0xe8;
        ONE("C1000 ", 0x88, "", 0);
        ONE("!1002 ", 0x88, "\x03", 1);
        ONE("C1000 ", 0x88, "\x03\xe8why", 5);
        ONE("C1000 ", 0x88, longest, sizeof longest);
        ONE("!1007 ", 0x88, "\x03\xe8\xff", 3);
        ONE("!1007 ", 0x88, "\x03\xe8\xc2", 3);
}

static void test_pings_carry_up_to_125_bytes(void **state) {
        static unsigned char payload[125];
        static struct wire w;
        struct frames f;
        struct frames_event e;
        size_t used;

        (void)state;
        for (size_t i = 0; i < sizeof payload; i++)
                payload[i] = (unsigned char)(i * 7);
        put_frame(&w, 0x89, payload, sizeof payload);
        frames_init(&f, LIMIT, &budget);
        frames_feed(&f, w.bytes, w.n, &used, &e);
        assert_int_equal(e.what, FRAMES_PING);
        assert_int_equal(e.n, sizeof payload);
        assert_memory_equal(e.data, payload, sizeof payload);
        frames_done(&f);
}

static void test_a_stalled_frame_is_seen(void **state) {
        static struct wire w;
        struct frames f;
        struct frames_event e;
        size_t used;

        (void)state;
        put_text(&w, 0x81, "abc");
        frames_init(&f, LIMIT, &budget);
        assert_false(frames_inside(&f));
        for (size_t i = 0; i + 1 < w.n; i++) {
                frames_feed(&f, w.bytes + i, 1, &used, &e);
                assert_true(frames_inside(&f));
        }
        frames_feed(&f, w.bytes + w.n - 1, 1, &used, &e);
        assert_int_equal(e.what, FRAMES_TEXT);
        assert_false(frames_inside(&f));
        frames_done(&f);
}

static void test_a_declared_length_costs_nothing(void **state) {
        static const unsigned char head[] = {0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4};
        unsigned char bytes[sizeof head];
        struct frames f;
        struct frames_event e;
        size_t used;

        (void)state;
        memcpy(bytes, head, sizeof head);
        frames_init(&f, 1u << 30, &budget);
        frames_feed(&f, bytes, sizeof bytes, &used, &e);
        assert_int_equal(e.what, FRAMES_MORE);
        assert_int_equal(f.message.cap, 0);
        assert_int_equal(atomic_load(&budget.used), 0);
        frames_done(&f);
}

static void test_all_connections_share_one_budget(void **state) {
        static struct frames_budget small = {.limit = 200000};
        static struct wire w;
        static char big[90000];
        struct frames a, b;
        struct frames_event e;
        size_t used;

        (void)state;
        memset(big, 'x', sizeof big);
        put_frame(&w, 0x02, big, sizeof big);
        frames_init(&a, 1 << 20, &small);
        frames_init(&b, 1 << 20, &small);
        frames_feed(&a, w.bytes, w.n, &used, &e);
        assert_int_equal(e.what, FRAMES_MORE);
        assert_true(atomic_load(&small.used) >= sizeof big);
        w.n = 0;
        memset(big, 'y', sizeof big);
        put_frame(&w, 0x02, big, sizeof big);
        put_frame(&w, 0x00, big, sizeof big);
        frames_feed(&b, w.bytes, w.n, &used, &e);
        assert_int_equal(e.what, FRAMES_BAD);
        assert_int_equal(e.code, 1013);
        frames_done(&b);
        frames_done(&a);
        assert_int_equal(atomic_load(&small.used), 0);
}

static void test_memory_that_ends_is_a_close(void **state) {
        static struct wire w;
        struct frames f;
        struct frames_event e;
        size_t used;

        (void)state;
        put_text(&w, 0x81, "abc");
        frames_init(&f, LIMIT, &budget);
        fault_arm(1, 0);
        frames_feed(&f, w.bytes, w.n, &used, &e);
        assert_true(fault_disarm(NULL));
        assert_int_equal(e.what, FRAMES_BAD);
        assert_int_equal(e.code, 1013);
        frames_done(&f);
}

/* Whatever comes, it ends in events, never out of bounds (the sanitizer judges). */
static void test_noise(void **state) {
        unsigned seed = 1;

        (void)state;
        for (unsigned round = 0; round < 20000; round++) {
                struct frames f;
                unsigned char bytes[64];
                size_t at = 0;

                for (size_t i = 0; i < sizeof bytes; i++) {
                        seed = seed * 1103515245u + 12345u;
                        bytes[i] = (unsigned char)(seed >> 16);
                }
                bytes[0] = (unsigned char)(0x80 | (bytes[0] & 0x0f)); /* get past the first check */
                bytes[1] |= 0x80;
                frames_init(&f, LIMIT, &budget);
                while (at < sizeof bytes) {
                        struct frames_event e;
                        size_t used;

                        frames_feed(&f, bytes + at, sizeof bytes - at, &used, &e);
                        at += used;
                        if (e.what == FRAMES_BAD || e.what == FRAMES_CLOSE)
                                break;
                }
                frames_done(&f);
        }
        assert_int_equal(atomic_load(&budget.used), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_messages),
                cmocka_unit_test(test_each_length_form),
                cmocka_unit_test(test_fragments_are_joined_with_control_frames_between),
                cmocka_unit_test(test_what_breaks_the_protocol),
                cmocka_unit_test(test_a_message_inside_another),
                cmocka_unit_test(test_the_limit_counts_all_fragments),
                cmocka_unit_test(test_text_is_utf8),
                cmocka_unit_test(test_a_character_may_span_fragments_but_not_messages),
                cmocka_unit_test(test_bad_text_is_noticed_before_its_end),
                cmocka_unit_test(test_binary_may_be_anything),
                cmocka_unit_test(test_close_codes),
                cmocka_unit_test(test_close_payloads),
                cmocka_unit_test(test_pings_carry_up_to_125_bytes),
                cmocka_unit_test(test_a_stalled_frame_is_seen),
                cmocka_unit_test(test_a_declared_length_costs_nothing),
                cmocka_unit_test(test_all_connections_share_one_budget),
                cmocka_unit_test(test_memory_that_ends_is_a_close),
                cmocka_unit_test(test_noise),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
