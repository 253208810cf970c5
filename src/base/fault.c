/* The contract is in base/fault.h. Linked into test programs only. */
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

static _Thread_local unsigned countdown; /* 0: not armed */
static _Thread_local int strike_errno;
static _Thread_local const char *struck;

void fault_arm(unsigned n, int error) {
        countdown = n;
        strike_errno = error;
        struck = NULL;
}

bool fault_disarm(const char **ret_call) {
        bool did = struck != NULL;

        if (did && ret_call)
                *ret_call = struck;
        countdown = 0;
        struck = NULL;
        return did;
}

static bool strikes(const char *call) {
        if (countdown == 0 || --countdown > 0)
                return false;
        struck = call;
        return true;
}

/* The linker sends our calls of f to __wrap_f and gives the real one as __real_f. */
#define WRAP(type, name, failed, error, params, args)                                              \
        type __real_##name params;                                                                 \
        type __wrap_##name params;                                                                 \
        type __wrap_##name params {                                                                \
                if (strikes(#name)) {                                                              \
                        errno = (error);                                                           \
                        return failed;                                                             \
                }                                                                                  \
                return __real_##name args;                                                         \
        }

WRAP(void *, malloc, NULL, ENOMEM, (size_t n), (n))
WRAP(void *, calloc, NULL, ENOMEM, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, NULL, ENOMEM, (void *p, size_t n), (p, n))
WRAP(char *, strdup, NULL, ENOMEM, (const char *s), (s))
WRAP(ssize_t, write, -1, strike_errno, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(pid_t, fork, -1, strike_errno, (void), ())
WRAP(int, pthread_create, strike_errno, strike_errno,
     (pthread_t * t, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
     (t, attr, fn, arg))
WRAP(int, fsync, -1, strike_errno, (int fd), (fd))
WRAP(int, ftruncate64, -1, strike_errno, (int fd, off_t n), (fd, n))
WRAP(int, memfd_create, -1, strike_errno, (const char *name, unsigned flags), (name, flags))
WRAP(int, socketpair, -1, strike_errno, (int d, int t, int p, int *sv), (d, t, p, sv))
WRAP(ssize_t, sendmsg, -1, strike_errno, (int fd, const struct msghdr *m, int flags),
     (fd, m, flags))
WRAP(ssize_t, recvmsg, -1, strike_errno, (int fd, struct msghdr *m, int flags), (fd, m, flags))
WRAP(int, eventfd, -1, strike_errno, (unsigned n, int flags), (n, flags))
