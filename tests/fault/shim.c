/* shim.c - system calls that fail on demand, in latchd and latch-spawn, without a line of code in them.
 *
 * LD_PRELOADed by end-to-end tests (tests/e2e/faults.mjs). LATCH_FAULTS names a file that all processes map: a
 * slot for each call of each program, written by the test while they run. Only what goes to disk fails of write:
 * lines of the log are not what is asked for.
 *
 * Threads: any; the slots are atomic.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The order is faults.mjs's, too. */
enum call {
        CALL_WRITE,
        CALL_PWRITE,
        CALL_PREAD,
        CALL_READ,
        CALL_FSYNC,
        CALL_RENAMEAT2,
        CALL_MKDIRAT,
        CALL_OPENAT2,
        CALL_OPEN,
        CALL_OPENAT,
        CALL_FTRUNCATE,
        CALL_MEMFD_CREATE,
        CALL_SENDMSG,
        CALL_SOCKETPAIR,
        CALL_FORK,
        CALL_SENDFILE,
        CALL_COUNT
};

struct slot {
        _Atomic uint32_t error; /* errno to fail with; 0: none */
        _Atomic uint32_t skip;  /* so many are let pass before */
        _Atomic uint32_t times; /* so many fail */
        _Atomic uint32_t hits;  /* so many have failed */
};

static struct slot *slots; /* NULL: this program is left alone */

__attribute__((constructor)) static void begin(void) {
        const char *path = getenv("LATCH_FAULTS");
        char comm[32] = "";
        int fd = path ? open("/proc/self/comm", O_RDONLY | O_CLOEXEC) : -1;
        ssize_t n = fd < 0 ? -1 : syscall(SYS_read, fd, comm, sizeof comm - 1);
        int program = n <= 0                               ? -1
                      : strcmp(comm, "latchd\n") == 0      ? 0
                      : strcmp(comm, "latch-spawn\n") == 0 ? 1
                                                           : -1;

        if (fd >= 0)
                close(fd);
        if (program < 0)
                return;
        fd = open(path, O_RDWR | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED
                           : mmap(NULL, sizeof(struct slot) * CALL_COUNT * 2,
                                  PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED)
                abort(); /* a test without its faults would pass */
        close(fd);
        slots = (struct slot *)map + (size_t)program * CALL_COUNT;
}

static _Bool take(_Atomic uint32_t *n) {
        uint32_t have = atomic_load(n);

        while (have > 0)
                if (atomic_compare_exchange_weak(n, &have, have - 1))
                        return 1;
        return 0;
}

/* True: this one fails, errno is set. */
static _Bool strike(enum call call) {
        struct slot *s = slots ? &slots[call] : NULL;
        uint32_t error = s ? atomic_load(&s->error) : 0;

        if (error == 0 || take(&s->skip) || !take(&s->times))
                return 0;
        atomic_fetch_add(&s->hits, 1);
        errno = (int)error;
        return 1;
}

static _Bool is_file(int fd) {
        struct stat st;
        int saved = errno;
        _Bool file = slots && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

        errno = saved;
        return file;
}

/* The C library names its parameters by reserved words. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t n) {
        return is_file(fd) && strike(CALL_WRITE) ? -1 : NEXT(write)(fd, data, n);
}

ssize_t read(int fd, void *data, size_t n) {
        return is_file(fd) && strike(CALL_READ) ? -1 : NEXT(read)(fd, data, n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at) {
        return strike(CALL_PWRITE) ? -1 : NEXT(pwrite64)(fd, data, n, at);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at) {
        return strike(CALL_PREAD) ? -1 : NEXT(pread64)(fd, data, n, at);
}

int fsync(int fd) {
        return strike(CALL_FSYNC) ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd) {
        return strike(CALL_FSYNC) ? -1 : NEXT(fdatasync)(fd);
}

int renameat2(int from, const char *name, int to, const char *new_name, unsigned flags) {
        return strike(CALL_RENAMEAT2) ? -1 : NEXT(renameat2)(from, name, to, new_name, flags);
}

int mkdirat(int at, const char *name, mode_t mode) {
        return strike(CALL_MKDIRAT) ? -1 : NEXT(mkdirat)(at, name, mode);
}

static mode_t mode_of(int flags, va_list args) {
        return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(args, unsigned) : 0;
}

int open64(const char *path, int flags, ...) {
        va_list args;

        va_start(args, flags);
        mode_t mode = mode_of(flags, args);
        va_end(args);
        return strike(CALL_OPEN) ? -1 : NEXT(open64)(path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
        va_list args;

        va_start(args, flags);
        mode_t mode = mode_of(flags, args);
        va_end(args);
        return strike(CALL_OPENAT) ? -1 : NEXT(openat64)(at, path, flags, mode);
}

int ftruncate64(int fd, off64_t n) {
        return strike(CALL_FTRUNCATE) ? -1 : NEXT(ftruncate64)(fd, n);
}

int memfd_create(const char *name, unsigned flags) {
        return strike(CALL_MEMFD_CREATE) ? -1 : NEXT(memfd_create)(name, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags) {
        return strike(CALL_SENDMSG) ? -1 : NEXT(sendmsg)(fd, m, flags);
}

int socketpair(int domain, int type, int protocol, int pair[2]) {
        return strike(CALL_SOCKETPAIR) ? -1 : NEXT(socketpair)(domain, type, protocol, pair);
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t n) {
        return strike(CALL_SENDFILE) ? -1 : NEXT(sendfile64)(to, from, at, n);
}

pid_t fork(void) {
        return strike(CALL_FORK) ? -1 : NEXT(fork)();
}

/* A fork that copies nothing (base/child.h). */
int clone(int (*run)(void *), void *stack, int flags, void *arg, ...) {
        return strike(CALL_FORK) ? -1 : NEXT(clone)(run, stack, flags, arg);
}

long syscall(long number, ...) {
        va_list args;
        long a[6];

        va_start(args, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(args, long); /* as the C library takes them, whatever there are */
        va_end(args);
        if (number == SYS_openat2 && strike(CALL_OPENAT2))
                return -1;
        return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
