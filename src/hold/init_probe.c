/* The contract is in hold/init_probe.h. */
#include "hold/init_probe.h"

#include <asm/termbits.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"

#define NEW_USER   0x10000000L /* CLONE_NEWUSER */
#define PATIENCE_S 2

static const char *hidden; /* DIR */

/* Each true if it succeeded, that is, if the cage does not hold. */

static bool try_unshare(void) {
        return syscall(SYS_unshare, NEW_USER) == 0;
}

static bool try_clone(void) {
        long pid = syscall(SYS_clone, NEW_USER | SIGCHLD, 0, 0, 0, 0);

        if (pid == 0)
                _exit(0);
        return pid > 0;
}

static bool try_clone3(void) {
        struct clone_args a = {.flags = (uint64_t)NEW_USER, .exit_signal = SIGCHLD};
        long pid = syscall(SYS_clone3, &a, sizeof a);

        if (pid == 0)
                _exit(0);
        return pid > 0 || errno != ENOSYS; /* anything else, and libc would not fall back */
}

static bool try_ptrace(void) {
        return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0) == 0;
}

static bool try_keyctl(void) {
        return syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3, 0) >= 0;
}

static bool try_add_key(void) {
        return syscall(SYS_add_key, "user", "latch", "x", 1, -3) >= 0;
}

static bool try_bpf(void) {
        return syscall(SYS_bpf, 0, 0, 0) == 0 || errno != EPERM;
}

static bool try_perf(void) {
        return syscall(SYS_perf_event_open, 0, 0, -1, -1, 0) >= 0 || errno != EPERM;
}

static bool try_userfaultfd(void) {
        return syscall(SYS_userfaultfd, 0) >= 0;
}

static bool try_io_uring(void) {
        return syscall(SYS_io_uring_setup, 1, 0) >= 0 || errno != EPERM;
}

static bool try_mount(void) {
        return mount("none", "/tmp", "tmpfs", 0, NULL) == 0;
}

static bool try_remount(void) {
        return mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
}

static bool try_chroot(void) {
        return chroot("/tmp") == 0;
}

static bool try_become_root(void) {
        return setuid(0) == 0;
}

static bool try_vsock(void) {
        return socket(AF_VSOCK, SOCK_STREAM, 0) >= 0;
}

static bool can_make(const char *path) {
        return open(path, O_WRONLY | O_CREAT, 0600) >= 0;
}

static bool try_write_usr(void) {
        return can_make("/usr/latch-probe") || can_make("/usr/bin/latch-probe");
}

static bool try_write_root(void) {
        return can_make("/latch-probe") || can_make("/etc/latch-probe") ||
               can_make("/dev/latch-probe") || can_make("/run/latch/probe") ||
               can_make("/var/latch-probe");
}

static bool try_see_data(void) {
        struct stat st;

        return stat(hidden, &st) == 0;
}

/* In a cage there are init and whatever it tried here: a machine has a process above a hundred. */
static bool try_see_processes(void) {
        DIR *d = opendir("/proc");
        struct dirent *e;
        unsigned n = 0;

        if (!d)
                return true;
        while ((e = readdir(d)))
                n += isdigit((unsigned char)e->d_name[0]) != 0;
        closedir(d);
        return n > 8 || getppid() != 1;
}

/* No route may lead out: an address that is documentation's own (RFC 5737). */
static bool try_network(void) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9)};
        int fd = socket(AF_INET, SOCK_DGRAM, 0);

        a.sin_addr.s_addr = htonl(0xc0000201);
        return fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
}

static bool try_capability(void) {
        struct {
                uint32_t version;
                int pid;
        } header = {0x20080522, 0};
        struct {
                uint32_t effective, permitted, inheritable;
        } data[2] = {{0}};

        if (syscall(SYS_capget, &header, data) < 0)
                return true;
        return data[0].permitted || data[1].permitted ||
               prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

/* Typing into a terminal from behind. */
static bool try_type(void) {
        int master = open("/dev/ptmx", O_RDWR | O_NOCTTY), slave;

        if (master < 0 || unlockpt(master) < 0)
                return true; /* no terminal can be had at all: also not what a cage is */
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
        if (slave < 0 || setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
                return true;
        return ioctl(slave, TIOCSTI, "x") == 0;
}

static const struct {
        const char *what;
        bool (*succeeds)(void);
} acts[] = {
        {"unshare(CLONE_NEWUSER)", try_unshare},
        {"clone(CLONE_NEWUSER)", try_clone},
        {"clone3", try_clone3},
        {"ptrace", try_ptrace},
        {"keyctl", try_keyctl},
        {"add_key", try_add_key},
        {"bpf", try_bpf},
        {"perf_event_open", try_perf},
        {"userfaultfd", try_userfaultfd},
        {"io_uring_setup", try_io_uring},
        {"mount", try_mount},
        {"remount", try_remount},
        {"chroot", try_chroot},
        {"setuid(0)", try_become_root},
        {"a vsock socket", try_vsock},
        {"writing to /usr", try_write_usr},
        {"writing to /", try_write_root},
        {"seeing the data folder", try_see_data},
        {"seeing other processes", try_see_processes},
        {"a route to the network", try_network},
        {"a capability", try_capability},
        {"TIOCSTI", try_type},
};

/* What is tried now: the child writes it, and what it dies of is known. */
static volatile unsigned *at;

/* All from the first on, in a process of its own, which what succeeds may change, stop or end: it ends with the
 * first that succeeds. True: none did. */
static bool all_hold(unsigned first) {
        int status;

        *at = first;
        pid_t pid = fork();
        if (pid == 0) {
                for (unsigned i = first; i < ELEMENTS(acts); i++) {
                        *at = i;
                        alarm(PATIENCE_S);
                        if (acts[i].succeeds())
                                _exit(1);
                }
                _exit(0);
        }
        return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
               WEXITSTATUS(status) == 0;
}

int init_probe(const char *data) {
        unsigned n = 0;

        hidden = data;
        at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
                dprintf(STDOUT_FILENO, "the cage cannot be tried: %s", strerror(errno));
                return 1;
        }
        /* What does not answer does not hold. */
        for (unsigned first = 0; first < ELEMENTS(acts) && !all_hold(first); first = *at + 1)
                dprintf(STDOUT_FILENO, "%s%s",
                        n++ ? ", " : "the cage does not hold: ", acts[*at].what);
        return n > 0;
}
