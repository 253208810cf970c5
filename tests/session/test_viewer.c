/* Unit tests for what viewers get: src/session/viewer.c, notice.c, seats.c, attach.c, control.c, port.c. */
#include "double.h"

static struct holder_double *holder;
static struct session *session;

static int set_up_like(const struct holder_double *like) {
        world_up();
        holder = double_new(like);
        session = double_session(holder);
        return 0;
}

static int set_up(void **state) {
        (void)state;
        return set_up_like(&(struct holder_double){.tty = true});
}

static int set_up_pipes(void **state) {
        (void)state;
        return set_up_like(&(struct holder_double){.tty = false});
}

static int tear_down(void **state) {
        (void)state;
        session = session_unref(session);
        world_down();
        double_free(holder);
        return 0;
}

static char *noise(size_t n, unsigned seed) {
        char *p = malloc(n);

        assert_non_null(p);
        for (size_t i = 0; i < n; i++)
                p[i] = (char)(rand_r(&seed) >> 4);
        return p;
}

static void test_output_is_exact_and_the_exit_is_last(void **state) {
        const size_t n = 5 << 20;
        _cleanup_(freep) char *bytes = noise(n, 1);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);
        unsigned seed = 7;

        (void)state;
        for (size_t at = 0; at < n;) {
                size_t k = 1 + (size_t)rand_r(&seed) % 70000;
                k = MIN(k, n - at);
                double_write_all(holder, RING_OUTPUT, bytes + at, k);
                at += k;
        }
        double_finish(holder, HOLD_EXITED, 3);
        AWAIT(c, n1, ch->exits == 1);
        assert_int_equal(PEEK(c, n1, ch->gaps), 0);
        assert_int_equal(PEEK(c, n1, ch->out.n), n);
        assert_int_equal(PEEK(c, n1, memcmp(ch->out.data, bytes, n)), 0);
        assert_int_equal(PEEK(c, n1, ch->code), 3);
        client_free(c);
}

static void test_kinds_share_one_space_of_offsets(void **state) {
        static const enum ring_kind kinds[] = {RING_OUTPUT, RING_STDERR, RING_DISPLAY};
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        for (unsigned i = 0; i < 9000; i++)
                double_write_all(holder, kinds[i % 3], "0123456789", 1 + i % 10);
        double_finish(holder, HOLD_EXITED, 0);
        AWAIT(c, n1, ch->exits == 1);
        assert_int_equal(PEEK(c, n1, ch->gaps), 0);
        assert_int_equal(PEEK(c, n1, ch->out.n + ch->err.n + ch->display.n),
                         PEEK(c, n1, ch->exit_offset));
        assert_true(PEEK(c, n1, ch->err.n) > 9000 && PEEK(c, n1, ch->display.n) > 9000);
        client_free(c);
}

static void test_nothing_is_sent_before_the_reply(void **state) {
        struct client *c = client_new(world.ann);
        struct session_join join = {.has_since = true, .role = SESSION_ROLE_DRIVER};
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        double_write_all(holder, RING_OUTPUT, "early", 5);
        double_finish(holder, HOLD_EXITED, 0);
        assert_int_equal(session_attach(session, &c->port, &join, &joined, &no), 0);
        client_wake(&c->port);
        UNTIL(!atomic_load(&c->woken)); /* the pump has asked; an unknown channel would be wrong */
        client_learns(c, joined.channel, joined.offset);
        viewer_activate(joined.viewer);
        viewer_unref(joined.viewer);
        AWAIT(c, joined.channel, ch->exits == 1 && ch->out.n == 5);
        client_free(c);
}

static void test_the_window_is_never_passed(void **state) {
        const size_t window = world.config.window_bytes;
        struct client *c = client_new(world.ann);
        _cleanup_(freep) char *bytes = noise(3 * window, 2);
        struct viewer *viewers[PORT_CHANNELS_MAX];

        (void)state;
        c->auto_ack = false;
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);
        assert_int_equal(port_viewers(&c->port, viewers), 1);
        assert_int_equal(viewer_stalled_since(viewers[0]), 0);
        double_write_all(holder, RING_OUTPUT, bytes, 3 * window);
        AWAIT(c, n1, ch->next == window);
        UNTIL(viewer_stalled_since(viewers[0]) != 0);
        assert_int_equal(PEEK(c, n1, ch->next), window);

        assert_false(sessions_ack(world.sessions, &c->port, n1, window + 1)); /* not sent yet */
        assert_true(sessions_ack(world.sessions, &c->port, n1, 1000));
        assert_false(sessions_ack(world.sessions, &c->port, n1, 999)); /* goes back */
        AWAIT(c, n1, ch->next == window + 1000);
        assert_false(sessions_ack(world.sessions, &c->port, n1 + 1, 1000));
        assert_true(sessions_ack(world.sessions, &c->port, n1, window));
        AWAIT(c, n1, ch->next == 2 * window);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 2 * window));
        AWAIT(c, n1, ch->next == 3 * window);
        UNTIL(viewer_stalled_since(viewers[0]) == 0);
        viewer_unref(viewers[0]);
        client_free(c);
}

static void test_the_driver_holds_the_program_and_the_others_do_not(void **state) {
        const size_t ring = world.config.ring_bytes;
        _cleanup_(freep) char *bytes = noise(3 * ring, 3);
        struct client *slow = client_new(world.ann), *other = client_new(world.ann);

        (void)state;
        slow->auto_ack = other->auto_ack = false;
        uint32_t driver = client_attach(slow, session, SESSION_ROLE_DRIVER, "a", NULL);
        uint32_t viewer = client_attach(other, session, SESSION_ROLE_VIEWER, "b", NULL);
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, 2 * ring), ring);
        unsigned gates = SEEN(holder, gates);
        assert_true(sessions_ack(world.sessions, &slow->port, driver, 0));
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, 1), 0);
        AWAIT(slow, driver, ch->next == world.config.window_bytes);
        AWAIT(other, viewer, ch->next == world.config.window_bytes);
        assert_true(sessions_ack(world.sessions, &slow->port, driver, 100000));
        UNTIL(SEEN(holder, gates) > gates); /* the holder waited, and is told */
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes + ring, ring), 100000);

        /* Nobody drives any more: the program runs on, and the one who stands still has a gap. */
        assert_int_equal(session_detach(session, &slow->port, driver), 0);
        UNTIL(SEEN(holder, gates) > gates + 1);
        double_write_all(holder, RING_OUTPUT, bytes + ring + 100000, 2 * ring - 100000);
        double_finish(holder, HOLD_EXITED, 0);
        other->auto_ack = true;
        assert_true(sessions_ack(world.sessions, &other->port, viewer, world.config.window_bytes));
        AWAIT(other, viewer, ch->exits == 1);
        assert_true(PEEK(other, viewer, ch->gaps) > 0);
        assert_int_equal(PEEK(other, viewer, ch->gap_bytes + ch->out.n), 3 * ring);
        size_t tail = PEEK(other, viewer, ch->out.n - world.config.window_bytes);
        assert_int_equal(PEEK(other, viewer,
                              memcmp(ch->out.data + world.config.window_bytes,
                                     bytes + 3 * ring - tail, tail)),
                         0);
        client_free(slow);
        client_free(other);
}

static void test_a_gap_counts_as_nothing_in_the_window(void **state) {
        const size_t ring = world.config.ring_bytes, window = world.config.window_bytes;
        _cleanup_(freep) char *bytes = noise(4 * ring, 4);
        struct client *c = client_new(world.ann);

        (void)state;
        c->auto_ack = false;
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_VIEWER, "a", NULL);
        struct client *d = client_new(world.ann);
        uint32_t driver = client_attach(d, session, SESSION_ROLE_DRIVER, "d", NULL);
        double_write_all(holder, RING_OUTPUT, bytes, 1000);
        AWAIT(c, n1, ch->next == 1000);
        assert_int_equal(session_detach(session, &d->port, driver), 0);
        atomic_store(&c->paused, true);
        unsigned turns = atomic_load(&world.pump_turns);
        UNTIL(atomic_load(&world.pump_turns) >= turns + 2); /* a turn that began before is over */
        double_write_all(holder, RING_OUTPUT, bytes, 3 * ring);
        atomic_store(&c->paused, false);
        client_wake(&c->port);
        /* 1,000 bytes are not acknowledged: the rest of the window comes behind the gap, no more. */
        AWAIT(c, n1, ch->out.n == window);
        assert_int_equal(PEEK(c, n1, ch->gaps), 1);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 600));
        AWAIT(c, n1, ch->out.n == window + 600);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 1000));
        AWAIT(c, n1, ch->out.n == window + 1000);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 1000 + PEEK(c, n1, ch->gap_bytes)));
        AWAIT(c, n1, ch->out.n == window + 1000); /* nothing of what is acknowledged was sent */
        client_free(c);
        client_free(d);
}

static void test_a_driver_with_a_gap_does_not_hang_the_program(void **state) {
        const size_t ring = world.config.ring_bytes;
        _cleanup_(freep) char *bytes = noise(ring, 5);
        struct client *a = client_new(world.ann);

        (void)state;
        a->auto_ack = false;
        uint32_t n1 = client_attach(a, session, SESSION_ROLE_DRIVER, "a", NULL);
        assert_int_equal(session_detach(session, &a->port, n1), 0);
        double_write_all(holder, RING_OUTPUT, bytes, ring);
        double_write_all(holder, RING_OUTPUT, bytes, ring / 2);
        /* It takes the seat from the beginning, most of which is gone; and it acknowledges nothing. */
        n1 = client_attach(a, session, SESSION_ROLE_DRIVER, "a", NULL);
        AWAIT(a, n1, ch->gaps == 1 && ch->out.n == world.config.window_bytes);
        assert_true(double_write(holder, RING_OUTPUT, bytes, 1) == 0); /* what is kept is held */
        assert_true(sessions_ack(world.sessions, &a->port, n1, PEEK(a, n1, ch->gap_bytes) + 65536));
        UNTIL(double_write(holder, RING_OUTPUT, bytes, 1) == 1);
        client_free(a);
}

static void test_whoever_comes_late_gets_what_is_kept_behind_a_gap(void **state) {
        const size_t ring = world.config.ring_bytes;
        _cleanup_(freep) char *bytes = noise(2 * ring, 6);
        struct session_joined joined;
        struct session_refusal no;
        struct client *c = client_new(world.ann);

        (void)state;
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "a", NULL);
        double_write_all(holder, RING_OUTPUT, bytes, 2 * ring);
        double_finish(holder, HOLD_EXITED, 0);
        AWAIT(c, n1, ch->exits == 1);

        uint32_t n2 = client_attach(c, session, SESSION_ROLE_VIEWER, "b", &joined);
        assert_int_equal(joined.offset, 0);
        assert_int_equal(joined.head, 2 * ring);
        AWAIT(c, n2, ch->exits == 1);
        assert_int_equal(PEEK(c, n2, ch->gaps), 1);
        assert_true(PEEK(c, n2, ch->out.n) >= ring / 2 && PEEK(c, n2, ch->out.n) <= ring);

        struct session_join join = {.has_since = true, .since = 2 * ring - 10};
        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), 0);
        assert_int_equal(joined.offset, 2 * ring - 10);
        AWAIT(c, joined.channel, ch->exits == 1 && ch->out.n == 10 && ch->gaps == 0);
        assert_int_equal(PEEK(c, joined.channel, memcmp(ch->out.data, bytes + 2 * ring - 10, 10)),
                         0);

        join.since = 2 * ring;
        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), 0);
        AWAIT(c, joined.channel, ch->exits == 1 && ch->out.n == 0 && ch->gaps == 0);
        join.since = 2 * ring + 1;
        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), -EINVAL);
        assert_true(strlen(no.words) > 0);
        UNTIL(client_channels(c) == 0);
        client_free(c);
}

static void test_the_last_to_drive_drives_and_the_others_hear_it(void **state) {
        struct client *a = client_new(world.ann), *b = client_new(world.ann);
        struct session_joined joined;

        (void)state;
        uint32_t first = client_attach(a, session, SESSION_ROLE_ANY, "a", &joined);
        assert_true(joined.driver); /* nobody did */
        uint32_t second = client_attach(b, session, SESSION_ROLE_ANY, "b", &joined);
        assert_false(joined.driver);
        AWAIT(a, first, ch->viewers == 2);
        assert_int_equal(client_drive(b, session, second), 0);
        AWAIT(a, first, ch->driver_notices == 1 && !ch->drives);
        assert_int_equal(PEEK(a, first, strcmp(ch->why, "drive")), 0);
        sessions_input(world.sessions, &a->port, first, 0, "lost", 4);
        AWAIT(a, first, ch->refusals == 1 && ch->refused_at == 0);
        assert_int_equal(PEEK(a, first, strcmp(ch->refused_code, "not_driver")), 0);
        sessions_input(world.sessions, &b->port, second, 0, "taken", 5);
        AWAIT(b, second, ch->input_acked == 5);
        assert_int_equal(PEEK(b, second, ch->driver_notices), 0); /* its reply said so */

        uint32_t third = client_attach(a, session, SESSION_ROLE_DRIVER, "c", &joined);
        assert_true(joined.driver && third != first);
        AWAIT(b, second, ch->driver_notices == 1 && ch->viewers == 3);
        AWAIT(a, first, ch->driver_notices == 2);
        assert_int_equal(session_detach(session, &a->port, third), 0);
        AWAIT(b, second, ch->driver_notices == 2 && ch->viewers == 2);
        assert_int_equal(session_detach(session, &a->port, third), -ENOENT);
        assert_int_equal(client_drive(a, session, third), -ENOENT);
        assert_int_equal(SEEN(holder, input.n), 5);
        client_free(a);
        client_free(b);
}

/* Else who was answered last would believe that he drives. */
static void test_who_drives_next_is_told_behind_the_answer(void **state) {
        struct client *a = client_new(world.ann), *b = client_new(world.ann);
        struct viewer *unanswered;

        (void)state;
        uint32_t first = client_attach(a, session, SESSION_ROLE_DRIVER, "a", NULL);
        uint32_t second = client_attach(b, session, SESSION_ROLE_VIEWER, "b", NULL);
        assert_int_equal(session_drive(session, &b->port, second, &unanswered), 0);
        AWAIT(a, first, ch->driver_notices == 1);
        assert_int_equal(client_drive(a, session, first), 0);
        sessions_input(world.sessions, &b->port, second, 0, "lost", 4);
        AWAIT(b, second, ch->refusals == 1); /* all that was due before it was told */
        assert_int_equal(PEEK(b, second, ch->driver_notices), 0);
        viewer_drive_answered(unanswered);
        viewer_unref(unanswered);
        AWAIT(b, second, ch->driver_notices == 1 && !ch->drives);
        client_free(a);
        client_free(b);
}

static void test_a_key_that_comes_again_takes_its_seat(void **state) {
        struct client *a = client_new(world.ann), *b = client_new(world.ann);
        struct session_joined joined;

        (void)state;
        uint32_t first = client_attach(a, session, SESSION_ROLE_DRIVER, "tab", NULL);
        sessions_input(world.sessions, &a->port, first, 0, "seventeen bytes.\n", 17);
        AWAIT(a, first, ch->input_acked == 17);
        uint32_t second = client_attach(b, session, SESSION_ROLE_ANY, "tab", &joined);
        assert_true(joined.driver);
        assert_int_equal(joined.input_offset, 17);
        AWAIT(a, first, ch->driver_notices == 1 && strcmp(ch->why, "replaced") == 0);
        assert_null(port_session(&a->port, first));
        sessions_input(world.sessions, &a->port, first, 17, "nobody", 6); /* passed over */
        sessions_input(world.sessions, &b->port, second, 10, " bytes.\nmore", 12);
        AWAIT(b, second, ch->input_acked == 22);
        assert_int_equal(SEEN(holder, input.n), 22);
        /* The same name of another user is another key; and no name is a fresh one each time. */
        assert_int_equal(SEEN(holder, keys_n), 1);
        client_free(a); /* its end takes nothing from its successor */
        double_write_all(holder, RING_OUTPUT, "x", 1);
        AWAIT(b, second, ch->out.n == 1);
        assert_int_equal(SEEN(holder, graces), 0);
        client_free(b);
        UNTIL(SEEN(holder, graces) == 1);
}

static void test_a_lost_socket_holds_the_gate_and_a_detach_opens_it(void **state) {
        struct client *a = client_new(world.ann);
        uint32_t n1 = client_attach(a, session, SESSION_ROLE_DRIVER, "tab", NULL);
        struct ring_reader *ring;

        (void)state;
        assert_int_equal(ring_reader_open(holder->data, holder->control, holder->id, &ring), 0);
        double_write_all(holder, RING_OUTPUT, "0123456789", 10);
        AWAIT(a, n1, ch->next == 10);
        assert_true(sessions_ack(world.sessions, &a->port, n1, 7));
        assert_int_equal(ring_reader_gate(ring), 7);
        client_close(a);
        UNTIL(SEEN(holder, graces) == 1);
        assert_int_equal(ring_reader_gate(ring), 7);
        client_free(a);

        a = client_new(world.ann);
        unsigned gates = SEEN(holder, gates);
        struct session_joined joined;
        struct session_refusal no;
        assert_int_equal(client_try_attach(a, session,
                                           &(struct session_join){.has_since = true,
                                                                  .since = 7,
                                                                  .role = SESSION_ROLE_DRIVER,
                                                                  .client = "tab"},
                                           &joined, &no),
                         0);
        UNTIL(SEEN(holder, gates) > gates); /* ends the grace */
        AWAIT(a, joined.channel, ch->next == 10 && ch->gaps == 0);
        assert_int_equal(session_detach(session, &a->port, joined.channel), 0);
        assert_true(ring_reader_gate(ring) == RING_NO_DRIVER);
        ring_reader_free(ring);
        client_free(a);
}

static void test_seats_are_counted_before_anything_else(void **state) {
        struct client *c = client_new(world.ann);
        struct session_join join = {.has_since = true, .role = SESSION_ROLE_VIEWER};
        struct session_joined joined, last = {0};
        struct session_refusal no;
        char key[16];

        (void)state;
        for (unsigned i = 0; i < world.config.viewers_per_session; i++) {
                snprintf(key, sizeof key, "k%u", i);
                join.client = key;
                join.role = i == 0 ? SESSION_ROLE_DRIVER : SESSION_ROLE_VIEWER;
                assert_int_equal(client_try_attach(c, session, &join, &last, &no), 0);
        }
        join.client = "one more";
        for (unsigned i = 0; i < 50; i++) {
                assert_int_equal(client_try_attach(c, session, &join, &joined, &no), -EUSERS);
                assert_string_equal(no.code, "limit_reached");
                assert_string_equal(no.words, "too many connections for this session");
                assert_int_equal(no.holder_count, 8);
                unsigned drivers = 0;
                for (size_t k = 0; k < no.holder_count; k++)
                        drivers += no.holders[k].driver;
                assert_int_equal(drivers, 1);
        }
        join.client = "k3"; /* has a seat already */
        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), 0);
        assert_int_equal(session_detach(session, &c->port, last.channel), 0);
        join.client = "one more"; /* a freed seat is free at once */
        assert_int_equal(client_try_attach(c, session, &join, &joined, &no), 0);
        client_close(c);
        struct client *d = client_new(world.ann);
        assert_int_equal(client_try_attach(d, session, &join, &joined, &no), 0);
        client_free(c);
        client_free(d);
}

static void test_input_goes_in_pieces_and_its_count_is_kept(void **state) {
        const size_t n = 100000;
        _cleanup_(freep) char *bytes = noise(n, 8);
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        sessions_input(world.sessions, &c->port, n1, 0, bytes, n);
        AWAIT(c, n1, ch->input_acked == n);
        assert_int_equal(SEEN(holder, inputs), 4);
        assert_int_equal(SEEN(holder, largest), HOLD_INPUT_MAX);
        assert_int_equal(SEEN(holder, input.n), n);
        HELD(holder)
        assert_memory_equal(holder->input.data, bytes, n);
        sessions_input(world.sessions, &c->port, n1, n + 5, "hole", 4);
        AWAIT(c, n1, ch->refusals == 1 && ch->refused_at == n);
        assert_int_equal(PEEK(c, n1, strcmp(ch->refused_code, "hole")), 0);
        sessions_input(world.sessions, &c->port, n1, UINT64_MAX - 1, "wraps", 5);
        AWAIT(c, n1, ch->refusals == 2);
        double_finish(holder, HOLD_EXITED, 0);
        AWAIT(c, n1, ch->exits == 1);
        client_free(c);
}

/* True: since it was first asked, the pump has made that many turns; then it begins anew. */
static bool pump_turned(unsigned turns) {
        static unsigned from, begun;
        unsigned now = atomic_load(&world.pump_turns);

        if (!begun) {
                begun = 1;
                from = now;
        }
        kick_pump();
        if (now - from < turns)
                return false;
        begun = 0;
        return true;
}

static void test_a_full_way_refuses_and_never_waits(void **state) {
        static char bytes[1 << 20];
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        HELD(holder)
        holder->deaf = true;
        uint64_t began = clock_mono_ns();
        sessions_input(world.sessions, &c->port, n1, 0, bytes, sizeof bytes);
        assert_true(clock_mono_ns() - began < UINT64_C(2000000000));
        AWAIT(c, n1, ch->refusals == 1);
        uint64_t at = PEEK(c, n1, ch->refused_at);
        assert_int_equal(PEEK(c, n1, strcmp(ch->refused_code, "full")), 0);
        assert_true(at > 0 && at < sizeof bytes);
        HELD(holder)
        holder->deaf = false;
        AWAIT(c, n1, ch->input_acked == at); /* all that was not refused */
        sessions_input(world.sessions, &c->port, n1, at, bytes, 10);
        AWAIT(c, n1, ch->input_acked == at + 10);
        client_free(c);
}

static void test_an_acknowledgement_is_told_behind_the_refusal(void **state) {
        static char bytes[1 << 20];
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        atomic_store(&c->paused, true);
        HELD(holder)
        holder->deaf = true;
        sessions_input(world.sessions, &c->port, n1, 0, bytes, sizeof bytes);
        HELD(holder)
        holder->deaf = false;
        UNTIL(SEEN(holder, input.n) > 0);
        assert_int_equal(session_signal(session, "INT"), 0);
        UNTIL(SEEN(holder, signals) == 1); /* all before it was taken, and acknowledged */
        UNTIL(pump_turned(2));
        atomic_store(&c->paused, false);
        kick_pump();
        AWAIT(c, n1, ch->refusals == 1 && ch->acked_last);
        assert_int_equal(PEEK(c, n1, ch->input_acked), PEEK(c, n1, ch->refused_at));
        client_free(c);
}

/* Somebody else's input fills the way: whoever is refused for that hears when there is room. */
static void test_who_is_refused_for_anothers_input_hears_of_room(void **state) {
        static char bytes[1 << 20];
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "one", NULL);
        uint32_t n2 = client_attach(c, session, SESSION_ROLE_VIEWER, "two", NULL);

        (void)state;
        HELD(holder)
        holder->deaf = true;
        sessions_input(world.sessions, &c->port, n1, 0, bytes, sizeof bytes);
        assert_int_equal(client_drive(c, session, n2), 0);
        sessions_input(world.sessions, &c->port, n2, 0, bytes, HOLD_INPUT_MAX);
        AWAIT(c, n2, ch->refusals == 1 && strcmp(ch->refused_code, "full") == 0);
        HELD(holder)
        holder->deaf = false;
        AWAIT(c, n2, ch->acked_last && ch->input_acked == 0);
        sessions_input(world.sessions, &c->port, n2, 0, bytes, HOLD_INPUT_MAX);
        AWAIT(c, n2, ch->input_acked == HOLD_INPUT_MAX);
        client_free(c);
}

static void test_what_is_refused_for_good_is_not_told_as_for_now(void **state) {
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        HELD(holder)
        holder->room = 10;
        for (int i = 0; i < 2; i++) {
                atomic_store(&c->paused, true);
                unsigned inputs = SEEN(holder, inputs);
                sessions_input(world.sessions, &c->port, n1, 0, "0123456789abcdefghij", 20);
                UNTIL(SEEN(holder, inputs) == inputs + 1); /* full at 10 */
                if (i == 0) {
                        sessions_input(world.sessions, &c->port, n1, 20, "k", 1);
                        UNTIL(SEEN(holder, inputs) == inputs + 2);
                } else {
                        double_finish(holder, HOLD_EXITED, 0);
                        UNTIL(session_signal(session, "INT") == -ESRCH);
                        sessions_input(world.sessions, &c->port, n1, 10, "k", 1);
                }
                UNTIL(pump_turned(2));
                atomic_store(&c->paused, false);
                kick_pump();
                AWAIT(c, n1, ch->refusals == (unsigned)i + 1);
                assert_int_equal(PEEK(c, n1, ch->refused_at), 10);
                assert_int_equal(
                        PEEK(c, n1, strcmp(ch->refused_code, i == 0 ? "hole" : "ended") == 0), 1);
        }
        client_free(c);
}

static void test_a_gate_that_finds_no_room_is_told_later(void **state) {
        static char bytes[1 << 20];
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        c->auto_ack = false;
        HELD(holder)
        holder->deaf = true;
        sessions_input(world.sessions, &c->port, n1, 0, bytes, sizeof bytes);
        AWAIT(c, n1, ch->refusals == 1);
        unsigned gates = SEEN(holder, gates);
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, sizeof bytes), sizeof bytes);
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, 1), 0);
        AWAIT(c, n1, ch->next == world.config.window_bytes);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 200000));
        HELD(holder)
        holder->deaf = false;
        UNTIL(SEEN(holder, gates) > gates);
        client_free(c);
}

/* Whoever takes the seat is gone before the holder is told that somebody drives. */
static void test_a_driver_that_goes_while_it_comes_leaves_a_grace(void **state) {
        struct client *looks = client_new(world.ann), *drives = client_new(world.ann);
        (void)client_attach(looks, session, SESSION_ROLE_VIEWER, "a", NULL);

        (void)state;
        atomic_store(&looks->closes, drives);
        (void)client_attach(drives, session, SESSION_ROLE_DRIVER, "b", NULL);
        assert_true(drives->closed);
        assert_int_equal(session_signal(session, "INT"), 0); /* behind all that was said */
        UNTIL(SEEN(holder, signals) == 1);
        assert_int_equal(SEEN(holder, seat), HOLD_GRACE);
        client_free(looks);
        client_free(drives);
}

static void test_a_word_that_is_owed_is_said_as_it_is_then(void **state) {
        static char bytes[1 << 20];
        struct client *c = client_new(world.ann);
        uint32_t n1 = client_attach(c, session, SESSION_ROLE_DRIVER, "tab", NULL);

        (void)state;
        c->auto_ack = false;
        atomic_store(&world.ticks_stop, true);
        HELD(holder)
        holder->deaf = true;
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, sizeof bytes), sizeof bytes);
        assert_int_equal(double_write(holder, RING_OUTPUT, bytes, 1), 0);
        AWAIT(c, n1, ch->next == world.config.window_bytes);
        sessions_input(world.sessions, &c->port, n1, 0, bytes, sizeof bytes);
        AWAIT(c, n1, ch->refusals == 1);
        unsigned gates = SEEN(holder, gates);
        assert_true(sessions_ack(world.sessions, &c->port, n1, 200000)); /* the gate is owed */
        HELD(holder)
        holder->deaf = false;
        uint64_t at = PEEK(c, n1, ch->refused_at);
        AWAIT(c, n1, ch->input_acked == at); /* there is room */
        assert_int_equal(SEEN(holder, gates), gates);
        client_close(c);
        UNTIL(SEEN(holder, graces) > 0);
        unsigned graces = SEEN(holder, graces);
        atomic_store(&world.ticks_stop, false);
        UNTIL(SEEN(holder, gates) + SEEN(holder, graces) > gates + graces);
        assert_int_equal(SEEN(holder, seat), HOLD_GRACE);
        client_free(c);
}

static void test_only_the_driver_sets_the_size(void **state) {
        struct client *a = client_new(world.ann), *b = client_new(world.ann);
        uint32_t first = client_attach(a, session, SESSION_ROLE_DRIVER, "a", NULL);
        uint32_t second = client_attach(b, session, SESSION_ROLE_VIEWER, "b", NULL);
        unsigned now[2];

        (void)state;
        assert_int_equal(session_resize(session, &a->port, first, (const unsigned[]){132, 50}, now),
                         0);
        assert_true(now[0] == 132 && now[1] == 50);
        AWAIT(b, second, ch->resized == 1 && ch->cols == 132 && ch->rows == 50);
        assert_int_equal(PEEK(a, first, ch->resized), 0); /* its reply said so */
        assert_int_equal(session_resize(session, &b->port, second, (const unsigned[]){10, 10}, now),
                         0);
        assert_true(now[0] == 132 && now[1] == 50);
        assert_int_equal(
                session_resize(session, &a->port, first, (const unsigned[]){0, 60000}, now), 0);
        assert_true(now[0] == 1 && now[1] == SESSION_SIZE_MAX);
        assert_int_equal(SEEN(holder, resizes), 2);
        assert_int_equal(
                session_resize(session, &a->port, second + 5, (const unsigned[]){9, 9}, now),
                -ENOENT);

        struct session_join join = {
                .has_since = true, .role = SESSION_ROLE_VIEWER, .cols = 80, .rows = 24};
        struct session_joined joined;
        struct session_refusal no;
        assert_int_equal(client_try_attach(b, session, &join, &joined, &no), 0);
        AWAIT(b, joined.channel, ch->resized == 1 && ch->cols == 1); /* it thought otherwise */
        join.role = SESSION_ROLE_DRIVER;
        assert_int_equal(client_try_attach(b, session, &join, &joined, &no), 0);
        AWAIT(a, first, ch->cols == 80 && ch->rows == 24);
        client_free(a);
        client_free(b);
}

static void test_pipes_have_no_size(void **state) {
        struct client *a = client_new(world.ann);
        uint32_t n1 = client_attach(a, session, SESSION_ROLE_DRIVER, "a", NULL);
        unsigned now[2];

        (void)state;
        assert_int_equal(session_resize(session, &a->port, n1, (const unsigned[]){9, 9}, now),
                         -ENODEV);
        client_free(a);
}

static void test_signals_and_stop_reach_the_holder(void **state) {
        (void)state;
        assert_int_equal(session_signal(session, "INT"), 0);
        UNTIL(SEEN(holder, signals) == 1);
        assert_int_equal(SEEN(holder, last_signal), SIGINT);
        assert_int_equal(session_signal(session, "SEGV"), -EINVAL);
        assert_int_equal(session_signal(session, "int"), -EINVAL);
        assert_int_equal(session_stop(session), 0);
        UNTIL(SEEN(holder, stops) == 1);
        double_finish(holder, HOLD_STOPPED, 0);
        UNTIL(session_signal(session, "INT") == -ESRCH);
        assert_int_equal(session_stop(session), 0);
}

static void test_a_socket_that_went_takes_no_seat(void **state) {
        struct client *c = client_new(world.ann);
        struct session_joined joined;
        struct session_refusal no;

        (void)state;
        client_close(c);
        assert_int_equal(client_try_attach(c, session, &(struct session_join){.has_since = true},
                                           &joined, &no),
                         -EPIPE);
        client_free(c);
        UNTIL(SEEN(holder, keys_n) == 0);
}

static void test_a_port_has_no_more_channels_than_it_may(void **state) {
        struct client *c = client_new(world.ann);
        struct session_joined joined;
        struct session_refusal no;
        uint32_t n = 0;

        (void)state;
        double_write_all(holder, RING_OUTPUT, "x", 1);
        double_finish(holder, HOLD_EXITED, 0);
        UNTIL(session_signal(session, "INT") == -ESRCH);
        for (int i = 0; i < 280; i++) { /* a channel that has told its exit is none */
                assert_int_equal(client_try_attach(c, session,
                                                   &(struct session_join){.has_since = true},
                                                   &joined, &no),
                                 0);
                AWAIT(c, joined.channel, ch->exits == 1);
                assert_int_equal(joined.channel, n + 1); /* never a number twice */
                n = joined.channel;
        }
        UNTIL(client_channels(c) == 0);
        client_free(c);
}

int main(void) {
#define TEST(name)       cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_PIPES(name) cmocka_unit_test_setup_teardown(name, set_up_pipes, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(test_output_is_exact_and_the_exit_is_last),
                TEST_PIPES(test_kinds_share_one_space_of_offsets),
                TEST(test_nothing_is_sent_before_the_reply),
                TEST(test_the_window_is_never_passed),
                TEST(test_the_driver_holds_the_program_and_the_others_do_not),
                TEST(test_a_gap_counts_as_nothing_in_the_window),
                TEST(test_a_driver_with_a_gap_does_not_hang_the_program),
                TEST(test_whoever_comes_late_gets_what_is_kept_behind_a_gap),
                TEST(test_the_last_to_drive_drives_and_the_others_hear_it),
                TEST(test_who_drives_next_is_told_behind_the_answer),
                TEST(test_a_key_that_comes_again_takes_its_seat),
                TEST(test_a_lost_socket_holds_the_gate_and_a_detach_opens_it),
                TEST(test_seats_are_counted_before_anything_else),
                TEST(test_input_goes_in_pieces_and_its_count_is_kept),
                TEST(test_a_full_way_refuses_and_never_waits),
                TEST(test_an_acknowledgement_is_told_behind_the_refusal),
                TEST(test_who_is_refused_for_anothers_input_hears_of_room),
                TEST(test_what_is_refused_for_good_is_not_told_as_for_now),
                TEST(test_a_gate_that_finds_no_room_is_told_later),
                TEST(test_a_driver_that_goes_while_it_comes_leaves_a_grace),
                TEST(test_a_word_that_is_owed_is_said_as_it_is_then),
                TEST(test_only_the_driver_sets_the_size),
                TEST_PIPES(test_pipes_have_no_size),
                TEST(test_signals_and_stop_reach_the_holder),
                TEST(test_a_socket_that_went_takes_no_seat),
                TEST(test_a_port_has_no_more_channels_than_it_may),
        };

        return cmocka_run_group_tests_name("viewer", tests, world_setup, world_teardown);
}
