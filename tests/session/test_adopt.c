/* Unit tests for src/session/adopt.c and session_end.c: what a starting server finds, holders that die or lie,
 * and the end that everything races for. */
#include "double.h"

#include "session/session_private.h"

/* Nothing is left of the test before. */
static void forget_records(void) {
        struct store_session *list;
        size_t n;

        assert_int_equal(store_session_list(world.store, &list, &n), 0);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(store_session_remove(world.store, list[i].id), 0);
        free(list);
}

static int set_up(void **state) {
        (void)state;
        world_up();
        forget_records();
        return 0;
}

static int tear_down(void **state) {
        (void)state;
        world_down();
        return 0;
}

static struct session *find(const struct holder_double *h) {
        return sessions_find(world.sessions, str_eq(h->user, "ann") ? world.ann : world.bob, h->id);
}

static const char *state_of(const struct account *owner, const char *id) {
        static char word[16];
        struct session_info *list;
        size_t n;

        word[0] = '\0';
        assert_int_equal(sessions_list(world.sessions, owner, &list, &n), 0);
        for (size_t i = 0; i < n; i++)
                if (str_eq(list[i].id, id))
                        snprintf(word, sizeof word, "%s", list[i].state);
        free(list);
        return word;
}

static bool socket_is_there(const struct holder_double *h) {
        char path[200];

        snprintf(path, sizeof path, "%s/sessions/%s.sock", world.dir, h->id);
        return access(path, F_OK) == 0;
}

static struct store_session *record_of(const char *id) {
        struct store_session *list, *found = NULL;
        size_t n;

        assert_int_equal(store_session_list(world.store, &list, &n), 0);
        for (size_t i = 0; i < n && !found; i++) {
                if (!str_eq(list[i].id, id))
                        continue;
                found = malloc(sizeof *found);
                assert_non_null(found);
                *found = list[i];
        }
        free(list);
        return found;
}

static bool record_is(const char *id, enum record_state state, const char *verdict) {
        _cleanup_(freep) struct store_session *r = record_of(id);

        return r && r->state == state && str_eq(r->verdict, verdict) && !r->tombstone;
}

static bool lease_is_held(const struct holder_double *h) {
        struct sessions_stats st;

        (void)h;
        sessions_stats(world.sessions, &st);
        return st.leases_taken > st.leases_released;
}

static struct sessions_stats stats(void) {
        struct sessions_stats st;

        sessions_stats(world.sessions, &st);
        return st;
}

static void test_living_sessions_are_found_again(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct holder_double *b = double_new(&(struct holder_double){.user = "bob"});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        double_record(b, RECORD_STARTING, false); /* killed between the record and the start */
        double_write(a, RING_OUTPUT, "before", 6);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *s = find(a), *t = find(b);
        assert_non_null(s);
        assert_non_null(t);
        assert_null(sessions_find(world.sessions, world.bob, a->id));
        assert_int_equal(stats().living, 2);
        assert_int_equal(atomic_load(&world.ann->sessions), 1);
        assert_true(lease_is_held(a));

        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_DRIVER, "tab", NULL);
        AWAIT(c, n1, ch->out.n == 6);
        double_finish(a, HOLD_EXITED, 5);
        AWAIT(c, n1, ch->exits == 1);
        assert_string_equal(state_of(world.ann, a->id), "ended");
        UNTIL(record_is(a->id, RECORD_ENDED, "exited"));
        assert_int_equal(atomic_load(&world.ann->sessions), 0);
        assert_int_equal(stats().leases_released, 1);
        session_unref(s);
        session_unref(t);
        client_free(c);
        double_free(a);
        double_free(b);
}

/* The exit was committed, or not: each channel hears it once, in the next server, too. */
static void test_an_exit_is_told_again_after_a_restart(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct holder_double *b = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        double_record(b, RECORD_RUNNING, false);
        double_write(a, RING_OUTPUT, "one", 3);
        double_write(b, RING_OUTPUT, "two", 3);
        assert_int_equal(sessions_adopt(world.sessions, PATIENCE_MS), 0);
        double_finish(a, HOLD_TIMEOUT, 0);
        UNTIL(record_is(a->id, RECORD_ENDED, "timeout"));
        world_down();
        double_finish(b, HOLD_EXITED, 9); /* while no server was there */
        world_up();
        assert_int_equal(sessions_adopt(world.sessions, PATIENCE_MS), 0);
        assert_int_equal(stats().living, 0); /* heard before the first client comes */
        assert_false(lease_is_held(b));

        struct client *c = client_new(world.ann);
        struct session *s = find(a), *t = find(b);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_VIEWER, "x", NULL);
        uint32_t n2 = client_attach(c, t, SESSION_ROLE_VIEWER, "x", NULL);
        AWAIT(c, n1, ch->exits == 1 && ch->out.n == 3);
        AWAIT(c, n2, ch->exits == 1 && ch->out.n == 3);
        assert_int_equal(PEEK(c, n1, strcmp(ch->verdict, "timeout")), 0);
        assert_int_equal(PEEK(c, n2, ch->code), 9);
        UNTIL(record_is(b->id, RECORD_ENDED, "exited"));
        session_unref(s);
        session_unref(t);
        client_free(c);
        double_free(a);
        double_free(b);
}

static void test_what_has_no_holder_is_lost_and_its_file_free(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        double_die(a, true); /* leaves its socket behind */
        assert_true(socket_is_there(a));
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_false(socket_is_there(a));
        assert_int_equal(stats().living, 0);
        assert_false(lease_is_held(a));
        UNTIL(record_is(a->id, RECORD_ENDED, "lost"));

        /* A client has seen more of it than anybody remembers. */
        struct session *s = find(a);
        struct client *c = client_new(world.ann);
        struct session_join join = {.has_since = true, .since = 91204, .client = "tab"};
        assert_int_equal(client_try_attach(c, s, &join, &joined, &no), 0);
        AWAIT(c, joined.channel, ch->exits == 1 && ch->exit_offset == 91204);
        assert_int_equal(PEEK(c, joined.channel, strcmp(ch->verdict, "lost")), 0);
        assert_int_equal(session_close(s), 0);
        assert_null(record_of(a->id));
        session_unref(s);
        client_free(c);
        double_free(a);
}

static void test_a_tombstone_ends_its_holder(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct holder_double *gone = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_record(a, RECORD_RUNNING, true);
        double_record(gone, RECORD_RUNNING, true);
        double_die(gone, true);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(find(a));
        UNTIL(SEEN(a, forgotten));
        UNTIL(stats().known == 0);
        assert_null(record_of(a->id));
        assert_null(record_of(gone->id));
        assert_false(lease_is_held(a));
        double_free(a);
        double_free(gone);
}

static void test_a_holder_without_a_record_gets_one(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct holder_double *nobodys = double_new(&(struct holder_double){.user = "mallory"});

        (void)state;
        assert_int_equal(sessions_adopt(world.sessions, PATIENCE_MS), 0);
        struct session *s = find(a);
        assert_non_null(s);
        UNTIL(record_is(a->id, RECORD_RUNNING, ""));
        assert_true(lease_is_held(a));
        UNTIL(SEEN(nobodys, forgotten));
        session_unref(s);
        double_free(a);
        double_free(nobodys);
}

/* When those whose records say whose they are are waited for no more. */
static void *speak_late(void *arg) {
        usleep((HELLO_MS + 150) * 1000);
        double_speak(arg);
        return NULL;
}

static void test_a_holder_without_a_record_may_speak_late(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .mute = true});
        pthread_t thread;

        (void)state;
        assert_int_equal(pthread_create(&thread, NULL, speak_late, a), 0);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        struct session *s = find(a);
        assert_non_null(s);
        UNTIL(record_is(a->id, RECORD_RUNNING, ""));
        assert_false(SEEN(a, forgotten));
        session_unref(s);
        double_free(a);
}

static void test_a_mute_holder_keeps_its_lease_until_it_speaks(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .mute = true});
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        uint64_t began = clock_mono_ns();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_true(clock_mono_ns() - began < UINT64_C(5000000000));
        struct session *s = find(a);
        assert_true(lease_is_held(a));
        struct client *c = client_new(world.ann);
        assert_int_equal(client_try_attach(c, s, &(struct session_join){0}, &joined, &no), -EAGAIN);
        double_speak(a);
        UNTIL(client_try_attach(c, s, &(struct session_join){.has_since = true}, &joined, &no) ==
              0);
        double_finish(a, HOLD_EXITED, 0);
        AWAIT(c, joined.channel, ch->exits == 1);
        assert_false(lease_is_held(a));
        session_unref(s);
        client_free(c);
        double_free(a);
}

static void test_a_mute_holder_that_dies_frees_its_lease(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true, .mute = true});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_true(lease_is_held(a));
        double_die(a, true);
        UNTIL(!lease_is_held(a));
        UNTIL(record_is(a->id, RECORD_ENDED, "lost"));
        double_free(a);
}

static void test_a_lease_is_free_when_the_cage_is_gone_not_before(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct session *s = double_session(a);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        double_write_all(a, RING_OUTPUT, "last words", 10);
        double_die(a, false); /* the cage's init goes on, as if the kernel were slow */
        AWAIT(c, n1, ch->exits == 1);
        assert_int_equal(PEEK(c, n1, ch->out.n), 10);
        assert_int_equal(PEEK(c, n1, strcmp(ch->verdict, "lost")), 0);
        assert_int_equal(PEEK(c, n1, strcmp(ch->signal, "KILL")), 0);
        int status; /* it was killed by the session, through the pidfd */
        assert_int_equal(waitpid(a->child, &status, WNOHANG), a->child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        a->child = 0;
        assert_false(lease_is_held(a));
        UNTIL(!socket_is_there(a));
        session_unref(s);
        client_free(c);
        double_free(a);
}

/* Whatever it says that cannot be: the session is lost, the cage killed, the channel told once. */
static void lies(void (*lie)(struct holder_double *h)) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct session *s = double_session(a);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_DRIVER, "tab", NULL);

        double_write_all(a, RING_OUTPUT, "0123456789", 10);
        AWAIT(c, n1, ch->out.n == 10);
        HELD(a)
        lie(a);
        AWAIT(c, n1, ch->exits == 1);
        assert_int_equal(PEEK(c, n1, strcmp(ch->verdict, "lost")), 0);
        UNTIL(SEEN(a, forgets) > 0);
        assert_false(lease_is_held(a));
        session_unref(s);
        client_free(c);
        double_free(a);
}

static void lie_exit_early(struct holder_double *h) {
        struct hold_exit e = {.head.type = HOLD_EXIT, .offset = 10};

        double_say(h, &e, sizeof e, NULL, 0); /* the ring has no end yet */
}
static void lie_exit_elsewhere(struct holder_double *h) {
        struct hold_exit e = {.head.type = HOLD_EXIT, .offset = 11};

        (void)!ring_writer_eof(h->ring);
        double_say(h, &e, sizeof e, NULL, 0);
}
static void lie_verdict(struct holder_double *h) {
        struct hold_exit e = {.head.type = HOLD_EXIT, .offset = 10, .verdict = 77};

        (void)!ring_writer_eof(h->ring);
        double_say(h, &e, sizeof e, NULL, 0);
}
static void lie_type(struct holder_double *h) {
        double_say(h, &(struct hold_head){.type = 4711}, sizeof(struct hold_head), NULL, 0);
}
static void lie_size(struct holder_double *h) {
        double_say(h, &(struct hold_head){.type = HOLD_EXIT}, sizeof(struct hold_head), NULL, 0);
}
static void lie_fds(struct holder_double *h) {
        struct hold_exit e = {.head.type = HOLD_EXIT, .offset = 10};

        double_say(h, &e, sizeof e, (int[]){h->wake, h->wake}, 2);
}
static void lie_hello_again(struct holder_double *h) {
        double_hello(h);
}
static void lie_long(struct holder_double *h) {
        static char bytes[16000];

        double_say(h, bytes, sizeof bytes, NULL, 0);
}
static void lie_head_far(struct holder_double *h) {
        atomic_store(&h->raw->head, UINT64_C(1) << 60);
        double_wake(h);
}
static void lie_head_back(struct holder_double *h) {
        atomic_store(&h->raw->head, 3);
        double_wake(h);
}
static void lie_tail(struct holder_double *h) {
        atomic_store(&h->raw->tail, 999);
        double_wake(h);
}

static void test_a_holder_that_lies_is_not_believed(void **state) {
        void (*const all[])(struct holder_double *) = {
                lie_exit_early,  lie_exit_elsewhere, lie_verdict,  lie_type,      lie_size, lie_fds,
                lie_hello_again, lie_long,           lie_head_far, lie_head_back, lie_tail};

        (void)state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                lies(all[i]);
                world_down();
                world_up();
                forget_records();
        }
}

static void test_a_holder_that_is_another_is_not_believed(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_record(a, RECORD_RUNNING, false);
        HELD(a)
        snprintf(a->path, sizeof a->path, "home/other.py");
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        UNTIL(record_is(a->id, RECORD_ENDED, "lost"));
        UNTIL(SEEN(a, forgotten));
        assert_false(lease_is_held(a));
        double_free(a);
}

/* A ring that grew a byte after its exit was written down: the record is right, and says where it ends. */
static void test_a_record_is_believed_before_a_ring(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});

        (void)state;
        double_write(a, RING_OUTPUT, "0123456789", 10);
        double_record(a, RECORD_ENDED, false); /* at offset 0 */
        double_finish(a, HOLD_EXITED, 0);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *s = find(a);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_VIEWER, "x", NULL);
        AWAIT(c, n1, ch->exits == 1 && ch->exit_offset == 0);
        session_unref(s);
        client_free(c);
        double_free(a);
}

static struct holder_double *closing;
static struct session *closed;
static pthread_t closer;

static void *close_it(void *unused) {
        latch_thread_begin("closer");
        CHECK(session_close(closed) == 0);
        latch_thread_end();
        return unused;
}

static void have_it_closed(void) {
        uint64_t until = clock_mono_ns() + PATIENCE_NS;

        closed = find(closing);
        CHECK(closed && pthread_create(&closer, NULL, close_it, NULL) == 0);
        for (struct session *s; (s = find(closing)) != NULL; session_unref(s), usleep(1000))
                CHECK(clock_mono_ns() < until);
}

/* The job that writes its record drops it, or room is made for others, while it is being adopted. Were it watched then,
 * its last reference would find that it is. */
static void test_what_is_dropped_before_it_is_watched_is_gone(void **state) {
        (void)state;
        closing = double_new(&(struct holder_double){.tty = true});
        double_record(closing, RECORD_ENDED, false);
        double_finish(closing, HOLD_EXITED, 0);
        atomic_store(&world.at_watch, have_it_closed);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(atomic_load(&world.at_watch));
        assert_int_equal(pthread_join(closer, NULL), 0);
        assert_null(find(closing));
        assert_int_equal(stats().known, 0);
        assert_null(record_of(closing->id));
        UNTIL(SEEN(closing, forgotten));
        assert_int_equal(session_watch(closed), 0);
        session_unref(closed);
        double_free(closing);
}

static struct holder_double *speaker;

/* And is heard: what it said first is not there any more. */
static void have_it_speak(int holder_fd) {
        uint64_t until = clock_mono_ns() + PATIENCE_NS;
        struct hold_head first;

        double_speak(speaker);
        while (recv(holder_fd, &first, sizeof first, MSG_PEEK | MSG_DONTWAIT) == sizeof first &&
               first.type == HOLD_HELLO) {
                CHECK(clock_mono_ns() < until);
                usleep(1000);
        }
}

/* On a machine that has much to do, a holder's first word comes when nobody waits for it any more; it may find whoever
 * adopts the session on the way from the pump. */
static void test_a_first_word_that_comes_while_it_is_being_watched(void **state) {
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        speaker = double_new(&(struct holder_double){.tty = true, .mute = true});
        double_record(speaker, RECORD_RUNNING, false);
        atomic_store(&world.at_watched, have_it_speak);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(atomic_load(&world.at_watched));
        struct session *s = find(speaker);
        struct client *c = client_new(world.ann);
        UNTIL(client_try_attach(c, s, &(struct session_join){.has_since = true}, &joined, &no) ==
              0);
        double_write(speaker, RING_OUTPUT, "output", 6);
        AWAIT(c, joined.channel, ch->out.n == 6);
        double_finish(speaker, HOLD_EXITED, 0);
        AWAIT(c, joined.channel, ch->exits == 1);
        assert_int_equal(PEEK(c, joined.channel, strcmp(ch->verdict, "exited")), 0);
        session_unref(s);
        client_free(c);
        double_free(speaker);
}

static void test_the_newest_ended_are_kept(void **state) {
        struct holder_double *h[6];

        (void)state;
        world.config.ended_kept = 3;
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                h[i] = double_new(&(struct holder_double){.tty = true});
                double_record(h[i], RECORD_RUNNING, false);
                double_write(h[i], RING_OUTPUT, "kept", 4);
        }
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        struct session *first = find(h[0]);
        struct client *c = client_new(world.ann);
        atomic_store(&c->paused, true);
        uint32_t n1 = client_attach(c, first, SESSION_ROLE_VIEWER, "x", NULL);
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                double_finish(h[i], HOLD_EXITED, (int)i);
                UNTIL(stats().ended == i + 1);
                UNTIL(i < 3 || SEEN(h[i - 3], forgotten));
        }
        UNTIL(stats().known == 3);
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                struct session *s = find(h[i]);
                assert_int_equal(s != NULL, i >= 3);
                session_unref(s);
                free(record_of(h[i]->id));
        }
        assert_null(record_of(h[0]->id));
        assert_int_equal(session_close(first), -ENOENT);
        /* Who was attached goes on to the end. */
        atomic_store(&c->paused, false);
        client_wake(&c->port);
        AWAIT(c, n1, ch->exits == 1 && ch->out.n == 4);
        session_unref(first);
        client_free(c);
        for (size_t i = 0; i < ELEMENTS(h); i++)
                double_free(h[i]);
        world.config.ended_kept = 20;
}

static void test_a_closed_session_is_forgotten(void **state) {
        struct holder_double *a =
                double_new(&(struct holder_double){.tty = true, .ends_on_stop = true});
        struct session *s = double_session(a);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, s, SESSION_ROLE_DRIVER, "x", NULL);

        (void)state;
        assert_int_equal(session_close(s), 0);
        assert_null(find(a));
        assert_int_equal(session_close(s), -ENOENT);
        AWAIT(c, n1, ch->exits == 1 && strcmp(ch->verdict, "stopped") == 0);
        UNTIL(SEEN(a, forgotten));
        UNTIL(stats().known == 0);
        assert_null(record_of(a->id));
        session_unref(s);
        client_free(c);
        double_free(a);
}

/* A server that is killed before the holder is made: nobody was told of it, and one that comes late is ended. */
static void test_an_open_that_came_to_nothing_is_not_listed(void **state) {
        struct holder_double *late = double_new(&(struct holder_double){.tty = true});
        char path[200], away[200];

        (void)state;
        double_record(late, RECORD_STARTING, false);
        snprintf(path, sizeof path, "%s/sessions/%s.sock", world.dir, late->id);
        snprintf(away, sizeof away, "%s/sessions/away", world.dir);
        assert_int_equal(rename(path, away), 0);
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(find(late));
        assert_int_equal(stats().known, 0);
        world_down();
        assert_int_equal(rename(away, path), 0);
        world_up();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(find(late));
        UNTIL(SEEN(late, forgotten));
        UNTIL(stats().known == 0);
        assert_null(record_of(late->id));
        double_free(late);
}

/* A server that is killed right after the close: the tombstone speaks. */
static void test_a_close_outlives_the_server(void **state) {
        struct holder_double *a = double_new(&(struct holder_double){.tty = true});
        struct session *s = double_session(a);

        (void)state;
        assert_int_equal(session_close(s), 0);
        session_unref(s);
        UNTIL(SEEN(a, stops) == 1);
        world_down();
        world_up();
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        assert_null(find(a));
        UNTIL(SEEN(a, forgotten));
        UNTIL(stats().known == 0);
        assert_null(record_of(a->id));
        double_free(a);
}

static void test_all_are_ended_together(void **state) {
        struct holder_double *h[5];

        (void)state;
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                h[i] = double_new(&(struct holder_double){.tty = true, .ends_on_stop = i != 4});
                double_record(h[i], RECORD_RUNNING, false);
        }
        assert_int_equal(sessions_adopt(world.sessions, HELLO_MS), 0);
        double_finish(h[0], HOLD_EXITED, 0);
        assert_int_equal(pool_drain(world.pool, 20000), 0); /* as main does, first */
        assert_int_equal(sessions_end_all(world.sessions, 200), -ETIMEDOUT);
        double_finish(h[4], HOLD_KILLED, 0);
        assert_int_equal(sessions_end_all(world.sessions, 20000), 0);
        for (size_t i = 0; i < ELEMENTS(h); i++) {
                UNTIL(SEEN(h[i], forgotten)); /* nothing of ours runs on */
                assert_true(record_is(h[i]->id, RECORD_ENDED,
                                      i == 0   ? "exited"
                                      : i == 4 ? "killed"
                                               : "stopped"));
        }
        for (size_t i = 0; i < ELEMENTS(h); i++)
                double_free(h[i]);
}

/* ---- the race ---- */

struct racer {
        pthread_barrier_t *start;
        struct holder_double *h;
        struct session *s;
        struct client *c;
        uint32_t channel;
        unsigned what;
};

static void *race(void *arg) {
        struct racer *r = arg;
        struct session_joined joined;
        struct session_refusal no;

        latch_thread_begin("racer");
        pthread_barrier_wait(r->start);
        switch (r->what) {
        case 0: double_finish(r->h, HOLD_EXITED, 0); break;
        case 1: CHECK(session_stop(r->s) <= 0); break;
        case 2: double_finish(r->h, HOLD_TIMEOUT, 0); break;
        case 3: client_close(r->c); break;
        case 4: double_die(r->h, true); break;
        case 5:
                CHECK(client_try_attach(r->c, r->s, &(struct session_join){.has_since = true},
                                        &joined, &no) <= 0);
                break;
        case 6: CHECK(session_detach(r->s, &r->c->port, r->channel) <= 0); break;
        default: CHECK(session_close(r->s) <= 0); break;
        }
        latch_thread_end();
        return NULL;
}

/* Finish, stop, timeout, disconnect, the holder's death, a late viewer, a detach and a close at once. */
static void test_the_end_is_told_once_whatever_races(void **state) {
        enum { ROUNDS = 12, RACERS = 8 };

        (void)state;
        for (int round = 0; round < ROUNDS; round++) {
                struct holder_double *a =
                        double_new(&(struct holder_double){.tty = true, .ends_on_stop = true});
                struct session *s = double_session(a);
                struct client *leaver = client_new(world.ann), *stayer = client_new(world.ann),
                              *late = client_new(world.ann);
                uint32_t n1 = client_attach(leaver, s, SESSION_ROLE_DRIVER, "l", NULL);
                uint32_t n2 = client_attach(stayer, s, SESSION_ROLE_VIEWER, "s", NULL);
                uint32_t n3 = client_attach(stayer, s, SESSION_ROLE_VIEWER, "t", NULL);
                struct racer racers[RACERS];
                pthread_barrier_t start;
                pthread_t threads[RACERS];
                unsigned n = 0;

                double_write(a, RING_OUTPUT, "output", 6);
                for (unsigned what = 0; what < RACERS; what++) {
                        if ((what == 4 && round % 3) || (what == 7 && round % 2))
                                continue;
                        struct client *c = what == 5 ? late : what == 6 ? stayer : leaver;
                        racers[n++] = (struct racer){&start, a, s, c, n3, what};
                }
                assert_int_equal(pthread_barrier_init(&start, NULL, n), 0);
                for (unsigned i = 0; i < n; i++)
                        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
                for (unsigned i = 0; i < n; i++)
                        assert_int_equal(pthread_join(threads[i], NULL), 0);
                AWAIT(stayer, n2, ch->exits == 1 && ch->out.n == 6);
                assert_int_equal(stats().living, 0);
                assert_int_equal(stats().leases_taken, stats().leases_released);
                assert_int_equal(atomic_load(&world.ann->sessions), 0);
                (void)n1;
                session_unref(s);
                client_free(leaver);
                client_free(stayer);
                client_free(late);
                pthread_barrier_destroy(&start);
                world_down();
                double_free(a);
                world_up();
                forget_records();
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_living_sessions_are_found_again),
                TEST(test_an_exit_is_told_again_after_a_restart),
                TEST(test_what_has_no_holder_is_lost_and_its_file_free),
                TEST(test_a_tombstone_ends_its_holder),
                TEST(test_a_holder_without_a_record_gets_one),
                TEST(test_a_holder_without_a_record_may_speak_late),
                TEST(test_a_mute_holder_keeps_its_lease_until_it_speaks),
                TEST(test_a_mute_holder_that_dies_frees_its_lease),
                TEST(test_a_lease_is_free_when_the_cage_is_gone_not_before),
                TEST(test_a_holder_that_lies_is_not_believed),
                TEST(test_a_holder_that_is_another_is_not_believed),
                TEST(test_a_record_is_believed_before_a_ring),
                TEST(test_what_is_dropped_before_it_is_watched_is_gone),
                TEST(test_a_first_word_that_comes_while_it_is_being_watched),
                TEST(test_the_newest_ended_are_kept),
                TEST(test_a_closed_session_is_forgotten),
                TEST(test_a_close_outlives_the_server),
                TEST(test_an_open_that_came_to_nothing_is_not_listed),
                TEST(test_all_are_ended_together),
                TEST(test_the_end_is_told_once_whatever_races),
        };

        return cmocka_run_group_tests_name("adopt", tests, world_setup, world_teardown);
}
