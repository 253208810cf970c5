/* The contract is in process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "client/ws.h"

/* A pipe's two ends, close-on-exec; the child's is given to it by dup2. */
struct pipe {
        int read, write;
};

static int make_pipe(bool wanted, struct pipe *ret) {
        int fds[2] = {-1, -1};

        if (wanted && pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        *ret = (struct pipe){fds[0], fds[1]};
        return 0;
}

static void pipe_done(struct pipe *p) {
        fd_close(p->read);
        fd_close(p->write);
}

static int plan_files(posix_spawn_file_actions_t *a, const struct process_plan *plan, int in,
                      int out) {
        int r = in >= 0 ? posix_spawn_file_actions_adddup2(a, in, 0)
                        : posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0);

        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, out >= 0 ? out : plan->log, 1);
        if (r == 0)
                r = posix_spawn_file_actions_adddup2(a, plan->log, 2);
        return -r;
}

/* In a process group of its own: an interrupt from the keyboard is ours to handle. */
static int plan_attributes(posix_spawnattr_t *at) {
        int r = posix_spawnattr_setflags(at, POSIX_SPAWN_SETPGROUP);

        return r ? -r : -posix_spawnattr_setpgroup(at, 0);
}

static int spawn(const struct process_plan *plan, int in, int out, pid_t *ret) {
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;

        if (posix_spawn_file_actions_init(&actions) != 0)
                return -ENOMEM;
        if (posix_spawnattr_init(&attributes) != 0) {
                posix_spawn_file_actions_destroy(&actions);
                return -ENOMEM;
        }
        int r = plan_files(&actions, plan, in, out);
        if (r == 0)
                r = plan_attributes(&attributes);
        if (r == 0)
                r = -posix_spawn(ret, plan->program, &actions, &attributes,
                                 (char *const *)(uintptr_t)plan->argv, environ);
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        return r;
}

int process_start(const struct process_plan *plan, struct process *ret) {
        _cleanup_(pipe_done) struct pipe in = {-1, -1}, out = {-1, -1};
        struct process p = PROCESS_NONE;
        int r = make_pipe(plan->in, &in);

        if (r == 0)
                r = make_pipe(plan->out, &out);
        if (r == 0)
                r = spawn(plan, in.read, out.write, &p.pid);
        if (r < 0)
                return r;
        p.pidfd = (int)syscall(SYS_pidfd_open, p.pid, 0);
        p.in = TAKE_FD(in.write);
        p.out = TAKE_FD(out.read);
        *ret = p;
        return 0;
}

int process_wait(struct process *p, uint64_t deadline_ns) {
        int status, r = fd_wait(p->pidfd, POLLIN, deadline_ns);

        if (r < 0)
                return r;
        do
                r = waitpid(p->pid, &status, 0);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        p->pid = 0;
        process_end(p);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void process_end(struct process *p) {
        if (p->pid > 0) {
                (void)kill(p->pid, SIGKILL);
                while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
                        ;
                p->pid = 0;
        }
        p->pidfd = fd_close(p->pidfd);
        p->in = fd_close(p->in);
        p->out = fd_close(p->out);
}
