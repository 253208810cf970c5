/* world.h - what the tests of session stand on: real store, accounts, pool and sessions in a folder of
 * their own; a pump that is a small epoll loop; clients that keep all they are told and check it.
 *
 * Threads: the pump's thread fills the clients; the test's own does the rest. Every wait has a deadline.
 * Static, since each test is one file.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "latch/heap.h"
#include "latch/rcu.h"
#include "latch/thread.h"
#include "ring/wire.h"
#include "session/port.h"
#include "session/session.h"

#define PATIENCE_MS   30000u
#define PATIENCE_NS   (PATIENCE_MS * UINT64_C(1000000))
#define HELLO_MS      250u /* as main waits; on a machine that has much to do, a holder may be later */
#define CLIENTS_MAX   64
#define CHANNELS_KEPT 300u
#define FRAMES_MAX    (48u << 20) /* bytes of output that one channel keeps */

#define PUMP_NUMBER(u) ((u) >> 1)

/* ---- clients ---- */

struct channel { /* what a client knows of one */
        struct buf out, err, display, picture;
        uint64_t next; /* where the next byte must stand */
        uint64_t acked;
        unsigned gaps, exits, driver_notices, resized, viewer_notices;
        uint64_t gap_bytes;
        bool known, drives, acked_last; /* behind the last refusal */
        uint64_t input_acked, refused_at, exit_offset;
        unsigned refusals;
        char refused_code[16], verdict[16], why[16], signal[16];
        int code;
        unsigned cols, rows, viewers;
};

struct client {
        struct port port;
        struct identity identity;
        atomic_uint refs;
        atomic_bool woken, paused; /* paused: its socket takes nothing */
        atomic_bool auto_ack;      /* the test sets it while the pump reads it */
        struct latch_mutex lock;
        struct latch_cond more;
        struct channel *channels LATCH_GUARDED_BY(outbox); /* CHANNELS_KEPT of them */
        char wrong[200] LATCH_GUARDED_BY(outbox);          /* the first thing that was not right */
        /* Once, when this one is woken, on the thread that wakes it. */
        _Atomic(struct client *) closes;
        bool closed;
};

static struct {
        char dir[64];
        struct config config;
        struct store *store;
        struct auth *auth;
        struct pool *pool;
        struct spawner *spawner;
        struct sessions *sessions;
        struct account *ann, *bob;
        int epoll, kick;
        pthread_t pump;
        atomic_bool pump_stop, ticks_stop;
        atomic_uint pump_turns;
        /* Once, ahead of a session being watched, and behind it, before its caller knows that it is. */
        void (*_Atomic at_watch)(void);
        void (*_Atomic at_watched)(int holder_fd);
        struct latch_mutex lock;
        struct client *clients[CLIENTS_MAX] LATCH_GUARDED_BY(conns);
} world;

_unused_ static void kick_pump(void) {
        uint64_t one = 1;

        CHECK(write(world.kick, &one, sizeof one) == sizeof one);
}

_unused_ static void client_close(struct client *c);

static void client_wake(struct port *p) {
        struct client *c = CONTAINER_OF(p, struct client, port),
                      *other = atomic_exchange(&c->closes, NULL);

        atomic_store(&c->woken, true);
        kick_pump();
        if (other)
                client_close(other);
}

static struct port *client_ref(struct port *p) {
        atomic_fetch_add(&CONTAINER_OF(p, struct client, port)->refs, 1);
        return p;
}

static struct port *client_unref(struct port *p) {
        struct client *c = CONTAINER_OF(p, struct client, port);

        LATCH_WITH(outbox, &c->lock) {
                atomic_fetch_sub(&c->refs, 1);
                latch_cond_broadcast(&c->more);
        }
        return NULL;
}

#define WRONG(c, ...)                                                                              \
        do {                                                                                       \
                if (!(c)->wrong[0])                                                                \
                        snprintf((c)->wrong, sizeof(c)->wrong, __VA_ARGS__);                       \
        } while (0)

static struct channel *channel_locked(struct client *c, uint32_t n) LATCH_MUST_HOLD(outbox) {
        if (n == 0 || n >= CHANNELS_KEPT || !c->channels[n].known) {
                WRONG(c, "channel %u is not known", n);
                return &c->channels[0];
        }
        return &c->channels[n];
}

static uint64_t number_of(const json_t *params, const char *name) {
        return (uint64_t)json_integer_value(json_object_get(params, name));
}

static void copy_word(char to[16], const json_t *params, const char *name) {
        const char *s = json_string_value(json_object_get(params, name));

        snprintf(to, 16, "%s", s ? s : "");
}

static void on_exit_locked(struct client *c, struct channel *ch, const json_t *params)
        LATCH_MUST_HOLD(outbox) {
        ch->exits++;
        ch->exit_offset = number_of(params, "offset");
        ch->code = (int)json_integer_value(json_object_get(params, "code"));
        copy_word(ch->verdict, params, "verdict");
        copy_word(ch->signal, params, "signal");
        if (ch->exits > 1)
                WRONG(c, "a second exit");
        if (ch->exit_offset != ch->next)
                WRONG(c, "exit at %llu, the channel has %llu", (unsigned long long)ch->exit_offset,
                      (unsigned long long)ch->next);
        if (json_object_get(params, "code") && json_object_get(params, "signal"))
                WRONG(c, "code and signal");
}

static void on_notice_locked(struct client *c, const char *method, const json_t *params)
        LATCH_MUST_HOLD(outbox) {
        struct channel *ch = channel_locked(c, (uint32_t)number_of(params, "channel"));

        if (ch->exits > 0)
                WRONG(c, "%s after the exit", method);
        if (str_eq(method, "session.gap")) {
                if (number_of(params, "from") != ch->next || number_of(params, "to") <= ch->next)
                        WRONG(c, "a gap from %llu at %llu",
                              (unsigned long long)number_of(params, "from"),
                              (unsigned long long)ch->next);
                ch->gaps++;
                ch->gap_bytes += number_of(params, "to") - ch->next;
                ch->next = number_of(params, "to");
        } else if (str_eq(method, "session.exit")) {
                on_exit_locked(c, ch, params);
        } else if (str_eq(method, "session.input_ack")) {
                ch->input_acked = number_of(params, "offset");
                ch->acked_last = true;
        } else if (str_eq(method, "session.input_refused")) {
                ch->refused_at = number_of(params, "offset");
                ch->refusals++;
                ch->acked_last = false;
                copy_word(ch->refused_code, params, "code");
        } else if (str_eq(method, "session.driver")) {
                ch->driver_notices++;
                ch->drives = json_is_true(json_object_get(params, "driver"));
                copy_word(ch->why, params, "why");
        } else if (str_eq(method, "session.resized")) {
                ch->resized++;
                ch->cols = (unsigned)number_of(params, "cols");
                ch->rows = (unsigned)number_of(params, "rows");
        } else if (str_eq(method, "session.viewers")) {
                ch->viewer_notices++;
                ch->viewers = (unsigned)number_of(params, "viewers");
        } else {
                WRONG(c, "a notice %s", method);
        }
}

static void client_text(struct port *p, const char *json, size_t n) {
        struct client *c = CONTAINER_OF(p, struct client, port);
        json_error_t e;
        json_t *text = json_loadb(json, n, JSON_REJECT_DUPLICATES, &e);

        CHECK(text);
        LATCH_WITH(outbox, &c->lock) {
                on_notice_locked(c, json_string_value(json_object_get(text, "method")),
                                 json_object_get(text, "params"));
                latch_cond_broadcast(&c->more);
        }
        json_decref(text);
}

static void client_data(struct client *c, const struct viewer_out *o, const char *bytes) {
        uint64_t ack = 0;

        LATCH_WITH(outbox, &c->lock) {
                struct channel *ch = channel_locked(c, o->channel);
                struct buf *b = o->kind == 1 ? &ch->out : o->kind == 3 ? &ch->err : &ch->display;
                if (o->kind != 1 && o->kind != 3 && o->kind != 4)
                        WRONG(c, "kind %d", o->kind);
                if (o->offset != ch->next || o->n == 0 || ch->exits)
                        WRONG(c, "%zu bytes at %llu, %llu was next", o->n,
                              (unsigned long long)o->offset, (unsigned long long)ch->next);
                if (buf_add(b, bytes, o->n) < 0)
                        WRONG(c, "too much output");
                ch->next = o->offset + o->n;
                if (c->auto_ack && ch->next - ch->acked >= (16u << 10))
                        ack = ch->acked = ch->next;
                latch_cond_broadcast(&c->more);
        }
        if (ack)
                (void)!sessions_ack(world.sessions, &c->port, o->channel, ack);
}

/* A snapshot: ahead of all output, where that goes on. */
static void client_snapshot(struct port *p, const struct viewer_out *o, const void *bytes) {
        struct client *c = CONTAINER_OF(p, struct client, port);

        LATCH_WITH(outbox, &c->lock) {
                struct channel *ch = channel_locked(c, o->channel);
                if (o->kind != WIRE_SNAPSHOT || ch->picture.n > 0 || o->offset != ch->next)
                        WRONG(c, "a snapshot of kind %d at %llu", o->kind,
                              (unsigned long long)o->offset);
                if (buf_add(&ch->picture, bytes, o->n) < 0)
                        WRONG(c, "too large a snapshot");
                latch_cond_broadcast(&c->more);
        }
}

static const struct port_ops client_ops = {.send_text = client_text,
                                           .send_data = client_snapshot,
                                           .wake = client_wake,
                                           .ref = client_ref,
                                           .unref = client_unref};

/* ---- the pump ---- */

static int hook_watch(void *context, uint64_t number, int wake_fd, int holder_fd) {
        struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.u64 = number << 1};
        struct epoll_event holder = {.events = EPOLLIN, .data.u64 = number << 1 | 1};

        void (*at_watch)(void) = atomic_exchange(&world.at_watch, NULL);
        void (*at_watched)(int holder_fd) = atomic_exchange(&world.at_watched, NULL);

        (void)context;
        if (at_watch)
                at_watch();
        if (epoll_ctl(world.epoll, EPOLL_CTL_ADD, wake_fd, &wake) < 0)
                return -errno;
        if (epoll_ctl(world.epoll, EPOLL_CTL_ADD, holder_fd, &holder) < 0) {
                int r = -errno;
                (void)epoll_ctl(world.epoll, EPOLL_CTL_DEL, wake_fd, NULL);
                return r;
        }
        if (at_watched)
                at_watched(holder_fd);
        return 0;
}

static void hook_unwatch(void *context, uint64_t number, int wake_fd, int holder_fd) {
        (void)context;
        (void)number;
        CHECK(epoll_ctl(world.epoll, EPOLL_CTL_DEL, wake_fd, NULL) == 0);
        CHECK(epoll_ctl(world.epoll, EPOLL_CTL_DEL, holder_fd, NULL) == 0);
}

static void take_from(struct client *c, struct viewer *v) {
        static char buf[16 << 10];
        struct viewer_out o;

        while (viewer_take(v, buf, sizeof buf, &o) == 0 && o.what != VIEWER_NOTHING) {
                if (o.what == VIEWER_TEXT)
                        client_text(&c->port, buf, o.n);
                else
                        client_data(c, &o, buf);
        }
}

static void serve(struct client *c) {
        static struct viewer *viewers[PORT_CHANNELS_MAX];

        if (atomic_load(&c->paused) || !atomic_exchange(&c->woken, false))
                return;
        size_t n = port_viewers(&c->port, viewers);
        for (size_t i = 0; i < n; i++) {
                take_from(c, viewers[i]);
                viewer_unref(viewers[i]);
        }
}

static void serve_all(void) {
        for (size_t i = 0; i < CLIENTS_MAX; i++) {
                struct client *c = NULL;
                LATCH_WITH(conns, &world.lock) {
                        c = world.clients[i];
                        if (c)
                                client_ref(&c->port);
                }
                if (!c)
                        continue;
                serve(c);
                client_unref(&c->port);
        }
}

static void *pump_main(void *unused) {
        struct epoll_event events[16];
        uint64_t ticked = 0, count;

        latch_thread_begin("pump");
        while (!atomic_load(&world.pump_stop)) {
                int n = epoll_wait(world.epoll, events, 16, 20);
                for (int i = 0; i < n; i++) {
                        uint64_t u = events[i].data.u64;
                        if (u == 0)
                                (void)!read(world.kick, &count, sizeof count);
                        else if (u & 1)
                                sessions_on_holder(world.sessions, PUMP_NUMBER(u));
                        else
                                sessions_on_output(world.sessions, PUMP_NUMBER(u));
                }
                serve_all();
                atomic_fetch_add(&world.pump_turns, 1);
                if (clock_mono_ns() - ticked > 50 * UINT64_C(1000000) &&
                    !atomic_load(&world.ticks_stop)) {
                        ticked = clock_mono_ns();
                        sessions_tick(world.sessions, ticked);
                }
        }
        latch_thread_end();
        return unused;
}

/* ---- the world ---- */

static void world_config(struct config *c) {
        *c = (struct config){.window_bytes = 256 << 10,
                             .input_bytes = 64 << 10,
                             .message_bytes = 1 << 20,
                             .file_bytes = 1 << 20,
                             .viewers_per_session = 8,
                             .sessions_per_user = 128,
                             .runs_per_minute = 100000,
                             .ended_kept = 20,
                             .wall_ms = 3600000,
                             .ring_bytes = 1 << 20,
                             .driver_grace_ms = 60000,
                             .stop_grace_ms = 300,
                             .linger_ms = 3600000,
                             .ended_bytes = 256 << 10,
                             .ended_total_bytes = 1 << 30,
                             .token_lifetime_s = 3600,
                             .link_lifetime_s = 3600,
                             .failures_per_minute = 100,
                             .uid_base = 61000,
                             .uid_count = 100};
        CHECK(str_copy(c->data, sizeof c->data, world.dir) == 0);
}

static struct account *world_user(const char *name, enum role role) {
        struct store_user u = {.role = role};
        struct account *account;

        CHECK(str_copy(u.name, sizeof u.name, name) == 0);
        int r = store_user_by_name(world.store, name, &u);
        if (r == -ENOENT)
                r = store_user_add(world.store, &u, world.config.uid_base, world.config.uid_count);
        assert_int_equal(r, 0);
        assert_int_equal(auth_account(world.auth, u.id, &account), 0);
        return account;
}

/* A server's inside: all that a restart makes new. */
_unused_ static void world_up(void) {
        struct epoll_event kick = {.events = EPOLLIN, .data.u64 = 0};
        struct sessions_deps deps = {.config = &world.config,
                                     .spawner = world.spawner,
                                     .hooks = {.watch = hook_watch, .unwatch = hook_unwatch}};
        char *error = NULL;

        assert_int_equal(store_open(world.dir, &world.store, &error), 0);
        assert_int_equal(auth_new(world.store, &world.config, &world.auth), 0);
        assert_int_equal(pool_new(&(struct pool_limits){4, 1000, 1000}, &world.pool), 0);
        world.ann = world_user("ann", ROLE_STUDENT);
        world.bob = world_user("bob", ROLE_STUDENT);
        deps.store = world.store;
        deps.auth = world.auth;
        deps.pool = world.pool;
        assert_int_equal(sessions_new(&deps, &world.sessions), 0);
        world.epoll = epoll_create1(EPOLL_CLOEXEC);
        world.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_true(world.epoll >= 0 && world.kick >= 0);
        assert_int_equal(epoll_ctl(world.epoll, EPOLL_CTL_ADD, world.kick, &kick), 0);
        atomic_store(&world.pump_stop, false);
        assert_int_equal(pthread_create(&world.pump, NULL, pump_main, NULL), 0);
}

_unused_ static void world_down(void) {
        assert_int_equal(pool_drain(world.pool, 20000), 0);
        atomic_store(&world.pump_stop, true);
        kick_pump();
        assert_int_equal(pthread_join(world.pump, NULL), 0);
        world.sessions = sessions_free(world.sessions);
        world.pool = pool_free(world.pool);
        world.ann = account_unref(world.ann);
        world.bob = account_unref(world.bob);
        world.auth = auth_free(world.auth);
        latch_rcu_barrier();
        world.store = store_close(world.store);
        world.epoll = fd_close(world.epoll);
        world.kick = fd_close(world.kick);
}

_unused_ static int world_setup(void **state) {
        char path[80];

        (void)state;
        latch_thread_begin("test");
        log_set_level(LOG_ERROR);
        strcpy(world.dir, "/tmp/latch-session-XXXXXX");
        assert_non_null(mkdtemp(world.dir));
        assert_int_equal(chmod(world.dir, 0755), 0);
        snprintf(path, sizeof path, "%s/sessions", world.dir);
        assert_int_equal(mkdir(path, 0700), 0);
        latch_heap_allow(LATCH_CLASS_outbox); /* what is sent goes into lists here */
        latch_mutex_init(&world.lock, LATCH_CLASS_conns);
        world_config(&world.config);
        return 0;
}

_unused_ static int world_teardown(void **state) {
        int status;
        pid_t pid;

        (void)state;
        latch_mutex_done(&world.lock);
        pid = fork();
        if (pid == 0) {
                execlp("rm", "rm", "-rf", world.dir, NULL);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        latch_thread_end();
        return 0;
}

/* Waits for anything, looking every few milliseconds: for what nobody tells of. */
#define UNTIL(condition)                                                                           \
        do {                                                                                       \
                uint64_t until_ = clock_mono_ns() + PATIENCE_NS;                                   \
                while (!(condition)) {                                                             \
                        assert_true(clock_mono_ns() < until_);                                     \
                        usleep(2000);                                                              \
                }                                                                                  \
        } while (0)

/* ---- clients, continued ---- */

_unused_ static struct client *client_new(struct account *account) {
        struct client *c = calloc(1, sizeof *c);
        bool placed = false;

        assert_non_null(c);
        atomic_init(&c->refs, 1);
        c->auto_ack = true;
        latch_mutex_init(&c->lock, LATCH_CLASS_outbox);
        latch_cond_init(&c->more);
        c->identity.account = account;
        latch_ref_init(&c->identity.item.ref);
        LATCH_WITH(outbox, &c->lock) {
                c->channels = calloc(CHANNELS_KEPT, sizeof *c->channels);
                CHECK(c->channels);
        }
        port_init(&c->port, &client_ops, &c->identity, "127.0.0.1");
        LATCH_WITH(conns, &world.lock) {
                for (size_t i = 0; i < CLIENTS_MAX && !placed; i++) {
                        if (world.clients[i])
                                continue;
                        world.clients[i] = c;
                        placed = true;
                }
        }
        assert_true(placed);
        return c;
}

/* Its socket is gone: as the connection's thread says so. */
_unused_ static void client_close(struct client *c) {
        if (!c->closed)
                port_close(&c->port);
        c->closed = true;
}

/* Also judges all it was told. */
_unused_ static void client_free(struct client *c) {
        uint64_t until = clock_mono_ns() + PATIENCE_NS;
        char wrong[200] = "";

        client_close(c);
        LATCH_WITH(conns, &world.lock) {
                for (size_t i = 0; i < CLIENTS_MAX; i++)
                        if (world.clients[i] == c)
                                world.clients[i] = NULL;
        }
        LATCH_WITH(outbox, &c->lock) {
                while (atomic_load(&c->refs) > 1)
                        CHECK(latch_cond_wait_until(&c->more, &c->lock, until) == 0);
                memcpy(wrong, c->wrong, sizeof wrong);
                for (size_t i = 0; i < CHANNELS_KEPT; i++) {
                        buf_done(&c->channels[i].out);
                        buf_done(&c->channels[i].err);
                        buf_done(&c->channels[i].display);
                        buf_done(&c->channels[i].picture);
                }
                free(c->channels);
        }
        port_done(&c->port);
        latch_cond_done(&c->more);
        latch_mutex_done(&c->lock);
        free(c);
        assert_string_equal(wrong, "");
}

/* The channel is known from the reply on, which comes ahead of its activation. */
_unused_ static void client_learns(struct client *c, uint32_t channel, uint64_t offset) {
        LATCH_WITH(outbox, &c->lock) {
                CHECK(channel > 0 && channel < CHANNELS_KEPT);
                struct channel *ch = &c->channels[channel];
                ch->known = true;
                ch->out.limit = ch->err.limit = ch->display.limit = FRAMES_MAX;
                ch->picture.limit = FRAMES_MAX;
                ch->next = ch->acked = offset;
        }
}

_unused_ static int client_try_attach(struct client *c, struct session *s,
                                      const struct session_join *join, struct session_joined *ret,
                                      struct session_refusal *no) {
        int r = session_attach(s, &c->port, join, ret, no);

        if (r < 0)
                return r;
        client_learns(c, ret->channel, ret->offset);
        viewer_activate(ret->viewer);
        ret->viewer = viewer_unref(ret->viewer);
        return 0;
}

/* As clients do, once more where the holder has not said a word yet. */
_unused_ static uint32_t client_attach(struct client *c, struct session *s, enum session_role role,
                                       const char *key, struct session_joined *ret) {
        const struct session_join join = {.has_since = true, .role = role, .client = key};
        struct session_joined joined;
        struct session_refusal no;
        int r;

        UNTIL((r = client_try_attach(c, s, &join, &joined, &no)) != -EAGAIN);
        assert_int_equal(r, 0);
        if (ret)
                *ret = joined;
        return joined.channel;
}

_unused_ static int client_drive(struct client *c, struct session *s, uint32_t channel) {
        struct viewer *v;
        int r = session_drive(s, &c->port, channel, &v);

        if (r == 0) {
                viewer_drive_answered(v);
                viewer_unref(v);
        }
        return r;
}

_unused_ static size_t client_channels(struct client *c) {
        struct viewer *viewers[PORT_CHANNELS_MAX];
        size_t n = port_viewers(&c->port, viewers);

        for (size_t i = 0; i < n; i++)
                viewer_unref(viewers[i]);
        return n;
}

/* Waits until the condition on channel `ch` of client `c` holds. */
#define AWAIT(c, number, condition)                                                                \
        do {                                                                                       \
                uint64_t until_ = clock_mono_ns() + PATIENCE_NS;                                   \
                LATCH_WITH(outbox, &(c)->lock) {                                                   \
                        struct channel *ch = &(c)->channels[number];                               \
                        while (!(condition)) {                                                     \
                                int w_ = latch_cond_wait_until(&(c)->more, &(c)->lock, until_);    \
                                if (w_ < 0)                                                        \
                                        fprintf(stderr, "waited in vain for %s\n", #condition);    \
                                CHECK(w_ == 0);                                                    \
                        }                                                                          \
                }                                                                                  \
        } while (0)

/* A number of channel `number` now. */
#define PEEK(c, number, expression)                                                                \
        ({                                                                                         \
                uint64_t peek_ = 0;                                                                \
                LATCH_WITH(outbox, &(c)->lock) {                                                   \
                        const struct channel *ch = &(c)->channels[number];                         \
                        peek_ = (uint64_t)(expression);                                            \
                }                                                                                  \
                peek_;                                                                             \
        })

_unused_ static bool pool_is_idle(void) {
        struct pool_stats st;

        pool_stats(world.pool, &st);
        return st.queued == 0 && st.running == 0;
}
