/* Unit tests for src/ring: one process writes, the other reads. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/fd.h"
#include "ring/ring.h"

#define ID          "abcdefghijklmnopqrstuvwxyz"
#define SMALL       (UINT64_C(64) << 10)
#define KIND_RUN    5003u /* bytes of one kind */
#define PATIENCE_MS 30000u

/* What stands at an offset is known to both sides, so each byte read is judged by itself. */
static unsigned char byte_at(uint64_t offset) {
        return (unsigned char)((offset * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

static enum ring_kind kind_at(uint64_t offset) {
        return (offset / KIND_RUN) % 2 ? RING_STDERR : RING_OUTPUT;
}

struct pair {
        int data, control, wake, gate; /* eventfds: to the reader, to the writer */
        struct ring_writer *w;
        struct ring_reader *r;
};

static void make_files(struct pair *p, uint64_t bytes) {
        *p = (struct pair){.wake = eventfd(0, EFD_CLOEXEC), .gate = eventfd(0, EFD_CLOEXEC)};
        assert_true(p->wake >= 0 && p->gate >= 0);
        assert_int_equal(ring_create(ID, bytes, &p->data, &p->control), 0);
}

static void make_pair(struct pair *p, uint64_t bytes) {
        make_files(p, bytes);
        assert_int_equal(ring_writer_open(p->data, p->control, &p->w), 0);
        assert_int_equal(ring_reader_open(p->data, p->control, ID, &p->r), 0);
}

static void end_pair(struct pair *p) {
        p->w = ring_writer_free(p->w);
        p->r = ring_reader_free(p->r);
        fd_close(p->data);
        fd_close(p->control);
        fd_close(p->wake);
        fd_close(p->gate);
}

static void notify(int fd) {
        const uint64_t one = 1;

        if (write(fd, &one, sizeof one) != sizeof one)
                abort();
}

static void wait_on(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint64_t count;

        if (poll(&p, 1, PATIENCE_MS) != 1 || read(fd, &count, sizeof count) != sizeof count)
                abort(); /* a wake-up was lost */
}

/* Up to n bytes of one kind, as the function above has them. How many. */
static size_t put(struct pair *p, size_t n) {
        struct iovec to[2];
        uint64_t at = ring_writer_head(p->w);
        size_t got;

        n = MIN(n, KIND_RUN - at % KIND_RUN);
        got = ring_writer_space(p->w, n, to);
        for (int i = 0; i < 2; i++)
                for (size_t k = 0; k < to[i].iov_len; k++)
                        ((unsigned char *)to[i].iov_base)[k] = byte_at(at++);
        ring_writer_commit(p->w, kind_at(at - got), got);
        return got;
}

/* The writer's process: pieces of every size, many to a publish, waiting whenever the gate says so. */
static _Noreturn void flood(struct pair *p, uint64_t total, unsigned seed) {
        if (ring_writer_open(p->data, p->control, &p->w) < 0)
                abort();
        notify(p->wake); /* sealed: the reader may open it */
        while (ring_writer_head(p->w) < total) {
                for (unsigned i = 0; i < 8 && ring_writer_head(p->w) < total; i++) {
                        uint64_t left = total - ring_writer_head(p->w);
                        size_t n = 1 + (size_t)(rand_r(&seed) % 9000);
                        if (put(p, MIN(n, left)) > 0)
                                continue;
                        if (ring_writer_publish(p->w))
                                notify(p->wake);
                        wait_on(p->gate);
                }
                if (ring_writer_publish(p->w))
                        notify(p->wake);
        }
        if (ring_writer_eof(p->w))
                notify(p->wake);
        ring_writer_free(p->w);
        _exit(0);
}

static pid_t start_flood(struct pair *p, uint64_t bytes, uint64_t total, bool driven) {
        pid_t pid;

        make_files(p, bytes);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
                flood(p, total, 7);
        wait_on(p->wake);
        assert_int_equal(ring_reader_open(p->data, p->control, ID, &p->r), 0);
        if (!driven && ring_reader_set_gate(p->r, RING_NO_DRIVER))
                notify(p->gate);
        return pid;
}

static void check_piece(const unsigned char *piece, uint64_t at, size_t n, enum ring_kind kind) {
        for (size_t i = 0; i < n; i++)
                if (piece[i] != byte_at(at + i) || kind_at(at + i) != kind)
                        fail_msg("wrong at %llu", (unsigned long long)(at + i));
}

/* Reads to the end; returns how many bytes were in gaps. ack: as a driver, every so many bytes. */
static uint64_t read_all(struct pair *p, uint64_t total, uint64_t ack, bool pause) {
        static unsigned char piece[40000];
        uint64_t at = 0, gaps = 0, tail, head, acked = 0;
        enum ring_kind kind;
        bool eof = false;

        for (;;) {
                ssize_t k = ring_read(p->r, at, piece, sizeof piece, &kind, &tail);
                if (k == -ESTALE) {
                        assert_true(tail > at);
                        gaps += tail - at;
                        at = tail;
                        continue;
                }
                assert_true(k >= 0);
                check_piece(piece, at, (size_t)k, kind);
                at += (uint64_t)k;
                if (ack && at - acked >= ack) {
                        acked = at;
                        if (ring_reader_set_gate(p->r, acked))
                                notify(p->gate);
                }
                if (k > 0)
                        continue;
                assert_int_equal(ring_reader_bounds(p->r, &tail, &head, &eof), 0);
                if (eof && at == head)
                        break;
                if (pause)
                        sched_yield(); /* falls behind on purpose */
                if (!ring_reader_arm(p->r, at))
                        wait_on(p->wake);
        }
        assert_int_equal(at, total);
        return gaps;
}

static void end_flood(struct pair *p, pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        end_pair(p);
}

static void test_a_driver_misses_nothing(void **state) {
        const uint64_t sizes[] = {SMALL, 256 << 10, 1 << 20}, total = 24 << 20;
        struct pair p;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                /* As a client does: it acknowledges every 32 KiB, and the rest never. */
                pid_t pid = start_flood(&p, sizes[i], total, true);
                assert_int_equal(read_all(&p, total, 32 << 10, false), 0);
                end_flood(&p, pid);
        }
}

static void test_who_does_not_drive_is_told_each_gap(void **state) {
        const uint64_t total = 64 << 20;
        struct pair p;
        pid_t pid;

        (void)state;
        pid = start_flood(&p, SMALL, total, false);
        uint64_t gaps = read_all(&p, total, 0, true);
        print_message("%llu of %llu bytes were in gaps\n", (unsigned long long)gaps,
                      (unsigned long long)total);
        end_flood(&p, pid);
}

static void test_the_gate_holds_until_it_is_set(void **state) {
        struct iovec to[2];
        struct pair p;

        (void)state;
        make_pair(&p, SMALL);
        assert_false(ring_reader_set_gate(p.r, 0)); /* nobody waits */
        while (put(&p, SMALL) > 0)
                ;
        assert_int_equal(ring_writer_head(p.w), SMALL);
        (void)!ring_writer_publish(p.w);
        assert_false(ring_reader_set_gate(p.r, 1)); /* too little to be worth it */
        assert_true(ring_reader_set_gate(p.r, 16 << 10));
        assert_int_equal(ring_writer_space(p.w, 1 << 20, to), 16 << 10);
        ring_writer_commit(p.w, RING_OUTPUT, 0);
        assert_false(ring_reader_set_gate(p.r, 20 << 10));
        /* Nobody drives: everything but what is being written may go. */
        assert_false(ring_reader_set_gate(p.r, RING_NO_DRIVER));
        assert_int_equal(ring_reader_gate(p.r), RING_NO_DRIVER);
        assert_int_equal(ring_writer_space(p.w, 1 << 20, to), SMALL / 4);
        end_pair(&p);
}

static void test_a_gate_beyond_the_head_is_the_head(void **state) {
        struct pair p;

        (void)state;
        make_pair(&p, SMALL);
        assert_int_equal(put(&p, 100), 100);
        assert_false(ring_reader_set_gate(p.r, UINT64_C(1) << 60));
        uint64_t before = ring_writer_head(p.w);
        for (unsigned i = 0; i < 64; i++)
                assert_true(put(&p, KIND_RUN) > 0);
        assert_true(ring_writer_head(p.w) > before);
        end_pair(&p);
}

static void test_a_gate_that_is_ignored_holds_nothing(void **state) {
        struct pair p;

        (void)state;
        make_pair(&p, SMALL);
        while (put(&p, SMALL) > 0)
                ;
        ring_writer_want_gate(p.w, true);
        ring_writer_ignore_gate(p.w, true);
        assert_true(put(&p, 1000) > 0);
        assert_true(
                ring_reader_set_gate(p.r, 5)); /* whatever it is set to, the holder wants to know */
        ring_writer_want_gate(p.w, false);
        ring_writer_ignore_gate(p.w, false);
        assert_int_equal(put(&p, 1000), 0);
        end_pair(&p);
}

/* Also where the ring begins anew. */
static void test_what_is_kept_is_one_piece(void **state) {
        struct pair p;

        (void)state;
        make_pair(&p, SMALL);
        ring_writer_ignore_gate(p.w, true);
        while (ring_writer_head(p.w) < 3 * SMALL) {
                assert_true(put(&p, KIND_RUN) > 0);
                const void *kept;
                uint64_t head = ring_writer_head(p.w), from = head - MIN(head, SMALL / 2);
                size_t n = ring_writer_kept(p.w, from, &kept);
                assert_int_equal(n, head - from);
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(((const unsigned char *)kept)[i], byte_at(from + i));
        }
        end_pair(&p);
}

static void test_many_short_runs_fill_the_table_and_wait(void **state) {
        struct iovec to[2];
        uint64_t tail;
        enum ring_kind kind;
        struct pair p;
        char c;

        (void)state;
        make_pair(&p, SMALL);
        unsigned n = 0;
        while (ring_writer_space(p.w, 1, to) > 0) {
                *(char *)to[0].iov_base = (char)('a' + n % 26);
                ring_writer_commit(p.w, n % 2 ? RING_STDERR : RING_OUTPUT, 1);
                n++;
        }
        assert_int_equal(n, RING_SEGMENTS);
        (void)!ring_writer_publish(p.w);
        assert_true(ring_reader_set_gate(p.r, 3));
        assert_int_equal(ring_writer_space(p.w, 1, to), 1);
        *(char *)to[0].iov_base = 'Z';
        ring_writer_commit(p.w, RING_DISPLAY, 1);
        (void)!ring_writer_publish(p.w);
        assert_int_equal(ring_read(p.r, 0, &c, 1, &kind, &tail), -ESTALE);
        assert_int_equal(tail, 1); /* the oldest run alone had to go */
        for (uint64_t at = 1; at < n; at++) {
                assert_int_equal(ring_read(p.r, at, &c, 1, &kind, &tail), 1);
                assert_int_equal(c, 'a' + at % 26);
                assert_int_equal(kind, at % 2 ? RING_STDERR : RING_OUTPUT);
        }
        assert_int_equal(ring_read(p.r, n, &c, 1, &kind, &tail), 1);
        assert_int_equal(kind, RING_DISPLAY);
        end_pair(&p);
}

static void test_wakes_only_who_asked(void **state) {
        uint64_t tail, head;
        struct pair p;
        bool eof;

        (void)state;
        make_pair(&p, SMALL);
        assert_int_equal(put(&p, 10), 10);
        assert_false(ring_writer_publish(p.w)); /* nobody asked yet */
        assert_true(ring_reader_arm(p.r, 5));   /* already there */
        assert_false(ring_reader_arm(p.r, 10));
        assert_int_equal(put(&p, 10), 10);
        assert_true(ring_writer_publish(p.w));
        assert_int_equal(put(&p, 10), 10);
        assert_false(ring_writer_publish(p.w)); /* once */
        assert_false(ring_writer_publish(p.w)); /* nothing new */
        assert_true(ring_writer_eof(p.w));
        assert_int_equal(ring_reader_bounds(p.r, &tail, &head, &eof), 0);
        assert_true(eof);
        assert_int_equal(head, 30);
        assert_int_equal(tail, 0);
        end_pair(&p);
}

/* ---- enemies ---- */

static void test_a_reader_opens_only_what_is_right(void **state) {
        struct ring_reader *r = NULL;
        struct pair p;
        int other, control;

        (void)state;
        make_files(&p, SMALL);
        assert_int_equal(ring_reader_open(p.data, p.control, ID, &r),
                         -EPROTO); /* not sealed by its writer */
        assert_int_equal(ring_writer_open(p.data, p.control, &p.w), 0);
        assert_int_equal(ring_reader_open(p.data, p.control, "another", &r), -EPROTO);
        assert_int_equal(ring_reader_open(p.control, p.data, ID, &r), -EPROTO);
        assert_int_equal(ring_reader_open(p.data, p.data, ID, &r), -EPROTO);
        other = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
        assert_true(other >= 0);
        assert_int_equal(ring_reader_open(other, p.control, ID, &r), -EPROTO);
        assert_int_equal(ring_reader_open(p.data, other, ID, &r), -EPROTO);
        fd_close(other);
        assert_int_equal(ring_writer_open(p.data, p.control, &p.w),
                         -EPERM); /* sealed: one writer ever */
        assert_null(r);
        assert_int_equal(ring_create(ID, SMALL + 1, &other, &control), -EINVAL);
        assert_int_equal(ring_create(ID, SMALL / 2, &other, &control), -EINVAL);
        assert_int_equal(ring_create(ID, RING_MAX_BYTES * 2, &other, &control), -EINVAL);
        end_pair(&p);
}

static void test_constants_are_checked(void **state) {
        static const struct {
                size_t at;
                unsigned char value;
        } wrong[] = {
                {offsetof(struct ring_data, magic), 1},
                {offsetof(struct ring_data, version), 9},
                {offsetof(struct ring_data, segments), 3},
                {offsetof(struct ring_data, ring_bytes) + 2, 2}, /* another power of two */
                {offsetof(struct ring_data, ring_bytes) + 7, 0x80},
                {offsetof(struct ring_data, id), 'x'},
        };
        const int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

        (void)state;
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                struct ring_reader *r = NULL;
                struct pair p;
                make_files(&p, SMALL);
                assert_int_equal(pwrite(p.data, &wrong[i].value, 1, (off_t)wrong[i].at), 1);
                assert_int_equal(fcntl(p.data, F_ADD_SEALS, seals), 0);
                assert_int_equal(ring_reader_open(p.data, p.control, ID, &r), -EPROTO);
                end_pair(&p);
        }
}

/* Another holder than ours: it has mapped DATA before it is sealed, and writes what it likes. */
static struct ring_data *open_as_enemy(struct pair *p) {
        make_files(p, SMALL);
        void *map = mmap(NULL, RING_PAGE + RING_SEGMENTS * sizeof(struct ring_segment),
                         PROT_READ | PROT_WRITE, MAP_SHARED, p->data, 0);
        assert_true(map != MAP_FAILED);
        assert_int_equal(ring_writer_open(p->data, p->control, &p->w), 0);
        assert_int_equal(ring_reader_open(p->data, p->control, ID, &p->r), 0);
        return map;
}

static void end_enemy(struct pair *p, struct ring_data *d) {
        assert_int_equal(munmap(d, RING_PAGE + RING_SEGMENTS * sizeof(struct ring_segment)), 0);
        end_pair(p);
}

static ssize_t read_some(struct pair *p, uint64_t at) {
        static char piece[100000];
        enum ring_kind kind;
        uint64_t tail;

        return ring_read(p->r, at, piece, sizeof piece, &kind, &tail);
}

static void test_a_head_that_goes_back_ends_trust_for_ever(void **state) {
        uint64_t tail, head;
        struct pair p;
        bool eof;

        (void)state;
        struct ring_data *d = open_as_enemy(&p);
        assert_int_equal(put(&p, 100), 100);
        (void)!ring_writer_publish(p.w);
        assert_int_equal(read_some(&p, 0), 100);
        atomic_store(&d->head, 50);
        assert_int_equal(ring_reader_bounds(p.r, &tail, &head, &eof), -EPROTO);
        atomic_store(&d->head, 100);
        assert_int_equal(ring_reader_bounds(p.r, &tail, &head, &eof), -EPROTO);
        assert_int_equal(read_some(&p, 0), -EPROTO);
        end_enemy(&p, d);
}

static void test_positions_that_make_no_sense_are_refused(void **state) {
        static const struct {
                uint64_t head, tail, first, next, offset, kind, next_offset;
        } wrong[] = {
                {SMALL + 1, 0, 0, 1, 0, 1, 0}, /* more than there is room for */
                {UINT64_MAX, 5, 0, 1, 0, 1, 0},
                {100, 200, 0, 1, 0, 1, 0},               /* tail beyond head */
                {100, 0, 0, 0, 0, 1, 0},                 /* bytes of no run */
                {100, 0, 5, 1, 0, 1, 0},                 /* the table ends before it begins */
                {100, 0, 0, RING_SEGMENTS + 1, 0, 1, 0}, /* more runs than there are places */
                {100, 0, 0, UINT64_MAX, 0, 1, 0},
                {100, 0, 0, 1, 7, 1, 0},  /* the first run begins after the first byte */
                {100, 0, 0, 1, 0, 99, 0}, /* a kind that is none */
                {100, 0, 0, 1, 0, 0, 0},
        };

        (void)state;
        for (size_t i = 0; i < ELEMENTS(wrong); i++) {
                struct pair p;
                struct ring_data *d = open_as_enemy(&p);
                struct ring_segment *table = (struct ring_segment *)((char *)d + RING_PAGE);
                atomic_store(&table[0].offset, wrong[i].offset);
                atomic_store(&table[0].kind, wrong[i].kind);
                atomic_store(&d->tail, wrong[i].tail);
                atomic_store(&d->segment_tail, wrong[i].first);
                atomic_store(&d->segment_head, wrong[i].next);
                atomic_store(&d->head, wrong[i].head);
                assert_int_equal(read_some(&p, wrong[i].tail), -EPROTO);
                assert_int_equal(read_some(&p, wrong[i].tail), -EPROTO);
                end_enemy(&p, d);
        }
}

/* An enemy who changes every word all the time: any answer will do that is not a crash. */
static void test_random_positions_never_lead_astray(void **state) {
        struct pair p;
        unsigned seed = 3;
        uint64_t until = clock_mono_ms() + 300;

        (void)state;
        while (clock_mono_ms() < until) {
                struct ring_data *d = open_as_enemy(&p);
                struct ring_segment *table = (struct ring_segment *)((char *)d + RING_PAGE);
                for (unsigned i = 0; i < 2000; i++) {
                        uint64_t at = (uint64_t)rand_r(&seed) % (SMALL * 2);
                        unsigned place = (unsigned)rand_r(&seed) % RING_SEGMENTS;
                        atomic_store(&table[place].offset, (uint64_t)rand_r(&seed)
                                                                   << (rand_r(&seed) % 40));
                        atomic_store(&table[place].kind, (uint64_t)rand_r(&seed) % 4);
                        atomic_store(&d->segment_tail, (uint64_t)rand_r(&seed) % 5000);
                        atomic_store(&d->segment_head, (uint64_t)rand_r(&seed) % 9000);
                        atomic_store(&d->tail, at);
                        atomic_store(&d->head, at + (uint64_t)rand_r(&seed) % SMALL);
                        ssize_t k = read_some(&p, at + (uint64_t)rand_r(&seed) % 100);
                        assert_true(k >= -4096 && k <= (ssize_t)SMALL);
                        if (k == -EPROTO)
                                break;
                }
                end_enemy(&p, d);
        }
}

static void test_each_failing_call_leaves_nothing_behind(void **state) {
        (void)state;
        for (unsigned n = 1; n < 20; n++) {
                int data = -1, control = -1;
                const char *call = NULL;
                fault_arm(n, EIO);
                int r = ring_create(ID, SMALL, &data, &control);
                bool struck = fault_disarm(&call);
                assert_true(struck ? r < 0 && data < 0 && control < 0 : r == 0);
                fd_close(data);
                fd_close(control);
                if (!struck)
                        return;
        }
        fail_msg("every call failed");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_driver_misses_nothing),
                cmocka_unit_test(test_who_does_not_drive_is_told_each_gap),
                cmocka_unit_test(test_the_gate_holds_until_it_is_set),
                cmocka_unit_test(test_a_gate_beyond_the_head_is_the_head),
                cmocka_unit_test(test_a_gate_that_is_ignored_holds_nothing),
                cmocka_unit_test(test_what_is_kept_is_one_piece),
                cmocka_unit_test(test_many_short_runs_fill_the_table_and_wait),
                cmocka_unit_test(test_wakes_only_who_asked),
                cmocka_unit_test(test_a_reader_opens_only_what_is_right),
                cmocka_unit_test(test_constants_are_checked),
                cmocka_unit_test(test_a_head_that_goes_back_ends_trust_for_ever),
                cmocka_unit_test(test_positions_that_make_no_sense_are_refused),
                cmocka_unit_test(test_random_positions_never_lead_astray),
                cmocka_unit_test(test_each_failing_call_leaves_nothing_behind),
        };

        return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
