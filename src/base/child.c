/* The contract is in base/child.h. */
#include "base/child.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define STACK_BYTES (64u << 10)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BORROWS false /* their bookkeeping is of one stack for each thread */
#else
#define BORROWS true
#endif

/* The stack is made for each: a child may have children. */
static pid_t borrow(int (*run)(void *arg), void *arg) {
        char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

        if (stack == MAP_FAILED)
                return -errno;
        pid_t pid = clone(run, stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);
        if (pid < 0)
                pid = -errno;
        (void)munmap(stack, STACK_BYTES);
        return pid;
}

pid_t child_start(int (*run)(void *arg), void *arg) {
        if (BORROWS)
                return borrow(run, arg);
        pid_t pid = fork();
        if (pid == 0)
                _exit(run(arg));
        return pid < 0 ? -errno : pid;
}
