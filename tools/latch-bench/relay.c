/* The contract is in relay.h. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define GATHER_BYTES 65536u /* a read of a pty gives 4 KiB at most */

static char bytes[GATHER_BYTES];

/* All that the pty has, in one write. False: the program has ended, or the client. */
static bool carry_output(int tty, int sock) {
        size_t n = 0;
        ssize_t k;

        while (n < sizeof bytes && (k = read(tty, bytes + n, sizeof bytes - n)) > 0)
                n += (size_t)k;
        return n > 0 && fd_write_all(sock, bytes, n) == 0;
}

static bool carry_input(int sock, int tty) {
        ssize_t n = read(sock, bytes, sizeof bytes);
        size_t at = 0;

        while (n > 0 && at < (size_t)n) {
                ssize_t k = write(tty, bytes + at, (size_t)n - at);
                if (k > 0)
                        at += (size_t)k;
                else if (errno != EAGAIN || poll(&(struct pollfd){tty, POLLOUT, 0}, 1, 1000) <= 0)
                        return false;
        }
        return n > 0;
}

static void carry(int sock, int tty) {
        struct pollfd p[2] = {{.fd = tty, .events = POLLIN}, {.fd = sock, .events = POLLIN}};

        for (;;) {
                if (poll(p, 2, -1) < 0)
                        return;
                if (p[1].revents && !carry_input(sock, tty))
                        return;
                if (p[0].revents && !carry_output(tty, sock))
                        return;
        }
}

/* Of what its parent has open it keeps its socket: a connection that is held here would not end there. */
static _Noreturn void relay(int sock, const char *const *argv) {
        const struct winsize size = {.ws_row = 24, .ws_col = 80};
        int tty;
        pid_t child;

        if (dup2(sock, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0u, 0) < 0)
                _exit(EXIT_FAILURE);
        child = forkpty(&tty, NULL, NULL, &size);
        if (child == 0) {
                if (setenv("TERM", "xterm-256color", 1) == 0)
                        execv(argv[0], (char *const *)(uintptr_t)argv);
                _exit(127);
        }
        if (child > 0 && fd_set_nonblock(tty, true) == 0)
                carry(STDERR_FILENO + 1, tty);
        if (child > 0)
                (void)kill(child, SIGKILL);
        _exit(EXIT_SUCCESS);
}

int relay_start(const char *const *argv, int *ret_fd, pid_t *ret) {
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        *ret = fork();
        if (*ret == 0)
                relay(fds[1], argv);
        fd_close(fds[1]);
        *ret_fd = fds[0];
        if (*ret > 0)
                return 0;
        *ret = 0;
        *ret_fd = fd_close(*ret_fd);
        return -EAGAIN;
}

void relay_end(pid_t *relay_pid) {
        while (*relay_pid > 0 && waitpid(*relay_pid, NULL, 0) < 0 && errno == EINTR)
                ;
        *relay_pid = 0;
}
