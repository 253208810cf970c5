/* Unit tests for src/rpc under load: methods that come and go, and whatever may come from a wire. */
#include "world.h"

/* ---- methods that come and go ---- */

static atomic_bool churning;

static void *churn(void *arg) {
        const struct rpc_method m = {.name = "guest", .handle = nothing, .context = &w};
        unsigned *rounds = arg;

        latch_thread_begin("churn");
        while (atomic_load(&churning)) {
                CHECK(rpc_add(w.rpc, &m) == 0);
                CHECK(rpc_remove(w.rpc, "guest"));
                ++*rounds;
        }
        latch_thread_end();
        return NULL;
}

static void test_methods_come_and_go_under_load(void **state) {
        unsigned rounds = 0, found = 0;
        pthread_t thread;
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        atomic_store(&churning, true);
        assert_int_equal(pthread_create(&thread, NULL, churn, &rounds), 0);
        for (int i = 0; i < 4000; i++) {
                ask(&c, i, "guest", "{}");
                if (i % 64 == 63)
                        client_await(&c, (size_t)i + 1);
        }
        client_await(&c, 4000);
        atomic_store(&churning, false);
        assert_int_equal(pthread_join(thread, NULL), 0);
        for (size_t i = 0; i < 4000; i++) {
                json_t *reply = client_text(&c, i);
                json_t *error = json_object_get(reply, "error");
                if (!error)
                        found++;
                else
                        assert_int_equal(json_integer_value(json_object_get(error, "code")),
                                         -32601);
                json_decref(reply);
        }
        assert_int_equal(found, atomic_load(&w.calls));
        assert_true(rounds > 0);
        client_done(&c);
        close_world();
}

/* ---- whatever may come from a wire ---- */

static uint64_t dice;

static unsigned roll(unsigned sides) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        return (unsigned)(dice >> 33) % sides;
}

static size_t make_frame(char *to, size_t size, unsigned id) {
        static const char *const ids[] = {"%u", "\"%u\"", "null", "%u.5", "true", "[%u]", "-%u"};
        static const char *const methods[] = {"\"echo\"",
                                              "\"nothing\"",
                                              "\"failing\"",
                                              "\"unknown\"",
                                              "\"session.note\"",
                                              "\"teach\"",
                                              "5",
                                              "\"session.ack\"",
                                              "null",
                                              "\"ech\\u006f\"",
                                              "\"echo\\u0000\""};
        static const char *const params[] = {"{}",
                                             "[]",
                                             "{\"s\":\"v\"}",
                                             "{\"s\":1}",
                                             "{\"i\":-1}",
                                             "{\"i\":7}",
                                             "{\"session\":\"session1\",\"n\":3}",
                                             "{\"session\":\"nobody\",\"n\":3}",
                                             "{\"o\":{\"a\":{\"b\":{\"c\":[[[[]]]]}}}}",
                                             "null",
                                             "\"text\"",
                                             "{\"channel\":1,\"offset\":1}",
                                             "{\"s\":\"\\ud83d\\ude00\"}",
                                             "{\"s\":\"\\u0000\"}",
                                             "{\"s\":\"a\",\"s\":\"b\"}"};
        char id_text[32];

        snprintf(id_text, sizeof id_text, ids[roll(roll(3) ? 2 : ELEMENTS(ids))], id);
        int n = snprintf(to, size, "{\"jsonrpc\":\"%s\"", roll(12) ? "2.0" : "2");
        if (roll(5))
                n += snprintf(to + n, size - (size_t)n, ",\"id\":%s", id_text);
        if (roll(12))
                n += snprintf(to + n, size - (size_t)n, ",\"method\":%s",
                              methods[roll(ELEMENTS(methods))]);
        if (roll(3))
                n += snprintf(to + n, size - (size_t)n, ",\"params\":%s",
                              params[roll(ELEMENTS(params))]);
        n += snprintf(to + n, size - (size_t)n, "}");
        return (size_t)n;
}

/* Cut, doubled, flipped, wrapped: about half of all frames. */
static size_t spoil(char *text, size_t n, size_t size) {
        switch (roll(10)) {
        case 0: return roll((unsigned)n + 1);
        case 1: text[roll((unsigned)n)] = (char)roll(256); return n;
        case 2: memmove(text + n, text, n); return 2 * n;
        case 3:
                memmove(text + 1, text, n);
                text[0] = '[';
                text[n + 1] = ']';
                return n + 2;
        case 4: {
                unsigned at = roll((unsigned)n), k = roll((unsigned)(size - n - 1) / 4);
                memmove(text + at + k, text + at, n - at);
                memset(text + at, "[{\"\\"[roll(4)], k);
                return n + k;
        }
        default: return n;
        }
}

/* What JSON-RPC says of this text, worked out by another way than the server's: 0 or 1 replies. */
static unsigned replies_due(const char *text, size_t n, json_t **ret_id) {
        json_t *root = json_loadb(text, n,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
        json_t *id = json_object_get(root, "id"), *version = json_object_get(root, "jsonrpc");
        bool valid = json_is_object(root) && json_is_string(version) &&
                     strcmp(json_string_value(version), "2.0") == 0 &&
                     json_is_string(json_object_get(root, "method"));
        char id_text[512];
        bool usable = (json_is_string(id) || json_is_number(id)) &&
                      json_dumpb(id, id_text, sizeof id_text, JSON_ENCODE_ANY) < sizeof id_text;

        *ret_id = usable ? json_incref(id) : json_null();
        json_decref(root);
        return valid && !id ? 0 : 1;
}

static void test_every_frame_gets_its_one_reply(void **state) {
        const char *given = getenv("LATCH_SEED");
        uint64_t seed = given ? strtoull(given, NULL, 0) : clock_mono_ns();
        char text[4096];
        struct client c;
        size_t due = 0;

        (void)state;
        print_message("seed %llu (LATCH_SEED)\n", (unsigned long long)seed);
        dice = seed | 1;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (unsigned i = 0; i < 20000; i++) {
                json_t *id;
                size_t n = spoil(text, make_frame(text, sizeof text / 2, i), sizeof text);
                unsigned one = replies_due(text, n, &id);

                rpc_receive(w.rpc, &c.port, text, n);
                client_await(&c, due + one);
                client_settle(&c);
                if (client_count(&c) != due + one)
                        fail_msg("%u replies were due, %zu came: %.*s", one, client_count(&c) - due,
                                 (int)n, text);
                json_t *reply = one ? client_text(&c, due) : NULL;
                if (one && !json_equal(json_object_get(reply, "id"), id))
                        fail_msg("another id: %.*s", (int)n, text);
                json_decref(reply);
                json_decref(id);
                due += one;
        }
        client_done(&c);
        close_world();
}

static int begin(void **state) {
        (void)state;
        latch_thread_begin("test");
        return 0;
}

static int end(void **state) {
        (void)state;
        latch_thread_end();
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_methods_come_and_go_under_load),
                cmocka_unit_test(test_every_frame_gets_its_one_reply),
        };

        return cmocka_run_group_tests_name("rpc load", tests, begin, end);
}
