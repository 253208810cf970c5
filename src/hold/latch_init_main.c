/* latch-init - process 1 of a cage: starts one program, reaps, passes signals on, ends and so ends all.
 *
 *     latch-init          descriptor 3: a socket to the holder (hold/init_proto.h)
 *     latch-init --probe DIR    tries what a cage must forbid (hold/init_probe.h)
 *
 * Static and small. It reads nothing of the program's, and the program cannot trace it: not dumpable.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "hold/init_cpu.h"
#include "hold/init_probe.h"
#include "hold/init_program.h"

#define HOLDER 3

static struct {
        struct init_config config;
        char strings[SETUP_STRINGS_MAX];
} message;

static int say(const struct init_word *w, int fd) {
        return fd_send(HOLDER, w, sizeof *w, &fd, fd >= 0 ? 1 : 0, 0);
}

static int hear_config(int stdio[3]) {
        size_t nfds = 3;
        ssize_t k = fd_recv(HOLDER, &message, sizeof message, stdio, &nfds, 0);
        const struct init_config *c = &message.config;

        if (k < 0)
                return (int)k;
        if (k < (ssize_t)sizeof *c || c->type != INIT_CONFIG ||
            (size_t)k != sizeof *c + c->strings_n || nfds != (c->tty ? 0 : 3))
                return -EPROTO;
        return 0;
}

/* The system's memory is the first thing to run out; then programs go, not who serves them. Before the
 * process is no longer dumpable, since then the file is not ours. */
static void offer_to_the_killer(void) {
        int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        if (fd >= 0)
                (void)!write(fd, "500", 3);
        fd_close(fd);
}

static int prepare(int *ret_signals) {
        sigset_t all;

        umask(022);
        (void)prctl(PR_SET_NAME, "latch-init", 0, 0, 0);
        offer_to_the_killer();
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || close_range(HOLDER + 1, ~0U, 0) < 0)
                return -errno;
        int r = fd_set_cloexec(HOLDER, true);
        if (r < 0)
                return r;
        sigfillset(&all);
        if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
                return -errno;
        sigemptyset(&all);
        sigaddset(&all, SIGCHLD);
        *ret_signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        return *ret_signals < 0 ? -errno : 0;
}

/* True once the program itself was reaped. */
static bool reap(int signals, const struct init_program *p, int *ret_status) {
        struct signalfd_siginfo si;
        bool ended = false;
        int status;
        pid_t pid;

        while (read(signals, &si, sizeof si) > 0)
                ;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == p->pid) {
                        ended = true;
                        *ret_status = status;
                }
        }
        return ended;
}

static bool seen; /* by the holder: it will know when we end */

/* False when the holder is gone, or says what it never says. */
static bool obey(const struct init_program *p) {
        struct init_signal s;
        ssize_t k = fd_recv(HOLDER, &s, sizeof s, NULL, NULL, MSG_DONTWAIT);

        if (k == -EAGAIN)
                return true;
        if (k == (ssize_t)sizeof s && s.type == INIT_SEEN)
                return seen = true;
        if (k != (ssize_t)sizeof s || s.type != INIT_SIGNAL || s.signal >= NSIG)
                return false;
        /* Nobody there to hear it is no error. */
        if (s.whom == INIT_ALL)
                (void)kill(-1, (int)s.signal);
        else
                (void)!init_program_signal(p, (int)s.signal);
        return true;
}

/* A program may be over before the holder has read of its start, and a pidfd can be had only of who is still
 * there. Ends, too, with the holder. */
static void await_seen(void) {
        struct init_signal s;

        while (!seen && fd_recv(HOLDER, &s, sizeof s, NULL, NULL, 0) == (ssize_t)sizeof s)
                seen = s.type == INIT_SEEN;
}

/* Everything the program left behind goes, so that its use of the machine is known, and then we. */
static _Noreturn void end(int status) {
        struct init_word w = {.type = INIT_ENDED, .status = status};
        struct rusage all;

        (void)kill(-1, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
                ;
        if (getrusage(RUSAGE_CHILDREN, &all) == 0) {
                w.cpu_ms = (uint64_t)(all.ru_utime.tv_sec + all.ru_stime.tv_sec) * 1000 +
                           (uint64_t)(all.ru_utime.tv_usec + all.ru_stime.tv_usec) / 1000;
                w.peak_bytes = (uint64_t)all.ru_maxrss * 1024;
        }
        int failed = say(&w, -1) < 0;
        await_seen();
        _exit(failed);
}

static _Noreturn void watch(const struct init_program *p, int signals) {
        struct init_cpu cpu;

        init_cpu_init(&cpu, message.config.cpu_ms);
        for (;;) {
                struct pollfd fds[] = {{.fd = HOLDER, .events = POLLIN},
                                       {.fd = signals, .events = POLLIN}};
                int status = 0;

                if (poll(fds, ELEMENTS(fds), init_cpu_wait_ms(&cpu)) < 0 && errno != EINTR)
                        _exit(1);
                if (fds[1].revents && reap(signals, p, &status))
                        end(status);
                if (fds[0].revents && !obey(p))
                        _exit(0);
                if (init_cpu_spent(&cpu)) {
                        struct init_word w = {.type = INIT_CPU};
                        if (say(&w, -1) < 0)
                                _exit(1);
                }
        }
}

int main(int argc, char **argv) {
        struct init_program program;
        struct init_word w = {.type = INIT_STARTED};
        const char *stage = "init";
        int stdio[3] = {-1, -1, -1}, signals, r;

        if (argc == 3 && str_eq(argv[1], "--probe"))
                return init_probe(argv[2]);
        r = prepare(&signals);
        if (r == 0)
                r = hear_config(stdio);
        if (r == 0)
                r = init_program_start(&message.config, message.strings, stdio, &program, &stage);
        if (r < 0) {
                w.type = INIT_FAILED;
                w.error = r;
                snprintf(w.stage, sizeof w.stage, "%s", stage);
                return say(&w, -1) < 0;
        }
        if (say(&w, program.master) < 0)
                return 1;
        watch(&program, signals);
}
