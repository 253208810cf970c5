/* Unit tests for src/base/fd.c: whole reads and writes, sealed bytes, descriptors over a socket. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/macros.h"

#define BIG 300000 /* more than a pipe holds */

/* The numbers of the descriptors that are open, counted: a leak shows. */
static unsigned open_fds(void) {
        unsigned n = 0;

        for (int fd = 0; fd < 256; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void pair_of(int sv[2]) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
}

static int file_with(const char *data, size_t n) {
        int fd = memfd_create("test", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, data, n), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static void test_close_keeps_errno_and_ignores_none(void **state) {
        int fd = dup(STDERR_FILENO);

        (void)state;
        errno = EDOM;
        fd = fd_close(fd);
        assert_int_equal(fd, -1);
        assert_int_equal(fd_close(fd), -1);
        assert_int_equal(errno, EDOM);
}

static void test_take_leaves_none_behind(void **state) {
        int fd = 7, taken = TAKE_FD(fd);

        (void)state;
        assert_int_equal(taken, 7);
        assert_int_equal(fd, -1);
}

/* ---- whole writes and reads ---- */

static void on_alarm(int sig) {
        (void)sig;
}

/* A writer into a pipe that is too small for it, while signals come. */
static void test_all_is_written_through_short_writes_and_signals(void **state) {
        _cleanup_(freep) char *data = malloc(BIG), *got = malloc(BIG);
        struct sigaction act = {.sa_handler = on_alarm};
        int fds[2], status;

        (void)state;
        assert_true(data && got);
        for (int i = 0; i < BIG; i++)
                data[i] = (char)(i * 7);
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                sigaction(SIGALRM, &act, NULL);
                ualarm(2000, 2000);
                _exit(fd_write_all(fds[1], data, BIG) == 0 ? 0 : 1);
        }
        fd_close(fds[1]);
        assert_int_equal(fd_read_full(fds[0], got, BIG), BIG);
        assert_memory_equal(got, data, BIG);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        fd_close(fds[0]);
}

static void test_read_full_ends_at_the_end_of_file(void **state) {
        _cleanup_(fd_closep) int fd = file_with("hello", 5);
        char got[8] = "";

        (void)state;
        assert_int_equal(fd_read_full(fd, got, 3), 3);
        assert_int_equal(fd_read_full(fd, got + 3, 5), 2);
        assert_string_equal(got, "hello");
        assert_int_equal(fd_read_full(fd, got, 5), 0);
        assert_int_equal(fd_read_full(-1, got, 5), -EBADF);
        assert_int_equal(fd_write_all(-1, got, 5), -EBADF);
}

static void test_a_failed_write_is_told(void **state) {
        _cleanup_(fd_closep) int fd = file_with("", 0);

        (void)state;
        fault_arm(1, ENOSPC);
        assert_int_equal(fd_write_all(fd, "x", 1), -ENOSPC);
        assert_true(fault_disarm(NULL));
}

/* ---- whole files ---- */

static void read_back(const char *data, size_t n, size_t limit, int want) {
        _cleanup_(fd_closep) int fd = file_with(data, n);
        _cleanup_(freep) char *got = NULL;
        size_t got_n = 12345;

        assert_int_equal(fd_read_file(fd, limit, &got, &got_n), want);
        if (want < 0) {
                assert_null(got);
                assert_int_equal(got_n, 12345);
                return;
        }
        assert_int_equal(got_n, n);
        assert_memory_equal(got, data, n);
        assert_int_equal(got[n], '\0');
}

static void test_a_file_is_read_up_to_its_limit(void **state) {
        _cleanup_(freep) char *big = calloc(1, BIG);

        (void)state;
        assert_non_null(big);
        memset(big, 'b', BIG);
        read_back("", 0, 0, 0);
        read_back("", 0, 10, 0);
        read_back("x", 1, 0, -EFBIG);
        read_back("0123456789", 10, 10, 0);
        read_back("0123456789", 10, 9, -EFBIG);
        read_back("a\0b", 3, 10, 0);
        read_back(big, BIG, BIG, 0);
        read_back(big, BIG, BIG - 1, -EFBIG);
        read_back(big, BIG, SIZE_MAX / 2, 0);
}

/* What has no size to guess from: a pipe. */
static void test_a_stream_is_read_up_to_its_limit(void **state) {
        char text[6000];
        size_t n;

        (void)state;
        memset(text, 's', sizeof text);
        for (size_t limit = sizeof text - 1; limit <= sizeof text + 1; limit++) {
                _cleanup_(freep) char *got = NULL;
                int fds[2], want = limit < sizeof text ? -EFBIG : 0;
                assert_int_equal(pipe(fds), 0);
                assert_int_equal(fd_write_all(fds[1], text, sizeof text), 0);
                fd_close(fds[1]);
                assert_int_equal(fd_read_file(fds[0], limit, &got, &n), want);
                fd_close(fds[0]);
                if (want == 0)
                        assert_int_equal(n, sizeof text);
        }
}

static void test_a_file_without_memory(void **state) {
        _cleanup_(fd_closep) int fd = file_with("hello", 5);
        char *got = NULL;
        size_t n;

        (void)state;
        fault_arm(1, 0);
        assert_int_equal(fd_read_file(fd, 100, &got, &n), -ENOMEM);
        assert_true(fault_disarm(NULL));
        assert_null(got);
}

/* ---- flags ---- */

static void test_flags_are_set_and_cleared(void **state) {
        _cleanup_(fd_closep) int fd = file_with("", 0);

        (void)state;
        assert_int_equal(fd_set_nonblock(fd, true), 0);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fd_set_nonblock(fd, false), 0);
        assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fd_set_cloexec(fd, false), 0);
        assert_false(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fd_set_cloexec(fd, true), 0);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fd_set_nonblock(-1, true), -EBADF);
        assert_int_equal(fd_set_cloexec(-1, true), -EBADF);
}

/* ---- sealed bytes ---- */

static void test_sealed_bytes_cannot_be_changed(void **state) {
        _cleanup_(fd_closep) int fd = -1;
        char got[16] = "";

        (void)state;
        assert_int_equal(fd_sealed("test", "print(1)\n", 9, &fd), 0);
        assert_int_equal(fcntl(fd, F_GET_SEALS),
                         F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(fd_read_full(fd, got, sizeof got), 9);
        assert_string_equal(got, "print(1)\n");

        assert_int_equal(fd_write_all(fd, "x", 1), -EPERM);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 100), -1);
        assert_ptr_equal(mmap(NULL, 9, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void test_each_step_of_sealing_may_fail(void **state) {
        unsigned before = open_fds();
        int fd = -7;

        (void)state;
        for (unsigned i = 1; i <= 2; i++) { /* memfd_create, write */
                fault_arm(i, EMFILE);
                assert_int_equal(fd_sealed("test", "x", 1, &fd), -EMFILE);
                assert_true(fault_disarm(NULL));
        }
        assert_int_equal(fd, -7);
        assert_int_equal(open_fds(), before);
}

/* ---- descriptors over a socket ---- */

static void test_descriptors_arrive_with_their_message(void **state) {
        int sv[2], got[FD_PASS_MAX], sent[FD_PASS_MAX];
        unsigned before = open_fds();
        size_t n = FD_PASS_MAX;
        char text[16] = "";

        (void)state;
        pair_of(sv);
        for (int i = 0; i < FD_PASS_MAX; i++)
                sent[i] = file_with((char[]){(char)('a' + i)}, 1);
        assert_int_equal(fd_send(sv[0], "with", 4, sent, FD_PASS_MAX, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), 4);
        assert_string_equal(text, "with");
        assert_int_equal(n, FD_PASS_MAX);
        for (int i = 0; i < FD_PASS_MAX; i++) {
                struct stat a, b;
                assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
                assert_int_equal(fstat(got[i], &a), 0);
                assert_int_equal(fstat(sent[i], &b), 0);
                assert_int_equal(a.st_ino, b.st_ino);
                fd_close(got[i]);
                fd_close(sent[i]);
        }
        n = 4;
        assert_int_equal(fd_send(sv[0], "none", 4, NULL, 0, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), 4);
        assert_int_equal(n, 0);
        fd_close(sv[0]);
        fd_close(sv[1]);
        assert_int_equal(open_fds(), before);
}

static void test_more_descriptors_than_wanted_are_closed(void **state) {
        int sv[2], got[2], sent[5];
        unsigned before = open_fds();
        char text[16];
        size_t n = 2;

        (void)state;
        pair_of(sv);
        for (int i = 0; i < 5; i++)
                sent[i] = dup(STDERR_FILENO);
        assert_int_equal(fd_send(sv[0], "x", 1, sent, 5, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), -EPROTO);
        assert_int_equal(fd_send(sv[0], "x", 1, sent, 1, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, NULL, NULL, 0), -EPROTO);
        for (int i = 0; i < 5; i++)
                fd_close(sent[i]);
        fd_close(sv[0]);
        fd_close(sv[1]);
        assert_int_equal(open_fds(), before);
}

static void test_a_message_that_is_too_long_is_refused_with_its_descriptors(void **state) {
        int sv[2], got[2];
        unsigned before = open_fds();
        char text[4];
        size_t n = 2;

        (void)state;
        pair_of(sv);
        assert_int_equal(fd_send(sv[0], "12345", 5, (int[]){STDERR_FILENO}, 1, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), -EMSGSIZE);
        assert_int_equal(fd_send(sv[0], "1234", 4, NULL, 0, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), 4);
        fd_close(sv[0]);
        fd_close(sv[1]);
        assert_int_equal(open_fds(), before);
}

/* The first number that is free is the limit: none more can come in. */
static void limit_to_what_is_open(struct rlimit *before) {
        _cleanup_(fd_closep) int next = dup(STDERR_FILENO);

        assert_true(next >= 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
        struct rlimit less = {(rlim_t)next, before->rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
}

static void test_a_full_table_of_descriptors_is_our_own_fault(void **state) {
        int sv[2], got[2], sent[2] = {STDOUT_FILENO, STDERR_FILENO};
        unsigned before = open_fds();
        struct rlimit usual;
        char text[4];
        size_t n = 2;

        (void)state;
        pair_of(sv);
        assert_int_equal(fd_send(sv[0], "all", 3, sent, 2, 0), 0);
        limit_to_what_is_open(&usual);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), -EMFILE);
        assert_int_equal(fd_send(sv[0], "long!", 5, sent, 2, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), -EMSGSIZE);
        assert_int_equal(fd_send(sv[0], "none", 4, NULL, 0, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), 4);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);

        n = 2;
        assert_int_equal(fd_send(sv[0], "all", 3, sent, 2, 0), 0);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, got, &n, 0), 3);
        assert_int_equal(n, 2);
        for (int i = 0; i < 2; i++)
                fd_close(got[i]);
        fd_close(sv[0]);
        fd_close(sv[1]);
        assert_int_equal(open_fds(), before);
}

static void test_a_socket_says_when_it_is_full_empty_or_closed(void **state) {
        char text[1024] = "";
        int sv[2], r = 0;

        (void)state;
        pair_of(sv);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, NULL, NULL, MSG_DONTWAIT), -EAGAIN);
        for (int i = 0; i < 100000 && r == 0; i++)
                r = fd_send(sv[0], text, sizeof text, NULL, 0, MSG_DONTWAIT);
        assert_int_equal(r, -EAGAIN);
        while (fd_recv(sv[1], text, sizeof text, NULL, NULL, MSG_DONTWAIT) > 0)
                ;
        fd_close(sv[0]);
        assert_int_equal(fd_recv(sv[1], text, sizeof text, NULL, NULL, 0), 0);
        assert_int_equal(fd_send(sv[1], text, 1, NULL, 0, 0), -EPIPE); /* and no SIGPIPE */
        fd_close(sv[1]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_close_keeps_errno_and_ignores_none),
                cmocka_unit_test(test_take_leaves_none_behind),
                cmocka_unit_test(test_all_is_written_through_short_writes_and_signals),
                cmocka_unit_test(test_read_full_ends_at_the_end_of_file),
                cmocka_unit_test(test_a_failed_write_is_told),
                cmocka_unit_test(test_a_file_is_read_up_to_its_limit),
                cmocka_unit_test(test_a_stream_is_read_up_to_its_limit),
                cmocka_unit_test(test_a_file_without_memory),
                cmocka_unit_test(test_flags_are_set_and_cleared),
                cmocka_unit_test(test_sealed_bytes_cannot_be_changed),
                cmocka_unit_test(test_each_step_of_sealing_may_fail),
                cmocka_unit_test(test_descriptors_arrive_with_their_message),
                cmocka_unit_test(test_more_descriptors_than_wanted_are_closed),
                cmocka_unit_test(test_a_message_that_is_too_long_is_refused_with_its_descriptors),
                cmocka_unit_test(test_a_full_table_of_descriptors_is_our_own_fault),
                cmocka_unit_test(test_a_socket_says_when_it_is_full_empty_or_closed),
        };

        return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}
