/* Unit tests for src/session/ask.c, and for who gets a snapshot (attach.c): holders that draw, that are too old to,
 * and that send what is none. */
#include <fcntl.h>

#include "double.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static struct holder_double *holder;
static struct session *session;

static void set_up_like(const struct holder_double *like) {
        world_up();
        holder = double_new(like);
        session = double_session(holder);
}

static void down(void) {
        session = session_unref(session);
        world_down();
        double_free(holder);
}

/* ---- what a holder sends ---- */

static int made(const char *bytes, size_t n, int seals) {
        int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
        CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
        return fd;
}

static void say_picture(struct holder_double *h, uint64_t tag, uint64_t offset, int fd) {
        struct hold_mark m = {.head.type = HOLD_SNAPSHOT, .tag = tag, .offset = offset};

        double_say(h, &m, sizeof m, &fd, 1);
        fd_close(fd);
}

static uint64_t head_of(const struct holder_double *h) {
        return ring_writer_head(h->ring);
}

static void draw(struct holder_double *h, uint64_t tag) {
        say_picture(h, tag, head_of(h), made("picture", 7, SEALS));
}

static void draw_nothing(struct holder_double *h, uint64_t tag) {
        struct hold_mark m = {.head.type = HOLD_NO_SNAPSHOT, .tag = tag, .code = ENOMEM};

        double_say(h, &m, sizeof m, NULL, 0);
}

static void draw_unsealed(struct holder_double *h, uint64_t tag) {
        say_picture(h, tag, head_of(h), made("picture", 7, F_SEAL_SHRINK));
}

static void draw_empty(struct holder_double *h, uint64_t tag) {
        say_picture(h, tag, head_of(h), made("", 0, SEALS));
}

static void draw_too_much(struct holder_double *h, uint64_t tag) {
        int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        CHECK(fd >= 0 && ftruncate(fd, HOLD_SNAPSHOT_MAX + 1) == 0);
        CHECK(fcntl(fd, F_ADD_SEALS, SEALS) == 0);
        say_picture(h, tag, head_of(h), fd);
}

static void draw_a_pipe(struct holder_double *h, uint64_t tag) {
        int p[2];

        CHECK(pipe2(p, O_CLOEXEC) == 0);
        say_picture(h, tag, head_of(h), p[0]);
        fd_close(p[1]);
}

static void draw_the_future(struct holder_double *h, uint64_t tag) {
        say_picture(h, tag, head_of(h) + 1, made("picture", 7, SEALS));
}

/* ---- who attaches ---- */

/* Nobody drives, and nobody is waited for. */
static void open_gate(struct client *c) {
        uint32_t n = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        assert_int_equal(session_detach(session, &c->port, n), 0);
}

static void write_much(size_t n) {
        _cleanup_(freep) char *bytes = malloc(n);

        assert_non_null(bytes);
        memset(bytes, 'x', n);
        double_write_all(holder, RING_OUTPUT, bytes, n);
}

static struct session_joined attach(struct client *c, bool has_since, uint64_t since) {
        struct session_join join = {
                .has_since = has_since, .since = since, .role = SESSION_ROLE_VIEWER};
        struct session_joined joined;
        struct session_refusal no;

        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), 0);
        return joined;
}

static void test_whose_bytes_are_gone_has_a_picture(void **state) {
        const size_t much = 3 * world.config.ring_bytes;
        struct session_joined j;

        (void)state;
        set_up_like(&(struct holder_double){.tty = true, .version = HOLD_VERSION, .draw = draw});
        struct client *c = client_new(world.ann);
        open_gate(c);
        write_much(100);
        j = attach(c, true, 10); /* kept */
        assert_false(j.snapshot);
        assert_int_equal(j.offset, 10);
        assert_int_equal(SEEN(holder, pictures), 0);
        uint32_t kept = j.channel;
        AWAIT(c, kept, ch->out.n == 90);
        assert_int_equal(session_detach(session, &c->port, kept), 0);
        write_much(much);
        for (unsigned i = 0; i < 2; i++) { /* not given; gone */
                j = attach(c, i == 1, 10);
                assert_true(j.snapshot);
                assert_int_equal(j.offset, 100 + much + i);
                assert_int_equal(j.head, j.offset);
                AWAIT(c, j.channel, ch->picture.n == 7);
                write_much(1);
                AWAIT(c, j.channel, ch->out.n == 1 && ch->gaps == 0);
        }
        assert_int_equal(SEEN(holder, pictures), 2);
        client_free(c);
        down();
}

static void test_who_has_ended_is_shown(void **state) {
        (void)state;
        set_up_like(&(struct holder_double){.tty = true, .version = HOLD_VERSION, .draw = draw});
        struct client *c = client_new(world.ann);
        write_much(50);
        double_finish(holder, HOLD_EXITED, 4);
        struct session_joined j = attach(c, false, 0);
        assert_true(j.snapshot);
        AWAIT(c, j.channel, ch->exits == 1 && ch->picture.n == 7 && ch->code == 4);
        client_free(c);
        down();
}

/* Those that an older server began. The double fails if one is asked. */
static void gap_and_no_question(const struct holder_double *like) {
        const size_t much = 3 * world.config.ring_bytes;

        set_up_like(like);
        struct client *c = client_new(world.ann);
        open_gate(c);
        write_much(much);
        struct session_joined j = attach(c, false, 0);
        assert_false(j.snapshot);
        assert_int_equal(j.offset, 0);
        AWAIT(c, j.channel, ch->next == much && ch->gaps == 1 && ch->picture.n == 0);
        client_free(c);
        down();
}

static void test_an_older_holder_is_not_asked(void **state) {
        (void)state;
        gap_and_no_question(&(struct holder_double){.tty = true, .version = HOLD_VERSION_MIN});
}

static void test_a_pipe_has_no_screen(void **state) {
        (void)state;
        gap_and_no_question(&(struct holder_double){.tty = false, .version = HOLD_VERSION});
}

static void test_what_is_no_picture_is_a_gap(void **state) {
        void (*const lies[])(struct holder_double *, uint64_t) = {
                draw_nothing,  draw_unsealed, draw_empty,
                draw_too_much, draw_a_pipe,   draw_the_future,
        };

        (void)state;
        set_up_like(&(struct holder_double){
                .tty = true, .version = HOLD_VERSION, .draw = draw_nothing});
        struct client *c = client_new(world.ann);
        write_much(50);
        for (size_t i = 0; i < ELEMENTS(lies); i++) {
                HELD(holder)
                holder->draw = lies[i];
                struct session_joined j = attach(c, false, 0);
                assert_false(j.snapshot);
                assert_int_equal(j.offset, 0);
                AWAIT(c, j.channel, ch->out.n == 50 && ch->gaps == 0 && ch->picture.n == 0);
                assert_int_equal(session_detach(session, &c->port, j.channel), 0);
        }
        client_free(c);
        down();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whose_bytes_are_gone_has_a_picture),
                cmocka_unit_test(test_who_has_ended_is_shown),
                cmocka_unit_test(test_an_older_holder_is_not_asked),
                cmocka_unit_test(test_a_pipe_has_no_screen),
                cmocka_unit_test(test_what_is_no_picture_is_a_gap),
        };
        return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
