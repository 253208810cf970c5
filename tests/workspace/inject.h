/* inject.h - fails, or kills a process at, its n-th system call of those that touch files (ptrace(2)).
 *
 * The fault countdown reaches the calls that go through libc by name; this reaches each step of a
 * change as the kernel sees it, openat2 among them, and the places in between.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

#if defined(__x86_64__)
#define INJECT_WORKS 1
#else
#define INJECT_WORKS 0 /* registers are per machine */
#endif

struct inject {
        unsigned nth; /* 1 is the first */
        int error;    /* 0: SIGKILL before the call */
        /* what came of it: */
        bool struck;
        long call;  /* its number */
        int result; /* of the body, 0 or -errno; without meaning if it was killed */
};

#if INJECT_WORKS
static inline bool inject_counts(long call) {
        static const long calls[] = {SYS_openat,     SYS_openat2,  SYS_fstat,      SYS_newfstatat,
                                     SYS_readlinkat, SYS_flock,    SYS_write,      SYS_utimensat,
                                     SYS_fchown,     SYS_fchmod,   SYS_fsync,      SYS_renameat,
                                     SYS_renameat2,  SYS_unlinkat, SYS_getdents64, SYS_mkdirat};

        for (size_t i = 0; i < ELEMENTS(calls); i++)
                if (call == calls[i])
                        return true;
        return false;
}

/* Stopped at the entry of a system call: it does not happen, and gives -error. */
static inline void inject_fail(pid_t pid, int error) {
        struct user_regs_struct regs;
        int status;

        CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
        regs.orig_rax = (unsigned long long)-1;
        CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
        CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, 0L) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
        CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
        regs.rax = (unsigned long long)-(long long)error;
        CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
}

static inline void inject_at_entry(pid_t pid, struct inject *in, unsigned *seen) {
        struct user_regs_struct regs;

        CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
        if (!inject_counts((long)regs.orig_rax) || ++*seen != in->nth)
                return;
        in->struck = true;
        in->call = (long)regs.orig_rax;
        if (in->error)
                inject_fail(pid, in->error);
        else
                CHECK(kill(pid, SIGKILL) == 0);
}

static inline void inject_run(struct inject *in, int (*body)(void *arg), void *arg) {
        unsigned seen = 0;
        int status;

        in->struck = false;
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
                        _exit(255);
                _exit(-body(arg) & 0xff);
        }
        CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
        CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL,
                     (long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) == 0);
        for (bool entry = true;; entry = !entry) {
                CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, 0L) == 0 || errno == ESRCH);
                CHECK(waitpid(pid, &status, 0) == pid);
                if (!WIFSTOPPED(status))
                        break;
                CHECK(WSTOPSIG(status) == (SIGTRAP | 0x80)); /* the body gets no signals */
                if (entry && !in->struck)
                        inject_at_entry(pid, in, &seen);
                if (entry && in->struck && in->error && seen == in->nth) {
                        seen++; /* its exit has been seen */
                        entry = false;
                }
        }
        CHECK(WIFEXITED(status) || (in->struck && !in->error));
        in->result = WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}
#else
static inline void inject_run(struct inject *in, int (*body)(void *arg), void *arg) {
        (void)in;
        (void)body;
        (void)arg;
}
#endif
