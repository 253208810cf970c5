/* Unit tests for src/rpc: replies, notifications, order, overtaking, and each way to be refused. */
#include "world.h"

#define WAIT_MS 500u /* long enough for a job to begin on a busy machine */

static void test_results_and_errors_come_back(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "echo", "{\"s\":\"v\"}");
        ask(&c, 2, "nothing", "{}");
        ask(&c, 3, "failing", "{}");
        ask(&c, 4, "unknown", "{}");
        ask(&c, 5, "echo", "{\"x\":1}");
        ask(&c, 6, "teach", "{}");
        ask(&c, 7, "session.note", "{\"session\":\"stranger\",\"n\":1}");
        ask(&c, 8, "channel.note", "{\"channel\":99,\"n\":1}");
        ask(&c, 9, "channel.note", "{\"channel\":4294967297,\"n\":1}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"nothing\"}");
        client_await(&c, 10);

        json_t *reply = client_reply(&c, 1);
        assert_string_equal(
                json_string_value(json_object_get(json_object_get(reply, "result"), "s")), "v");
        json_decref(reply);
        reply = client_reply(&c, 2);
        assert_int_equal(json_object_size(json_object_get(reply, "result")), 0);
        json_decref(reply);
        reply = client_reply(&c, 3);
        json_t *data = json_object_get(json_object_get(reply, "error"), "data");
        assert_string_equal(json_string_value(json_object_get(data, "code")), "busy");
        assert_string_equal(json_string_value(json_object_get(data, "session")), "an id");
        json_decref(reply);
        assert_int_equal(reply_number(&c, 4), -32601);
        assert_int_equal(reply_number(&c, 5), -32602);
        assert_reply_code(&c, 6, "forbidden");
        assert_reply_code(&c, 7, "not_found");
        assert_reply_code(&c, 8, "not_found");
        assert_reply_code(&c, 9, "not_found");
        assert_int_equal(reply_number(&c, 10), 0);
        client_done(&c);
        close_world();
}

static void test_a_notification_is_carried_out_and_not_answered(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"nothing\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"unknown\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"failing\"}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":{\"x\":1}}");
        say(&c,
            "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\",\"params\":{\"channel\":1,\"offset\":5}}");
        say(&c,
            "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\",\"params\":{\"channel\":9,\"offset\":5}}");
        say(&c, "{\"jsonrpc\":\"2.0\",\"method\":\"session.ack\"}");
        client_settle(&c);
        assert_int_equal(client_count(&c), 0);
        assert_int_equal(atomic_load(&w.calls), 1);
        assert_int_equal(atomic_load(&acks), 1);
        client_done(&c);
        close_world();
}

static void test_an_ack_waits_for_no_worker(void **state) {
        const struct pool_limits one = {.workers = 1, .queued = 8, .queued_per_turn = 8};
        struct client c;

        (void)state;
        open_world(&one, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "waiting", "{}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "session.ack", "{\"channel\":1,\"offset\":7}");
        ask(&c, 3, "session.ack", "{\"channel\":1,\"offset\":7000}");
        ask(&c, 4, "session.ack", "{\"channel\":1}");
        client_await(&c, 3);
        assert_int_equal(reply_number(&c, 2), 0);
        assert_int_equal(reply_number(&c, 3), -32602);
        assert_int_equal(reply_number(&c, 4), -32602);
        gate_open(&w.gate);
        client_done(&c);
        close_world();
}

static void test_what_follows_a_reply_comes_after_it(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (int i = 0; i < 50; i++) {
                ask(&c, i, "followed", "{}");
                client_await(&c, (size_t)(2 * i + 2));
                json_t *reply = client_text(&c, (size_t)(2 * i)),
                       *later = client_text(&c, (size_t)(2 * i + 1));
                assert_int_equal(json_integer_value(json_object_get(reply, "id")), i);
                assert_string_equal(json_string_value(json_object_get(later, "method")), "later");
                json_decref(reply);
                json_decref(later);
        }
        client_done(&c);
        close_world();
}

static void test_one_session_s_requests_are_in_order(void **state) {
        const struct pool_limits four = {.workers = 4, .queued = 4096, .queued_per_turn = 4096};
        struct client c;
        char params[64];
        json_t *one;
        size_t i;

        (void)state;
        open_world(&four, FOR_EVER_MS);
        client_init(&c, w.identity);
        for (int n = 1; n <= 100; n++) {
                snprintf(params, sizeof params, "{\"session\":\"session0\",\"n\":%d}", n);
                ask(&c, n, "session.note", params);
        }
        client_await(&c, 100);
        client_settle(&c);
        for (int n = 101; n <= 200; n++) { /* by its channel it is the same session */
                snprintf(params, sizeof params,
                         n % 2 ? "{\"session\":\"session0\",\"n\":%d}" : "{\"channel\":1,\"n\":%d}",
                         n);
                ask(&c, n, n % 2 ? "session.note" : "channel.note", params);
        }
        client_await(&c, 200);
        client_settle(&c);
        LATCH_WITH(outbox, &w.lock) {
                assert_int_equal(json_array_size(w.log), 400);
                json_array_foreach(w.log, i, one)
                        assert_int_equal(json_integer_value(one),
                                         (i % 2 ? -1 : 1) * (json_int_t)(i / 2 + 1));
        }
        client_done(&c);
        close_world();
}

static void test_another_session_s_request_overtakes(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "session.wait", "{\"session\":\"session0\"}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "session.note", "{\"session\":\"session0\",\"n\":1}"); /* has to wait */
        ask(&c, 3, "session.note", "{\"session\":\"session1\",\"n\":2}");
        ask(&c, 4, "nothing", "{}");
        client_await(&c, 2);
        assert_int_equal(reply_number(&c, 3), 0);
        assert_int_equal(reply_number(&c, 4), 0);
        assert_int_equal(client_count(&c), 2);
        gate_open(&w.gate);
        client_await(&c, 4);
        assert_int_equal(reply_number(&c, 1), 0);
        assert_int_equal(reply_number(&c, 2), 0);
        client_done(&c);
        close_world();
}

static void test_a_full_queue_says_busy_at_once(void **state) {
        const struct pool_limits small = {.workers = 1, .queued = 4, .queued_per_turn = 4};
        struct client c;

        (void)state;
        open_world(&small, FOR_EVER_MS);
        client_init(&c, w.identity);
        ask(&c, 0, "waiting", "{}");
        gate_await(&w.gate, 1);
        for (int i = 1; i <= 10; i++)
                ask(&c, i, "nothing", "{}");
        assert_int_equal(client_count(&c), 6); /* not one of them waits for the worker */
        for (int i = 5; i <= 10; i++) {
                json_t *reply = client_reply(&c, i);
                json_t *data = json_object_get(json_object_get(reply, "error"), "data");
                assert_string_equal(json_string_value(json_object_get(data, "code")), "busy");
                assert_true(json_integer_value(json_object_get(data, "retry_after_ms")) > 0);
                json_decref(reply);
        }
        gate_open(&w.gate);
        client_await(&c, 11);
        for (int i = 0; i <= 4; i++)
                assert_int_equal(reply_number(&c, i), 0);
        client_done(&c);
        close_world();
}

static void test_one_socket_has_only_so_many_under_way(void **state) {
        struct client c, other;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        client_init(&other, w.identity);
        for (int i = 0; i < 200; i++)
                ask(&c, i, "waiting", "{}");
        assert_int_equal(client_count(&c), 200 - 128);
        assert_reply_code(&c, 128, "busy");
        ask(&other, 1, "nothing", "{}"); /* its own count */
        assert_int_equal(client_count(&other), 0);
        gate_open(&w.gate);
        client_await(&c, 200);
        client_await(&other, 1);
        client_done(&c);
        client_done(&other);
        close_world();
}

static void test_one_account_has_only_so_many_bytes_under_way(void **state) {
        const size_t large = 6u << 20;
        char *text = malloc(large + 200);
        struct client c, other;

        (void)state;
        assert_non_null(text);
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        client_init(&other, w.identity);
        for (int i = 0; i < 4; i++) { /* on two sockets: it is the account that counts */
                int n = sprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"waiting\"", i);
                memset(text + n, ' ', large);
                text[n + large] = '}';
                rpc_receive(w.rpc, i % 2 ? &other.port : &c.port, text, n + large + 1);
        }
        assert_int_equal(client_count(&c), 1);
        assert_reply_code(&c, 2, "busy");
        assert_reply_code(&other, 3, "busy");
        gate_open(&w.gate);
        client_await(&c, 2);
        client_await(&other, 2);
        client_settle(&c);
        client_settle(&other);
        assert_int_equal(atomic_load(&w.account->requested), 0);
        free(text);
        text = malloc(3 * large + 200); /* alone it goes in, whatever its size */
        assert_non_null(text);
        int n = sprintf(text, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"nothing\"");
        memset(text + n, ' ', 3 * large);
        text[n + 3 * large] = '}';
        rpc_receive(w.rpc, &c.port, text, n + 3 * large + 1);
        client_await(&c, 3);
        assert_int_equal(reply_number(&c, 9), 0);
        free(text);
        client_done(&c);
        client_done(&other);
        close_world();
}

static void test_whoever_waits_too_long_hears_timeout(void **state) {
        const struct pool_limits one = {.workers = 1, .queued = 8, .queued_per_turn = 8};
        struct client c;

        (void)state;
        open_world(&one, WAIT_MS);
        client_init(&c, w.identity);
        ask(&c, 1, "waiting", "{}");
        gate_await(&w.gate, 1);
        ask(&c, 2, "nothing", "{}");
        uint64_t past = clock_mono_ms() + WAIT_MS + 2;
        while (clock_mono_ms() < past) /* the deadline is the event that is waited for */
                nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        gate_open(&w.gate);
        client_await(&c, 2);
        assert_reply_code(&c, 2, "timeout");
        assert_int_equal(atomic_load(&w.calls), 0);
        client_done(&c);
        close_world();
}

static void test_a_revoked_token_asks_no_more(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        atomic_store(&w.identity->revoked, true);
        ask(&c, 1, "nothing", "{}");
        client_await(&c, 1);
        assert_reply_code(&c, 1, "forbidden");
        assert_int_equal(atomic_load(&w.calls), 0);
        client_done(&c);
        close_world();
}

static void test_after_a_drain_there_is_still_an_answer(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        assert_int_equal(pool_drain(w.pool, 1000), 0);
        ask(&c, 1, "nothing", "{}");
        ask(&c, 2, "session.note", "{\"session\":\"session0\",\"n\":1}");
        assert_reply_code(&c, 1, "unavailable");
        assert_reply_code(&c, 2, "unavailable");
        client_done(&c);
        close_world();
}

static void test_a_method_is_there_once(void **state) {
        const struct rpc_method again = {.name = "echo", .handle = nothing, .context = &w};

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        assert_int_equal(rpc_add(w.rpc, &again), -EEXIST);
        assert_true(rpc_remove(w.rpc, "echo"));
        assert_false(rpc_remove(w.rpc, "echo"));
        assert_int_equal(rpc_add(w.rpc, &again), 0);
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

/* What names a method costs, also where its parameters are wrong; an acknowledgement never does. */
static void test_too_many_requests_hear_when_to_try_again(void **state) {
        struct client c;

        (void)state;
        open_world(&two_workers, FOR_EVER_MS);
        client_init(&c, w.identity);
        w.config.requests_per_minute = 600;
        for (int i = 1; i <= 600; i++)
                ask(&c, i, i % 2 ? "echo" : "unknown", "{\"x\":1}");
        for (int i = 601; i <= 1000; i++)
                ask(&c, i, "echo", "{\"x\":1}");
        client_await(&c, 1000);
        assert_int_equal(reply_number(&c, 600), -32601);
        assert_int_equal(reply_number(&c, 900), -32602);
        assert_reply_code(&c, 1000, "rate_limited");
        json_t *reply = client_reply(&c, 1000);
        json_t *data = json_object_get(json_object_get(reply, "error"), "data");
        assert_in_range(json_integer_value(json_object_get(data, "retry_after_ms")), 1, 101);
        json_decref(reply);
        say(&c, "{\"jsonrpc\":\"2.0\",\"id\":2000,\"method\":\"session.ack\",\"params\":"
                "{\"channel\":1,\"offset\":1}}");
        client_await(&c, 1001);
        assert_int_equal(reply_number(&c, 2000), 0);
        client_done(&c);
        close_world();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results_and_errors_come_back),
                cmocka_unit_test(test_a_notification_is_carried_out_and_not_answered),
                cmocka_unit_test(test_an_ack_waits_for_no_worker),
                cmocka_unit_test(test_what_follows_a_reply_comes_after_it),
                cmocka_unit_test(test_one_session_s_requests_are_in_order),
                cmocka_unit_test(test_another_session_s_request_overtakes),
                cmocka_unit_test(test_a_full_queue_says_busy_at_once),
                cmocka_unit_test(test_one_socket_has_only_so_many_under_way),
                cmocka_unit_test(test_one_account_has_only_so_many_bytes_under_way),
                cmocka_unit_test(test_too_many_requests_hear_when_to_try_again),
                cmocka_unit_test(test_whoever_waits_too_long_hears_timeout),
                cmocka_unit_test(test_a_revoked_token_asks_no_more),
                cmocka_unit_test(test_after_a_drain_there_is_still_an_answer),
                cmocka_unit_test(test_a_method_is_there_once),
        };

        return cmocka_run_group_tests_name("rpc", tests, begin, end);
}
