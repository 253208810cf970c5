/* Unit tests for src/session/kept.c and keep.c: what is left of a session whose holder is gone. */
#include <dirent.h>
#include <fcntl.h>

#include "double.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void draw(struct holder_double *h, uint64_t tag) {
        struct hold_mark m = {.head.type = HOLD_SNAPSHOT, .tag = tag};
        int fd = memfd_create("picture", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        CHECK(fd >= 0 && write(fd, "picture", 7) == 7 && fcntl(fd, F_ADD_SEALS, SEALS) == 0);
        m.offset = ring_writer_head(h->ring);
        double_say(h, &m, sizeof m, &fd, 1);
        fd_close(fd);
}

static const struct holder_double terminal = {.tty = true, .version = HOLD_VERSION, .draw = draw};

static void up(void) {
        world.config.linger_ms = 0;
        world.config.ended_bytes = 64 << 10;
        world.config.ended_total_bytes = 1 << 30;
        world_up();
}

/* Numbered lines, so that a byte in the wrong place is another. */
static void write_lines(struct holder_double *h, enum ring_kind kind, unsigned from, unsigned n) {
        char line[16];

        for (unsigned i = from; i < from + n; i++) {
                snprintf(line, sizeof line, "%07u\n", i);
                assert_int_equal(double_write(h, kind, line, 8), 8);
        }
}

static bool lines_are(const struct buf *b, unsigned from, unsigned n) {
        char line[16];

        for (unsigned i = 0; i < n; i++) {
                snprintf(line, sizeof line, "%07u\n", from + i);
                if (b->n < (i + 1) * 8 || memcmp(b->data + i * 8, line, 8) != 0)
                        return false;
        }
        return b->n == n * 8;
}

static void path_of(char to[200], const char *id) {
        snprintf(to, 200, "%s/sessions/%s.last", world.dir, id);
}

static size_t files(void) {
        char path[80];
        size_t n = 0;
        struct dirent *e;

        snprintf(path, sizeof path, "%s/sessions", world.dir);
        DIR *d = opendir(path);
        assert_non_null(d);
        while ((e = readdir(d)) != NULL)
                n += strstr(e->d_name, ".last") != NULL;
        closedir(d);
        return n;
}

/* A session that is closed leaves nothing. */
static void down(struct session *s, struct holder_double *h) {
        assert_int_equal(session_close(s), 0);
        session_unref(s);
        assert_int_equal(files(), 0);
        world_down();
        double_free(h);
}

/* Ends it, and waits until its holder is gone. */
static void put_away(struct holder_double *h) {
        double_finish(h, HOLD_EXITED, 3);
        UNTIL(SEEN(h, forgotten));
}

static struct session_joined attach(struct client *c, struct session *s, bool has_since,
                                    uint64_t since) {
        struct session_join join = {.has_since = has_since, .since = since};
        struct session_joined joined;
        struct session_refusal no;

        assert_int_equal(client_try_attach(c, s, &join, &joined, &no), 0);
        return joined;
}

static void shows_all(struct session *s, unsigned lines) {
        struct client *c = client_new(world.ann);
        struct session_joined j = attach(c, s, true, 0);
        struct session_refusal no;

        assert_false(j.snapshot);
        assert_int_equal(j.head, lines * 8);
        AWAIT(c, j.channel, ch->exits == 1 && ch->gaps == 0 && ch->code == 3);
        assert_true(PEEK(c, j.channel, lines_are(&ch->out, 0, lines)));
        j = attach(c, s, true, lines * 8 - 16);
        AWAIT(c, j.channel, ch->exits == 1 && ch->out.n == 16);
        j = attach(c, s, false, 0);
        assert_true(j.snapshot);
        assert_int_equal(j.offset, lines * 8);
        AWAIT(c, j.channel, ch->exits == 1 && ch->picture.n == 7 && ch->out.n == 0);
        struct session_join beyond = {.has_since = true, .since = lines * 8 + 1};
        assert_int_equal(session_attach(s, &c->port, &beyond, &j, &no), -EINVAL);
        assert_int_equal(session_reaches(s, lines * 8 + 1), -EINVAL);
        client_free(c);
}

static struct session *found(const struct holder_double *h) {
        struct session *s = sessions_find(world.sessions, world.ann, h->id);

        assert_non_null(s);
        return s;
}

static void test_output_outlives_holder_and_server(void **state) {
        struct holder_double *h = double_new(&terminal);
        char path[200];
        struct stat st;

        (void)state;
        up();
        struct session *s = double_session(h);
        write_lines(h, RING_OUTPUT, 0, 1000);
        put_away(h);
        path_of(path, h->id);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        shows_all(s, 1000);
        session_unref(s);
        world_down();
        up();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        s = found(h);
        shows_all(s, 1000);
        down(s, h);
}

/* What is not kept is told, and each byte is of its kind. */
static void test_a_pipe_has_its_last_bytes(void **state) {
        struct holder_double *h = double_new(&(struct holder_double){.version = HOLD_VERSION});

        (void)state;
        up();
        world.config.ended_bytes = 800;
        struct session *s = double_session(h);
        write_lines(h, RING_OUTPUT, 0, 50);
        write_lines(h, RING_STDERR, 50, 50);
        write_lines(h, RING_OUTPUT, 100, 50);
        put_away(h);
        struct client *c = client_new(world.ann);
        struct session_joined j = attach(c, s, false, 0);
        AWAIT(c, j.channel, ch->exits == 1 && ch->gaps == 1 && ch->gap_bytes == 400);
        assert_true(
                PEEK(c, j.channel, lines_are(&ch->err, 50, 50) && lines_are(&ch->out, 100, 50)));
        client_free(c);
        down(s, h);
}

/* Nobody is cut off by it: who reads slowly reads the ring, to its end. */
static void test_who_reads_goes_on(void **state) {
        struct holder_double *h = double_new(&terminal);

        (void)state;
        up();
        struct session *s = double_session(h);
        struct client *c = client_new(world.ann);
        atomic_store(&c->paused, true);
        struct session_joined j = attach(c, s, true, 0);
        write_lines(h, RING_OUTPUT, 0, 20000); /* more than is kept */
        put_away(h);
        atomic_store(&c->paused, false);
        client_wake(&c->port);
        AWAIT(c, j.channel, ch->exits == 1 && ch->gaps == 0 && ch->out.n == 160000);
        j = attach(c, s, true, 0);
        assert_true(j.snapshot);
        AWAIT(c, j.channel, ch->exits == 1 && ch->picture.n == 7);
        client_free(c);
        down(s, h);
}

static void flip(const char *path, off_t at) {
        char byte = 0;
        int fd = open(path, O_RDWR | O_CLOEXEC);

        assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        fd_close(fd);
}

/* A byte is another, anywhere; the end is missing; it is a link; it is gone: the exit is told, after a gap. */
static void test_a_broken_file_costs_that_screen(void **state) {
        struct holder_double *all[6];
        char path[200];

        (void)state;
        up();
        log_set_level(LOG_ERROR + 1);
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                all[i] = double_new(&terminal);
                double_record(all[i], RECORD_RUNNING, false);
        }
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        for (size_t how = 0; how < ELEMENTS(all); how++) {
                struct holder_double *h = all[how];
                struct session *s = found(h);
                write_lines(h, RING_OUTPUT, 0, 100);
                put_away(h);
                path_of(path, h->id);
                if (how < 3)
                        flip(path, (off_t[]){3, 60, 500}[how]);
                else if (how == 3)
                        assert_int_equal(truncate(path, 700), 0);
                else
                        assert_int_equal(unlink(path), 0);
                if (how == 5)
                        assert_int_equal(symlink("/etc/passwd", path), 0);
                struct client *c = client_new(world.ann);
                struct session_joined j = attach(c, s, false, 0);
                assert_false(j.snapshot);
                AWAIT(c, j.channel, ch->exits == 1 && ch->code == 3 && ch->exit_offset == 800);
                client_free(c);
                assert_int_equal(files(), 0);
                assert_int_equal(session_close(s), 0);
                session_unref(s);
                double_free(h);
        }
        log_set_level(LOG_ERROR);
        world_down();
}

/* As on a full disk: its holder stays, and has what it had. */
static void test_what_cannot_be_written_is_not_lost(void **state) {
        struct holder_double *h = double_new(&terminal);
        char path[210];

        (void)state;
        up();
        log_set_level(LOG_ERROR + 1);
        path_of(path, h->id);
        strcat(path, ".new");
        assert_int_equal(mkdir(path, 0700), 0);
        struct session *s = double_session(h);
        write_lines(h, RING_OUTPUT, 0, 100);
        double_finish(h, HOLD_EXITED, 3);
        UNTIL(SEEN(h, pictures) == 1 && pool_is_idle());
        shows_all(s, 100);
        assert_false(SEEN(h, forgotten));
        assert_int_equal(rmdir(path), 0);
        /* When everything is ended it is tried once more. */
        assert_int_equal(sessions_end_all(world.sessions, 5000), 0);
        assert_true(SEEN(h, forgotten));
        log_set_level(LOG_ERROR);
        shows_all(s, 100);
        down(s, h);
}

static void test_all_of_them_have_a_limit(void **state) {
        struct holder_double *h[3];
        struct session *s[3];

        (void)state;
        up();
        world.config.ended_total_bytes = 2500;
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                h[i] = double_new(&terminal);
                double_record(h[i], RECORD_RUNNING, false);
        }
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                s[i] = found(h[i]);
                write_lines(h[i], RING_OUTPUT, 0, 100);
                put_away(h[i]);
                UNTIL(pool_is_idle());
        }
        assert_int_equal(files(), 2);
        for (size_t i = 0; i < ELEMENTS(h); i++)
                session_unref(s[i]);
        world_down();
        up();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        for (size_t i = 0; i < ELEMENTS(h); i++)
                s[i] = found(h[i]);
        struct client *c = client_new(world.ann);
        struct session_joined j = attach(c, s[0], false, 0); /* the oldest */
        assert_false(j.snapshot);
        AWAIT(c, j.channel, ch->exits == 1 && ch->gaps == 1);
        client_free(c);
        shows_all(s[2], 100);
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                assert_int_equal(session_close(s[i]), 0);
                session_unref(s[i]);
                double_free(h[i]);
        }
        world_down();
}

static void test_strangers_are_swept(void **state) {
        char path[210];

        (void)state;
        for (int i = 0; i < 2; i++) {
                path_of(path, "abcdefghijklmnopqrstuvwxyz");
                strcat(path, i == 0 ? "" : ".new");
                int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                fd_close(fd);
        }
        assert_int_equal(files(), 2);
        up();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_int_equal(files(), 0);
        world_down();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_output_outlives_holder_and_server),
                cmocka_unit_test(test_a_pipe_has_its_last_bytes),
                cmocka_unit_test(test_who_reads_goes_on),
                cmocka_unit_test(test_a_broken_file_costs_that_screen),
                cmocka_unit_test(test_what_cannot_be_written_is_not_lost),
                cmocka_unit_test(test_all_of_them_have_a_limit),
                cmocka_unit_test(test_strangers_are_swept),
        };
        return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
