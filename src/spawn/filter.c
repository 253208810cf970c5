/* The contract is in spawn/filter.h. libseccomp's rules: seccomp_rule_add(3). */
#include "spawn/filter.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/fd.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const char *const refused[] = {
        /* other programs */
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "kcmp",
        "process_madvise",
        /* namespaces and mounts */
        "unshare",
        "setns",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "open_tree",
        "move_mount",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        /* files by handle, past every root */
        "open_by_handle_at",
        "name_to_handle_at",
        /* keys are shared by uid, whatever the namespace */
        "keyctl",
        "add_key",
        "request_key",
        /* the kernel's machinery */
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "kexec_load",
        "kexec_file_load",
        "init_module",
        "finit_module",
        "delete_module",
        "lookup_dcookie",
        "syslog",
        "acct",
        "swapon",
        "swapoff",
        "reboot",
        "quotactl",
        "quotactl_fd",
        "fanotify_init",
        "vhangup",
        "iopl",
        "ioperm",
        "settimeofday",
        "clock_settime",
        "adjtimex",
        "clock_adjtime",
        "sethostname",
        "setdomainname",
        "move_pages",
        "migrate_pages",
        "mbind",
        "set_mempolicy",
        "vmsplice",
};

static const unsigned new_namespaces[] = {
        CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,    CLONE_NEWUSER,
        CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWTIME,
};

static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

static int refuse_calls(scmp_filter_ctx ctx) {
        for (size_t i = 0; i < ELEMENTS(refused); i++) {
                int call = seccomp_syscall_resolve_name(refused[i]);
                if (call == __NR_SCMP_ERROR)
                        return -ENOSYS;
                int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 0);
                if (r < 0 && r != -EDOM) /* a call that this machine does not have */
                        return r;
        }
        return 0;
}

/* The kernel looks at the lower half of an ioctl's number only, so the filter must too. */
static int refuse_arguments(scmp_filter_ctx ctx) {
        static const unsigned ioctls[] = {TIOCSTI, TIOCLINUX};
        int r;

        for (size_t i = 0; i < ELEMENTS(ioctls); i++) {
                r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, ioctls[i]));
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < ELEMENTS(new_namespaces); i++) {
                r = seccomp_rule_add(
                        ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                        SCMP_A0(SCMP_CMP_MASKED_EQ, new_namespaces[i], new_namespaces[i]));
                if (r < 0)
                        return r;
        }
        return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

/* vsock reaches the machine's host and no namespace holds it; others are attack surface without use. */
static int refuse_families(scmp_filter_ctx ctx) {
        for (int family = 0; family < 64; family++) {
                bool allowed = false;

                for (size_t i = 0; i < ELEMENTS(families); i++)
                        allowed = allowed || families[i] == family;
                if (allowed)
                        continue;
                int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                         SCMP_A0(SCMP_CMP_EQ, (unsigned)family, 0));
                if (r < 0)
                        return r;
        }
        return 0;
}

int filter_make(int *ret_fd) {
        _cleanup_(fd_closep) int fd = memfd_create("latch-filter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        scmp_filter_ctx ctx;
        int r;

        if (fd < 0)
                return -errno;
        ctx = seccomp_init(SCMP_ACT_ALLOW);
        if (!ctx)
                return -ENOMEM;
        r = refuse_calls(ctx);
        if (r == 0)
                r = refuse_arguments(ctx);
        if (r == 0)
                r = refuse_families(ctx);
        if (r == 0)
                r = seccomp_export_bpf(ctx, fd);
        seccomp_release(ctx);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}
