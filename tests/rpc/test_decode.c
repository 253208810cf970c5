/* Unit tests for src/rpc: texts into calls, params against schemas, replies when memory ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/str.h"
#include "rpc/rpc_private.h"

/* Decodes; gives the number of the error, 0 for none. */
static int decode(const char *text, size_t n, char id[RPC_ID_MAX]) {
        struct rpc_call c;
        struct rpc_wrong w = {0};
        int r = rpc_decode(text, n, &c, &w);

        strcpy(id, c.id);
        rpc_call_done(&c);
        if (r == 0)
                return 0;
        assert_int_equal(r, -EBADMSG);
        assert_true(w.message[0] != '\0');
        rpc_wrong_done(&w);
        return w.number;
}

static void test_ids_are_echoed(void **state) {
        static const struct {
                const char *id, *echo;
        } rows[] = {
                {"1", "1"},       {"-7", "-7"},
                {"0", "0"},       {"9223372036854775807", "9223372036854775807"},
                {"1.5", "1.5"},   {"\"a\"", "\"a\""},
                {"\"\"", "\"\""}, {"\"\\u00e9\\n\\u0000\"", "\"é\\n\\u0000\""},
                {"null", "null"},
        };
        char text[256], id[RPC_ID_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int n = snprintf(text, sizeof text,
                                 "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"m\"}", rows[i].id);
                assert_int_equal(decode(text, (size_t)n, id), 0);
                assert_string_equal(id, rows[i].echo);
        }
}

static void test_what_is_no_request_is_named(void **state) {
        static const struct {
                const char *text;
                int number;
                const char *id;
        } rows[] = {
                {"", RPC_PARSE, "null"},
                {"{", RPC_PARSE, "null"},
                {"nonsense", RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"} x", RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"m\"}", RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\"a\":1,\"a\":2}}",
                 RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\ud800\"}", RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", RPC_PARSE, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xed\xa0\x80\"}", RPC_PARSE, "null"},
                {"[]", RPC_REQUEST, "null"},
                {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}]", RPC_REQUEST, "null"},
                {"5", RPC_REQUEST, "null"},
                {"null", RPC_REQUEST, "null"},
                {"{}", RPC_REQUEST, "null"},
                {"{\"id\":4,\"method\":\"m\"}", RPC_REQUEST, "4"},
                {"{\"jsonrpc\":\"1.0\",\"id\":4,\"method\":\"m\"}", RPC_REQUEST, "4"},
                {"{\"jsonrpc\":2,\"id\":4,\"method\":\"m\"}", RPC_REQUEST, "4"},
                {"{\"jsonrpc\":\"2.0\",\"id\":4}", RPC_REQUEST, "4"},
                {"{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":1}", RPC_REQUEST, "4"},
                {"{\"jsonrpc\":\"2.0\",\"method\":1}", RPC_REQUEST, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"m\"}", RPC_REQUEST, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"m\"}", RPC_REQUEST, "null"},
                {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"m\"}", RPC_REQUEST, "null"},
        };
        char id[RPC_ID_MAX];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int number = decode(rows[i].text, strlen(rows[i].text), id);
                if (number != rows[i].number || strcmp(id, rows[i].id) != 0)
                        fail_msg("%s: %d, id %s", rows[i].text, number, id);
        }
}

static void test_a_long_id_is_refused(void **state) {
        char text[RPC_ID_MAX + 100], id[RPC_ID_MAX];

        (void)state;
        for (int n = RPC_ID_MAX - 10; n < RPC_ID_MAX + 10; n++) {
                int k = snprintf(text, sizeof text,
                                 "{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":\"%0*d\"}", n, 0);
                bool fits = n + 2 < RPC_ID_MAX;
                assert_int_equal(decode(text, (size_t)k, id), fits ? 0 : RPC_REQUEST);
                assert_int_equal(strlen(id), fits ? n + 2 : 4);
        }
}

static void test_depth_has_an_end(void **state) {
        char text[400000], id[RPC_ID_MAX];

        (void)state;
        for (int depth = RPC_DEPTH_MAX - 2; depth <= RPC_DEPTH_MAX; depth++) {
                int n = sprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":");
                memset(text + n, '[', (size_t)depth);
                memset(text + n + depth, ']', (size_t)depth);
                text[n + 2 * depth] = '}';
                assert_int_equal(decode(text, (size_t)(n + 2 * depth + 1), id),
                                 depth < RPC_DEPTH_MAX ? 0 : RPC_PARSE);
        }
        memset(text, '[', sizeof text);
        assert_int_equal(decode(text, sizeof text, id), RPC_PARSE);
        const char *quoted =
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}";
        assert_int_equal(decode(quoted, strlen(quoted), id), 0);
}

static void test_params_are_held_to_the_schema(void **state) {
        static const struct rpc_method m = {
                .name = "m",
                .params = {{"s", 's', true},
                           {"t", 'S', false},
                           {"i", 'i', false},
                           {"b", 'b', false},
                           {"o", 'o', false},
                           {"a", 'a', false},
                           {"n", 'n', false},
                           {"x", 'O', false}},
        };
        static const struct {
                const char *params, *named; /* NULL: fine */
        } rows[] = {
                {"{\"s\":\"v\"}", NULL},
                {"{\"s\":\"v\",\"t\":\"a\\u0000b\",\"i\":0,\"b\":false,\"o\":{\"k\":\"v\"},\"a\":[\"1\"],\"n\":1.5,\"x\":{}}",
                 NULL},
                {"{\"s\":\"v\",\"i\":9007199254740993}", NULL},
                {"{}", "\"s\""},
                {"[]", "params"},
                {"null", "params"},
                {"\"text\"", "params"},
                {"{\"s\":1}", "s must"},
                {"{\"s\":null}", "s must"},
                {"{\"s\":\"a\\u0000b\"}", "s must"},
                {"{\"s\":\"v\",\"t\":1}", "t must"},
                {"{\"s\":\"v\",\"i\":-1}", "i must"},
                {"{\"s\":\"v\",\"i\":1.0}", "i must"},
                {"{\"s\":\"v\",\"i\":\"1\"}", "i must"},
                {"{\"s\":\"v\",\"b\":1}", "b must"},
                {"{\"s\":\"v\",\"o\":{\"k\":1}}", "o must"},
                {"{\"s\":\"v\",\"o\":{\"k\":\"a\\u0000\"}}", "o must"},
                {"{\"s\":\"v\",\"o\":[]}", "o must"},
                {"{\"s\":\"v\",\"a\":[1]}", "a must"},
                {"{\"s\":\"v\",\"a\":[\"\\u0000\"]}", "a must"},
                {"{\"s\":\"v\",\"a\":{}}", "a must"},
                {"{\"s\":\"v\",\"n\":\"1\"}", "n must"},
                {"{\"s\":\"v\",\"x\":[]}", "x must"},
                {"{\"s\":\"v\",\"S\":1}", "\"S\""},
                {"{\"s\":\"v\",\"other\":1}", "\"other\""},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *params = json_loads(rows[i].params, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                struct rpc_wrong w = {0};
                assert_non_null(params);
                int r = rpc_params_check(&m, params, &w);
                json_decref(params);
                if ((r == 0) != !rows[i].named ||
                    (rows[i].named && !strstr(w.message, rows[i].named)))
                        fail_msg("%s: %d %s", rows[i].params, r, w.message);
                if (r < 0)
                        assert_int_equal(w.number, RPC_PARAMS);
                rpc_wrong_done(&w);
        }
}

static void test_errors_have_the_wire_s_codes(void **state) {
        struct rpc_request r = {.code = ""};
        struct rpc_wrong w;

        (void)state;
        assert_string_equal(rpc_error_of(-ENOENT), "not_found");
        assert_string_equal(rpc_error_of(EROFS), "read_only");
        assert_string_equal(rpc_error_of(-EFBIG), "too_large");
        assert_string_equal(rpc_error_of(-ESTALE), "conflict");
        assert_string_equal(rpc_error_of(-ENOTUNIQ), "internal");
        rpc_wrong_of(&r, -EINVAL, &w);
        assert_int_equal(w.number, RPC_PARAMS);
        assert_null(w.code);
        rpc_wrong_of(&r, -EIO, &w);
        assert_int_equal(w.number, RPC_SERVER);
        assert_string_equal(w.code, "internal");
        assert_int_equal(rpc_fail(&r, -EINVAL, "busy", "that file (%s) is running", "a.py"),
                         -EINVAL);
        rpc_wrong_of(&r, -EINVAL, &w);
        assert_int_equal(w.number, RPC_SERVER);
        assert_string_equal(w.code, "busy");
        assert_string_equal(w.message, "that file (a.py) is running");
}

/* The parser quotes half of the character that follows \\u: the words must come nevertheless. */
static void test_a_broken_escape_has_words(void **state) {
        const char *text = "{\"id\":\"a\\u\346\223\226#}\"}";
        struct rpc_wrong w = {0};
        struct rpc_call c;

        (void)state;
        assert_int_equal(rpc_decode(text, strlen(text), &c, &w), -EBADMSG);
        assert_memory_equal(w.message, "not JSON: ", 10);
        assert_true(utf8_valid(w.message, strlen(w.message)));
        rpc_call_done(&c);
        rpc_wrong_done(&w);
}

static void test_a_cut_message_is_still_utf8(void **state) {
        struct rpc_wrong w;
        char long_text[600];

        (void)state;
        for (size_t shift = 0; shift < 4; shift++) {
                memset(long_text, 'x', shift);
                for (size_t i = shift; i + 4 < sizeof long_text; i += 4)
                        memcpy(long_text + i, "\xf0\x9f\x90\x8d", 5);
                rpc_wrong_set(&w, RPC_SERVER, "busy", "%s", long_text);
                json_t *s = json_string(w.message); /* NULL unless UTF-8 */
                assert_non_null(s);
                json_decref(s);
                assert_true(strlen(w.message) > 240);
        }
}

/* ---- replies ---- */

static char last[4096];
static unsigned sent;

static void keep(struct port *p, const char *json, size_t n) {
        (void)p;
        assert_true(n < sizeof last);
        memcpy(last, json, n);
        last[n] = '\0';
        sent++;
}

static void *failing_malloc(size_t n) {
        return malloc(n); /* this one is the countdown's */
}

static void test_one_reply_whatever_allocation_fails(void **state) {
        static const struct port_ops ops = {.send_text = keep};
        struct port port = {.ops = &ops};
        unsigned struck = 0;

        (void)state;
        json_set_alloc_funcs(failing_malloc, free);
        for (unsigned k = 1; k < 60; k++) {
                json_t *result = json_pack("{s:s, s:i}", "name", "value", "n", 5);
                struct rpc_wrong w;
                json_error_t e;

                sent = 0;
                fault_arm(k, 0);
                rpc_reply_result(&port, "\"an id\"", result);
                struck += fault_disarm(NULL);
                assert_int_equal(sent, 1);
                json_t *back = json_loads(last, JSON_REJECT_DUPLICATES, &e);
                assert_string_equal(json_string_value(json_object_get(back, "id")), "an id");
                json_decref(back);

                rpc_wrong_set(&w, RPC_SERVER, "busy", "words");
                rpc_wrong_retry(&w, 40);
                sent = 0;
                fault_arm(k, 0);
                rpc_reply_wrong(&port, "7", &w);
                struck += fault_disarm(NULL);
                rpc_wrong_done(&w);
                json_decref(result);
                assert_int_equal(sent, 1);
                back = json_loads(last, JSON_REJECT_DUPLICATES, &e);
                json_t *error = json_object_get(back, "error");
                assert_int_equal(json_integer_value(json_object_get(back, "id")), 7);
                assert_int_equal(json_integer_value(json_object_get(error, "code")), RPC_SERVER);
                assert_string_equal(
                        json_string_value(json_object_get(json_object_get(error, "data"), "code")),
                        "busy");
                json_decref(back);
        }
        assert_true(struck > 5);
        json_set_alloc_funcs(malloc, free);
}

static void test_decoding_without_memory_is_an_error_not_a_crash(void **state) {
        const char *text =
                "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"m\",\"params\":{\"a\":[1,2,{\"b\":\"c\"}]}}";
        unsigned struck = 0, fine = 0;
        char id[RPC_ID_MAX];

        (void)state;
        json_set_alloc_funcs(failing_malloc, free);
        for (unsigned k = 1; k < 80; k++) {
                fault_arm(k, 0);
                int number = decode(text, strlen(text), id);
                bool hit = fault_disarm(NULL);
                struck += hit;
                fine += number == 0;
                if (!hit)
                        assert_int_equal(number, 0);
        }
        assert_true(struck > 10 && fine > 10);
        json_set_alloc_funcs(malloc, free);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids_are_echoed),
                cmocka_unit_test(test_what_is_no_request_is_named),
                cmocka_unit_test(test_a_long_id_is_refused),
                cmocka_unit_test(test_depth_has_an_end),
                cmocka_unit_test(test_params_are_held_to_the_schema),
                cmocka_unit_test(test_errors_have_the_wire_s_codes),
                cmocka_unit_test(test_a_broken_escape_has_words),
                cmocka_unit_test(test_a_cut_message_is_still_utf8),
                cmocka_unit_test(test_one_reply_whatever_allocation_fails),
                cmocka_unit_test(test_decoding_without_memory_is_an_error_not_a_crash),
        };

        return cmocka_run_group_tests_name("rpc decode", tests, NULL, NULL);
}
