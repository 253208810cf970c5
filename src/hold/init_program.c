/* The contract is in hold/init_program.h. */
#include "hold/init_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "base/child.h"
#include "base/fd.h"
#include "spawn/spec_check.h"

#define OPEN_FILES_SOFT 1024u
#define OPEN_FILES_HARD 4096u

/* ---- in the child, until exec ---- */

struct failure {
        int error;
        char stage[60];
};

static int limit(int resource, uint64_t soft, uint64_t hard) {
        struct rlimit r;

        if (getrlimit(resource, &r) < 0)
                return -errno;
        r.rlim_max = MIN((rlim_t)hard, r.rlim_max);
        r.rlim_cur = MIN((rlim_t)soft, r.rlim_max);
        return setrlimit(resource, &r) < 0 ? -errno : 0;
}

/* Time is also counted for the whole tree (latch_init_main.c); this catches one process that spins. */
static int set_limits(const struct init_config *c) {
        uint64_t cpu_s = (c->cpu_ms + 999) / 1000;
        int r = limit(RLIMIT_CORE, 0, 0);

        if (r == 0)
                r = limit(RLIMIT_NOFILE, OPEN_FILES_SOFT, OPEN_FILES_HARD);
        if (r == 0 && c->cpu_ms > 0)
                r = limit(RLIMIT_CPU, cpu_s + 1, cpu_s + 3);
        if (r == 0 && c->memory_bytes > 0)
                r = limit(RLIMIT_DATA, c->memory_bytes, c->memory_bytes);
        if (r == 0 && c->processes > 0) /* init is one of them */
                r = limit(RLIMIT_NPROC, c->processes + 1, c->processes + 1);
        return r;
}

static int take_terminal(int slave) {
        if (ioctl(slave, TIOCSCTTY, 0) < 0)
                return -errno;
        for (int i = 0; i < 3; i++)
                if (dup2(slave, i) < 0)
                        return -errno;
        return 0;
}

/* 3.. are close-on-exec, and none of the three is 0, 1 or 2: those are init's. */
static int take_pipes(const int stdio[3]) {
        for (int i = 0; i < 3; i++)
                if (dup2(stdio[i], i) < 0)
                        return -errno;
        return 0;
}

static int reset_signals(void) {
        sigset_t none;

        for (int s = 1; s < NSIG; s++)
                (void)signal(s, SIG_DFL); /* some cannot be set and are as they must be */
        sigemptyset(&none);
        return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

static int become(const struct init_config *c, const struct init_program *p, const int stdio[3],
                  const char **stage) {
        int r;

        *stage = "session";
        if (setsid() < 0)
                return -errno;
        *stage = "terminal";
        r = p->slave >= 0 ? take_terminal(p->slave) : take_pipes(stdio);
        if (r < 0)
                return r;
        *stage = "cwd";
        if (chdir(c->cwd) < 0)
                return -errno;
        *stage = "limits";
        r = set_limits(c);
        if (r < 0)
                return r;
        *stage = "signals";
        return reset_signals();
}

static void split(char *strings, uint32_t n, char **ret) {
        for (uint32_t i = 0; i < n; i++) {
                ret[i] = strings;
                strings += strlen(strings) + 1;
        }
        ret[n] = NULL;
}

struct birth { /* of the program */
        const struct init_config *config;
        char *strings;
        const int *stdio;
        const struct init_program *program;
        int errors;
};

static int child(void *birth) {
        static char *argv[SPAWN_ARGS_MAX + 16], *env[SPAWN_ENV_MAX + 16];
        const struct birth *b = birth;
        const struct init_config *c = b->config;
        struct failure f = {0};
        const char *stage = "";

        split(b->strings, c->argc, argv);
        char *rest = b->strings;
        for (uint32_t i = 0; i < c->argc; i++)
                rest += strlen(rest) + 1;
        split(rest, c->envc, env);
        f.error = become(c, b->program, b->stdio, &stage);
        if (f.error == 0) {
                stage = argv[0];
                execve(argv[0], argv, env);
                f.error = -errno;
        }
        snprintf(f.stage, sizeof f.stage, "%s", stage);
        (void)!write(b->errors, &f, sizeof f);
        return 127;
}

/* ---- in init ---- */

static int open_terminal(const struct init_config *c, struct init_program *p) {
        struct winsize size = {.ws_row = c->rows, .ws_col = c->cols};
        struct termios t;

        p->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (p->master < 0)
                return -errno;
        if (unlockpt(p->master) < 0)
                return -errno;
        p->slave = ioctl(p->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (p->slave < 0)
                return -errno;
        if (ioctl(p->master, TIOCSWINSZ, &size) < 0 || tcgetattr(p->slave, &t) < 0)
                return -errno;
        t.c_iflag |= IUTF8; /* so that erasing takes a whole character */
        return tcsetattr(p->slave, TCSANOW, &t) < 0 ? -errno : 0;
}

/* Nothing comes if the program was executed: the pipe's other end closed with it. */
static int hear(int errors, const char **ret_stage) {
        static struct failure f;
        ssize_t k = fd_read_full(errors, &f, sizeof f);

        if (k < 0)
                return (int)k;
        if (k == 0)
                return 0;
        if (k != (ssize_t)sizeof f || f.error >= 0)
                return -EPROTO;
        f.stage[sizeof f.stage - 1] = '\0';
        *ret_stage = f.stage;
        return f.error;
}

int init_program_start(const struct init_config *c, char *strings, int stdio[3],
                       struct init_program *ret, const char **ret_stage) {
        struct init_program p = {.pid = -1, .master = -1, .slave = -1};
        int errors[2], r;

        *ret_stage = "terminal";
        r = c->tty ? open_terminal(c, &p) : 0;
        if (r < 0)
                return r;
        *ret_stage = "fork";
        if (pipe2(errors, O_CLOEXEC) < 0)
                return -errno;
        p.pid = child_start(child, &(struct birth){c, strings, stdio, &p, errors[1]});
        fd_close(errors[1]);
        for (int i = 0; i < 3; i++)
                stdio[i] = fd_close(stdio[i]);
        r = p.pid < 0 ? p.pid : hear(errors[0], ret_stage);
        fd_close(errors[0]);
        if (r == 0)
                *ret = p;
        return r;
}

int init_program_signal(const struct init_program *p, int signal) {
        pid_t group = p->pid;

        if (p->master >= 0 && (ioctl(p->master, TIOCGPGRP, &group) < 0 || group <= 0))
                group = p->pid;
        return kill(-group, signal) < 0 ? -errno : 0;
}
