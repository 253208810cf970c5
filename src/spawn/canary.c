/* The contract is in spawn/canary.h. What is tried stands in hold/init_probe.c. */
#include "spawn/canary.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "spawn/cage.h"

#define PATIENCE_MS 10000u

/* bubblewrap binds what the user's uid can reach by name, so each folder above must let it through. */
static int check_reach(const char *path) {
        char upto[PATH_MAX];

        if (str_copy(upto, sizeof upto, path) < 0)
                return -ENAMETOOLONG;
        for (char *slash = upto + 1;; slash++) {
                slash += strcspn(slash, "/");
                char kept = *slash;
                *slash = '\0';
                if (access(upto, X_OK) < 0) {
                        dprintf(STDOUT_FILENO, "%s cannot be reached by uid %u (%s)", upto,
                                (unsigned)geteuid(), strerrordesc_np(errno));
                        return -EACCES;
                }
                *slash = kept;
                if (kept == '\0')
                        return 0;
        }
}

static _Noreturn void child(const struct launcher *l, int fds[SETUP_END], int out) {
        const char *args[] = {"--probe", l->data, NULL};
        int r = 0;

        fds[SETUP_BWRAP] = l->bwrap;
        fds[SETUP_INIT] = l->init;
        if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
                r = -errno;
        if (r == 0)
                r = launch_place(fds);
        if (r == 0)
                r = launch_become(l->root, l->uid_base);
        if (r == 0)
                r = check_reach(l->data);
        if (r == 0) {
                r = cage_exec(args);
                dprintf(STDOUT_FILENO, "bubblewrap cannot be executed (%s)", strerrordesc_np(-r));
        }
        _exit(1);
}

/* What it says until it ends; as much as there is room for. */
static int listen_to(int out, char *text, size_t size) {
        uint64_t until = clock_mono_ms() + PATIENCE_MS;
        char rest[256];
        size_t n = 0;

        for (;;) {
                struct pollfd p = {.fd = out, .events = POLLIN};
                uint64_t now = clock_mono_ms();
                int r = now < until ? poll(&p, 1, (int)(until - now)) : 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (r < 0)
                        return -errno;
                ssize_t k = n < size - 1 ? read(out, text + n, size - 1 - n)
                                         : read(out, rest, sizeof rest);
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                if (n < size - 1)
                        n += (size_t)k;
        }
        while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
                n--;
        text[n] = '\0';
        return 0;
}

static int judge(pid_t pid, int out, char *ret_text, size_t size) {
        int status, r = listen_to(out, ret_text, size);

        if (r < 0)
                (void)kill(pid, SIGKILL);
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        if (r == -ETIMEDOUT)
                snprintf(ret_text, size, "the cage did not answer within %u s", PATIENCE_MS / 1000);
        if (r < 0)
                return r;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (ret_text[0] == '\0')
                snprintf(ret_text, size, "the cage ended with status %d", status);
        return -EINVAL;
}

int canary_run(const struct launcher *l, char *ret_text, size_t size) {
        struct cage cage = {.data = l->data, .tmp_bytes = 1 << 20};
        int fds[SETUP_END], pipes[2];
        int r;

        for (int i = 0; i < SETUP_END; i++)
                fds[i] = -1;
        ret_text[0] = '\0';
        if (pipe2(pipes, O_CLOEXEC) < 0)
                return -errno;
        r = launch_reopen(l->filter, &fds[SETUP_FILTER]);
        if (r == 0)
                r = cage_files(&cage, fds);
        if (r == 0) {
                pid_t pid = fork();
                if (pid == 0)
                        child(l, fds, pipes[1]);
                r = pid < 0 ? -errno : 0;
                pipes[1] = fd_close(pipes[1]);
                if (r == 0)
                        r = judge(pid, pipes[0], ret_text, size);
        }
        for (int i = 0; i < SETUP_END; i++)
                fds[i] = fd_close(fds[i]);
        fd_close(pipes[0]);
        fd_close(pipes[1]);
        return r;
}
