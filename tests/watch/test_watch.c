/* Folders are watched once for all, names are told once, what finds no room is a rescan, ends are told. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/fd.h"
#include "latch/heap.h"
#include "latch/thread.h"
#include "watch/watch.h"

#define DEADLINE_NS (UINT64_C(20) * 1000000000)

/* ---- a socket that keeps what it is told, as long as it has room ---- */

struct client {
        struct port port;
        struct latch_mutex lock;
        struct latch_cond more;
        bool full LATCH_GUARDED_BY(outbox);
        unsigned refused LATCH_GUARDED_BY(outbox);
        json_t *texts LATCH_GUARDED_BY(outbox);
};

static int offer(struct port *p, const char *json, size_t n) {
        struct client *c = CONTAINER_OF(p, struct client, port);
        json_t *text = json_loadb(json, n, JSON_REJECT_DUPLICATES, NULL);
        int r = 0;

        CHECK(text);
        LATCH_WITH(outbox, &c->lock) {
                if (c->full) {
                        c->refused++;
                        r = -ENOBUFS;
                } else {
                        CHECK(json_array_append(c->texts, json_object_get(text, "params")) == 0);
                }
                latch_cond_broadcast(&c->more);
        }
        json_decref(text);
        return r;
}

static const struct port_ops ops = {.offer_text = offer};

static void client_begin(struct client *c, struct identity *i) {
        *c = (struct client){.port = {.ops = &ops, .identity = i}};
        latch_mutex_init(&c->port.lock, LATCH_CLASS_port);
        latch_heap_allow(LATCH_CLASS_outbox); /* what is sent goes into lists here */
        latch_mutex_init(&c->lock, LATCH_CLASS_outbox);
        latch_cond_init(&c->more);
        LATCH_WITH(outbox, &c->lock)
                c->texts = json_array();
}

static void client_end(struct client *c) {
        if (!port_is_closed(&c->port))
                port_close(&c->port);
        latch_mutex_done(&c->port.lock);
        LATCH_WITH(outbox, &c->lock)
                json_decref(c->texts);
        latch_cond_done(&c->more);
        latch_mutex_done(&c->lock);
}

static size_t told_locked(struct client *c, uint32_t watch, const char *change, const char *path)
        LATCH_MUST_HOLD(outbox) {
        size_t i, n = 0;
        json_t *one;

        json_array_foreach(c->texts, i, one) {
                const char *of = json_string_value(json_object_get(one, "path"));
                const char *what = json_string_value(json_object_get(one, "change"));
                if (json_integer_value(json_object_get(one, "watch")) == watch &&
                    (!change || strcmp(what, change) == 0) && (!path || strcmp(of, path) == 0))
                        n++;
        }
        return n;
}

/* How often that was told; all of it with change and path NULL. */
static size_t told(struct client *c, uint32_t watch, const char *change, const char *path) {
        LATCH_GUARD(outbox, &c->lock);
        return told_locked(c, watch, change, path);
}

static void await(struct client *c, uint32_t watch, const char *change, const char *path) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (told_locked(c, watch, change, path) == 0)
                if (latch_cond_wait_until(&c->more, &c->lock, until) < 0)
                        fail_msg("waited in vain for %s %s", change, path);
}

static void set_full(struct client *c, bool full) {
        LATCH_GUARD(outbox, &c->lock);
        c->full = full;
}

static void await_refusal(struct client *c) {
        uint64_t until = clock_mono_ns() + DEADLINE_NS;

        LATCH_GUARD(outbox, &c->lock);
        while (c->refused == 0)
                assert_int_equal(latch_cond_wait_until(&c->more, &c->lock, until), 0);
}

/* ---- a folder, a server ---- */

struct fixture {
        char dir[64];
        int fd;
        struct config config;
        struct account account;
        struct identity identity;
        struct watches *watches;
        struct client a, b;
};

static int begin_with(void **state, unsigned in_all) {
        struct fixture *f = calloc(1, sizeof *f);

        CHECK(f);
        strcpy(f->dir, "/tmp/latch-watch-XXXXXX");
        CHECK(mkdtemp(f->dir));
        f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(f->fd >= 0);
        f->config.watches_per_user = 8;
        f->identity.account = &f->account;
        CHECK(watches_new(&f->config, in_all, &f->watches) == 0);
        client_begin(&f->a, &f->identity);
        client_begin(&f->b, &f->identity);
        *state = f;
        return 0;
}

static int begin(void **state) {
        return begin_with(state, 64);
}

static int begin_small(void **state) {
        return begin_with(state, 2);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
        (void)st;
        (void)ftw;
        return flag == FTW_DP ? rmdir(path) : unlink(path);
}

static int end(void **state) {
        struct fixture *f = *state;

        client_end(&f->a);
        client_end(&f->b);
        assert_int_equal(atomic_load(&f->account.watches), 0);
        watches_free(f->watches);
        fd_close(f->fd);
        CHECK(nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        free(f);
        return 0;
}

static void put(const struct fixture *f, const char *name) {
        fd_close(openat(f->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
}

static int add(struct fixture *f, struct client *c, int folder, const char *path, const char *name,
               uint32_t *ret) {
        return watch_add(f->watches, &c->port, &(struct watch_request){path, folder, name}, ret);
}

/* Of the fixture's folder, which the wire calls "d". */
static uint32_t watch(struct fixture *f, struct client *c, const char *name) {
        uint32_t number = 0;

        assert_int_equal(add(f, c, f->fd, "d", name, &number), 0);
        watch_activate(f->watches, &c->port, number);
        return number;
}

/* ---- tests ---- */

static void test_two_clients_of_one_folder_hear_the_same(void **state) {
        struct fixture *f = *state;
        uint32_t a = watch(f, &f->a, ""), b = watch(f, &f->b, "");

        put(f, "x");
        await(&f->a, a, "created", "d/x");
        await(&f->b, b, "created", "d/x");
        assert_int_equal(watch_remove(f->watches, &f->a.port, a), 0);
        put(f, "y");
        await(&f->b, b, "created", "d/y");
        assert_int_equal(told(&f->a, a, NULL, "d/y"), 0);
}

static void test_a_name_is_told_once(void **state) {
        struct fixture *f = *state;
        uint32_t a = watch(f, &f->a, "");
        int fd = openat(f->fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        for (int i = 0; i < 1000; i++)
                assert_int_equal(write(fd, "x", 1), 1);
        fd_close(fd);
        put(f, "y");
        await(&f->a, a, "created", "d/y");
        assert_int_equal(told(&f->a, a, "created", "d/x"), 1);
        assert_true(told(&f->a, a, NULL, NULL) <= 4); /* a slow machine needs a second window */
}

static void test_a_rename_into_place_is_new_or_a_change(void **state) {
        struct fixture *f = *state;

        put(f, "old");
        uint32_t a = watch(f, &f->a, "");
        put(f, "t1");
        assert_int_equal(renameat(f->fd, "t1", f->fd, "old"), 0);
        put(f, "t2");
        assert_int_equal(renameat(f->fd, "t2", f->fd, "new"), 0);
        await(&f->a, a, "created", "d/new");
        await(&f->a, a, "changed", "d/old");
        put(f, "t3");
        assert_int_equal(renameat(f->fd, "t3", f->fd, "new"), 0);
        await(&f->a, a, "changed", "d/new");
        assert_int_equal(told(&f->a, a, "created", "d/old"), 0);
        assert_int_equal(told(&f->a, a, "created", "d/new"), 1);
}

static void test_one_name_alone(void **state) {
        struct fixture *f = *state;
        uint32_t a = 0;

        assert_int_equal(add(f, &f->a, f->fd, "d/x", "x", &a), 0);
        watch_activate(f->watches, &f->a.port, a);
        uint32_t all = watch(f, &f->a, "");
        put(f, "y");
        put(f, "x");
        await(&f->a, a, "created", "d/x");
        await(&f->a, all, "created", "d/y");
        assert_int_equal(told(&f->a, a, NULL, NULL), 1);
}

static void test_too_many_names_are_a_rescan(void **state) {
        struct fixture *f = *state;
        uint32_t a = watch(f, &f->a, "");
        char name[32];

        for (int i = 0; i < 3000; i++) {
                snprintf(name, sizeof name, "%d", i);
                put(f, name);
        }
        await(&f->a, a, "rescan", "d");
}

static void test_what_finds_no_room_is_a_rescan_later(void **state) {
        struct fixture *f = *state;
        uint32_t a = watch(f, &f->a, ""), b = watch(f, &f->b, "");

        set_full(&f->a, true);
        put(f, "x");
        await(&f->b, b, "created", "d/x"); /* nobody waits for a */
        await_refusal(&f->a);
        assert_int_equal(told(&f->a, a, NULL, NULL), 0);
        set_full(&f->a, false);
        await(&f->a, a, "rescan", "d");
        put(f, "y");
        await(&f->a, a, "created", "d/y");
}

static void test_before_its_reply_nothing_is_told(void **state) {
        struct fixture *f = *state;
        uint32_t a = 0, b = watch(f, &f->b, "");

        assert_int_equal(add(f, &f->a, f->fd, "d", "", &a), 0);
        put(f, "x");
        await(&f->b, b, "created", "d/x");
        assert_int_equal(told(&f->a, a, NULL, NULL), 0);
        watch_activate(f->watches, &f->a.port, a);
        await(&f->a, a, "rescan", "d");
}

static void test_it_ends_with_its_folder(void **state) {
        struct fixture *f = *state;
        uint32_t a = 0, moved = 0;

        for (int i = 0; i < 2; i++) {
                const char *name = i ? "moved" : "gone";
                assert_int_equal(mkdirat(f->fd, name, 0755), 0);
                _cleanup_(fd_closep) int fd = openat(f->fd, name, O_RDONLY | O_DIRECTORY);
                assert_int_equal(add(f, &f->a, fd, name, "", i ? &moved : &a), 0);
                watch_activate(f->watches, &f->a.port, i ? moved : a);
        }
        set_full(&f->a, true); /* that, too, is told when there is room */
        assert_int_equal(unlinkat(f->fd, "gone", AT_REMOVEDIR), 0);
        assert_int_equal(renameat(f->fd, "moved", f->fd, "elsewhere"), 0);
        await_refusal(&f->a);
        set_full(&f->a, false);
        await(&f->a, a, "removed", "gone");
        await(&f->a, moved, "removed", "moved");
        assert_int_equal(watch_remove(f->watches, &f->a.port, a),
                         0); /* its answer comes behind both ends */
        assert_int_equal(atomic_load(&f->account.watches), 0);
}

static void test_a_user_has_so_many(void **state) {
        struct fixture *f = *state;
        uint32_t number = 0;

        for (int i = 0; i < 8; i++)
                watch(f, i % 2 ? &f->a : &f->b, "");
        assert_int_equal(add(f, &f->a, f->fd, "d", "", &number), -EUSERS);
        assert_int_equal(watch_remove(f->watches, &f->a.port, 1), 0);
        assert_int_equal(add(f, &f->a, f->fd, "d", "", &number), 0);
        assert_int_equal(number, 5); /* none is used twice */
        assert_int_equal(watch_remove(f->watches, &f->a.port, 6), -ENOENT);
        assert_int_equal(watch_remove(f->watches, &f->a.port, 0), -ENOENT);
        port_close(&f->b.port);
        assert_int_equal(atomic_load(&f->account.watches), 4);
        assert_int_equal(add(f, &f->b, f->fd, "d", "", &number), -EPIPE);
}

static void test_the_server_has_so_many(void **state) {
        struct fixture *f = *state;
        uint32_t number = 0;
        char name[16];

        for (int i = 0; i < 3; i++) {
                snprintf(name, sizeof name, "%d", i);
                assert_int_equal(mkdirat(f->fd, name, 0755), 0);
                _cleanup_(fd_closep) int fd = openat(f->fd, name, O_RDONLY | O_DIRECTORY);
                assert_int_equal(add(f, &f->a, fd, name, "", &number), i < 2 ? 0 : -ENOSPC);
                /* One that is watched already takes no room. */
                assert_int_equal(add(f, &f->b, fd, name, "", &number), i < 2 ? 0 : -ENOSPC);
        }
        assert_int_equal(add(f, &f->a, -1, "", "", &number), 0);
}

#define with(begin, test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
        const struct CMUnitTest tests[] = {
                with(begin, test_two_clients_of_one_folder_hear_the_same),
                with(begin, test_a_name_is_told_once),
                with(begin, test_a_rename_into_place_is_new_or_a_change),
                with(begin, test_one_name_alone),
                with(begin, test_too_many_names_are_a_rescan),
                with(begin, test_what_finds_no_room_is_a_rescan_later),
                with(begin, test_before_its_reply_nothing_is_told),
                with(begin, test_it_ends_with_its_folder),
                with(begin, test_a_user_has_so_many),
                with(begin_small, test_the_server_has_so_many),
        };

        latch_thread_begin("test");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
