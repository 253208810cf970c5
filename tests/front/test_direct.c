/* Unit tests for src/front/direct.c and way.h: many threads and the pump write to one socket. */
#include <pthread.h>

#include "fixture.h"

#include "front/direct.h"
#include "front/way.h"
#include "ring/ring.h"
#include "session/viewer.h"

#define SENDERS   4
#define MESSAGES  3000u
#define BYTES_MAX 3000u

static struct server s;
static struct registry *socks;

static int setup(void **state) {
        (void)state;
        latch_thread_begin("test");
        server_defaults(&s);
        server_open(&s);
        assert_int_equal(pump_run(s.pump, s.sessions), 0);
        assert_int_equal(registry_new(4, sock_reclaim, &socks), 0);
        return 0;
}

static int teardown(void **state) {
        char command[128];

        (void)state;
        pump_stop(s.pump);
        s.rpc = rpc_free(s.rpc);
        s.sessions = sessions_free(s.sessions);
        s.pool = pool_free(s.pool);
        s.pump = pump_free(s.pump);
        s.auth = auth_free(s.auth);
        s.store = store_close(s.store);
        latch_rcu_barrier();
        registry_free(socks);
        snprintf(command, sizeof command, "rm -rf %s", s.dir);
        assert_int_equal(system(command), 0);
        latch_thread_end();
        return 0;
}

/* A sock, and the other end of its socket; the kernel holds little between them. */
static struct sock *open_pair(int *ret_client) {
        static struct frames_budget budget = {.limit = 1 << 20};
        static uint64_t number;
        struct sock *c;
        int fds[2], size = 4096;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
        assert_int_equal(sock_new(&(struct sock_options){.registry = socks,
                                                         .pump = s.pump,
                                                         .budget = &budget,
                                                         .number = ++number,
                                                         .fd = fds[0],
                                                         .message_bytes = 65536,
                                                         .outbox_bytes = 64u << 20},
                                  &c),
                         0);
        *ret_client = fds[1];
        return c;
}

static void close_pair(struct sock *c, int client) {
        registry_remove(socks, &c->item);
        atomic_store(&c->gone, true);
        pump_wake(c->pump, c);
        sock_unref(c);
        close(client);
}

struct sender {
        struct sock *sock;
        uint32_t who;
        pthread_t thread;
};

static size_t size_of(uint32_t who, uint32_t i) {
        return 8 + (who * 977 + i * 131) % BYTES_MAX;
}

static void *send_all(void *arg) {
        const struct sender *me = arg;
        unsigned char data[8 + BYTES_MAX];

        latch_thread_begin("sender");
        memset(data, (int)me->who, sizeof data);
        memcpy(data, &me->who, 4);
        for (uint32_t i = 0; i < MESSAGES; i++) {
                while (atomic_load(&me->sock->outbox.frames) > 3000)
                        sched_yield(); /* its limit is another test's */
                memcpy(data + 4, &i, 4);
                sock_send(me->sock, 2, data, size_of(me->who, i));
        }
        latch_thread_end();
        return NULL;
}

/* Frames of all senders, each whole, each sender's in order. */
static void take_all(int client) {
        uint32_t next[SENDERS] = {0};

        for (unsigned k = 0; k < SENDERS * MESSAGES; k++) {
                unsigned char head[4], data[8 + BYTES_MAX];
                uint32_t who, i;
                size_t n;

                client_read_exactly(client, head, 2);
                assert_int_equal(head[0], 0x82);
                n = head[1];
                if (n == 126) {
                        client_read_exactly(client, head + 2, 2);
                        n = (size_t)head[2] << 8 | head[3];
                }
                assert_in_range(n, 8, sizeof data);
                client_read_exactly(client, data, n);
                memcpy(&who, data, 4);
                memcpy(&i, data + 4, 4);
                assert_in_range(who, 0, SENDERS - 1);
                assert_int_equal(i, next[who]);
                assert_int_equal(n, size_of(who, i));
                for (size_t at = 8; at < n; at++)
                        assert_int_equal(data[at], who);
                next[who]++;
        }
}

static void test_frames_of_many_threads_stay_whole_and_in_order(void **state) {
        struct sender senders[SENDERS];
        int client;
        struct sock *c = open_pair(&client);

        (void)state;
        for (uint32_t i = 0; i < SENDERS; i++) {
                senders[i] = (struct sender){.sock = c, .who = i};
                assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]),
                                 0);
        }
        take_all(client);
        for (size_t i = 0; i < SENDERS; i++)
                assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        for (uint64_t until = clock_mono_ms() + WAIT_MS; atomic_load(&c->outbox.bytes) > 0;) {
                assert_true(clock_mono_ms() < until); /* counted by the pump, after they are here */
                sched_yield();
        }
        close_pair(c, client);
}

static void test_what_waits_is_not_overtaken(void **state) {
        int client;
        struct sock *c = open_pair(&client);
        unsigned char got[8];

        (void)state;
        assert_true(way_try(&c->way)); /* as if somebody were sending */
        sock_send(c, 1, "1", 1);
        assert_int_equal(atomic_load(&c->outbox.waiting), 1);
        while (atomic_load(&c->way) != WAY_ASKED) /* the pump came by */
                sched_yield();
        assert_true(way_leave(&c->way));
        assert_false(direct_send(c, 1, "2", 1)); /* the pump's turn comes first */
        sock_send(c, 1, "2", 1);
        client_read_exactly(client, got, 6);
        assert_memory_equal(got,
                            "\x81\x01"
                            "1\x81\x01"
                            "2",
                            6);
        close_pair(c, client);
}

static void test_nothing_follows_the_close_frame(void **state) {
        int client;
        struct sock *c = open_pair(&client);
        unsigned char got[4];

        (void)state;
        sock_send(c, 1, "", 0);
        sock_close(c, 1001, "");
        sock_send(c, 1, "late", 4);
        client_read_exactly(client, got, 2);
        assert_memory_equal(got, "\x81\x00", 2);
        client_read_exactly(client, got, 4);
        assert_memory_equal(got, "\x88\x02\x03\xe9", 4);
        sock_send(c, 1, "late", 4);
        assert_int_equal(recv(client, got, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
        close_pair(c, client);
}

/* A viewer that has one piece of output; the socket is closed while it gives that. */
static struct {
        struct sock *sock; /* NULL: all as it is */
        atomic_int takes;
} piece;

/* The linker's names (--wrap of ld(1)). NOLINTBEGIN(bugprone-reserved-identifier) */
size_t __real_port_viewers(struct port *p, struct viewer *ret[PORT_CHANNELS_MAX]);
size_t __wrap_port_viewers(struct port *p, struct viewer *ret[PORT_CHANNELS_MAX]);
size_t __wrap_port_viewers(struct port *p, struct viewer *ret[PORT_CHANNELS_MAX]) {
        if (!piece.sock || p != &piece.sock->port)
                return __real_port_viewers(p, ret);
        ret[0] = NULL; /* unref takes that */
        return 1;
}

int __real_viewer_take(struct viewer *v, void *buf, size_t cap, struct viewer_out *ret);
int __wrap_viewer_take(struct viewer *v, void *buf, size_t cap, struct viewer_out *ret);
int __wrap_viewer_take(struct viewer *v, void *buf, size_t cap, struct viewer_out *ret) {
        if (v)
                return __real_viewer_take(v, buf, cap, ret);
        *ret = (struct viewer_out){.what = VIEWER_NOTHING};
        if (atomic_fetch_add(&piece.takes, 1) > 0)
                return 0;
        memcpy(buf, "late", 4);
        *ret = (struct viewer_out){.what = VIEWER_DATA, .kind = RING_OUTPUT, .n = 4};
        sock_close(piece.sock, 1000, "");
        return 0;
}

/* NOLINTEND(bugprone-reserved-identifier) */

static void test_what_was_taken_meanwhile_does_not_follow_it_either(void **state) {
        int client;
        struct sock *c = open_pair(&client);
        unsigned char got[4];

        (void)state;
        piece.sock = c;
        c->echo = false; /* it has channels */
        pump_wake(c->pump, c);
        client_read_exactly(client, got, 4);
        assert_memory_equal(got, "\x88\x02\x03\xe8", 4);
        assert_true(atomic_load(&piece.takes) > 0);
        while (!way_try(&c->way)) /* the pump's turn is over */
                sched_yield();
        assert_int_equal(recv(client, got, 1, MSG_DONTWAIT), -1);
        assert_int_equal(errno, EAGAIN);
        c->echo = true;
        piece.sock = NULL;
        (void)way_leave(&c->way);
        close_pair(c, client);
}

static void test_one_that_is_gone_is_only_cut(void **state) {
        int client;
        struct sock *c = open_pair(&client);

        (void)state;
        shutdown(client, SHUT_RDWR);
        assert_true(direct_send(c, 1, "x", 1)); /* nobody will ever take it: no use in keeping it */
        assert_int_equal(atomic_load(&c->outbox.bytes), 0);
        close_pair(c, client);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frames_of_many_threads_stay_whole_and_in_order),
                cmocka_unit_test(test_what_waits_is_not_overtaken),
                cmocka_unit_test(test_nothing_follows_the_close_frame),
                cmocka_unit_test(test_what_was_taken_meanwhile_does_not_follow_it_either),
                cmocka_unit_test(test_one_that_is_gone_is_only_cut),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
