/* The contract is in base/child.h. */
#include "base/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <unistd.h>

#define STACK_BYTES (64u << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BORROWS false /* their bookkeeping is of one stack for each thread */
#else
#define BORROWS true
#endif

pid_t child_start(int (*run)(void *arg), void *arg) {
        static alignas(64) char stack[STACK_BYTES];
        pid_t pid =
                BORROWS ? clone(run, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, arg)
                        : fork();

        if (pid == 0)
                _exit(run(arg));
        return pid < 0 ? -errno : pid;
}
